"""Types of files, memory and entity rows on Spark: the answers that DuckDB gives, all of them in few jobs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import hitherto as ht
import pandas as pd
import pyarrow as pa
import pytest

from tests.runtime.test_empty_sources import FRAMES, expected, sources
from tests.runtime.test_stored_types import (
    CASES,
    CHANGES,
    FORMS,
    KEYS,
    ODD_ROWS,
    ROWS,
    WITH_FEATURES,
    of_forms,
    of_keys,
    us,
    view,
    write,
)


@pytest.mark.deep
def test_what_files_store_is_read_in_one_form(spark: Any, tmp_path: Path) -> None:
    uses = []
    for number, (name, (files, _)) in enumerate(CASES.items()):
        files(tmp_path / str(number))
        source = ht.FileSource(tmp_path / f"{number}/*.parquet", timestamp_field="ts", unique=True)
        uses.append(view(source, features=WITH_FEATURES.get(name)).with_name(f"v{number}"))
    store = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark))
    found = store.get_historical_features(ROWS, uses, full_feature_names=True).to_arrow()
    for number, (name, (_, features)) in enumerate(CASES.items()):
        for column, values in features.items():
            feature = f"v{number}__{column}"
            assert found.schema.field(feature).type == values.type, (name, column)
            assert found[feature].to_pylist() == values.to_pylist(), (name, column)


def test_a_file_that_is_rewritten_otherwise_after_planning_is_told(spark: Any, tmp_path: Path) -> None:
    columns, message = CHANGES["another type"]
    assert columns is not None
    write(tmp_path / "1.parquet", k=[1], ts=us(0), x=[7])
    made = view(ht.FileSource(tmp_path / "1.parquet", timestamp_field="ts"))
    job = ht.FeatureStore([made], engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, made)
    write(tmp_path / "1.parquet", **columns)
    for run in (job.to_arrow, job.to_spark, lambda: job.to_parquet(tmp_path / "out")):
        with pytest.raises(ht.SourceError, match=rf"1\.parquet.*{message}"):
            run()


def test_timestamps_that_spark_writes_by_default_are_read_by_both(spark: Any, tmp_path: Path) -> None:
    kept = spark.conf.get("spark.sql.parquet.outputTimestampType", "INT96")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    try:
        text = "SELECT 1L AS k, TIMESTAMP '1970-01-01 00:00:00Z' AS ts, TIMESTAMP '9999-12-31 00:00:00Z' AS until"
        spark.sql(text).write.parquet(f"file://{tmp_path}/written")
    finally:
        spark.conf.set("spark.sql.parquet.outputTimestampType", kept)
    made = view(ht.FileSource(tmp_path / "written/*.parquet", timestamp_field="ts"))
    for engine in (None, ht.SparkComputeEngine(spark)):
        job = ht.FeatureStore([made], engine=engine).get_historical_features(ROWS, made)
        assert job.to_arrow()["until"].cast(pa.int64()).to_pylist() == [253_402_214_400_000_000, None, None, None]


@pytest.mark.deep
def test_keys_and_features_are_of_any_form_of_their_type(spark: Any) -> None:
    uses, columns = [], {}
    for number, name in enumerate(KEYS):
        source, rows = of_keys(name, swapped=True)
        made = ht.FeatureView(f"v{number}", entities=["k"], source=source, features=["x"])
        uses.append(made.with_join_key_map({"k": f"k{number}"}))
        columns[f"k{number}"] = rows["k"]
    forms = ht.FeatureView("forms", entities=["k"], source=of_forms(), features=list(FORMS))
    spine = pa.table({**columns, "k": [1, 2], "event_timestamp": us(10, 10)})
    store = ht.FeatureStore([*uses, forms], engine=ht.SparkComputeEngine(spark))
    found = store.get_historical_features(spine, [*uses, forms], full_feature_names=True).to_arrow()
    for number, name in enumerate(KEYS):
        assert found[f"v{number}__x"].to_pylist() == [2, 1], name
        assert found[f"k{number}"].equals(spine[f"k{number}"])
    for name, (_, values) in FORMS.items():
        assert found.schema.field(f"forms__{name}").type == values.type
        assert found[f"forms__{name}"].to_pylist() == values.to_pylist(), name


def test_a_source_without_rows_has_the_types_that_are_needed(spark: Any, tmp_path: Path) -> None:
    rows = pa.table({"k": ["a", "b"], "event_timestamp": us(10, 10)})
    for source in sources(FRAMES["polars"], tmp_path):
        expected(source, rows, ht.SparkComputeEngine(spark), ["k"])
    made = view(of_forms(), features=["s"])
    nothing = pd.DataFrame(columns=["k", "at"])
    found = ht.FeatureStore([made], engine=ht.SparkComputeEngine(spark)).get_historical_features(nothing, made)
    assert found.to_arrow().schema == found.schema


def test_paths_with_a_colon_are_read(spark: Any, tmp_path: Path) -> None:
    write(tmp_path / "a:b/at=2024-01-01T00:00/c:d.parquet", k=[1], ts=us(0), x=[7])
    made = view(ht.FileSource(tmp_path / "a:b/*/c:*.parquet", timestamp_field="ts"))
    job = ht.FeatureStore([made], engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, made)
    assert job.to_arrow()["x"].to_pylist() == [7, None, None, None]


@pytest.mark.deep
def test_pandas_and_days_are_entity_rows(spark: Any) -> None:
    made = view(ht.ArrowSource(pa.table({"k": [1, 2], "ts": us(0, 0), "x": [1, 2]}), timestamp_field="ts"))
    store = ht.FeatureStore([made], engine=ht.SparkComputeEngine(spark))
    frame = pd.DataFrame({"k": [2, 1], "day": [date(2024, 1, 1)] * 2}, index=pd.Index(["b", "a"], name="row"))
    answer = store.get_historical_features(frame, made).to_df()
    assert answer.index.equals(frame.index)
    assert answer["x"].to_list() == [2, 1]
    stayed = store.get_historical_features(spark.createDataFrame(frame), made).to_arrow()
    assert sorted(zip(stayed["k"].to_pylist(), stayed["x"].to_pylist(), strict=True)) == [(1, 1), (2, 2)]
    odd = pa.table({"k": [1], "day": [date(2024, 1, 1)], "map": ODD_ROWS["a union"].slice(0, 1)})
    with pytest.raises(
        ht.UnsupportedError, match=r"to_spark: column 'map' is dense_union.*, which Spark does not have"
    ):
        store.get_historical_features(odd, made).to_spark()

"""Sources without rows, whose columns have no types: each has the type that its view needs, and answers nothing."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NAMES = ["k", "ts", "made", "seq", "status", "amount", "flag", "seen"]
FRAMES: dict[str, Any] = {
    "pandas of objects": pd.DataFrame(columns=NAMES),
    "pandas of floats": pd.DataFrame({name: pd.Series([], dtype=float) for name in NAMES}),
    "polars": pl.DataFrame({name: [] for name in NAMES}),
    "arrow": pa.table({name: [] for name in NAMES}),
}
KEYS = {"integers": pa.array([1, 2]), "texts": pa.array(["a", "b"]), "days": pa.array([date(2024, 1, 1)] * 2)}


def views(source: ht.Source, entities: list[str]) -> list[ht.FeatureView]:
    return [
        ht.FeatureView("latest", entities=entities, source=source, features=["status", "amount"], filter="not flag"),
        ht.FeatureView(
            "sums",
            entities=entities,
            source=source,
            filter="status = 'settled' and hour(seen) > 3",
            columns={"doubled": "amount * 2", "named": "upper(status)"},
            aggregations=[
                ht.Aggregation("doubled", "sum", "7d"),
                ht.Aggregation("amount", "max", "7d", where="status <> 'x'"),
                ht.Aggregation("flag", "bool_and", "7d"),
                ht.Aggregation("named", "last"),
                ht.Aggregation("*", "count", "7d"),
            ],
        ),
    ]


def sources(frame: Any, folder: Path) -> list[ht.Source]:
    table = ht.ArrowSource(frame, timestamp_field="ts").table
    pq.write_table(table, folder / "1.parquet")
    pq.write_table(table, folder / "2.parquet")
    roles: dict[str, Any] = {"timestamp_field": "ts", "created_timestamp_column": "made", "sequence_columns": ["seq"]}
    return [ht.ArrowSource(frame, **roles), ht.FileSource(folder / "*.parquet", **roles)]


def expected(source: ht.Source, rows: pa.Table, engine: ht.ComputeEngine | None, entities: list[str]) -> None:
    uses = views(source, entities)
    store = ht.FeatureStore(uses, engine=engine)
    job = store.get_historical_features(rows, uses, filter_by_created_timestamp=True)
    found = job.to_arrow()
    assert found.schema.equals(job.schema)
    assert found["count_7d"].to_pylist() == [0, 0]
    assert found.schema.field("last_named").type == pa.string()
    assert found.schema.field("bool_and_flag_7d").type == pa.bool_()
    nothing = [name for name in found.column_names[rows.num_columns :] if name != "count_7d"]
    assert all(found[name].null_count == 2 for name in nothing)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("frame", FRAMES)
def test_a_source_without_rows_has_the_types_that_are_needed(frame: str, keys: str, tmp_path: Path) -> None:
    rows = pa.table({"k": KEYS[keys], "event_timestamp": pa.array([datetime(2024, 1, 2)] * 2, pa.timestamp("us"))})
    for source in sources(FRAMES[frame], tmp_path):
        expected(source, rows, None, ["k"])
        expected(source, rows, None, [])


def test_a_view_of_no_rows_is_materialized(tmp_path: Path) -> None:
    uses = views(ht.ArrowSource(FRAMES["polars"], timestamp_field="ts"), ["k"])
    store = ht.FeatureStore(uses, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize(datetime(2024, 1, 1))
    answer = store.get_online_features(uses, [{"k": 1}, {"k": "a"}]).to_dict()
    assert answer["count_7d"] == [0, 0]
    assert answer["amount"] == [None, None]


def test_what_no_type_makes_right_is_told() -> None:
    source = ht.ArrowSource(FRAMES["polars"], timestamp_field="ts")
    view = ht.FeatureView("v", entities=["k"], source=source, filter="amount > 1 and amount = 'x'", features=["amount"])
    with pytest.raises(ht.DefinitionError, match="feature view 'v', filter"):
        ht.FeatureStore([view]).features()
    wrong = ht.ArrowSource(pa.table({"k": pa.array([1]), "ts": pa.nulls(1)}), timestamp_field="ts")
    with pytest.raises(ht.SourceError, match="column 'ts' is null, not a timestamp or date"):
        ht.FeatureStore([ht.FeatureView("v", entities=["k"], source=wrong, columns={"one": "1"})]).features()
    typed = ht.ArrowSource(
        pa.table({"k": pa.array(["a"]).slice(1), "ts": pa.array([], pa.timestamp("us"))}), timestamp_field="ts"
    )
    made = ht.FeatureView("v", entities=["k"], source=typed, columns={"one": "1"})
    rows = pa.table({"k": [1], "event_timestamp": pa.array([0], pa.timestamp("us"))})
    with pytest.raises(ht.SpineError, match="key 'k' is int64, but string in 'arrow'"):
        ht.FeatureStore([made]).get_historical_features(rows, made)


def test_floats_are_floats_also_in_a_source_without_rows() -> None:
    floats = pa.schema({"seq": pa.float64(), "single": pa.float32(), "double": pa.float64()})
    table = pa.schema([("k", pa.int64()), ("ts", pa.timestamp("us")), *floats]).empty_table()
    source = ht.ArrowSource(table, timestamp_field="ts", sequence_columns=["seq"])
    greatest = [ht.Aggregation(name, "max", name=name) for name in floats.names]
    view = ht.FeatureView("view", entities=["k"], source=source, aggregations=greatest)
    rows = pa.table({"k": [1], "event_timestamp": pa.array([0], pa.timestamp("us"))})
    answer = ht.FeatureStore([view]).get_historical_features(rows, view).to_arrow()
    assert [answer.schema.field(name) for name in floats.names] == list(floats)

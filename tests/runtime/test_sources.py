"""Sources as they are read: what is in the files, and in memory when the source was made."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hitherto as ht
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NOON, LATER = datetime(2024, 1, 1, 12), datetime(2024, 1, 2)


def answer(*views: ht.FeatureView, **keys: list[object]) -> dict[str, list[object]]:
    rows = len(next(iter(keys.values())))
    spine = pa.table({**keys, "event_timestamp": pa.array([LATER] * rows, pa.timestamp("us"))})
    return ht.FeatureStore(list(views)).get_historical_features(spine, list(views)).to_arrow().to_pydict()


def test_a_folder_named_like_a_partition_does_not_replace_a_files_own_column(tmp_path: Path) -> None:
    folder = tmp_path / "k=5"
    folder.mkdir()
    pq.write_table(pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [1]}), folder / "e.parquet")
    source = ht.FileSource(folder / "e.parquet", timestamp_field="ts")
    assert answer(ht.FeatureView("v", entities=["k"], source=source), k=[1, 5])["x"] == [1, None]


def test_two_snapshots_of_one_frame_are_two_sources() -> None:
    frame = pd.DataFrame({"k": [1], "ts": [pd.Timestamp(NOON)], "x": [1]})
    first = ht.ArrowSource(frame, timestamp_field="ts")
    frame["x"] = 2
    second = ht.ArrowSource(frame, timestamp_field="ts")
    assert first != second
    one = ht.FeatureView("one", entities=["k"], source=first, columns={"a": "x"}, features=["a"])
    two = ht.FeatureView("two", entities=["k"], source=second, columns={"b": "x"}, features=["b"])
    assert (answer(one, two, k=[1])["a"], answer(one, two, k=[1])["b"]) == ([1], [2])


def test_definitions_can_be_pickled_and_copied() -> None:
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [1]})
    source = ht.ArrowSource(data, timestamp_field="ts", field_mapping={"x": "y"})
    view = ht.FeatureView("v", entities=["k"], source=source, columns={"z": "y + 1"}, tags={"team": "a"})
    for twin in (pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        assert answer(twin, k=[1])["z"] == [2]
        assert dict(twin.tags) == {"team": "a"}
        with pytest.raises(TypeError):
            twin.columns["w"] = "1"  # type: ignore[index]


def test_decimal_keys_of_38_digits_stay_apart_online(tmp_path: Path) -> None:
    digits = "12345678901234567890123456789012345671"
    keys = [Decimal(digits), Decimal(digits) + 1]
    data = pa.table({
        "k": pa.array(keys, pa.decimal128(38, 0)), "ts": pa.array([NOON, NOON], pa.timestamp("us")), "x": [1, 2],
    })  # fmt: skip
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    store.materialize(LATER)
    assert store.get_online_features(view, [{"k": key} for key in keys]).to_dict()["x"] == [1, 2]


def test_a_timestamp_beyond_pythons_calendar_does_not_stop_a_materialization(tmp_path: Path) -> None:
    far = 253_402_300_800_000_000
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": pa.array([far], pa.timestamp("us"))})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    assert store.materialize(LATER).views["v"].rows == 1
    with pytest.raises(ht.StoreError, match="beyond the years 1 to 9999"):
        store.get_online_features(view, [{"k": 1}])


def test_a_decimal_of_more_than_38_digits_is_refused_before_the_run() -> None:
    data = pa.table(
        {"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": pa.array([1]).cast(pa.decimal256(50, 2))}
    )
    with pytest.raises(ht.UnsupportedError, match=r"feature 'x' is decimal256\(50, 2\), which is not supported yet"):
        answer(ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts")), k=[1])


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (pa.nulls(1), "feature 'n' holds nothing but nulls"),
        (pa.array([time(1)], pa.time64("us")), r"feature 'n' is time64\[us\], which is not supported yet"),
    ],
    ids=["nulls", "time"],
)
def test_a_column_that_is_no_feature_is_refused_only_where_it_is_asked_for(odd: pa.Array[Any], why: str) -> None:
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [7], "n": odd})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    store = ht.FeatureStore([view])
    spine = pa.table({"k": [1], "event_timestamp": pa.array([LATER], pa.timestamp("us"))})
    assert store.get_historical_features(spine, "v:x").to_arrow()["x"].to_pylist() == [7]
    assert store.get_historical_features(spine, view[["x"]]).to_arrow()["x"].to_pylist() == [7]
    for asked in ("v:n", view, "v", view[["n"]]):
        with pytest.raises(ht.UnsupportedError, match=why):
            store.get_historical_features(spine, asked)
    assert store.features()["v"].names == ("x",)


def test_a_broken_column_is_one_problem_also_where_it_is_used() -> None:
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": ["a"]})
    source = ht.ArrowSource(data, timestamp_field="ts")
    view = ht.FeatureView("v", entities=["k"], source=source, columns={"z": "x + 'b'"}, features=["z"])
    with pytest.raises(ht.PlanTypeError, match=r"columns 'z'") as raised:
        answer(view, k=[1])
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "is_a_timestamp"),
    [
        ("2024-01-01", True),
        ("2024-01-01 10:00", True),
        ("2024-01-01T10:00:00.123456Z", True),
        ("2024-01-01 10:00:00+02", True),
        ("infinity", False),
        ("epoch", False),
        ("2024-1-1", False),
        ("2024-01-01 (BC)", False),
        ("2024-01-01 24:00:00", False),
        ("2024-01-01 10:00:00.1234567", False),
        ("2024-01-01 10:00:00 America/New_York", False),
    ],
)
def test_a_text_becomes_a_timestamp_in_iso_form_alone(text: str, is_a_timestamp: bool) -> None:
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [text]})
    source = ht.ArrowSource(data, timestamp_field="ts")
    view = ht.FeatureView(
        "v",
        entities=["k"],
        source=source,
        columns={"at": "cast(x as timestamp)", "ok": "at is not null"},
        features=["ok"],
    )
    if is_a_timestamp:
        assert answer(view, k=[1])["ok"] == [True]
    else:
        with pytest.raises(ht.EngineError, match="not a TIMESTAMP"):
            answer(view, k=[1])


def test_an_integer_literal_has_64_bits_under_nullif_and_coalesce() -> None:
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [1]})
    source = ht.ArrowSource(data, timestamp_field="ts")
    columns = {"a": "nullif(2147483647, x) + 1", "b": "coalesce(2147483647, x) + 1", "c": "nullif(2147483647, 5) * 2"}
    view = ht.FeatureView("v", entities=["k"], source=source, columns=columns, features=["a", "b", "c"])
    found = answer(view, k=[1])
    assert (found["a"], found["b"], found["c"]) == ([2147483648], [2147483648], [4294967294])


def test_the_script_answers_float_keys_with_nan_as_the_job_does() -> None:
    import duckdb

    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [7]})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    spine = pa.table({"k": [1.0, float("nan")], "event_timestamp": pa.array([LATER, LATER], pa.timestamp("us"))})
    job = ht.FeatureStore([view]).get_historical_features(spine, view)
    connection = duckdb.connect()
    connection.register("spine", spine)
    connection.register("arrow", data)
    *statements, last = [part for part in job.to_sql().split(";") if part.strip()]
    for statement in statements:
        connection.execute(statement)
    assert connection.sql(last).to_arrow_table()["x"].to_pylist() == job.to_arrow()["x"].to_pylist() == [7, None]


def test_coverage_does_not_count_an_event_between_two_windows() -> None:
    event, asked = datetime(2024, 1, 10), datetime(2024, 1, 13)
    data = pa.table({"k": [1], "ts": pa.array([event], pa.timestamp("us")), "x": [1]})
    aggregations = [ht.Aggregation("*", "count", "1d"), ht.Aggregation("*", "count", "1d", offset="7d")]
    source = ht.ArrowSource(data, timestamp_field="ts")
    view = ht.FeatureView("v", entities=["k"], source=source, aggregations=aggregations)
    spine = pa.table({"k": [1], "event_timestamp": pa.array([asked], pa.timestamp("us"))})
    explanation = ht.FeatureStore([view]).get_historical_features(spine, view).explain("dag", analyze=True)
    assert "v: matched 0, expired 1, unmatched 0; no used event after its row" in str(explanation)


@pytest.mark.parametrize("aggregations", [[], [ht.Aggregation("x", "max", name="x")]], ids=["latest", "max"])
def test_an_unsigned_value_beyond_64_signed_bits_is_an_error(aggregations: list[ht.Aggregation]) -> None:
    ts = pa.array([NOON, NOON], pa.timestamp("us"))
    data = pa.table({"k": [1, 2], "ts": ts, "x": pa.array([2**63 - 1, 2**63], pa.uint64())})
    source = ht.ArrowSource(data, timestamp_field="ts")
    view = ht.FeatureView("v", entities=["k"], source=source, aggregations=aggregations)
    assert answer(view, k=[1])["x"] == [2**63 - 1]
    with pytest.raises(ht.EngineError, match="'x' holds an unsigned value beyond 64 signed bits"):
        answer(view, k=[2])


def test_an_unsigned_value_that_no_row_takes_is_none() -> None:
    ts = pa.array([NOON - timedelta(hours=1), NOON], pa.timestamp("us"))
    data = pa.table({"k": [1, 1], "ts": ts, "x": pa.array([2**64 - 1, 5], pa.uint64())})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    assert answer(view, k=[1])["x"] == [5]


def test_a_macro_that_hides_a_function_of_duckdb_is_refused() -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("CREATE MACRO plus_one(x) AS x + 1")
    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [7]})
    view = ht.FeatureView("v", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"))
    spine = pa.table({"k": [1], "event_timestamp": pa.array([LATER], pa.timestamp("us"))})
    store = ht.FeatureStore([view], engine=ht.LocalComputeEngine(connection=connection))
    assert store.get_historical_features(spine, view).to_arrow()["x"].to_pylist() == [7]
    connection.execute("CREATE MACRO epoch_us(x) AS 13")
    with pytest.raises(ht.EngineError, match="the database defines epoch_us, which hides DuckDB's own"):
        store.get_historical_features(spine, view).to_arrow()


@pytest.mark.parametrize("predicate", ["x > 1", "x >= 1", "x <> 0", "not (x <= 1)"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
def test_nan_in_a_file_is_the_greatest_whatever_its_statistics_say(
    tmp_path: Path, kind: pa.DataType, predicate: str
) -> None:
    ts = pa.array([NOON, NOON], pa.timestamp("us"))
    pq.write_table(pa.table({"k": [1, 2], "ts": ts, "x": pa.array([0.0, float("nan")], kind)}), tmp_path / "e.parquet")
    source = ht.FileSource(tmp_path / "e.parquet", timestamp_field="ts")
    view = ht.FeatureView(
        "v", entities=["k"], source=source, filter=predicate, aggregations=[ht.Aggregation("*", "count", name="n")]
    )
    assert answer(view, k=[1, 2])["n"] == [0, 1]
    counted = ht.FeatureView(
        "w", entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count", where=predicate, name="n")]
    )
    assert answer(counted, k=[1, 2])["n"] == [0, 1]

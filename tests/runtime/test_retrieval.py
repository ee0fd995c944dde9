"""What a job gives: every spine row once, in its order, untouched, with its features, in every form."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import hitherto as ht
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.runtime.sinks.parquet import ParquetSink
from hitherto.runtime.sinks.sink import written


def us(*times: int | None) -> pa.Array:
    return pa.array(times, pa.timestamp("us"))


EVENTS = pa.table({"user_id": [1, 1, 2, 2], "ts": us(10, 20, 10, 30), "amount": [1.0, 2.0, 3.0, 4.0]})
SPINE = pa.table({"user_id": [2, 1, 3, 1], "t": us(25, 15, 15, 25), "note": ["a", None, "c", "d"]})
LATEST = [3.0, 1.0, None, 2.0]


def view(name: str = "spend", data: Any = EVENTS, *, source: Any = None, **changes: Any) -> ht.FeatureView:
    given: dict[str, Any] = {"entities": ["user_id"], "source": source or ht.ArrowSource(data, timestamp_field="ts")}
    return ht.FeatureView(name, **given | changes)


def windows(name: str = "sums", **changes: Any) -> ht.FeatureView:
    return view(name, aggregations=[ht.Aggregation("amount", "sum", "10us"), ht.Aggregation("*", "count")], **changes)


def job(spine: Any = SPINE, *views: Any, engine: ht.ComputeEngine | None = None, **options: Any) -> ht.RetrievalJob:
    used = list(views) or [view()]
    return ht.FeatureStore(used, engine=engine).get_historical_features(spine, used, **options)


def test_a_job_is_lazy(tmp_path: Path) -> None:
    pq.write_table(EVENTS, tmp_path / "tx.parquet")
    lazy = job(SPINE, view(source=ht.FileSource(tmp_path / "tx.parquet", timestamp_field="ts")))
    assert repr(lazy) == "RetrievalJob(4 rows, amount)"
    pq.write_table(EVENTS.slice(0, 1), tmp_path / "tx.parquet")
    assert lazy.to_arrow()["amount"].to_pylist() == [None, 1.0, None, 1.0]


def test_a_job_can_be_run_again() -> None:
    lazy = job()
    assert lazy.to_arrow() == lazy.to_arrow()


def test_files_are_listed_once_when_the_job_is_made(tmp_path: Path) -> None:
    pq.write_table(EVENTS.slice(0, 1), tmp_path / "a.parquet")
    lazy = job(SPINE, view(source=ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")))
    pq.write_table(EVENTS, tmp_path / "b.parquet")
    assert lazy.to_arrow()["amount"].to_pylist() == [None, 1.0, None, 1.0]


def test_entity_rows_are_taken_in_when_the_job_is_made() -> None:
    spine = pd.DataFrame({"user_id": [1], "t": [pd.Timestamp(25, unit="us")]})
    lazy = job(spine)
    spine.loc[0, "user_id"] = 2
    assert lazy.to_arrow()["amount"].to_pylist() == [2.0]


@pytest.mark.parametrize(
    "read",
    [
        lambda lazy, path: lazy.to_arrow(),
        lambda lazy, path: lazy.to_batches().read_all(),
        lambda lazy, path: pa.table(lazy),
        lambda lazy, path: pa.Table.from_pandas(lazy.to_df(), schema=lazy.schema, preserve_index=False),
        lambda lazy, path: lazy.to_polars().to_arrow().cast(lazy.schema),
        lambda lazy, path: pl.DataFrame(lazy).to_arrow().cast(lazy.schema),
        lambda lazy, path: pq.read_table(lazy.to_parquet(path / "answer.parquet")),
        lambda lazy, path: duckdb.arrow(lazy.to_batches()).to_arrow_table(),
    ],
    ids=["arrow", "batches", "stream", "pandas", "polars", "polars stream", "parquet", "duckdb"],
)
def test_every_form_gives_the_same_table(read: Any, tmp_path: Path) -> None:
    lazy = job(SPINE, view(), windows())
    assert read(lazy, tmp_path) == lazy.to_arrow()


@pytest.mark.parametrize("rows", [0, 4], ids=["empty", "full"])
def test_the_schema_is_known_before_the_run_and_is_that_of_the_answer(rows: int) -> None:
    lazy = job(SPINE.slice(0, rows), view(), windows(), full_feature_names=True)
    assert lazy.to_arrow().schema.equals(lazy.schema, check_metadata=True)
    assert lazy.to_batches().schema.equals(lazy.schema, check_metadata=True)
    assert lazy.schema.names == ["user_id", "t", "note", "spend__amount", "sums__sum_amount_10us", "sums__count"]
    assert lazy.to_arrow().num_rows == rows


def test_an_empty_source_answers_every_row_with_nothing() -> None:
    data = EVENTS.slice(0, 0)
    table = job(SPINE, view(data=data), windows(data=data)).to_arrow()
    assert table.select(["amount", "sum_amount_10us", "count"]).to_pydict() == {
        "amount": [None] * 4,
        "sum_amount_10us": [None] * 4,
        "count": [0] * 4,
    }


def test_in_memory_data_is_taken_as_it_is_when_the_source_is_made() -> None:
    data = EVENTS.to_pandas()
    made = view(data=data)
    data["amount"] += 100
    data.loc[0, "user_id"] = 9
    assert job(SPINE, made).to_arrow()["amount"].to_pylist() == LATEST


def test_spine_rows_come_back_in_order_with_duplicates() -> None:
    spine = pa.concat_tables([SPINE, SPINE.slice(1, 2), SPINE])
    table = job(spine).to_arrow()
    assert table.drop(["amount"]) == spine
    assert table["amount"].to_pylist() == [*LATEST, *LATEST[1:3], *LATEST]


def test_many_rows_keep_their_order_through_every_form(tmp_path: Path) -> None:
    count = 200_000
    spine = pa.table({"user_id": pa.array(range(count)), "t": us(*[15] * count)})
    lazy = job(spine)
    expected = [None, 1.0, 3.0, *[None] * (count - 3)]
    assert lazy.to_arrow()["amount"].to_pylist() == expected
    batches = lazy.to_batches().read_all()
    assert batches["user_id"].to_pylist() == list(range(count))
    assert batches["amount"].to_pylist() == expected


def test_spine_columns_come_back_untouched() -> None:
    zone = "Europe/Berlin"
    columns = {
        "user_id": pa.array([2, 1], pa.int16()),
        "t": pa.array([25, 15], pa.timestamp("us", zone)),
        "second": pa.array([1, None], pa.timestamp("s", "Asia/Tokyo")),
        "nano": pa.array([1, 2], pa.timestamp("ns")),
        "label": pa.array(["x", None]).dictionary_encode(),
        "wide": pa.array(["x", "y"], pa.large_string()),
        "nested": pa.array([[1, 2], None]),
        "pair": pa.array([{"a": 1}, None]),
        "clock": pa.array([1, 2], pa.time64("us")),
        "money": pa.array([Decimal("1.50"), None]),
        "half": pa.array([1.5, None], pa.float32()),
        "nothing": pa.nulls(2),
    }
    fields = [pa.field(name, column.type, metadata={"of": name}) for name, column in columns.items()]
    spine = pa.Table.from_arrays([*columns.values()], schema=pa.schema(fields, metadata={"made": "here"}))
    lazy = job(spine, entity_timestamp="t")
    for table in (lazy.to_arrow(), lazy.to_batches().read_all()):
        assert table.select(spine.column_names).equals(spine)
        assert table.schema.metadata == {b"made": b"here"}
        assert table.schema.field("label").metadata == {b"of": b"label"}
        assert table["amount"].to_pylist() == [3.0, 1.0]


def test_a_chunked_spine_with_other_dictionaries_in_each_chunk_comes_back() -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()]
    spine = SPINE.append_column("label", pa.chunked_array(chunks))
    for table in (job(spine).to_arrow(), job(spine).to_batches().read_all()):
        assert table["label"].to_pylist() == ["a", "b", "c", "a"]
        assert table["amount"].to_pylist() == LATEST


INTERNAL = [
    *("row_id", "t", "ts", "bucket", "winner", "matched_ts", "s", "e", "spine"),
    *("created_ts", "key_user_id", "m", "w", "a", "class", "rows"),
]


def test_spine_columns_may_be_called_like_anything_inside() -> None:
    spine = pa.table({"user_id": SPINE["user_id"], "asked": SPINE["t"], **{name: ["x"] * 4 for name in INTERNAL}})
    lazy = job(spine, view(), windows())
    table = lazy.to_arrow()
    assert table.select(spine.column_names) == spine
    assert table["amount"].to_pylist() == LATEST
    assert table["sum_amount_10us"].to_pylist() == [None, 1.0, None, 2.0]
    assert by_hand(lazy, spine, arrow=EVENTS) == table
    assert lazy.explain(analyze=True).to_dict()["analysis"]["views"][0]["matched"] == 3


def test_source_columns_may_be_called_like_anything_inside() -> None:
    names = [name for name in INTERNAL if name != "ts"]
    data = EVENTS
    for name in names:
        data = data.append_column(name, data["amount"])
    spine = SPINE.rename_columns(["user_id", "asked", "note"])
    aggregations = [ht.Aggregation(name, "sum", "10us", name=f"{name}_sum") for name in names]
    table = job(spine, view(data=data), view("sums", data, aggregations=aggregations)).to_arrow()
    for name in names:
        assert table[name].to_pylist() == LATEST
        assert table[f"{name}_sum"].to_pylist() == [None, 1.0, None, 2.0]


HOSTILE = ["select", 'a"b', "a b", "ü", ";--", "x" * 200, "'", "%s{0}", "\\", "a\nb", "$1", "a.b"]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:12])
def test_any_text_can_name_a_column_a_key_a_view_and_a_feature(name: str) -> None:
    key, value, moment = f"{name}k", name, f"{name}t"
    data = pa.table({key: [1, 1, 2], moment: us(10, 20, 10), value: [1.0, 2.0, 3.0]})
    source = ht.ArrowSource(data, timestamp_field=moment)
    quoted = value.replace('"', '""')
    latest = ht.FeatureView(
        name, entities=[key], source=source, columns={f"{name}2": f'"{quoted}" * 2'}, filter=f'"{quoted}" > 0'
    )
    sums = ht.FeatureView(
        f"{name}w", entities=[key], source=source, aggregations=[ht.Aggregation(value, "sum", name=f"{name}s")]
    )
    spine = pa.table({key: [1, 2], f"{name}q": us(15, 25)})
    lazy = job(spine, latest, sums)
    table = lazy.to_arrow()
    assert table[value].to_pylist() == [1.0, 3.0]
    assert table[f"{name}2"].to_pylist() == [2.0, 6.0]
    assert table[f"{name}s"].to_pylist() == [1.0, 3.0]
    assert by_hand(lazy, spine, arrow=data) == table


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:12])
def test_any_text_can_be_a_key_or_a_value(name: str) -> None:
    data = pa.table({"k": [name, "other"], "ts": us(10, 10), "v": [name, "b"]})
    literal = name.replace("'", "''")
    made = ht.FeatureView(
        "texts", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"), filter=f"v = '{literal}'"
    )
    assert job(pa.table({"k": [name, "other"], "t": us(10, 10)}), made).to_arrow()["v"].to_pylist() == [name, None]


def test_a_file_with_a_quote_in_its_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it's;--.parquet"
    pq.write_table(EVENTS, path)
    lazy = job(SPINE, view(source=ht.FileSource(path, timestamp_field="ts")))
    assert lazy.to_arrow()["amount"].to_pylist() == LATEST


@pytest.mark.parametrize("name", ["a*.parquet", "a?.parquet", "a[1].parquet", "[a]1.parquet"])
def test_a_file_whose_name_looks_like_a_glob_is_read_alone(tmp_path: Path, name: str) -> None:
    pq.write_table(EVENTS, tmp_path / "a1.parquet")
    pq.write_table(EVENTS.slice(0, 1), tmp_path / name)
    lazy = job(SPINE, windows(source=ht.FileSource(tmp_path / name, timestamp_field="ts")))
    assert lazy.to_arrow()["count"].to_pylist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "spine",
    [
        SPINE,
        SPINE.to_batches()[0],
        SPINE.to_reader(),
        SPINE.to_pandas(),
        pl.from_arrow(SPINE),
        duckdb.arrow(SPINE),
    ],
    ids=["table", "batch", "reader", "pandas", "polars", "duckdb"],
)
def test_entity_rows_are_anything_tabular(spine: Any) -> None:
    table = job(spine).to_arrow()
    assert table["amount"].to_pylist() == LATEST
    assert table["note"].to_pylist() == ["a", None, "c", "d"]


@pytest.mark.parametrize("as_type", [str, Path])
def test_entity_rows_are_read_from_a_parquet_path(tmp_path: Path, as_type: type) -> None:
    pq.write_table(SPINE, tmp_path / "spine.parquet")
    assert job(as_type(tmp_path / "spine.parquet")).to_arrow()["amount"].to_pylist() == LATEST


def test_a_pandas_answer_has_the_types_of_the_pandas_spine() -> None:
    spine = pd.DataFrame(
        {"user_id": [1.0, None], "t": pd.to_datetime([15, 15], unit="us"), "c": pd.Categorical(["a", "b"])}
    )
    frame = job(spine).to_df()
    pd.testing.assert_frame_equal(frame[["user_id", "t", "c"]], spine)
    assert frame["amount"][0] == 1.0


T0 = datetime(2024, 1, 1, 12, tzinfo=UTC)
TIME_TYPES = [
    pa.date32(),
    pa.date64(),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "America/New_York")),
]


@pytest.mark.parametrize("type_", TIME_TYPES, ids=str)
def test_event_times_spine_times_and_keys_are_instants_of_any_type(type_: pa.DataType) -> None:
    moments = pa.array([T0, T0], pa.timestamp("us", "UTC"))
    if pa.types.is_date(type_):
        typed, start = pa.array([T0.date()] * 2, type_), datetime(2024, 1, 1)
    else:
        typed, start = moments.cast(pa.timestamp("us")).cast(pa.timestamp(type_.unit)), T0.replace(tzinfo=None)
        typed = typed.cast(pa.int64()).cast(type_)
    plain = pa.array([start, start], pa.timestamp("us"))

    as_event = view("a", pa.table({"user_id": [1, 2], "ts": typed, "v": [1, 2]}))
    spine = pa.table({"user_id": [1, 1], "t": pa.array([start, start.replace(year=2023)], pa.timestamp("us"))})
    assert job(spine, as_event).to_arrow()["v"].to_pylist() == [1, None]

    as_spine = pa.table({"user_id": [1, 2], "t": typed})
    asked = view("b", pa.table({"user_id": [1, 2], "ts": plain, "v": [1, 2]}))
    answer = job(as_spine, asked, entity_timestamp="t").to_arrow()
    assert answer["v"].to_pylist() == [1, 2]
    assert answer["t"].type == type_

    keyed = view("c", pa.table({"day": plain[:1], "ts": us(10), "v": [7]}), entities=["day"])
    answer = job(pa.table({"day": typed, "t": us(15, 5)}), keyed, entity_timestamp="t").to_arrow()
    assert answer["v"].to_pylist() == [7, None]


@pytest.mark.parametrize("nanos", [1_500, -1_500])
def test_nanoseconds_are_rounded_up_for_events_and_down_for_the_spine(nanos: int) -> None:
    events = pa.table({"k": [1], "ts": pa.array([nanos], pa.timestamp("ns")), "v": [1]})
    micros = nanos // 1000
    spine = pa.table({"k": [1, 1], "t": us(micros, micros + 1)})
    assert job(spine, view("v", events, entities=["k"])).to_arrow()["v"].to_pylist() == [None, 1]
    events = pa.table({"k": [1, 1], "ts": us(micros, micros + 1), "v": [1, 2]})
    spine = pa.table({"k": [1], "t": pa.array([nanos + 499], pa.timestamp("ns"))})
    assert job(spine, view("v", events, entities=["k"])).to_arrow()["v"].to_pylist() == [1]


@pytest.mark.parametrize("nanos", [2**63 - 1, 2**63 - 2, 2**63 - 1_000])
def test_the_last_nanoseconds_are_instants_like_any_other(nanos: int) -> None:
    spine = pa.table({"user_id": [1, 2], "t": pa.array([nanos, nanos], pa.timestamp("ns"))})
    table = job(spine, view(), windows()).to_arrow()
    assert table["amount"].to_pylist() == [2.0, 4.0]
    assert table["count"].to_pylist() == [2, 2]


def test_a_null_event_time_is_never_visible() -> None:
    data = pa.table({"user_id": [1, 1], "ts": us(None, 10), "amount": [9.0, 1.0]})
    table = job(SPINE, view(data=data), windows(data=data)).to_arrow()
    assert table["amount"].to_pylist() == [None, 1.0, None, 1.0]
    assert table["count"].to_pylist() == [0, 1, 0, 1]


KEYS: dict[str, tuple[pa.DataType, pa.DataType, list[Any]]] = {
    "int8 and int64": (pa.int8(), pa.int64(), [1, 2]),
    "uint64 and int32": (pa.uint64(), pa.int32(), [1, 2]),
    "string and large string": (pa.string(), pa.large_string(), ["", "ü"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), pa.string(), ["a", "b"]),
    "bool": (pa.bool_(), pa.bool_(), [True, False]),
    "date": (pa.date32(), pa.date32(), [date(2024, 1, 1), date(1969, 1, 1)]),
    "timestamps of two zones": (pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("ms", "UTC"), [T0, T0.replace(year=1)]),
    "binary": (pa.binary(), pa.large_binary(), [b"\x00", b""]),
    "decimal": (pa.decimal128(10, 2), pa.decimal128(10, 2), [Decimal("1.50"), Decimal("-0.01")]),
}


@pytest.mark.parametrize(("of_spine", "of_source", "values"), KEYS.values(), ids=KEYS)
def test_keys_are_of_any_scalar_type_and_null_matches_nothing(
    of_spine: pa.DataType, of_source: pa.DataType, values: list[Any]
) -> None:
    data = pa.table({"k": pa.array([*values, None], of_source), "ts": us(10, 10, 10), "v": [1, 2, 3]})
    spine = pa.table({"k": pa.array([*reversed(values), None], of_spine), "asked": us(15, 15, 15)})
    table = job(spine, view("v", data, entities=["k"]), entity_timestamp="asked").to_arrow()
    assert table["v"].to_pylist() == [2, 1, None]
    assert table.select(["k"]) == spine.select(["k"])


def test_composite_keys_match_on_every_column() -> None:
    data = pa.table({"a": [1, 1, 2], "b": ["x", "y", "x"], "ts": us(10, 10, 10), "v": [1, 2, 3]})
    spine = pa.table({"b": ["y", "x", "x", None], "a": [1, 2, 9, 1], "asked": us(15, 15, 15, 15)})
    assert job(spine, view("v", data, entities=["a", "b"])).to_arrow()["v"].to_pylist() == [2, 3, None, None]


def test_features_come_in_the_order_asked() -> None:
    data = EVENTS.append_column("a", EVENTS["amount"]).append_column("b", EVENTS["amount"])
    store = ht.FeatureStore([view(data=data), windows(data=data)])
    asked = ["spend:b", "sums:count", "spend:a", "sums:sum_amount_10us"]
    table = store.get_historical_features(SPINE, asked).to_arrow()
    assert table.column_names[3:] == ["b", "count", "a", "sum_amount_10us"]
    assert table["b"].to_pylist() == LATEST


def test_a_feature_asked_for_twice_comes_once() -> None:
    assert ht.FeatureStore([view()]).get_historical_features(SPINE, ["spend:amount", "spend"]).schema.names[3:] == [
        "amount"
    ]


def test_features_are_views_projections_services_and_texts_in_a_list_or_alone() -> None:
    store = ht.FeatureStore([view(), windows()])
    names = {
        "spend": ["amount"],
        "sums:count": ["count"],
        view(): ["amount"],
        windows()[["count"]]: ["count"],
        ht.FeatureService("both", [view(), "sums:count"]): ["amount", "count"],
    }
    for asked, expected in names.items():
        assert store.get_historical_features(SPINE, asked).schema.names[3:] == expected
        assert store.get_historical_features(SPINE, [asked]).schema.names[3:] == expected


def test_full_feature_names_hold_the_view() -> None:
    table = job(SPINE, view(), windows(), full_feature_names=True).to_arrow()
    assert table.column_names[3:] == ["spend__amount", "sums__sum_amount_10us", "sums__count"]


def test_one_view_answers_for_origin_and_destination() -> None:
    data = pa.table({"airport": ["A", "B"], "ts": us(10, 10), "wind": [1, 2]})
    wind = view("wind", data, entities=["airport"])
    origin = wind.with_name("origin").with_join_key_map({"airport": "from"})
    destination = wind.with_name("destination").with_join_key_map({"airport": "to"})
    spine = pa.table({"from": ["A", "B"], "to": ["B", "C"], "asked": us(15, 15)})
    table = job(spine, origin, destination, full_feature_names=True).to_arrow()
    assert table["origin__wind"].to_pylist() == [1, 2]
    assert table["destination__wind"].to_pylist() == [2, None]


def test_keys_may_be_swapped_between_spine_columns() -> None:
    data = pa.table({"a": [1, 2], "b": [2, 1], "ts": us(10, 10), "v": [12, 21]})
    swapped = view("v", data, entities=["a", "b"]).with_join_key_map({"a": "b", "b": "a"})
    spine = pa.table({"a": [1, 2], "b": [2, 1], "asked": us(15, 15)})
    assert job(spine, swapped).to_arrow()["v"].to_pylist() == [21, 12]


def by_hand(lazy: ht.RetrievalJob, spine: pa.Table, **sources: pa.Table) -> pa.Table:
    """The script of a job, run in a connection of its own."""
    with duckdb.connect() as connection:
        for name, data in {"spine": spine, **sources}.items():
            connection.register(name, data)
        for _ in range(2):
            *before, last = connection.extract_statements(lazy.to_sql())
            for statement in before:
                connection.execute(statement)
            table: pa.Table = connection.sql(last.query).to_arrow_table()
    return table.rename_columns(lazy.schema.names).cast(lazy.schema)


ZONED = EVENTS.set_column(1, "ts", EVENTS["ts"].cast(pa.timestamp("us", "Asia/Tokyo"))).append_column(
    "seen", pa.array([1_001, -1_001, None, 5], pa.timestamp("ns", "America/New_York"))
)
DELAYED: dict[str, Any] = {"timestamp_field": "ts", "data_delay": "5us"}
SCRIPTS: dict[str, list[ht.FeatureView]] = {
    "latest": [view(ttl="12us", filter="amount < 4", columns={"twice": "amount * 2"})],
    "windows": [windows(filter="amount < 4", post_aggregation={"share": "sum_amount_10us / count"})],
    "both": [view(), windows()],
    "several views": [view(), windows(), view("last", EVENTS.slice(0), columns={"x": "amount"}, features=["x"])],
    "delayed": [view(source=ht.ArrowSource(EVENTS, **DELAYED)), windows(source=ht.ArrowSource(EVENTS, **DELAYED))],
    "zoned and nanoseconds": [view(data=ZONED), windows(data=ZONED)],
}


@pytest.mark.parametrize("views", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("spine", [SPINE, SPINE.slice(0, 0)], ids=["full", "empty"])
def test_the_script_gives_the_same_table_by_hand(views: list[ht.FeatureView], spine: pa.Table) -> None:
    lazy = job(spine, *views)
    named: dict[int, pa.Table] = {}
    for made in views:
        named.setdefault(id(made.source.table), made.source.table)  # type: ignore[attr-defined]
    sources = {"arrow" if index == 0 else f"arrow_{index + 1}": data for index, data in enumerate(named.values())}
    assert by_hand(lazy, spine, **sources) == lazy.to_arrow()


TYPED = pa.table({
    "user_id": pa.array([1, 1], pa.int32()), "ts": pa.array([1, 2], pa.timestamp("us", "UTC")),
    "amount": pa.array([1, None], pa.int8()), "naive": pa.array([1, 2], pa.timestamp("us")),
    "zoned": pa.array([1, None], pa.timestamp("ms", "UTC")), "fine": pa.array([1, 2], pa.timestamp("ns", "UTC")),
    "day": pa.array([1, 2], pa.date32()), "number": pa.array([1, 2], pa.decimal128(9, 2)),
    "f": pa.array([1, 2], pa.float32()),
    "list": pa.array([[1], None], pa.list_(pa.timestamp("us", "UTC"))), "flag": [True, None], "bytes": [b"a", b"b"],
})  # fmt: skip


def test_the_script_gives_the_types_of_the_job() -> None:
    spine = pa.table({
        "user_id": pa.array([1], pa.int64()), "t": pa.array([9], pa.timestamp("us", "UTC")),
        "seen": pa.array([1], pa.timestamp("us", "UTC")), "fine": pa.array([1], pa.timestamp("ns")),
        "small": pa.array([1], pa.int8()),
    })  # fmt: skip
    functions = [("zoned", "last", {}), ("zoned", "last_n", {"n": 2}), ("amount", "sum", {}), ("number", "sum", {}),
                 ("f", "max", {}), ("day", "first", {}), ("naive", "max", {}), ("*", "count", {})]  # fmt: skip
    source = ht.ArrowSource(TYPED, timestamp_field="ts", unique=True)
    latest = ht.FeatureView("latest", entities=["user_id"], source=source)
    windowed = ht.FeatureView(
        "w", entities=["user_id"], source=source,
        aggregations=[ht.Aggregation(column, function, **given) for column, function, given in functions],
    )  # fmt: skip
    lazy = ht.FeatureStore([latest, windowed]).get_historical_features(
        spine, [latest, windowed], full_feature_names=True, entity_timestamp="t"
    )
    with duckdb.connect() as connection:
        connection.register("spine", spine)
        connection.register("arrow", TYPED)
        *before, last = connection.extract_statements(lazy.to_sql())
        for statement in before:
            connection.execute(statement)
        table = connection.sql(last.query).to_arrow_table()
    types = {field.name: field.type for field in table.schema}
    assert types == {field.name: plain(field.type) for field in lazy.schema}
    assert table.to_pylist() == lazy.to_arrow().to_pylist()


def plain(type_: pa.DataType) -> pa.DataType:
    """The type with the name that DuckDB gives to the elements of a list."""
    return pa.list_(pa.field("l", type_.value_type)) if pa.types.is_list(type_) else type_


def test_the_first_line_of_a_script_says_what_it_expects(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE spine AS SELECT 1 AS user_id, TIMESTAMP '2024-01-01' AS ts, 5 AS amount")
    engine = ht.LocalComputeEngine(connection=connection)
    for source, name in ((ht.QuerySource("FROM spine", timestamp_field="ts"), "spine_2"), (None, "spine")):
        made = view("v", source=source) if source else view()
        text = ht.FeatureStore([made], engine=engine).get_historical_features(SPINE, made).to_sql()
        assert text.startswith(f'-- The entity rows are expected as a table or view "{name}".\n')
        assert "\n-- The job itself searches events in memory: explain() shows its steps.\n" in text
        assert ('\n-- Sources in memory are expected as "arrow".\n' in text) == (source is None)


def test_the_script_reads_files_where_they_are(tmp_path: Path) -> None:
    pq.write_table(ZONED.slice(0, 2), tmp_path / "a.parquet")
    pq.write_table(ZONED.slice(2), tmp_path / "b.parquet")
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    spine = SPINE.set_column(1, "t", pa.array([25_500, 15_999, 15_000, 25_001], pa.timestamp("ns", "UTC")))
    lazy = job(spine, view(source=source), windows(source=source))
    assert by_hand(lazy, spine) == lazy.to_arrow()
    assert lazy.to_arrow()["amount"].to_pylist() == LATEST


def test_a_source_called_spine_does_not_hide_the_spine(tmp_path: Path) -> None:
    pq.write_table(EVENTS, tmp_path / "spine.parquet")
    lazy = job(SPINE, view("spine", source=ht.FileSource(tmp_path / "spine.parquet", timestamp_field="ts")))
    assert lazy.to_arrow()["amount"].to_pylist() == LATEST
    assert by_hand(lazy, SPINE) == lazy.to_arrow()


@pytest.mark.parametrize("name", ["spine_rows", "training_set", "arrow", "spend_events", "spend_match"])
def test_a_view_may_be_called_like_a_table_inside(name: str) -> None:
    assert job(SPINE, view(name), windows("spend")).to_arrow()["amount"].to_pylist() == LATEST


@pytest.fixture
def connection() -> Any:
    with duckdb.connect() as made:
        yield made


def state_of(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    tables = "SELECT database_name, schema_name, table_name, temporary FROM duckdb_tables() ORDER BY ALL"
    views = (
        "SELECT database_name, schema_name, view_name, temporary FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    )
    settings = "SELECT name, value FROM duckdb_settings() ORDER BY ALL"
    return [connection.execute(query).fetchall() for query in (tables, views, settings)]


def test_a_connection_of_the_users_is_left_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE spend AS SELECT 1 AS one; CREATE TABLE arrow AS SELECT 2 AS two")
    connection.execute("CREATE TEMP TABLE spine_rows AS SELECT 3 AS three; SET TimeZone = 'Asia/Tokyo'")
    connection.execute("SET integer_division = true; SET threads = 1; SET enable_progress_bar = true")
    before = state_of(connection)
    table = job(SPINE, view(), windows(), engine=ht.LocalComputeEngine(connection=connection)).to_arrow()
    assert table["amount"].to_pylist() == LATEST
    assert state_of(connection) == before
    assert connection.execute("FROM spend, arrow, spine_rows").fetchall() == [(1, 2, 3)]


def test_an_open_transaction_of_the_users_stays_open(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE kept AS SELECT 1 AS x")
    connection.execute("BEGIN; INSERT INTO kept VALUES (2)")
    job(engine=ht.LocalComputeEngine(connection=connection)).to_arrow()
    assert connection.execute("SELECT count(*) FROM kept").fetchone() == (2,)
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)


def test_an_error_leaves_the_users_connection_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    before = state_of(connection)
    lazy = overflowing(ht.LocalComputeEngine(connection=connection))
    with pytest.raises(ht.EngineError):
        lazy.to_arrow()
    assert state_of(connection) == before
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_closed_connection_is_an_error_of_ours(connection: duckdb.DuckDBPyConnection) -> None:
    lazy = job(engine=ht.LocalComputeEngine(connection=connection))
    connection.close()
    with pytest.raises(ht.EngineError, match="Connection already closed"):
        lazy.to_arrow()


SETTINGS = [
    "TimeZone = 'America/New_York'",
    "default_null_order = 'nulls_first'",
    "default_order = 'desc'",
    "preserve_insertion_order = false",
    "integer_division = true",
    "ieee_floating_point_ops = false",
    "default_collation = 'nocase'",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_the_users_does_not_change_the_answer(connection: duckdb.DuckDBPyConnection, setting: str) -> None:
    connection.execute(f"SET GLOBAL {setting}")
    views = [view(columns={"half": "user_id / 2", "day": "cast(ts as date)", "inverse": "1 / (amount - 1)"}), windows()]
    texts = pa.table({"note": ["a", "D"], "ts": us(10, 10), "text": ["x", "X"]})
    views.append(view("texts", texts, entities=["note"], columns={"same": "text = 'X'"}))
    spine = pa.concat_tables([SPINE] * 20_000).combine_chunks()
    given = job(spine, *views, engine=ht.LocalComputeEngine(connection=connection)).to_arrow()
    assert given["amount"].to_pylist() == LATEST * 20_000
    assert given["text"].to_pylist()[:4] == ["x", None, None, None]
    assert given.slice(0, 4) == job(SPINE, *views).to_arrow()


def test_a_reader_that_is_dropped_half_way_leaves_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    before = state_of(connection)
    reader = job(engine=ht.LocalComputeEngine(connection=connection)).to_batches()
    reader.read_next_batch()
    reader.close()
    del reader
    assert state_of(connection) == before


def test_two_jobs_can_be_read_at_the_same_time() -> None:
    store = ht.FeatureStore([view(), windows()])
    one = store.get_historical_features(SPINE, "spend").to_batches()
    two = store.get_historical_features(SPINE, "sums").to_batches()
    assert two.read_next_batch().num_rows == one.read_next_batch().num_rows == 4
    assert one.read_all().num_rows == two.read_all().num_rows == 0


def overflowing(engine: ht.ComputeEngine | None = None, **forms: str) -> ht.RetrievalJob:
    data = pa.table({"user_id": [1, 1], "ts": us(1, 2), "cents": [2**62, 2**62]})
    aggregations = [ht.Aggregation("cents", "sum", name="total"), ht.Aggregation("cents", "max")]
    ledger, options = view("ledger", data, aggregations=aggregations), ht.PlannerOptions(forms=forms)
    store = ht.FeatureStore([ledger], engine=engine, planner_options=options)
    return store.get_historical_features(SPINE, ledger)


def test_a_sum_that_does_not_fit_is_an_error_that_names_view_and_aggregate() -> None:
    message = r"feature view 'ledger', (.|\n)*the sum does not fit.*total$"
    with pytest.raises(ht.EngineError, match=message) as raised:
        overflowing().to_arrow()
    assert (raised.value.view, raised.value.node, raised.value.transient) == ("ledger", "ProbeWindows", False)
    with pytest.raises(ht.EngineError, match=message) as raised:
        overflowing(ledger="BucketedWindows").to_arrow()
    error = raised.value
    assert (error.view, error.transient) == ("ledger", False)
    assert error.node == "BucketedWindows"
    assert error.condition in ("ConversionException", "OutOfRangeException")
    assert 'SUM("e"."cents")' in (error.sql or "")


def test_a_sum_at_the_edge_of_int64_fits() -> None:
    data = pa.table({"user_id": [1, 1, 1], "ts": us(1, 2, 3), "cents": [2**62, 2**62, -1]})
    table = job(SPINE, view("ledger", data, aggregations=[ht.Aggregation("cents", "sum")])).to_arrow()
    assert table["sum_cents"].to_pylist() == [None, 2**63 - 1, None, 2**63 - 1]


@pytest.mark.parametrize("text", ["not a number", "interrupt"])
def test_an_error_while_rows_are_read_is_an_engine_error_with_its_sql(text: str) -> None:
    data = pa.table({"user_id": [1], "ts": us(1), "code": [text]})
    lazy = job(SPINE, view("codes", data, columns={"number": "cast(code as bigint)"}))
    for run in (lazy.to_arrow, lambda: lazy.to_batches().read_all()):
        with pytest.raises(ht.EngineError, match=text) as raised:
            run()
        assert (raised.value.view, raised.value.condition) == ("codes", "InvalidInputException")
        assert raised.value.sql


def test_a_parquet_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "answer.parquet"
    assert job().to_parquet(target) == target
    job(SPINE.slice(0, 1)).to_parquet(os.fspath(target))
    assert pq.read_table(target).num_rows == 1
    assert os.listdir(tmp_path) == ["answer.parquet"]


def test_a_parquet_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    written = job().to_parquet(tmp_path / "answer.parquet")
    assert written.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_error_leaves_the_old_parquet_file_and_no_other(tmp_path: Path) -> None:
    target = job().to_parquet(tmp_path / "answer.parquet")
    before = target.read_bytes()
    with pytest.raises(ht.EngineError):
        overflowing().to_parquet(target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["answer.parquet"]


def test_a_parquet_file_that_cannot_be_closed_is_removed_and_the_first_error_stays(tmp_path: Path) -> None:
    batch = pa.record_batch({"x": [1, 2]})
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, kept[1]))  # The disk is full.
        raise KeyboardInterrupt

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt):
            written(ParquetSink(tmp_path / "answer.parquet"), batch.schema, batches())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, ignored)
    assert os.listdir(tmp_path) == []


def test_threads_and_memory_limit_reach_duckdb() -> None:
    engine = ht.LocalComputeEngine(threads=1, memory_limit="200MB")
    assert job(engine=engine).to_arrow()["amount"].to_pylist() == LATEST
    connection = engine.connect()
    reader = connection.read("SELECT current_setting('threads') AS threads, current_setting('memory_limit') AS most")
    assert reader.read_all().to_pylist() == [{"threads": 1, "most": "190.7 MiB"}]
    connection.close()


def test_a_database_file_is_opened_and_left_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "my.db"
    duckdb.connect(os.fspath(path)).close()
    assert job(engine=ht.LocalComputeEngine(os.fspath(path))).to_arrow()["amount"].to_pylist() == LATEST
    with duckdb.connect(os.fspath(path)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


LONG_QUERY = """
    import sys, pyarrow as pa, duckdb, hitherto as ht
    rows = 200_000
    times = pa.array(range(rows), pa.timestamp("us"))
    data = pa.table({"k": [1] * rows, "ts": times, "v": [1.5] * rows})
    aggregations = [ht.Aggregation("v", f, name=f) for f in ("stddev_pop", "var_pop", "sum", "count_distinct")]
    view = ht.FeatureView(
        "long", entities=["k"], source=ht.ArrowSource(data, timestamp_field="ts"), aggregations=aggregations
    )
    connection = duckdb.connect()
    # The event index takes no time for it.
    forms = ht.PlannerOptions(forms={"long": "BucketedWindows"})
    store = ht.FeatureStore([view], engine=ht.LocalComputeEngine(connection=connection), planner_options=forms)
    job = store.get_historical_features(pa.table({"k": [1] * rows, "t": times}), "long")
    print("running", flush=True)
    try:
        job.to_arrow()
    except KeyboardInterrupt:
        print("interrupted", connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone(), flush=True)
"""


@pytest.mark.deep
def test_ctrl_c_ends_a_long_query_at_once_and_leaves_no_table() -> None:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(LONG_QUERY)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(2.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=5)
        assert output == "interrupted (0,)\n"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()

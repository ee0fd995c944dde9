"""Types that files and memory have and a plan reads in one form: units, INT96, uuids, views, frames without rows."""

from __future__ import annotations

import base64
import os
import uuid
import zlib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FOR_EVER = datetime(9999, 12, 31)
SPARKS = {"org.apache.spark.version": "4.0.0"}
"""What the footer of a file has that Spark wrote."""


def us(*times: int | datetime | None, zone: str | None = None) -> pa.Array:
    return pa.array(times, pa.timestamp("us", zone))


def ns(*times: int | None, zone: str | None = None) -> pa.Array:
    return pa.array(times, pa.timestamp("ns", zone))


ROWS = pa.table({"k": [1, 2, 3, 4], "event_timestamp": us(10, 10, 10, 10)})


def write(path: Path, legacy: bool = False, by_spark: bool = False, **columns: Any) -> None:
    table = pa.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata(SPARKS) if by_spark else table, path, use_deprecated_int96_timestamps=legacy
    )


def view(source: ht.Source, **options: Any) -> ht.FeatureView:
    return ht.FeatureView("v", entities=["k"], source=source, **options)


def answer(source: ht.Source, rows: Any = ROWS, engine: Any = None, **options: Any) -> pa.Table:
    made = view(source, **options)
    table = ht.FeatureStore([made], engine=engine).get_historical_features(rows, made).to_arrow()
    return table.select([name for name in table.column_names if name not in ("k", "event_timestamp")])


Files = Callable[[Path], None]
CASES: dict[str, tuple[Files, dict[str, Any]]] = {}
"""Files to write to a folder, and the answer that both engines give."""


def case(files: Files, **expected: Any) -> None:
    CASES[files.__name__.replace("_", " ")] = (files, expected)


def nanoseconds_beside_microseconds(folder: Path) -> None:
    write(folder / "1.parquet", k=[1, 2], ts=us(10, 11), seen=us(FOR_EVER, -1))
    write(folder / "2.parquet", k=[3, 4], ts=ns(10_000, 9_999), seen=ns(-1_001, 1_999))
    write(folder / "3.parquet", k=[4, 1], ts=ns(10_001, 8_001), seen=ns(5, 5))


# The event at 10.001 µs is at 11 for a plan, so that it is not seen at 10; 8.001 µs are 9, before the one at 10.
case(nanoseconds_beside_microseconds, seen=us(FOR_EVER, None, -2, 1))


def seconds_and_milliseconds_with_zones(folder: Path) -> None:
    for number, unit in enumerate(("s", "ms", "us", "ns"), 1):
        zone = ("Asia/Tokyo", "UTC")[number % 2]
        write(
            folder / f"{number}.parquet",
            k=[number],
            ts=us(0, zone=zone),
            seen=pa.array([number], pa.timestamp(unit, zone)),
        )


case(seconds_and_milliseconds_with_zones, seen=us(1_000_000, 2_000, 3, 0, zone="UTC"))


def legacy_timestamps_of_spark(folder: Path) -> None:
    write(folder / "1.parquet", legacy=True, by_spark=True, k=[1, 2, 3], ts=us(10, 11, datetime(1, 1, 1)),
          seen=us(FOR_EVER, 5, datetime(1, 1, 1)), many=[[FOR_EVER], [], [datetime(1, 1, 1), None]])  # fmt: skip


case(legacy_timestamps_of_spark, seen=us(FOR_EVER, None, datetime(1, 1, 1), None),
     many=pa.array([[FOR_EVER], None, [datetime(1, 1, 1), None], None], pa.list_(pa.timestamp("us"))))  # fmt: skip


def legacy_timestamps_of_others(folder: Path) -> None:
    write(folder / "1.parquet", legacy=True, k=[1, 2], ts=ns(10_001, 8_001), seen=ns(1_999, -1_001))
    write(folder / "2.parquet", legacy=True, k=[3, 4], ts=us(10, datetime(1, 1, 1)), seen=us(FOR_EVER, None))


case(legacy_timestamps_of_others, seen=us(None, -2, FOR_EVER, None))


def legacy_timestamps_beside_microseconds_in_utc(folder: Path) -> None:
    write(folder / "1.parquet", legacy=True, by_spark=True, k=[1], ts=us(10), seen=us(FOR_EVER))
    write(folder / "2.parquet", k=[2], ts=us(10, zone="UTC"), seen=us(7, zone="UTC"))


case(legacy_timestamps_beside_microseconds_in_utc, seen=us(FOR_EVER, 7, None, None, zone="UTC"))


def integers_beside_floats_and_decimals(folder: Path) -> None:
    write(folder / "1.parquet", k=[1], ts=us(0), f=[2**53], small=pa.array([7], pa.int8()), d=[2**62])
    write(folder / "2.parquet", k=[2], ts=us(0), f=[0.5], small=pa.array([0.5], pa.float32()),
          d=pa.array(["0.25"]).cast(pa.decimal128(5, 2)))  # fmt: skip


case(integers_beside_floats_and_decimals,
     f=pa.array([2.0**53, 0.5, None, None]), small=pa.array([7.0, 0.5, None, None]),
     d=pa.array([str(2**62), "0.25", None, None]).cast(pa.decimal128(21, 2)))  # fmt: skip


def an_empty_file_of_pandas(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    frame = pd.DataFrame({"k": [1, 2], "ts": pd.to_datetime([0, 0], unit="us"), "s": ["a", None], "n": [1, 2]})
    frame.to_parquet(folder / "2.parquet")
    pd.DataFrame(columns=["k", "ts", "s", "n"]).to_parquet(folder / "1.parquet")
    pd.DataFrame({"k": [], "ts": [], "s": [], "n": []}).to_parquet(folder / "3.parquet")


case(an_empty_file_of_pandas, s=pa.array(["a", None, None, None]), n=pa.array([1, 2, None, None]))


def a_column_of_nulls_in_one_file(folder: Path) -> None:
    write(folder / "1.parquet", k=[1], ts=us(0), s=pa.nulls(1), n=pa.nulls(1), t=pa.nulls(1))
    write(folder / "2.parquet", k=[2], ts=us(0), s=["a"], n=[5], t=ns(1_999))
    write(folder / "3.parquet", k=[3], ts=us(0), s=["b"], n=[0.5], t=us(FOR_EVER))


case(a_column_of_nulls_in_one_file, s=pa.array([None, "a", "b", None]), n=pa.array([None, 5.0, 0.5, None]),
     t=us(None, 1, FOR_EVER, None))  # fmt: skip


IDS = [uuid.UUID(int=2**127 + number) for number in range(3)]


def identifiers(folder: Path) -> None:
    write(folder / "1.parquet", k=[1, 2], ts=us(0, 0), id=pa.array([IDS[0].bytes, None], pa.uuid()))


case(identifiers, id=pa.array([str(IDS[0]), None, None, None]))


def identifiers_beside_texts(folder: Path) -> None:
    flag = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8()))
    write(folder / "1.parquet", k=[1], ts=us(0), id=pa.array([IDS[0].bytes], pa.uuid()), flag=flag)
    write(folder / "2.parquet", k=[2], ts=us(0), id=["b"], flag=[False])


case(identifiers_beside_texts, id=pa.array([str(IDS[0]), "b", None, None]), flag=pa.array([True, False, None, None]))


def half_floats(folder: Path) -> None:
    write(folder / "1.parquet", k=[1, 2], ts=us(0, 0), h=pa.array([np.float16(0.5), None], pa.float16()))


case(half_floats, h=pa.array([0.5, None, None, None], pa.float32()))


def columns_that_nobody_reads(folder: Path) -> None:
    odd = {
        "time": pa.array([1], pa.time64("us")), "milli": pa.array([1], pa.time32("ms")),
        "span": pa.array([1], pa.duration("us")), "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "wide": pa.array(["1"]).cast(pa.decimal256(50, 2)), "nothing": pa.nulls(1),
        "times": pa.array([[1]], pa.list_(pa.time64("us"))),
    }  # fmt: skip
    write(folder / "1.parquet", **odd, k=[1], ts=us(0), x=[5])


case(columns_that_nobody_reads, x=pa.array([5, None, None, None]))

WITH_FEATURES = {"columns that nobody reads": ["x"]}


@pytest.mark.parametrize("name", CASES)
def test_what_files_store_is_read_in_one_form(name: str, tmp_path: Path) -> None:
    files, expected = CASES[name]
    files(tmp_path)
    found = answer(
        ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts", unique=True), features=WITH_FEATURES.get(name)
    )
    assert found.schema.names == list(expected)
    for column, values in expected.items():
        assert found.schema.field(column).type == values.type
        assert found[column].to_pylist() == values.to_pylist()


@pytest.mark.parametrize("name", CASES)
def test_what_remote_files_store_is_read_in_the_same_form(name: str, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    files, expected = CASES[name]
    files(tmp_path)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in tmp_path.iterdir():
        memory.pipe(f"/{path.name}", path.read_bytes())
    found = answer(
        ht.FileSource("memory://*.parquet", timestamp_field="ts", unique=True), features=WITH_FEATURES.get(name)
    )
    assert {column: found[column].to_pylist() for column in found.column_names} == {
        column: values.to_pylist() for column, values in expected.items()
    }


def test_an_integer_that_a_float_does_not_hold_is_told(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", k=[1], ts=us(0), x=[2**53 + 1])
    write(tmp_path / "2.parquet", k=[2], ts=us(0), x=[0.5])
    source = ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts")
    with pytest.raises(
        ht.SourceError, match=r"1\.parquet: column 'x' is int64 and has a value that .*float64: .*9007199"
    ):
        answer(source)
    assert answer(source, columns={"one": "1"}, features=["one"])["one"].to_pylist() == [1, 1, None, None]


CHANGES: dict[str, tuple[dict[str, Any] | None, str]] = {
    "another type": ({"k": [1], "ts": us(0), "x": ["a"]}, "column 'x' is string, and was int64"),
    "a wider type": ({"k": [1], "ts": us(0), "x": [0.5]}, "column 'x' is double, and was int64"),
    "another unit": ({"k": [1], "ts": ns(0), "x": [1]}, r"column 'ts' is timestamp\[ns\], and was timestamp\[us\]"),
    "a lost column": ({"k": [1], "ts": us(0)}, "column 'x' is gone"),
    "a new column": ({"k": [1], "ts": us(0), "x": [1], "X": [1]}, "column 'X' is new"),
    "no file": (None, "cannot be read as parquet any more"),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("files", [1, 2])
def test_a_file_that_is_rewritten_otherwise_after_planning_is_told(name: str, files: int, tmp_path: Path) -> None:
    columns, message = CHANGES[name]
    write(tmp_path / "1.parquet", k=[1], ts=us(0), x=[7])
    if files == 2:  # of another unit, so that Arrow reads the files
        write(tmp_path / "2.parquet", k=[2], ts=ns(0), x=[8])
    made = view(ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts", unique=True))
    job = ht.FeatureStore([made]).get_historical_features(ROWS, made)
    assert job.to_arrow()["x"].to_pylist()[:files] == [7, 8][:files]
    os.unlink(tmp_path / "1.parquet")
    if columns is not None:
        write(tmp_path / "1.parquet", **columns)
    message = message if columns is not None or files == 1 else "cannot be read as parquet"
    for run in (job.to_arrow, lambda: job.to_parquet(tmp_path / "out"), lambda: job.to_batches().read_all()):
        with pytest.raises(ht.SourceError, match=rf"1\.parquet.*{message}"):
            run()
    write(tmp_path / "1.parquet", k=[1], ts=us(0), x=[9])
    assert job.to_arrow()["x"].to_pylist()[0] == 9


def test_a_file_that_had_no_rows_and_has_some_is_told(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", k=pa.array([], pa.int64()), ts=us(), x=pa.array([], pa.int64()))
    write(tmp_path / "2.parquet", k=[2], ts=us(0), x=[8])
    made = view(ht.FileSource(tmp_path / "*.parquet", timestamp_field="ts"))
    job = ht.FeatureStore([made]).get_historical_features(ROWS, made)
    assert job.to_arrow()["x"].to_pylist() == [None, 8, None, None]
    write(tmp_path / "1.parquet", k=[1], ts=us(0), x=[7])
    with pytest.raises(
        ht.SourceError, match=r"1\.parquet has changed since the job was made: it has rows, and had none"
    ):
        job.to_arrow()


def test_entity_rows_of_legacy_timestamps_keep_their_time(tmp_path: Path) -> None:
    write(
        tmp_path / "rows/1.parquet", legacy=True, k=[1, 2], event_timestamp=us(10, FOR_EVER), until=us(FOR_EVER, None)
    )
    write(tmp_path / "rows/2.parquet", k=[3, 4], event_timestamp=ns(9_999, 10_001), until=ns(1_999, -1))
    source = ht.ArrowSource(
        pa.table({"k": [1, 2, 3, 4], "ts": us(10, 10, 10, 10), "x": [1, 2, 3, 4]}), timestamp_field="ts"
    )
    one = answer(source, tmp_path / "rows/1.parquet")
    assert one.to_pydict() == {"until": [FOR_EVER, None], "x": [1, 2]}
    both = answer(source, tmp_path / "rows/*.parquet")
    assert both["until"].to_pylist() == us(FOR_EVER, None, 1, -1).to_pylist()
    assert both["x"].to_pylist() == [1, 2, None, 4]


def test_an_answer_of_legacy_timestamps_is_written_and_read_again(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", legacy=True, by_spark=True, k=[1], ts=us(0), until=us(FOR_EVER))
    made = view(ht.FileSource(tmp_path / "1.parquet", timestamp_field="ts"))
    job = ht.FeatureStore([made]).get_historical_features(ROWS, made)
    assert pq.read_table(job.to_parquet(tmp_path / "answer.parquet"))["until"].to_pylist() == [
        FOR_EVER,
        None,
        None,
        None,
    ]


ODD_ROWS = {
    "an empty struct": pa.array([{}, {}], pa.struct([])),
    "lists of empty structs": pa.array([[{}], []], pa.list_(pa.struct([]))),
    "a union": pa.UnionArray.from_dense(pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])]),
    "an interval": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    "run ends": pa.RunEndEncodedArray.from_arrays([2], pa.array(["a"])),
}


@pytest.mark.parametrize("name", ODD_ROWS)
def test_a_column_that_parquet_cannot_hold_is_told_before_the_run(name: str, tmp_path: Path) -> None:
    rows = pa.table({"k": [1, 2], "event_timestamp": us(10, 10), "odd": ODD_ROWS[name], "odder": ODD_ROWS[name]})
    made = view(ht.ArrowSource(pa.table({"k": [1], "ts": us(0), "x": [1]}), timestamp_field="ts"))
    job = ht.FeatureStore([made]).get_historical_features(rows, made)
    assert job.to_arrow().select(["odd", "odder"]).equals(rows.select(["odd", "odder"]))
    with pytest.raises(
        ht.UnsupportedError, match=r"to_parquet: column 'odd' is .*, 'odder' is .*, which parquet cannot"
    ):
        job.to_parquet(tmp_path / "answer.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_time_that_parquet_cannot_hold_is_told(tmp_path: Path) -> None:
    far = pa.array([2**61, 1], pa.timestamp("s"))
    rows = pa.table({"k": [1, 2], "event_timestamp": us(10, 10), "far": far})
    made = view(ht.ArrowSource(pa.table({"k": [1], "ts": us(0), "x": [1]}), timestamp_field="ts"))
    job = ht.FeatureStore([made]).get_historical_features(rows, made)
    with pytest.raises(ht.HithertoError, match=r"to_parquet: .*answer\.parquet' cannot be written: .*"):
        job.to_parquet(tmp_path / "answer.parquet")
    assert list(tmp_path.iterdir()) == []


KEYS: dict[str, tuple[pa.Array, pa.Array]] = {
    "views of texts": (pa.array(["a", "b"], pa.string_view()), pa.array(["b", "a"])),
    "views of bytes": (pa.array([b"a", b"b"], pa.binary_view()), pa.array([b"b", b"a"])),
    "large texts": (pa.array(["a", "b"], pa.large_string()), pa.array(["b", "a"], pa.string_view())),
    "dictionaries of texts": (pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "a"])),
    "dictionaries of views": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", "b"], pa.string_view())),
        pa.array(["b", "a"]).dictionary_encode(),
    ),
    "dictionaries of numbers": (pa.array([1, 2]).dictionary_encode(), pa.array([2, 1], pa.int8())),
    "dictionaries of days": (
        pa.array([date(2024, 1, 1), date(2024, 1, 2)]).dictionary_encode(),
        us(datetime(2024, 1, 2), datetime(2024, 1, 1)),
    ),
    "run ends": (pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["a", "b"])), pa.array(["b", "a"])),
    "fixed bytes": (pa.array([b"ab", b"cd"], pa.binary(2)), pa.array([b"cd", b"ab"])),
    "uuids": (
        pa.array([IDS[0].bytes, IDS[1].bytes], pa.uuid()),
        pa.array([str(IDS[1]), str(IDS[0])]),
    ),
    "uuids of both": (
        pa.array([IDS[0].bytes, IDS[1].bytes], pa.uuid()),
        pa.array([IDS[1].bytes, IDS[0].bytes], pa.uuid()),
    ),
    "narrow decimals": (
        pa.array(["1.5", "2.5"]).cast(pa.decimal32(5, 2)), pa.array(["2.5", "1.5"]).cast(pa.decimal64(12, 2)),
    ),
    "flags of a byte": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1], pa.int8())), pa.array([True, False]),
    ),
    "json": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1", "2"])), pa.array(["2", "1"])),
}  # fmt: skip


def of_keys(name: str, *, swapped: bool) -> tuple[ht.ArrowSource, pa.Table]:
    """A source with one form of keys, and entity rows with the other."""
    there, here = KEYS[name][::-1] if swapped else KEYS[name]
    source = ht.ArrowSource(pa.table({"k": there, "ts": us(0, 0), "x": [1, 2]}), timestamp_field="ts", name="memory")
    return source, pa.table({"k": here, "event_timestamp": us(10, 10)})


def takes_fewer_digits(name: str, *, swapped: bool) -> bool:
    """Decimals of entity rows may be narrower than a source's, and not wider."""
    return not (name == "narrow decimals" and not swapped)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", KEYS)
def test_keys_are_of_any_form_of_their_type(name: str, swapped: bool, tmp_path: Path) -> None:
    source, rows = of_keys(name, swapped=swapped)
    if not takes_fewer_digits(name, swapped=swapped):
        with pytest.raises(ht.SpineError, match=r"key 'k' is decimal\(12, 2\), but decimal\(5, 2\) in 'memory'"):
            answer(source, rows)
        return
    assert answer(source, rows)["x"].to_pylist() == [2, 1]
    assert answer(source, rows).schema.names == ["x"]
    if not name.startswith(("run", "dictionaries of views")):  # which parquet has no form for
        pq.write_table(source.table, tmp_path / "1.parquet")
        assert answer(ht.FileSource(tmp_path / "1.parquet", timestamp_field="ts"), rows)["x"].to_pylist() == [2, 1]


FORMS: dict[str, tuple[pa.Array, pa.Array]] = {
    "s": (pa.array(["a", None], pa.string_view()), pa.array(["a", None])),
    "l": (pa.array([[1], None], pa.large_list(pa.int64())), pa.array([[1], None])),
    "v": (pa.array([[0], [1], None], pa.list_view(pa.int64())).slice(1), pa.array([[1], None])),
    "y": (pa.array([None, [2, 3]], pa.large_list_view(pa.int64())), pa.array([None, [2, 3]])),
    "n": (pa.array([["a"], None], pa.list_(pa.string_view())), pa.array([["a"], None])),
    "f": (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), pa.array([[1, 2], None])),
    "r": (pa.RunEndEncodedArray.from_arrays([2], pa.array([1.5])), pa.array([1.5, 1.5])),
    "d": (pa.array([1.5, None]).dictionary_encode(), pa.array([1.5, None])),
    "h": (pa.array([np.float16(0.5), None], pa.float16()), pa.array([0.5, None], pa.float32())),
    "i": (pa.array([IDS[0].bytes, None], pa.uuid()), pa.array([str(IDS[0]), None])),
    "b": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), pa.array([True, None])),
    "j": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', None])), pa.array(['{"a": 1}', None])),
    "w": (pa.array([{"a": "x"}, None], pa.struct([("a", pa.large_string())])), pa.array([{"a": "x"}, None])),
    "u": (pa.array([[1], None], pa.list_(pa.uint8())), pa.array([[1], None], pa.list_(pa.uint8()))),
}
UNREAD = {
    "time": pa.array([1, 2], pa.time64("us")), "span": pa.array([1, 2], pa.duration("us")),
    "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())), "nothing": pa.nulls(2),
    "wide": pa.array(["1", "2"]).cast(pa.decimal256(50, 2)), "times": pa.array([[1], []], pa.list_(pa.time64("us"))),
    "ids": pa.array([[IDS[0].bytes], []], pa.list_(pa.binary(16))), **ODD_ROWS,
}  # fmt: skip


def of_forms() -> ht.ArrowSource:
    columns = {name: given for name, (given, _) in FORMS.items()}
    table = pa.table({**UNREAD, "k": [1, 2], "ts": us(0, 0), **columns})
    return ht.ArrowSource(table, timestamp_field="ts", unique=True)


def test_features_are_of_any_form_of_their_type_and_nothing_else_is_read() -> None:
    found = answer(of_forms(), features=list(FORMS))
    for name, (_, values) in FORMS.items():
        assert found.schema.field(name).type == values.type
        assert found[name].to_pylist() == [*values.to_pylist(), None, None]
    counts = answer(of_forms(), aggregations=[ht.Aggregation("*", "count", name="n")])
    assert counts["n"].to_pylist() == [1, 1, 0, 0]


@pytest.mark.parametrize("name", ["time", "span", "map", "nothing", "wide", "times", "a union", "an interval"])
def test_a_column_of_no_usable_type_is_named_when_it_is_asked_for(name: str) -> None:
    why = "holds nothing but nulls" if name == "nothing" else "is .*, which is not supported"
    with pytest.raises(ht.UnsupportedError, match=rf"feature view 'v': feature '{name}' {why}"):
        answer(of_forms(), features=[name])


@pytest.mark.parametrize("name", ["times", "map", "a union", "an interval", "time", "an empty struct"])
def test_entity_rows_with_keys_of_no_usable_type_are_told(name: str) -> None:
    source = ht.ArrowSource(pa.table({"k": [1], "ts": us(0), "x": [5]}), timestamp_field="ts")
    for keys in (UNREAD[name], UNREAD[name].slice(0, 0)):
        rows = pa.table({"k": keys, "event_timestamp": us(10, 10)[: len(keys)]})
        with pytest.raises(ht.SpineError, match=r"for feature view 'v': key 'k' is .*, but int64 in 'arrow'"):
            answer(source, rows)


def test_run_ends_of_no_usable_type_are_no_obstacle() -> None:
    odd = pa.RunEndEncodedArray.from_arrays([2], pa.array([1], pa.duration("us")))
    table = pa.table({"odd": odd, "k": [1, 2], "ts": us(0, 0), "x": [5, 6]})
    source = ht.ArrowSource(table, timestamp_field="ts")
    assert answer(source, features=["x"])["x"].to_pylist() == [5, 6, None, None]
    rows = ROWS.slice(0, 2).append_column("odd", odd)
    assert answer(ht.ArrowSource(table, timestamp_field="ts"), rows, features=["x"])["odd"].equals(table["odd"])


@pytest.mark.parametrize("name", ["a:b/c:d.parquet", "at=2024-01-01T00:00/e.parquet", "s3:x.csv"])
def test_paths_with_a_colon_are_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".csv":
        path.write_text("k,ts,x\n1,1970-01-01,5\n")
    else:
        write(path, k=[1], ts=us(0), x=[5])
    for given in (path, name, f"{tmp_path}/**/{path.name[0]}*{path.suffix}"):
        assert answer(ht.FileSource(given, timestamp_field="ts"), features=["x"])["x"].to_pylist() == [
            5,
            None,
            None,
            None,
        ]


def test_a_name_in_another_case_is_told_with_the_right_one() -> None:
    data = pa.table({"k": [1], "ts": us(0), "x": [5]})
    for made in (
        lambda: answer(ht.ArrowSource(data, timestamp_field="TS")),
        lambda: answer(ht.ArrowSource(data, timestamp_field="ts", created_timestamp_column="Ts")),
        lambda: answer(ht.ArrowSource(data, timestamp_field="ts", sequence_columns=["Ts"])),
        lambda: answer(ht.ArrowSource(data, timestamp_field="ts", field_mapping={"TS": "y"})),
    ):
        with pytest.raises(ht.SourceError, match=r"no column '(TS|Ts)'\n  columns: k, ts, x\n  did you mean 'ts'"):
            made()
    source = ht.ArrowSource(data, timestamp_field="ts")
    with pytest.raises(ht.UnknownColumnError, match="did you mean 'x'"):
        answer(source, features=["X"])
    with pytest.raises(ht.SpineError, match=r"no key column 'k'\n  columns: K, event_timestamp\n  did you mean 'K'"):
        answer(source, ROWS.rename_columns(["K", "event_timestamp"]))


OF_PYARROW_20 = (
    "eNp9U8Fu00AQXS+R1QNUVsRatuSDOdRSJRfa0FYUlcNsqJ1CSmOjpE1uiRM5bZPUOG5DKz6BK//Agf+Bz2F2N8QVEoxlze7bfe/N"
    "rNctiHdYhbnMbTLKSJX8HRojrMqqPq4aTGe6gxgVr6ZRgkyDGSum+8z4+UQn/2fYh3vE0ufJeDTtswph62hOLe0KlzaoRYv5xtPm"
    "16rjS3eT2o7te8Rh6/Ye0Q0bNzJEzcIsvLfe2qaPJRBGhaeB6XBTtz3pJjiVJQdFJWloDr3vmvfl3yzzl2ZSbw0TsR3rMcTx6dlr"
    "Vav149ELEfcpB4AIVLwHWABPIQBIoZ5KjOOGEzGoAxxLoMyghrwrRsESDCTYBb5QvKNSn9fHMiclH5bSAMPGidqUQigoPFX6RymK"
    "YT04b4j6ZL08EriK6FVbpJmcpPCgH+UOPF8tKZIA4a6F/X8u57LfMLhLpgcvm7POTv8MZXgkj6A9edfq3GeTUSOeDGYfskFtd38w"
    "DYpe9OcQFstzKf0f9CcjlE7Bx/bVwfnptLM7DDs3SW1yO7jMit55PO6FwXY3kv0fr/pXIm+I5Wb9/NPNqNhKsmyrn+fXC/d2lM8v"
    "rmdubfs5PraPV1Pczm/46Vv4I/wGcVunSg=="
)
"""A parquet file of a uuid ``k`` and a time ``ts``, as pyarrow 20 wrote it: the file itself calls ``k`` bytes."""


def test_uuids_that_a_file_calls_bytes_are_uuids(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    path.write_bytes(zlib.decompress(base64.b64decode(OF_PYARROW_20)))
    uuid = "00000000-0000-0000-0000-000000000001"
    source = ht.FileSource(path, timestamp_field="ts")
    keyed = ht.FeatureView("keyed", entities=["k"], source=source, columns={"found": "true"}, features=["found"])
    latest = ht.FeatureView("latest", entities=[], source=source, features=["k"])
    rows = pa.table({"k": [uuid], "event_timestamp": pa.array([2**51], pa.timestamp("us"))})
    answer = ht.FeatureStore([keyed, latest]).get_historical_features(rows, [keyed, latest], full_feature_names=True)
    assert answer.to_arrow().drop_columns("event_timestamp").to_pylist() == [
        {"k": uuid, "keyed__found": True, "latest__k": uuid}
    ]

"""Csv and json files as sources: what their texts mean, which types are inferred, and what does not fit."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.types import DataType, parse_type
from hitherto.runtime.sources.csv import Csv
from hitherto.runtime.sources.json import Json
from hitherto.runtime.sources.paths import Files
from hitherto.runtime.sources.seen import SeenFiles


def types(path: Path | str | list[Path], **options: Any) -> dict[str, str]:
    return {field.name: str(field.type) for field in ht.FileSource(path, timestamp_field="ts", **options).open().schema}


def rows(path: Path | str | list[Path], **options: Any) -> list[dict[str, Any]]:
    """The rows of a source as DuckDB gets them, instants as texts."""
    data = ht.FileSource(path, timestamp_field="ts", **options).open().data
    return data.value.to_table().to_pylist()  # type: ignore[union-attr]


def column(values: list[str], tmp_path: Path, **options: Any) -> tuple[str, list[Any]]:
    path = tmp_path / "c.csv"
    path.write_text("x,y\n" + "".join(f"{value},\n" for value in values))
    return types(path, **options)["x"], [row["x"] for row in rows(path, **options)]


@pytest.mark.parametrize(
    ("values", "type_", "read"),
    [
        (["1", "-20", ""], "int64", [1, -20, None]),
        (["9223372036854775807"], "int64", [2**63 - 1]),
        (["9223372036854775808"], "string", ["9223372036854775808"]),
        (["007", "1"], "string", ["007", "1"]),
        (["+5"], "string", ["+5"]),
        ([" 5"], "string", [" 5"]),
        (["0", "1"], "int64", [0, 1]),
        (["1", "1.5"], "float64", [1.0, 1.5]),
        (["1e3", "inf", "-Infinity", "-0.5", ".5"], "float64", [1000.0, float("inf"), -float("inf"), -0.5, 0.5]),
        (["123456789012345", "1.5"], "float64", [123456789012345.0, 1.5]),
        (["-123456789012345", "1.5"], "float64", [-123456789012345.0, 1.5]),
        (["1234567890123456", "1.5"], "string", ["1234567890123456", "1.5"]),
        (["00.5"], "string", ["00.5"]),
        (["1_000"], "string", ["1_000"]),
        (["true", "False"], "bool", [True, False]),
        (["true", "1"], "string", ["true", "1"]),
        (["NULL", "1"], "string", ["NULL", "1"]),
        (["NA"], "string", ["NA"]),
        (["2024-02-30"], "string", ["2024-02-30"]),
        (["24-02-03"], "string", ["24-02-03"]),
        (["", ""], "string", [None, None]),
        (['""', "a"], "string", ["", "a"]),
        (['""', "5"], "int64", [None, 5]),
        (['"5"'], "int64", [5]),
        (['"a,b"', '"a ""b"""', '"a\nb"'], "string", ["a,b", 'a "b"', "a\nb"]),
        (["ü", "日本"], "string", ["ü", "日本"]),
    ],
)
def test_the_type_of_a_column_of_csv(tmp_path: Path, values: list[str], type_: str, read: list[Any]) -> None:
    assert column(values, tmp_path) == (type_, read)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["2024-01-31"], "date"),
        (["2024-01-31", "2024-01-31T10:00"], "timestamp[us]"),
        (["2024-01-31 10:00:00.123456"], "timestamp[us]"),
        (["2024-01-31 10:00:00.1234567"], "timestamp[ns]"),
        (["2024-01-31T10:00:00Z", "2024-01-31"], "timestamp[us, UTC]"),
        (["2024-01-31 10:00:00+02", "2024-01-31 10:00:00-0230"], "timestamp[us, UTC]"),
        (["2024-01-31 10:00:00+02:00"], "timestamp[us, UTC]"),
        (["2024-01-31 25:00:00"], "string"),
        (["2024-01-31 10:00:00 America/New_York"], "string"),
    ],
)
def test_the_type_of_a_column_of_times(tmp_path: Path, values: list[str], type_: str) -> None:
    assert column(values, tmp_path)[0] == type_


def test_an_offset_is_converted_and_none_is_utc(tmp_path: Path) -> None:
    texts = ["2024-01-31T10:00:00+02:00", "2024-01-31 10:00", "2024-01-31", "1969-12-31 23:59:59.999999Z"]
    _, read = column(texts, tmp_path)
    assert [value.isoformat() for value in read] == [
        "2024-01-31T08:00:00+00:00", "2024-01-31T10:00:00+00:00", "2024-01-31T00:00:00+00:00",
        "1969-12-31T23:59:59.999999+00:00",
    ]  # fmt: skip
    _, read = column(texts[:2], tmp_path, schema={"x": "timestamp[us]"})
    assert [value.isoformat() for value in read] == ["2024-01-31T08:00:00", "2024-01-31T10:00:00"]


def test_nan_is_a_float_and_no_null(tmp_path: Path) -> None:
    assert str(column(["NaN", "1", ""], tmp_path)) == "('float64', [nan, 1.0, None])"


def test_a_type_that_is_given_is_used(tmp_path: Path) -> None:
    for type_, texts, expected in [
        ("int64", ["007", ""], [7, None]),
        ("string", ["1", ""], ["1", None]),
        ("float32", ["1"], [1.0]),
        ("decimal(10, 2)", ["1.5"], [pa.scalar("1.50").cast(pa.decimal128(10, 2)).as_py()]),
        (pa.int16(), ["1"], [1]),
        ("binary", ["a"], [b"a"]),
        ("uint8", ["255"], [255]),
    ]:
        found, read = column(texts, tmp_path, schema={"x": type_})
        assert (found, read) == (str(type_), expected)


@pytest.mark.parametrize(
    ("type_", "text"),
    [("int64", "1.5"), ("int8", "128"), ("bool", "maybe"), ("date", "2024-02-30"), ("decimal(4, 1)", "1.55"),
     ("timestamp[us]", "noon"), ("float64", "1,5"), ("uint8", "-1")],
)  # fmt: skip
def test_a_value_that_does_not_fit_names_file_and_column(tmp_path: Path, type_: str, text: str) -> None:
    path = tmp_path / "c.csv"
    lines = ["k,ts,x", *["1,2024-01-01,"] * 1000, f'1,2024-01-01,"{text}"', *["1,2024-01-01,"] * 10]
    path.write_text("\n".join(lines))
    message = rf"source: {path}: column 'x': '{text}' is no .*; give another type with schema="
    with pytest.raises(ht.SourceError, match=message):
        rows(path, schema={"x": type_})
    view = ht.FeatureView("v", entities=["k"], source=ht.FileSource(path, timestamp_field="ts", schema={"x": type_}))
    spine = pa.table({"k": [1], "event_timestamp": pa.array([0], pa.timestamp("us"))})
    with pytest.raises(ht.SourceError, match=message) as error:
        ht.FeatureStore([view]).get_historical_features(spine, view).to_arrow()
    assert "Traceback" not in str(error.value)


def test_the_bytes_of_a_file_are_read_in_every_usual_form(tmp_path: Path) -> None:
    expected = [{"k": 1, "x": "a\nb"}, {"k": None, "x": ""}, {"k": 3, "x": None}]
    text = 'k,x\n1,"a\nb"\n,""\n3,\n'
    for number, data in enumerate(
        [text, text.replace("\n", "\r\n"), text.rstrip("\n"), text + "\n\n", "\ufeff" + text]
    ):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(data.encode())
        found = rows(path)
        assert [{**row, "x": row["x"] and row["x"].replace("\r\n", "\n")} for row in found] == expected, number
    path = tmp_path / "packed.CSV.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert rows(path) == expected
    assert ht.FileSource(path, timestamp_field="ts").name == "packed"


def test_the_columns_of_files_are_found_by_name_and_typed_together(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("k,x\n1,1\n")
    (tmp_path / "2.csv").write_text("y,x,k\na,1.5,2\n")
    (tmp_path / "3.csv").write_text("k,x,y\n")
    assert types(tmp_path / "*.csv") == {"k": "int64", "x": "float64", "y": "string"}
    assert rows(tmp_path / "*.csv") == [{"k": 1, "x": 1.0, "y": None}, {"k": 2, "x": 1.5, "y": "a"}]


def test_a_type_depends_on_the_last_value_too(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("k,x\n" + f"1,{'1' * 12}\n" * 800_000 + "1,007\n")
    assert types(path)["x"] == "string"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "e.csv is empty: it tells no column"),
        (
            "a;b\n1;2,5\n",
            "e.csv has the one column 'a;b': its fields seem to be separated by semicolons, and those of a",
        ),
        ("a,a\n1,2\n", "e.csv has the column 'a' more than once"),
        ("a,\n1,2\n", "e.csv has a column without a name"),
        ("a,b\n1\n", "e.csv cannot be read as csv: .*Expected 2 columns, got 1"),
        (b"a,b\n\xff,1\n", "e.csv cannot be read as csv: .*invalid UTF8"),
        (b"\xff,b\n1,1\n", "e.csv cannot be read as csv: 'utf-8' codec can't decode byte 0xff"),
        ("a,b\n1,2\n".encode("utf-16"), "e.csv cannot be read as csv: it is UTF-16 or UTF-32 text, or no text"),
        ("a,b\n1,2\n".encode("utf-16-le"), "e.csv cannot be read as csv: it is UTF-16 or UTF-32 text, or no text"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "e.csv cannot be read as csv: it is packed by gzip; give"),
        ("\n\n", "e.csv is empty: it tells no column"),
    ],
)
def test_a_file_that_is_no_csv_is_a_source_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ht.SourceError, match=message):
        types(path)


def test_json_is_lines_or_an_array(tmp_path: Path) -> None:
    objects = [
        {"k": 1, "ts": "2024-01-01T00:00:00Z", "x": 1, "zip": "007", "ok": True, "tags": ["a"], "at": {"lat": 1.5}},
        {"k": 2, "ts": "2024-01-02", "x": 1.5, "zip": "", "ok": None, "extra": "ü\n"},
    ]
    expected = {
        "k": "int64", "ts": "timestamp[us, UTC]", "x": "float64", "zip": "string", "ok": "bool", "tags": "list<string>",
        "at": "struct<lat: float64>", "extra": "string",
    }  # fmt: skip
    lines = "\n".join(map(json.dumps, objects))
    for name, text in [
        ("a.json", json.dumps(objects)),
        ("b.json", "\ufeff " + json.dumps(objects, indent=1)),
        ("c.ndjson", lines),
        ("d.jsonl", lines.replace("\n", "\r\n\r\n") + "\n"),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert types(tmp_path / name) == expected
        found = rows(tmp_path / name)
        assert [row["k"] for row in found] == [1, 2]
        assert [row["zip"] for row in found] == ["007", ""]
        assert [row["extra"] for row in found] == [None, "ü\n"]
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert types(tmp_path / "e.jsonl.gz") == expected
    long = tmp_path / "long.jsonl"
    long.write_text("".join(json.dumps({"n": number, "text": "x" * 50}) + "\n" for number in range(120_000)))
    assert [row["n"] for row in rows(long)] == list(range(120_000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n{"x": ', "e.json, line 2, cannot be read as json"),
        ('{"x": 1, "x": 2}', "the key 'x' is repeated"),
        ("5", "e.json, line 1: a number instead of an object"),
        ("[1]", "e.json, item 0: a number instead of an object"),
        ('[{"x": 1}', "e.json cannot be read as json"),
        ("null", "e.json, line 1: null instead of an object"),
        ("", "e.json is empty: it tells no column"),
        ("{\n}", "line 1, cannot be read as json: .*; a file has one object a line, or is one array of objects"),
        (
            '{"x": 1}\n{"x": "\\ud800"}',
            r"e.json, line 2: column 'x' holds half a surrogate pair, '\\ud800'",
        ),
        ('{"x": 1, "\\udfff": 1}', r"e.json, line 1: column '\\udfff' holds half a surrogate pair"),
        ('[{}, {"x": {"a": ["\\ud800"]}}]', r"e.json, item 1: column 'x' holds half a surrogate pair"),
        (b'{"x": "\xed\xa0\x80"}', "line 1, cannot be read as json: 'utf-8' codec can't decode byte 0xed"),
        ('{"x": 1}'.encode("utf-16"), "e.json cannot be read as json: it is UTF-16 or UTF-32 text, or no text"),
        ('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 1, cannot be read as json: maximum recursion depth"),
        (gzip.compress(b'{"x": 1}', mtime=0), "e.json cannot be read as json: it is packed by gzip; give"),
    ],
)
def test_a_file_that_is_no_table_of_json_is_a_source_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "e.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ht.SourceError, match=message):
        types(tmp_path / "e.json")


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [("a", "int64", '"a" is no int64'), (1.5, "int64", "1.5 is no int64"),
     (300, "uint8", ""), ("noon", "timestamp[us]", "'noon' is no timestamp"), (1, "bool", "1 is no bool")],
)  # fmt: skip
def test_a_value_of_json_that_does_not_fit_names_file_and_column(
    tmp_path: Path, value: object, type_: str, message: str
) -> None:
    (tmp_path / "e.json").write_text(json.dumps([{"x": value}]))
    with pytest.raises(ht.SourceError, match=f"e.json: column 'x': .*{message}.*; give another type with schema="):
        rows(tmp_path / "e.json", schema={"x": type_})


@pytest.mark.parametrize(
    ("value", "other", "problem"),
    [
        ("1", '"a"', "of several kinds, integer, text"),
        ("1", "true", "of several kinds, condition, integer"),
        ("1.5", "18446744073709551616", "with an integer beyond 64 bits"),
        ("[1]", '["a"]', "of lists or objects that differ in type"),
        ("[]", "{}", "of several kinds, list, object"),
        ("[" * 900 + "]" * 900, "null", "nested deeper than 30 levels"),
    ],
)
def test_a_column_of_json_without_one_type_is_refused_where_it_is_asked_for(
    tmp_path: Path, value: str, other: str, problem: str
) -> None:
    path = tmp_path / "e.json"
    path.write_text(
        f'{{"y": {value}, "k": 1, "ts": "2024-01-01", "x": 5}}\n{{"k": 1, "ts": "2024-01-01", "y": {other}}}'
    )
    source = ht.FileSource(path, timestamp_field="ts")
    assert answered(source, features=["x"]).to_arrow()["x"].to_pylist() == [5]
    count = [ht.Aggregation("*", "count", name="n")]
    assert answered(source, aggregations=count).to_arrow()["n"].to_pylist() == [2]
    message = f"a column {problem}.*; give its type with schema=, such as string"
    for options in ({}, {"features": ["y"]}, {"columns": {"z": "y + 1"}, "features": ["z"]}):
        with pytest.raises(ht.HithertoError, match=message):
            answered(source, **options)
    with pytest.raises(ht.SourceError, match=message):
        source.read()
    found = answered(ht.FileSource(path, timestamp_field="ts", schema={"y": "string"}), features=["y"]).to_arrow()
    assert found["y"].to_pylist()[0] in (value, other.strip(chr(34)))


def test_a_string_of_json_may_be_any_value(tmp_path: Path) -> None:
    values = ["1.10", "1", "true", '{"b": [1, 2.50, null], "a": "\\u00fc"}', "1e400", "9" * 30, "null", '"t"', "[ ]"]
    (tmp_path / "e.json").write_text("\n".join(f'{{"x": {value}}}' for value in values))
    texts = ["1.1", "1", "true", '{"b":[1,2.5,null],"a":"ü"}', "Infinity", "9" * 30, None, "t", "[]"]
    assert [row["x"] for row in rows(tmp_path / "e.json", schema={"x": "string"})] == texts


def test_json_types_that_are_given_are_used(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{"x": 1.10, "y": 1, "z": "2024-01-01T10:00+02"}')
    given = {"x": "decimal(5, 2)", "y": "float64", "z": "timestamp[ms]"}
    assert types(tmp_path / "e.json", schema=given) == given
    assert str(rows(tmp_path / "e.json", schema=given)[0]["z"]) == "2024-01-01 08:00:00"


def test_given_types_are_checked_when_the_source_is_made(tmp_path: Path) -> None:
    with pytest.raises(ht.DefinitionError) as error:
        ht.FileSource("e.csv", timestamp_field="ts", schema={"a": "integer", "b": pa.null, "c": "decimal(50, 2)"})  # type: ignore[dict-item]
    assert len(error.value.problems) == 3
    assert "FileSource: schema of column 'a': 'integer' is no type; give one such as int64" in str(error.value)
    (tmp_path / "e.csv").write_text("a\n1\n")
    with pytest.raises(ht.SourceError, match="schema= names 'b', which no file has\n  columns: a"):
        types(tmp_path / "e.csv", schema={"b": "int64"})


@pytest.mark.parametrize("text", ["int64", "timestamp[us, UTC]", "timestamp[ns]", "decimal(10, 2)", "string", "date"])
def test_the_text_of_a_type_is_its_name(text: str) -> None:
    assert str(parse_type(text)) == text
    assert parse_type("timestamp") == DataType("timestamp", unit="us")


def test_one_source_has_one_format() -> None:
    with pytest.raises(ht.DefinitionError, match="several formats, csv, parquet; make a source of each"):
        ht.FileSource(["a.csv", "b.parquet"], timestamp_field="ts")


def test_an_answer_reads_the_columns_it_needs_from_csv(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("k,ts,x,broken\n1,2024-01-01,5,oops\n1,2024-01-03,7,\n2,2024-01-01,,\n")
    source = ht.FileSource(path, timestamp_field="ts", schema={"broken": "int64"})
    view = ht.FeatureView("v", entities=["k"], source=source, features=["x"])
    sums = ht.FeatureView("s", entities=["k"], source=source, aggregations=[ht.Aggregation("x", "sum", name="s")])
    rows_ = tmp_path / "spine.csv"
    rows_.write_text("k,event_timestamp,note\n1,2024-01-02,007\n1,2024-01-05,\n2,2024-01-02,\n")
    job = ht.FeatureStore([view, sums]).get_historical_features(rows_, [view, sums])
    for _ in range(2):
        found = job.to_arrow()
        assert found["x"].to_pylist() == [5, 7, None]
        assert found["s"].to_pylist() == [5, 12, None]
        assert found["note"].to_pylist() == ["007", None, None]
    path.write_text(path.read_text().replace("oops", ""))
    alone = ht.FeatureStore([view, sums], planner_options=ht.PlannerOptions(unfused=True))
    assert alone.get_historical_features(rows_, [view, sums]).to_arrow().equals(found)


def answered(source: ht.FileSource, **options: Any) -> ht.RetrievalJob:
    view = ht.FeatureView("v", entities=["k"], source=source, **options)
    spine = pa.table({"k": [1], "event_timestamp": pa.array([10**16], pa.timestamp("us"))})
    return ht.FeatureStore([view]).get_historical_features(spine, view)


def test_the_types_of_a_file_are_inferred_once_until_it_is_written_anew(tmp_path: Path) -> None:
    for path, form in ((tmp_path / "e.csv", Csv()), (tmp_path / "e.json", Json())):
        path.write_text("k,x\n1,5\n" if path.suffix == ".csv" else '{"k":1,"x":5}')
        kept = SeenFiles(most=2)
        system = Files(str(path), {})
        first = kept.look(form, system, str(path), ())
        assert kept.look(form, system, str(path), ()) is first
        with ThreadPoolExecutor(4) as pool:
            looks = [pool.submit(kept.look, form, system, str(path), ()) for _ in range(50)]
        assert all(look.result() is first for look in looks)
        path.write_text(path.read_text().replace("5", "a" if path.suffix == ".csv" else '""'))
        second = kept.look(form, system, str(path), ())
        assert second.types["x"].type == pa.string()
        kept.look(form, system, str(path), ("k",))
        kept.look(form, system, str(path), ("x",))
        assert kept.look(form, system, str(path), ()) is not second


def test_a_column_whose_type_is_given_is_not_inferred(tmp_path: Path) -> None:
    for path, form in ((tmp_path / "e.csv", Csv()), (tmp_path / "e.json", Json())):
        path.write_text("k,x\n1,5\n" if path.suffix == ".csv" else '{"k":1,"x":5}\n{"k":2,"x":6}\n')
        seen = SeenFiles().look(form, Files(str(path), {}), str(path), ("x", "k"))
        assert (seen.names, dict(seen.types)) == (("k", "x"), {})
    (tmp_path / "mixed.json").write_text('{"k":1,"x":5}\n{"k":2,"x":"a"}')
    assert types(tmp_path / "mixed.json", schema={"x": "string"}) == {"k": "int64", "x": "string"}


@pytest.mark.parametrize(
    ("name", "one", "other", "message"),
    [
        ("e.csv", "k,ts,x\n1,2024-01-01,5\n", "k,ts,x\n1,2024-01-01,a\n", "'x' is string now, no longer int64"),
        ("e.csv", "k,ts,x\n1,2024-01-01,5\n", "k,ts,x\n1,2024-01-01,05\n", "'x' is string now, no longer int64"),
        ("e.csv", "k,ts,x\n1,2024-01-01,5\n", "k,ts,y\n1,2024-01-01,5\n", "has no column 'x' now"),
        ("e.csv", "k,ts,x\n1,2024-01-01,5\n", "", "has no column 'k' now"),
        ("e.json", '{"k":1,"ts":"2024-01-01","x":5}', '{"k":1,"ts":"2024-01-01","x":5.5}', "is float64 now"),
        ("e.json", '{"k":1,"ts":"2024-01-01","x":5}', '{"k":1,"ts":"2024-01-01","x":"5"}', "of several kinds, integer"),
        ("e.json", '{"k":1,"ts":"2024-01-01","x":5}', '{"k":1,"ts":"2024-01-01"}', "has no column 'x' now"),
    ],
)
def test_a_file_that_is_written_anew_between_two_runs(
    tmp_path: Path, name: str, one: str, other: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(one)
    job = answered(ht.FileSource(path, timestamp_field="ts"), features=["x"])
    assert job.to_arrow()["x"].to_pylist() == [5]
    path.write_text(one.replace("5", "67"))
    assert job.to_arrow()["x"].to_pylist() == [67]
    path.write_text(other)
    with pytest.raises(ht.SourceError, match=f"{name} was written anew after the job was made.*{message}"):
        job.to_arrow()
    path.unlink()
    with pytest.raises(ht.SourceError, match=f"{name} cannot be opened: FileNotFoundError"):
        job.to_arrow()


@pytest.mark.parametrize("empty", ["", "\n", "k,ts,x\n", "k,ts,x"])
def test_a_file_without_rows_adds_none(tmp_path: Path, empty: str) -> None:
    for year, text in (("2023", empty), ("2024", "k,ts,x\n1,2024-01-01,5\n")):
        (tmp_path / f"year={year}").mkdir()
        (tmp_path / f"year={year}/e.csv").write_text(text)
    assert rows(tmp_path / "*/*.csv", schema={"ts": "string"}) == [{"k": 1, "ts": "2024-01-01", "x": 5, "year": 2024}]
    (tmp_path / "1.json").write_text(empty if not empty.strip() else "[]")
    (tmp_path / "2.json").write_text('{"k": 1}')
    assert rows(tmp_path / "*.json") == [{"k": 1}]


def test_an_empty_file_that_is_filled_between_two_runs_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("k,ts,x\n1,2024-01-01,5\n")
    (tmp_path / "2.csv").write_text("")
    job = answered(ht.FileSource(tmp_path / "*.csv", timestamp_field="ts"))
    assert job.to_arrow()["x"].to_pylist() == [5]
    (tmp_path / "2.csv").write_text("k,ts,x\n1,2024-01-02,6\n")
    assert job.to_arrow()["x"].to_pylist() == [6]
    (tmp_path / "2.csv").write_text("ts,k,x\n2024-01-03,1,a\n")
    with pytest.raises(ht.SourceError, match=r"2\.csv was written anew after the job was made, and column 'x' is"):
        job.to_arrow()


def test_a_file_that_is_named_twice_is_read_twice(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("k,x\n1,5\n")
    assert rows([tmp_path / "e.csv", tmp_path / "*.csv"]) == [{"k": 1, "x": 5}] * 2


def test_entity_rows_in_a_csv_without_rows_have_the_types_that_are_needed(tmp_path: Path) -> None:
    (tmp_path / "spine.csv").write_text("k,event_timestamp,note\n")
    (tmp_path / "e.csv").write_text("k,ts,x\n")
    source = ht.FileSource(tmp_path / "e.csv", timestamp_field="ts", schema={"k": "int64", "ts": "timestamp[us]"})
    view = ht.FeatureView("v", entities=["k"], source=source)
    found = ht.FeatureStore([view]).get_historical_features(tmp_path / "spine.csv", view).to_arrow()
    assert (found.num_rows, found.column_names) == (0, ["k", "event_timestamp", "note", "x"])
    assert answered(source).to_arrow()["x"].to_pylist() == [None]


def test_an_integer_that_no_float_holds_makes_a_string_beside_a_float(tmp_path: Path) -> None:
    for integer, type_ in (("123456789012345", "float64"), ("1234567890123456", "string")):
        (tmp_path / "1.csv").write_text(f"x\n{integer}\n")
        (tmp_path / "2.csv").write_text("x\n1.5\n")
        assert types(tmp_path / "*.csv") == {"x": type_}


def test_a_json_file_may_have_integers_where_another_has_fractions(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('{"x": 1}')
    (tmp_path / "2.json").write_text('{"x": 1.5}\n{"x": null}')
    assert types(tmp_path / "*.json") == {"x": "float64"}
    assert [row["x"] for row in rows(tmp_path / "*.json")] == [1.0, 1.5, None]


def test_fields_of_a_tsv_are_separated_by_tabs(tmp_path: Path) -> None:
    text = 'k\tts\tx\n1\t2024-01-01\t"5,5\t"\n'
    (tmp_path / "e.tsv").write_text(text)
    (tmp_path / "f.tsv.gz").write_bytes(gzip.compress(text.encode()))
    for path in (tmp_path / "e.tsv", tmp_path / "f.tsv.gz"):
        assert answered(ht.FileSource(path, timestamp_field="ts")).to_arrow()["x"].to_pylist() == ["5,5\t"]
    assert ht.FileSource(tmp_path / "f.tsv.gz", timestamp_field="ts").name == "f"


def test_names_of_files_and_folders_may_hold_colons(tmp_path: Path) -> None:
    folder = tmp_path / "ts=2024-01-01T00:00:00" / "a://b"
    folder.mkdir(parents=True)
    (folder / "c:d.csv").write_text("k,x\n1,5\n")
    pq.write_table(pa.table({"k": [1], "x": [6]}), folder / "c:d.parquet")
    for path, x in ((folder / "c:d.csv", 5), (tmp_path / "*/**/*.csv", 5), (folder / "c:d.parquet", 6)):
        source = ht.FileSource(path, timestamp_field="ts")
        assert ":" not in source.name
        assert answered(source).to_arrow()["x"].to_pylist() == [x]


@pytest.mark.parametrize("name", ["e.csv", "e.json"])
def test_numbers_and_texts_as_event_time_are_told_how_they_become_one(tmp_path: Path, name: str) -> None:
    for value, given, message in [
        ("1700000000", {}, "timestamp_field: column 'ts' is int64, not a .*\n  make it one: .*to_timestamp"),
        ("1700000000", {"ts": "timestamp[s]"}, "'?1700000000'? is no timestamp.*; a number is no ISO time: convert it"),
        ('"31/01/2024"', {}, r"is string, not a .*\n  make it one: .*schema={'ts': 'timestamp\[us\]'}"),
        ('"31/01/2024"', {"ts": "timestamp[us]"}, "'31/01/2024' is no timestamp.*; give another type with schema="),
    ]:
        text = f'{{"k": 1, "ts": {value}, "x": 5}}' if name == "e.json" else f"k,ts,x\n1,{value},5\n"
        (tmp_path / name).write_text(text)
        with pytest.raises(ht.SourceError, match=message):
            answered(ht.FileSource(tmp_path / name, timestamp_field="ts", schema=given)).to_arrow()


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_broken_gzip_is_a_source_error(tmp_path: Path, kind: str) -> None:
    text = "k,x\n" + "1,2\n" * 100_000 if kind == "csv" else '{"k":1}\n' * 100_000
    for data in (gzip.compress(text.encode())[:-20], text.encode()):
        (tmp_path / f"e.{kind}.gz").write_bytes(data)
        with pytest.raises(ht.SourceError, match=f"e.{kind}.gz cannot be read"):
            types(tmp_path / f"e.{kind}.gz")

"""Lines of json by Arrow's parser: whatever it gives is what Python's parser gives, value by value."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.sources.json import Json, JsonType, _read, _rows, _typed
from hitherto.runtime.sources.lines import Lines, as_parsed, fast_types, line_columns, seen_columns
from hitherto.runtime.sources.seen import Parsed
from hypothesis import example, given, settings
from hypothesis import strategies as st

KEYS = ["a", "b", "", "ü", "a b"]
WRITTEN_KEYS = st.sampled_from([*map(json.dumps, KEYS), '"\\u0061"', '"ü"', '"\\ud83d\\ude00"', '"\\ud83d"'])
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 10), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=4),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**53 + 1, 1e300, 0.1, 5e-324, 3.4028236e38]),
    st.sampled_from(["2024-01-31", "2024-01-31T10:00:00Z", "2024-01-31 10:00", "1e5", "true", "", "x}", "[", "{"]),
)  # fmt: skip
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=4
)
HOSTILE = st.sampled_from(
    [
        "NaN", "Infinity", "-Infinity", "Inf", "-Inf", "-NaN", "1e400", "-1e400", "1e-400", "-0", "-0.0", "01", "1.",
        ".5", "+1", "1e5", "1E+5", "0x1", "1_0", "18446744073709551616", "9" * 400, "1" * 25 + ".5", "tru", "null",
        '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\\\ud83d\\ude00"', '"\\\\\\ud83d\\ude00"', '"\\u0000"',
        '"\\x"', '"\t"', '"a', "'a'", "[1,]", "[1 2]", '{"a":1,}', '{"a":1,"a":2}', "{}", "[]", "[[null]]", '"\\/"',
        "[NaN]", "[Inf]", "/**/1", '"\ud800"', "1} {", '1}\n{"a":2', "1} null {", "\n1", "1}\n\n{", '{"a":null}',
    ]
)  # fmt: skip
VALUES = st.one_of(
    PLAIN.map(json.dumps), NESTED.map(json.dumps), NESTED.map(lambda value: json.dumps(value, ensure_ascii=False)),
    HOSTILE,
)  # fmt: skip
TYPES = {
    "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "string": pa.string(), "int8": pa.int8(),
    "uint64": pa.uint64(), "float32": pa.float32(), "binary": pa.binary(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"), "list": pa.list_(pa.float64()), "nested": pa.list_(pa.list_(pa.string())),
    "struct": pa.struct([("a", pa.int64()), ("b", pa.bool_())]), "decimal": pa.decimal128(10, 2),
}  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Lines of objects, most of them good, some with anything wrong that was thought of, a few with a random byte."""
    columns = draw(st.lists(st.tuples(WRITTEN_KEYS, st.sampled_from([PLAIN.map(json.dumps), VALUES])), max_size=3))
    alike = draw(st.sampled_from([None, st.integers(0, 9).map(str), st.floats(0, 1).map(str), st.just('"2024-01-01"')]))
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        pairs = [f"{key}:{draw(values if alike is None else alike)}" for key, values in columns]
        space = draw(st.sampled_from(["", "", "", " ", "\r", "\t", "\x0b", "\0"]))
        lines.append("{" + ",".join(pairs) + "}" + space)
    text = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", " ", ""])).join(lines) + draw(
        st.sampled_from(["", "\n", "\n\n", "\nnull", "\n5", "]"])
    )
    data = text.encode("utf-8", "surrogatepass")
    if data and draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(min_size=0, max_size=2)) + data[at + 1 :]
    return data


def by_python(lines: Lines) -> list[dict[str, Any]] | None:
    try:
        return [row for rows in _rows(lines, "e.json") for row in rows]
    except ht.SourceError:
        return None


def block(data: bytes) -> Lines:
    return Lines(data, 1, data.count(b"\n"))


def values_or_error(read: Callable[[], pa.Array]) -> str:
    """The values as a text, in which NaN equals NaN."""
    try:
        return repr(read().to_pylist())
    except ht.SourceError as error:
        return str(error)


@settings(max_examples=300)
@given(texts())
def test_the_kinds_that_arrow_sees_are_those_that_python_sees(data: bytes) -> None:
    found = seen_columns(block(data), {})
    if found is None:
        return
    rows = by_python(block(data))
    assert rows is not None, "Arrow took what Python refuses"
    assert list(found) == list(dict.fromkeys(name for row in rows for name in row))
    for name, (values, kind) in found.items():
        expected, own = JsonType(), JsonType()
        expected.see([row.get(name) for row in rows])
        own.see_column(values, kind)
        assert (own.type, own.problem) == (expected.type, "")
        again = seen_columns(block(data), {name: kind})
        assert again is not None
        assert again[name][1] == kind


@settings(max_examples=300)
@example(b'{"a":-0}', {"a": "float64"})
@example(b'{"a":[-0, 1.5],"b":-0.0}', {"a": "list", "b": "float64"})
@given(texts(), st.dictionaries(st.sampled_from([*KEYS, "😀"]), st.sampled_from(list(TYPES)), min_size=1))
def test_the_values_that_arrow_reads_are_those_that_python_reads(data: bytes, names: dict[str, str]) -> None:
    columns = {name: TYPES[type_] for name, type_ in names.items()}
    fast = fast_types(columns)
    assert (fast is None) == ("decimal" in names.values())
    parsed = line_columns(block(data), fast) if fast else None
    rows = by_python(block(data))
    if parsed is None or (rows is None and seen_columns(block(data), {}) is None):
        return
    assert rows is not None, "Arrow took what Python refuses"
    for name, type_ in columns.items():
        values = [row.get(name) for row in rows]
        expected = values_or_error(lambda: _read(values, type_, name, "e.json"))  # noqa: B023
        found = values_or_error(lambda: _typed(parsed[name], type_, name, "e.json"))  # noqa: B023
        assert found == expected
    seen = seen_columns(block(data), {})
    again = as_parsed({name: values for name, (values, _) in seen.items()}, fast) if seen and fast else None
    for name, type_ in columns.items() if again else ():
        found = values_or_error(lambda: _typed(again[name], type_, name, "e.json"))  # noqa: B023
        assert found == values_or_error(lambda: _typed(parsed[name], type_, name, "e.json"))  # noqa: B023


@pytest.mark.parametrize("most", [0, 150, 10**9])
def test_what_was_parsed_to_infer_types_is_read_as_the_file_is(most: int) -> None:
    wide = "x" * 3_000_000  # so that there are several blocks
    rows = [{"a": 1, "b": None}, {"a": 2, "b": "2024-01-01", "c": wide}, {"a": 2.5, "c": wide}, {"d": True, "a": -3}]
    data = "\n".join(map(json.dumps, rows)).encode()
    parsed = Parsed(most)
    types = Json().see(BytesIO(data), "e.json", None, parsed)
    columns = {name: type_.type for name, type_ in types.items()}
    assert columns == {"a": pa.float64(), "b": pa.date32(), "c": pa.string(), "d": pa.bool_()}
    # Whole files that were kept are not read again.
    file = BytesIO(data if most < 10**9 else b"")
    found = pa.Table.from_batches(Json().read(file, "e.json", columns, parsed))
    assert found.equals(pa.Table.from_batches(Json().read(BytesIO(data), "e.json", columns, parsed)))
    assert found["a"].to_pylist() == [1, 2, 2.5, -3]
    assert (found["c"].null_count, found["d"].to_pylist()) == (2, [None, None, None, True])


def test_a_file_that_is_written_anew_before_the_job_runs_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text('{"k":1,"ts":"2024-01-01T00:00:00","x":5}')
    view = ht.FeatureView("v", entities=["k"], source=ht.FileSource(path, timestamp_field="ts"))
    spine = pa.table({"k": [1], "event_timestamp": pa.array([10**16], pa.timestamp("us"))})
    job = ht.FeatureStore([view]).get_historical_features(spine, view)
    path.write_text('{"k":1,"ts":"2024-01-01T00:00:00","x":67}')
    assert job.to_arrow()["x"].to_pylist() == [67]
    assert job.to_arrow()["x"].to_pylist() == [67]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"b":"x"}\n{"a":2,"b":null}\n', b'{"a":1.5}\r\n\r\n{"a":2}', '{"a":"ü","b":[1]}'.encode(), b"{}\n{}",
        b'{"a":"\\ud83d\\ude00"}', b'{"a":"}","b":"{"}', b'{"a":' + b'"' + b"x" * 2_000_000 + b'"}',
    ],
)  # fmt: skip
def test_usual_lines_are_read_by_arrow(data: bytes) -> None:
    assert line_columns(block(data), {}) == {}
    found = seen_columns(block(data), {})
    assert found is not None or b"[" in data


@pytest.mark.parametrize(
    "value",
    ["Inf", "NaN", "1e400", "9223372036854775808", '"\\ud800"', "1}{", "\n1", '1,"a":1', "true", '"x"', "1.5", "[NaN]"],
)
def test_what_arrow_takes_and_python_does_not_is_left_to_python(value: str) -> None:
    lines = block(f'{{"a":1}}\n{{"a":{value}}}'.encode())
    assert line_columns(lines, {"a": pa.list_(pa.float64()) if "[" in value else pa.int64()}) is None
    assert value != "Inf" or line_columns(lines, {"a": pa.float64()}) is None


def test_new_columns_are_in_the_order_in_which_they_first_appear() -> None:
    names = [f"c{number}" for number in range(50, 0, -1)]
    lines = [json.dumps({"a": 0.5, name: 1, "text": "x" * 100_000}) for name in names]
    found = seen_columns(block("\n".join(lines).encode()), {"a": "integer"})
    assert found is not None
    assert list(found) == ["a", names[0], "text", *names[1:]]


def test_deep_nesting_ends_no_process() -> None:
    script = (
        "from hitherto.runtime.sources.lines import Lines, seen_columns, line_columns\n"
        "import pyarrow as pa\n"
        "deep = Lines(b'{\"a\":' + b'[' * 200_000 + b']' * 200_000 + b'}', 1, 0)\n"
        "assert seen_columns(deep, {}) is None and line_columns(deep, {'b': pa.int64()}) is not None\n"
        "assert seen_columns(Lines(b'null', 1, 0), {}) is None and line_columns(Lines(b'', 1, 0), {}) is None\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

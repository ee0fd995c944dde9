"""Keys and rows as bytes: what is decoded is what was encoded, and equal keys alone have equal bytes."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hitherto.planner.errors import StoreError
from hitherto.runtime.arrow import data_type
from hitherto.runtime.sinks.encoding import RowDecoder, can_be_stored, encode_key, encode_keys, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiers import few

DECIMALS = st.integers(-(10**12), 10**12).map(lambda digits: Decimal(digits).scaleb(-4))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))
SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.decimal128(30, 4), DECIMALS),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("ms", "UTC"), MOMENTS.map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC))),
    (pa.timestamp("us", "America/New_York"), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    (pa.timestamp("us", "-02:30"), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
]
Typed = tuple[pa.DataType, st.SearchStrategy[Any]]


def nested(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    def of_struct(parts: list[Typed]) -> Typed:
        names = [f"f{number}" for number in range(len(parts))]
        fields = {name: st.none() | values for name, (_, values) in zip(names, parts, strict=True)}
        types = [pa.field(name, type_) for name, (type_, _) in zip(names, parts, strict=True)]
        return pa.struct(types), st.fixed_dictionaries(fields)

    lists = inner.map(lambda one: (pa.list_(one[0]), st.lists(st.none() | one[1], max_size=3)))
    return lists | st.lists(inner, max_size=10).map(of_struct)


TYPES: st.SearchStrategy[Typed] = st.recursive(st.sampled_from(SCALARS), nested, max_leaves=4)


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Array]:
    """Columns of some types, of one length, perhaps the middle of longer ones."""
    count = draw(st.integers(0, 4))
    start = draw(st.integers(0, 2))
    arrays = []
    for type_, values in draw(st.lists(TYPES, max_size=12)):
        size = start + count + 1
        whole = pa.array(draw(st.lists(st.none() | values, min_size=size, max_size=size)), type_)
        arrays.append(whole.slice(start, count))
    return arrays


@pytest.mark.parametrize("examples", few([75, 300], fast=1))
def test_a_row_is_decoded_as_it_was_encoded(examples: int) -> None:
    settings(max_examples=examples)(given(tables())(check_encoding))()


def check_encoding(columns: list[pa.Array]) -> None:
    count = len(columns[0]) if columns else 2
    assert all(can_be_stored(data_type(column.type)) for column in columns)
    decoder = RowDecoder([data_type(column.type) for column in columns])
    rows = encode_rows(columns, count).to_pylist()
    expected = list(zip(*(column.to_pylist() for column in columns), strict=True)) if columns else [()] * count
    assert list(map(repr_of, map(decoder.decode, rows))) == list(map(repr_of, expected))


def repr_of(value: Any) -> str:
    """A text that differs for values that differ, zones by their distance from UTC, -0.0 and 0.0 too.

    What zones were before 1902 and will be from 2038 on, older versions of Arrow do not have from Python.
    """
    if isinstance(value, datetime) and value.tzinfo is not None and not 1902 <= value.year < 2038:
        value = value.astimezone(UTC)
    if isinstance(value, dict):
        return str({name: repr_of(each) for name, each in value.items()})
    if isinstance(value, list | tuple):
        return str([repr_of(each) for each in value])
    return f"{type(value).__name__} {value.isoformat() if isinstance(value, datetime) else value!r}"


def test_rows_of_equal_values_have_equal_bytes_whatever_lies_under_a_null() -> None:
    """Arrow keeps any value where one is null; the file would differ between two runs."""
    data = [None, pa.py_buffer(struct.pack("2q", 7, 8))]
    one = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x02"), data[1]])
    assert one.to_pylist() == [None, 8]
    assert encode_rows([one], 2).equals(encode_rows([pa.array([None, 8], pa.int64())], 2))


KEYS: list[tuple[pa.DataType, list[Any], list[Any]]] = [
    (pa.int64(), [0, -1, 2**63 - 1, -(2**63)], [0, -1, 2**63 - 1, -(2**63)]),
    (pa.int64(), [1_704_067_200_000_000], [datetime(2024, 1, 1, tzinfo=UTC)]),
    (pa.int64(), [-86_400_000_000], [date(1969, 12, 31)]),
    (pa.string(), ["", "ü", "1:a", "\0"], ["", "ü", "1:a", "\0"]),
    (pa.binary(), [b"", b"\xff:"], [b"", b"\xff:"]),
    (pa.bool_(), [True, False], [True, False]),
    (
        pa.decimal128(38, 10),
        [Decimal("1.50"), Decimal("0E-10"), Decimal("1E-10"), Decimal("-1200"), Decimal("9" * 28)],
        [Decimal("1.5"), Decimal("-0"), Decimal("0.0000000001"), Decimal("-1.2E3"), Decimal("9" * 28)],
    ),
]


@pytest.mark.parametrize(("type_", "stored", "asked"), KEYS, ids=lambda value: str(value)[:20])
def test_a_key_of_python_has_the_bytes_of_arrows(type_: pa.DataType, stored: list[Any], asked: list[Any]) -> None:
    column = pa.array([*stored, None], type_)
    single = [encode_key([value]) for value in [*asked, None]]
    assert encode_keys([column], len(column)).to_pylist() == single
    assert len(set(single)) == len(single)
    pairs = [encode_key([value, "x"]) for value in [*asked, None]]
    assert encode_keys([column, pa.array(["x"] * len(column))], len(column)).to_pylist() == pairs


@given(st.lists(st.tuples(st.text(":1a", max_size=3), st.text(":1a", max_size=3), st.integers(0, 11)), max_size=20))
def test_composite_keys_are_never_taken_for_one_another(keys: list[tuple[Any, ...]]) -> None:
    assert len(set(map(encode_key, keys))) == len(set(keys))


def test_a_key_without_parts_or_with_a_null_is_that_of_the_empty_answer() -> None:
    assert encode_key([]) is None
    assert encode_key([1, None]) is None
    assert encode_keys([], 2).to_pylist() == [None, None]


def test_a_decimal_with_more_digits_than_any_stored_one_is_another_key() -> None:
    near = Decimal("1.5" + "0" * 90 + "1")
    assert encode_key([near]) != encode_key([Decimal("1.5")])
    assert len(encode_key([Decimal("1E+1000000")]) or b"") < 20


BEYOND = {
    "an instant": pa.array([2**62], pa.timestamp("us")),
    "an instant whose zone has another year": pa.array([datetime(9999, 12, 31, 23)], pa.timestamp("us", "Asia/Tokyo")),
    "a date": pa.array([2**30], pa.int32()).cast(pa.date32()),
    "text": pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xed\xa0\x80"]).buffers()),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_value_that_python_has_no_object_for_is_a_store_error(name: str) -> None:
    column = BEYOND[name]
    message = "text that is not valid UTF-8" if name == "text" else "a time beyond the years 1 to 9999"
    with pytest.raises(StoreError, match=message):
        RowDecoder([data_type(column.type)]).decode(encode_rows([column], 1)[0].as_py())


def test_a_zone_that_python_does_not_know_is_a_store_error() -> None:
    for zone in ("Nowhere/At_all", "+2"):
        with pytest.raises(StoreError, match="Python knows no time zone"):
            RowDecoder([data_type(pa.timestamp("us", zone))])


def test_the_sign_of_zero_and_every_nan_are_kept() -> None:
    row = encode_rows([pa.array([-0.0]), pa.array([math.nan])], 1)[0].as_py()
    zero, nan = RowDecoder([data_type(pa.float64())] * 2).decode(row)
    assert math.copysign(1, zero) == -1
    assert math.isnan(nan)

"""What is read from Arrow's buffers: offsets, bit masks, columns of nulls, and every way to write a text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hitherto.runtime.index import columns as reading
from hitherto.runtime.index.columns import array_of, flat, gathered, taken, valid_of, values_of

from tests.index.columns import POOLS, plain

WIDE = [type_ for type_ in POOLS if type_ not in (pa.string(), pa.large_string(), pa.binary(), pa.decimal128(38, 0))]


@pytest.mark.parametrize("offset", [0, 1, 7, 8, 9, 64])
@pytest.mark.parametrize("size", [0, 1, 8, 13])
@pytest.mark.parametrize("type_", WIDE, ids=str)
def test_values_and_validity_are_those_of_the_slice(type_: pa.DataType, size: int, offset: int) -> None:
    values = [POOLS[type_][place % len(POOLS[type_])] if place % 3 else None for place in range(100)]
    array = pa.array(values, type_)[offset : offset + size]
    valid = valid_of(array)
    assert valid is None if not array.null_count else valid.tolist() == array.is_valid().to_pylist()  # type: ignore[union-attr]
    if type_ != pa.null():
        back = array_of(values_of(array), type_, valid)
        back.validate(full=True)
        assert repr(plain(back)) == repr(plain(array))


def test_integers_with_nulls_stay_integers() -> None:
    array = pa.array([2**53 + 1, None, -(2**63)])
    assert values_of(array)[[0, 2]].tolist() == [2**53 + 1, -(2**63)]
    assert values_of(array).dtype == np.int64


@pytest.mark.parametrize("type_", [pa.bool_(), pa.int64(), pa.date32(), pa.decimal128(9, 2)], ids=str)
def test_an_empty_column_may_have_no_buffers(type_: pa.DataType) -> None:
    array = pa.Array.from_buffers(type_, 0, [None, None])
    assert array.buffers()[1] is None
    assert len(values_of(array)) == 0
    assert valid_of(array) is None


def test_a_column_of_the_null_type_has_no_buffers() -> None:
    assert valid_of(pa.nulls(3)).tolist() == [False] * 3  # type: ignore[union-attr]
    assert len(values_of(pa.nulls(3))) == 3


def test_types_without_a_fixed_width_have_no_such_values() -> None:
    for array in (pa.array(["a"]), pa.array([b"a"]), pa.array([Decimal(10**30)])):
        with pytest.raises(TypeError, match="no values of fixed width"):
            values_of(array)


def test_a_column_is_flattened_to_plain_values() -> None:
    words = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", None]).dictionary_encode()])
    assert flat(words).to_pylist() == ["a", "b", "c", None]
    assert flat(words).type == pa.string()
    nothing: pa.ChunkedArray[Any] = pa.chunked_array([], pa.int64())
    assert flat(nothing).to_pylist() == []


def test_one_chunk_is_not_copied() -> None:
    chunk = pa.array([1, 2, 3])
    assert flat(pa.chunked_array([chunk])).buffers()[1].address == chunk.buffers()[1].address  # type: ignore[union-attr]
    assert values_of(chunk).__array_interface__["data"][0] == chunk.buffers()[1].address  # type: ignore[union-attr]


@pytest.mark.parametrize("by_chunk", [0, 10**6])
def test_rows_are_taken_in_the_order_asked_from_all_chunks(by_chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "GATHER_BY_CHUNK", by_chunk)
    chunks = [pa.array([0, 1, 2]), pa.array([], pa.int64()), pa.array([3]), pa.array([4, 5, 6, None])[1:]]
    column = pa.chunked_array(chunks)
    for rows in ([6, 0, 3, 3, 5, 2], [3], [], [4]):
        picked = taken(column, np.array(rows, np.int64))
        assert picked.type == pa.int64()
        assert picked.to_pylist() == [column.to_pylist()[row] for row in rows]


@pytest.mark.parametrize("width", [np.uint32, np.int64])
def test_values_are_gathered_piece_by_piece(width: type[np.integer[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 3)
    for size in (0, 1, 3, 7):
        rows = np.arange(size, dtype=width)[::-1]
        assert gathered(np.arange(20)[::2], rows).tolist() == [2 * row for row in rows.tolist()]


def test_a_gather_reads_no_more_than_once_what_is_not_contiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 8)
    halves = np.arange(200_000)[::2]
    copied: list[int] = []
    monkeypatch.setattr(np, "ascontiguousarray", lambda values: copied.append(len(values)) or values.copy())
    gathered(halves, np.arange(100))
    assert copied == [100_000]

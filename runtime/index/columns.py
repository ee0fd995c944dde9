"""Arrow columns as arrays of numpy: values and validity are read from the buffers, so integers stay integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..arrow import readable

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[Any]

MOST_TEXT = 2**31 - 1
"""Bytes of strings that one array with offsets of 32 bits holds."""

GATHER_BY_CHUNK = 8
"""Fewer than one row in so many is taken chunk by chunk, which copies no more than those rows."""

PIECE = 2**15
"""Rows that are worked on at a time, where an operation has several steps: the steps between stay in the cache."""


def flat(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """The column as one array of a plain type; a copy only where it has several chunks. O(n)."""
    column = _in_wide_offsets(readable(column))
    chunks = column.chunks
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def taken(column: pa.ChunkedArray[Any], positions: Positions) -> pa.Array[Any]:
    """The values at ``positions``, in their order. O(k log k) for few of them, else O(n)."""
    column = _in_wide_offsets(readable(column))
    if column.num_chunks == 1 or len(positions) * GATHER_BY_CHUNK > len(column):
        return flat(column).take(positions)
    order = np.argsort(positions, kind="stable")
    ascending = positions[order]
    parts: list[pa.Array[Any]] = []
    before = 0
    for chunk in column.chunks:
        low, high = np.searchsorted(ascending, (before, before + len(chunk)))
        if low < high:
            parts.append(chunk.take(ascending[low:high] - before))
        before += len(chunk)
    if not parts:
        return flat(column.slice(0, 0))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(back)


def _in_wide_offsets(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    wide = pa.large_string() if pa.types.is_string(column.type) else pa.large_binary()
    is_text = pa.types.is_string(column.type) or pa.types.is_binary(column.type)
    return column.cast(wide) if is_text and column.nbytes > MOST_TEXT else column


def valid_of(array: pa.Array[Any]) -> Bools | None:
    """Which values are not null; None where all are. O(n)."""
    if not array.null_count:
        return None
    bits = array.buffers()[0]
    return np.zeros(len(array), np.bool_) if bits is None else _unpacked(bits, array.offset, len(array))


def values_of(array: pa.Array[Any]) -> Values:
    """The values of a column of fixed width, and anything at its nulls; without a copy but for booleans.

    Dates and timestamps are their integers; decimals of at most 18 digits theirs, without the scale.
    Raises TypeError for other types.
    """
    type_, size = array.type, len(array)
    if pa.types.is_null(type_):
        return np.zeros(size, np.int8)
    bits = array.buffers()[1] if not _is_of_bytes(type_) else None
    if pa.types.is_boolean(type_):
        return np.zeros(size, np.bool_) if bits is None else _unpacked(bits, array.offset, size)
    if is_short_decimal(type_):
        # The low half of a decimal of so few digits is the whole of it.
        limbs = np.zeros(2 * size, np.int64) if bits is None else _read(bits, np.int64)[2 * array.offset :]
        return limbs[: 2 * size : 2]
    if _is_of_bytes(type_) or pa.types.is_decimal(type_):
        raise TypeError(f"{type_} has no values of fixed width")
    width = _width_of(type_)
    return np.zeros(size, width) if bits is None else _read(bits, width)[array.offset : array.offset + size]


def gathered(values: Values, rows: Positions) -> Values:
    """``values[rows]``, in pieces, so that row numbers of 32 bits are never all widened at once. O(k)."""
    # Of what is not contiguous, such as the halves of decimals, take() would copy everything for every piece.
    values = np.ascontiguousarray(values)
    result = np.empty(len(rows), values.dtype)
    for piece in pieces(len(rows)):
        # Any other mode copies the piece once more. No row is out of range.
        values.take(rows[piece].astype(np.intp, copy=False), out=result[piece], mode="clip")
    return result


def pieces(size: int) -> Iterator[slice]:
    """So many rows in parts of at most ``PIECE``."""
    return (slice(start, min(start + PIECE, size)) for start in range(0, size, PIECE))


def array_of(values: Values, type_: pa.DataType, valid: Bools | None = None) -> pa.Array[Any]:
    """An Arrow array of a type of fixed width from what ``values_of`` gives for it; a decimal also from two words each.

    Null where ``valid`` is false.
    """
    content: Any = values
    if pa.types.is_boolean(type_):
        content = np.packbits(values, bitorder="little")
    elif pa.types.is_decimal(type_) and values.ndim == 1:
        content = np.stack((values, values >> 63), axis=1)
    content = np.ascontiguousarray(content)
    bits: Any = None if valid is None else np.packbits(valid, bitorder="little")
    buffers = [None if bits is None else pa.py_buffer(bits), pa.py_buffer(content)]
    return pa.Array.from_buffers(type_, len(values), buffers)


def is_short_decimal(type_: pa.DataType) -> bool:
    """Whether it is a decimal whose integers have 64 bits."""
    return pa.types.is_decimal128(type_) and type_.precision <= 18


def _is_of_bytes(type_: pa.DataType) -> bool:
    of_bytes = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    return any(is_type(type_) for is_type in of_bytes)


def _width_of(type_: pa.DataType) -> npt.DTypeLike:
    if pa.types.is_temporal(type_):
        return np.int32 if pa.types.is_date32(type_) else np.int64
    return cast("npt.DTypeLike", type_.to_pandas_dtype())


def _read(bits: Any, width: npt.DTypeLike) -> Values:
    return np.frombuffer(bits, width)


def _unpacked(bits: pa.Buffer, offset: int, size: int) -> Bools:
    """A bit a value, of which the first are those of a longer array."""
    first = offset // 8
    packed = _read(bits, np.uint8)[first : (offset + size + 7) // 8]
    return np.unpackbits(packed, count=offset % 8 + size, bitorder="little")[offset % 8 :].view(np.bool_)

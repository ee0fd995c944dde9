"""Columns for the tests of the index: every scalar type, with nulls, ties and its edges, cut into slices of chunks."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

QUIET = math.nan
NEGATIVE_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000000))[0]
SIGNALLING_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000001))[0]
PAYLOAD_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000ABC))[0]
NANS = (QUIET, NEGATIVE_NAN, SIGNALLING_NAN, PAYLOAD_NAN)

FLOATS = (0.0, -0.0, 1.5, -1.5, 1e17, -1e17, 5e-324, -5e-324, math.inf, -math.inf, *NANS)
POOLS: dict[pa.DataType, tuple[Any, ...]] = {
    pa.bool_(): (False, True),
    pa.int8(): (-128, -1, 0, 1, 127),
    pa.int16(): (-(2**15), -1, 0, 2**15 - 1),
    pa.int32(): (-(2**31), -1, 0, 1, 2**31 - 1),
    pa.int64(): (-(2**63), -(2**63) + 1, -(2**32), -1, 0, 1, 2**32 - 1, 2**53 + 1, 2**63 - 1),
    pa.uint8(): (0, 1, 255),
    pa.uint16(): (0, 1, 2**16 - 1),
    pa.uint32(): (0, 1, 2**31, 2**32 - 1),
    pa.float32(): (0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, *NANS),
    pa.float64(): FLOATS,
    pa.decimal128(5, 2): (Decimal("-999.99"), Decimal("0.00"), Decimal("0.01"), Decimal("999.99")),
    pa.decimal128(18, 3): (Decimal(-(10**18) + 1).scaleb(-3), Decimal("0.000"), Decimal(10**18 - 1).scaleb(-3)),
    pa.decimal128(38, 0): (Decimal(-(10**38) + 1), Decimal(-(2**64)), Decimal(0), Decimal(2**64), Decimal(10**38 - 1)),
    pa.string(): ("", "a", "A", "a ", "ä", "é", "zz", "\U0001f600", "￿", "a" * 40),
    pa.large_string(): ("", "a", "b", "ä"),
    pa.binary(): (b"", b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"\xff"),
    pa.date32(): (-(2**31), -1, 0, 19_000, 2**31 - 1),
    pa.timestamp("us"): (-(2**62), -1, 0, 1, 2**62),
    pa.timestamp("us", "UTC"): (-1, 0, 1),
    pa.null(): (None,),
}


def column(random: Random, type_: pa.DataType, size: int, nulls: float = 0.2) -> pa.ChunkedArray[Any]:
    """Random values of the type's pool in chunks that are slices of longer arrays."""
    values = [None if random.random() < nulls else random.choice(POOLS[type_]) for _ in range(size)]
    return chunked(random, values, type_)


def chunked(random: Random, values: list[Any], type_: pa.DataType) -> pa.ChunkedArray[Any]:
    chunks: list[pa.Array[Any]] = []
    start = 0
    while start < len(values):
        stop = min(start + random.randint(1, max(len(values) // 2, 1)), len(values))
        before, after = ([values[start]] * random.randint(0, 9) for _ in range(2))
        chunk = pa.array([*before, *values[start:stop], *after], type_)
        chunks.append(chunk.slice(len(before), stop - start))
        start = stop
    return pa.chunked_array(chunks, type_)


def numbers(type_: pa.DataType) -> pa.DataType:
    """The integers that the pool of a date or timestamp is written with."""
    return pa.int32() if pa.types.is_date32(type_) else pa.int64() if pa.types.is_timestamp(type_) else type_


def plain(values: pa.Array[Any] | pa.ChunkedArray[Any]) -> list[Any]:
    """Python's values; dates and timestamps are integers, since they go beyond its calendar."""
    return values.cast(numbers(values.type)).to_pylist()

"""Numbers of keys: given to the combinations that rows have, and looked up for other rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .arrow import readable
from .index.columns import PIECE, Ints, valid_of, values_of

Places = npt.NDArray[np.int32]

FAR = 8
"""Integers are near each other where their range is at most so many times their number."""


def combinations(keys: Sequence[pa.ChunkedArray[Any]]) -> list[pa.Array[Any]]:
    """The different combinations of keys without a null, in any order: a column for each key. O(n) for each key."""
    if len(keys) == 1:
        near = _Near.of(keys[0])
        unique: Any = pc.unique(keys[0]) if near is None else near.distinct(keys[0])
        return [unique.drop_null()]
    names = [str(index) for index in range(len(keys))]
    known: Any = pa.table(list(keys), names=names).drop_null().group_by(names).aggregate([])
    return [known[name].combine_chunks() for name in names]


class Keys:
    """Known combinations of keys, all different, each of which is at the place that is its number."""

    def __init__(self, known: Sequence[pa.Array[Any]]) -> None:
        self._known = known
        self._near = _Near.of(known[0]) if len(known) == 1 else None
        self._table = None if self._near is None else self._near.table(known[0])

    def __len__(self) -> int:
        return len(self._known[0]) if self._known else 0

    def numbers(self, columns: Sequence[pa.ChunkedArray[Any]], rows: int) -> pa.ChunkedArray[Any]:
        """The number of each row's keys, null where they have none; without keys all rows have one. O(n) for each."""
        if not self._known:
            return pa.chunked_array([pa.array(np.zeros(rows, np.int32))])
        if self._near is not None and self._table is not None and pa.types.is_integer(columns[0].type):
            return self._near.places(columns[0], self._table)
        found: Any = None
        wanted: Any = None
        for stored, held in zip(columns, self._known, strict=True):
            column, known = _comparable(readable(stored), held)
            if found is None:
                found, wanted = column, known
                continue
            # Of several keys, what was found so far and the next one are one number together.
            own: Any = pc.unique(known)
            codes, wanted_codes = pc.index_in(column, value_set=own), pc.index_in(known, value_set=own)
            before: Any = pc.unique(wanted)
            found = _paired(pc.index_in(found, value_set=before), codes, len(own))
            wanted = _paired(pc.index_in(wanted, value_set=before), wanted_codes, len(own))
        return cast("pa.ChunkedArray[Any]", pc.index_in(found, value_set=wanted))


@dataclass(frozen=True)
class _Near:
    """Integers that are near each other, so that a place in an array says what another way would need a hash for."""

    least: int
    span: int

    @classmethod
    def of(cls, column: pa.Array[Any] | pa.ChunkedArray[Any]) -> _Near | None:
        """Where integers are: their range, if that is not much larger than the number of rows."""
        if not pa.types.is_integer(column.type) or column.null_count == len(column):
            return None
        found: Any = pc.min_max(column)
        ends: dict[str, int] = found.as_py()
        span = ends["max"] - ends["min"] + 1
        return cls(ends["min"], span) if span <= FAR * len(column) else None

    def distinct(self, column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
        """The different values, in order. O(n + span)."""
        seen = np.zeros(self.span, np.bool_)
        for chunk in column.chunks:
            seen[_wide(chunk.drop_null()) - self.least] = True
        found: pa.Array[Any] = pa.array(np.flatnonzero(seen) + self.least, column.type)
        return found

    def table(self, known: pa.Array[Any]) -> Places:
        """For each integer its place among known ones, all different, or -1; and one more for all that are outside."""
        table = np.full(self.span + 1, -1, np.int32)
        table[_wide(known) - self.least] = np.arange(len(known))
        return table

    def places(self, column: pa.ChunkedArray[Any], table: Places) -> pa.ChunkedArray[Any]:
        """The place of each value; null where it has none. O(n)."""
        chunks: list[pa.Array[Any]] = []
        for chunk in column.chunks:
            valid, values, found = valid_of(chunk), _wide(chunk), np.empty(len(chunk), np.int32)
            for start in range(0, len(chunk), PIECE):
                part = slice(start, start + PIECE)
                # Less than the least is, without a sign, more than all others.
                offsets = (values[part] - self.least).view(np.uint64)
                np.minimum(offsets, self.span, out=offsets)
                table.take(offsets.view(np.int64), out=found[part], mode="clip")
            if valid is not None:
                found[~valid] = -1
            is_missing = found < 0
            chunks.append(pa.array(found, mask=is_missing if is_missing.any() else None))
        return pa.chunked_array(chunks, pa.int32())


def _wide(integers: pa.Array[Any]) -> Ints:
    """Integers as those of 64 bits: differences of narrow ones may not fit into theirs."""
    return values_of(integers).astype(np.int64, copy=False)


def _paired(first: Any, second: Any, count: int) -> Any:
    return pc.add(pc.multiply(pc.cast(first, pa.int64()), count), pc.cast(second, pa.int64()))


def _comparable(column: pa.ChunkedArray[Any], known: pa.Array[Any]) -> tuple[Any, Any]:
    """Both of one type, the wider one."""
    is_large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    return (column, known.cast(column.type)) if is_large else (column.cast(known.type), known)

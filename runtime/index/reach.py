"""Events that no row can use, told apart by key and time before they are sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .columns import PIECE, Bools, Ints, Positions, valid_of, values_of
from .words import Sorted

MOST_CELLS = 2**25
"""Cells of a byte each: more keys and buckets of time than these share cells."""
MOST_USED = 0.25
"""Where rows reach more of the cells, to look events up costs more than to sort what it leaves out."""


@dataclass(frozen=True)
class Reach:
    """Which keys and times rows can reach: cells of a key and 2**``bits`` microseconds, from ``first`` before ``last``.

    A cell that a row reaches has other events, too, and so has a cell that several share: some events are kept in vain,
    and none is left out that is needed.
    """

    cells: Bools
    buckets: int
    bits: int
    first: int
    last: int

    @classmethod
    def of(cls, rows: Sorted, earliest: int, latest: int) -> Reach | None:
        """Of rows whose events are within [t + ``earliest``, t + ``latest``); None where they reach much. O(s)."""
        if not len(rows) or latest <= earliest:
            return None
        first, last = rows.first + earliest, rows.last + latest
        bits = (latest - earliest - 1).bit_length()
        buckets = ((last - 1 - first) >> bits) + 1
        count = min((rows.most + 1) * buckets, MOST_CELLS)
        if 2 * len(rows) > MOST_USED * count:
            return None
        made = cls(np.zeros(count, np.bool_), buckets, bits, first, last)
        for start in range(0, len(rows), PIECE):
            part = slice(start, start + PIECE)
            keys, times = rows.sorted_keys(part), rows.sorted_times(part)
            # An interval is no longer than a bucket, so it lies in two of them at most.
            for end in (earliest, latest - 1):
                made.cells[made._cells(keys, times + end)] = True
        return made

    def mask(self, keys: pa.Array[Any], times: pa.Array[Any]) -> pa.Array[Any]:
        """Which events a row may reach; anything where one of both is null. O(n)."""
        found = np.empty(len(keys), np.bool_)
        all_keys, all_times, valid = values_of(keys), values_of(times), valid_of(keys)
        for start in range(0, len(found), PIECE):
            part = slice(start, start + PIECE)
            at = all_times[part]
            is_inside = (at >= self.first) & (at < self.last)
            if valid is not None:
                is_inside &= valid[part]
            cells = self._cells(np.where(is_inside, all_keys[part], 0), np.where(is_inside, at, self.first))
            np.logical_and(self.cells[cells], is_inside, out=found[part])
        return pa.array(found)

    def _cells(self, keys: Positions, times: Ints) -> Ints:
        cells = keys.astype(np.int64) * self.buckets + ((times - self.first) >> self.bits)
        return cells if len(self.cells) < MOST_CELLS else cells % MOST_CELLS


def reached(rows: pa.RecordBatchReader, key: str, time: str, reach: Reach | None) -> pa.Table:
    """The rows that are within reach, and maybe others. O(n)."""
    if reach is None:
        return rows.read_all()
    parts = (batch.filter(reach.mask(batch[key], batch[time])) for batch in rows)
    return pa.Table.from_batches(parts, rows.schema)

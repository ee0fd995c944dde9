"""Events that no row can use, told apart by key and time before they are sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .columns import PIECE, Bools, Ints, Positions, values_of
from .words import Sorted

MOST_CELLS = 2**25
"""Cells of a byte each: more keys and buckets of time than these share cells."""
MOST_USED = 0.4
"""Where rows reach more of the cells, to look events up costs more than to sort what it leaves out."""
_CELLS_FOR_EACH = 64
"""Cells for each that a row reaches, at most: few enough rows share theirs with hardly an event."""
_FINER = 2
"""An interval is as long as 2 to the power of this many cells, or half of that: what is kept is little more."""


@dataclass(frozen=True)
class Reach:
    """Which keys and times rows can reach: cells of a key and 2**``bits`` microseconds, from ``first`` on.

    A cell that a row reaches has other events, too, and so has a cell that several share: some events are kept in vain,
    and none is left out that is needed.
    """

    cells: Bools
    buckets: int
    bits: int
    first: int
    is_shared: bool

    @classmethod
    def of(cls, rows: Sorted, earliest: int, latest: int) -> Reach | None:
        """Of rows whose events are within [t + ``earliest``, t + ``latest``); None where they reach much. O(s)."""
        if not len(rows) or latest <= earliest:
            return None
        first, last = rows.first + earliest, rows.last + latest
        # The last bucket is for all other times: no row reaches it.
        bits = max((latest - earliest - 1).bit_length() - _FINER, 0)
        steps = (*range(earliest, latest - 1, 1 << bits), latest - 1)
        buckets = ((last - 1 - first) >> bits) + 2
        reached = len(rows) * len(steps)
        own = (rows.most + 1) * buckets
        count = min(own, MOST_CELLS, _CELLS_FOR_EACH * reached)
        if reached > 2 * MOST_USED * count:
            return None
        made = cls(np.zeros(count, np.bool_), buckets, bits, first, is_shared=count < own)
        for start in range(0, len(rows), PIECE):
            part = slice(start, start + PIECE)
            keys, times = rows.sorted_keys(part), rows.sorted_times(part)
            for step in steps:
                made.cells[made._cells(keys, times + step)] = True
        is_worth = reached <= MOST_USED * count or np.count_nonzero(made.cells) <= MOST_USED * count
        return made if is_worth else None

    def mask(self, keys: pa.Array[Any], times: pa.Array[Any]) -> pa.Array[Any]:
        """Which events a row may reach; anything where one of both is null. O(n)."""
        found = np.empty(len(keys), np.bool_)
        all_keys, all_times = values_of(keys), values_of(times)
        for start in range(0, len(found), PIECE):
            part = slice(start, start + PIECE)
            self.cells.take(self._cells(all_keys[part], all_times[part]), out=found[part], mode="clip")
        return pa.array(found)

    def _cells(self, keys: Positions, times: Ints) -> Ints:
        # What is before the first time is, without a sign, after all others.
        buckets = (times - self.first).view(np.uint64)
        buckets >>= np.uint64(self.bits)
        np.minimum(buckets, np.uint64(self.buckets - 1), out=buckets)
        cells = keys.astype(np.int64)
        cells *= self.buckets
        cells += buckets.view(np.int64)
        if self.is_shared:
            cells %= len(self.cells)
        return cells


def reached(rows: pa.RecordBatchReader, key: str, time: str, reach: Reach | None) -> pa.Table:
    """The rows that are within reach, and maybe others. O(n)."""
    if reach is None:
        return rows.read_all()
    parts = (batch.filter(reach.mask(batch[key], batch[time])) for batch in rows)
    return pa.Table.from_batches(parts, rows.schema)

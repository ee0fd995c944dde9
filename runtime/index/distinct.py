"""How many distinct values slices hold: the elements whose value has not come before within the slice."""

from __future__ import annotations

import numpy as np

from .columns import Ints, Values, pieces
from .ranks import Ranks, grouped
from .slices import Slices

FIRST_BLOCK = 64
"""Elements of the smallest sorted blocks; slices are compared one by one at their ends, which are shorter."""

LONG_LENGTH = 128
"""Slices are counted by blocks where they have more elements than all values, and so many each."""


class Distinct:
    """For each position the one after the last of the same value, and 0 where that is the first."""

    __slots__ = ("_after",)

    def __init__(self, values: Values) -> None:
        # A slice lies within a key, so an equal value of another key is before its start in any case.
        order, is_new = grouped(values)
        self._after = np.zeros(len(values), np.uint32)
        for piece in pieces(len(values) - 1):
            is_repeated = ~is_new[piece.start + 1 : piece.stop + 1]
            self._after[order[piece.start + 1 : piece.stop + 1]] = (order[piece] + 1) * is_repeated

    def counts(self, slices: Slices) -> Ints:
        """The number of distinct values in each slice.

        O(M) for short slices; for long ones O(n log b + S log n) at each block size b up to the longest.
        """
        total = int(slices.counts().sum())
        if total <= len(self._after) + LONG_LENGTH * len(slices):
            return self._one_by_one(slices, slices.starts)
        starts, stops = -(-slices.starts // FIRST_BLOCK), slices.stops // FIRST_BLOCK
        is_across = starts <= stops
        head = Slices(slices.starts, np.where(is_across, starts * FIRST_BLOCK, slices.stops))
        tail = Slices(np.where(is_across, stops * FIRST_BLOCK, slices.stops), slices.stops)
        result = self._one_by_one(head, slices.starts)
        result += self._one_by_one(tail, slices.starts)
        blocks = self._after[: len(self._after) // FIRST_BLOCK * FIRST_BLOCK].copy()
        size = FIRST_BLOCK
        while (is_open := starts < stops).any():
            blocks = blocks[: len(blocks) // size * size]
            blocks.reshape(-1, size).sort(axis=1)
            for is_odd, block in ((starts & 1, starts), (stops & 1, stops - 1)):
                some = np.flatnonzero(is_open & (is_odd == 1))
                result[some] += _at_most(blocks, block[some] * size, size, slices.starts[some])
            starts, stops, size = (starts + 1) >> 1, stops >> 1, size * 2
        return result

    def _one_by_one(self, parts: Slices, starts: Ints) -> Ints:
        """The elements of each part whose value has not come since ``starts``. O(M)."""
        result = np.empty(len(parts), np.int64)
        for part, batch in parts.batches():
            positions, offsets = batch.expanded()
            is_first = self._after[positions] <= np.repeat(starts[part], batch.counts())
            before = np.zeros(len(positions) + 1, np.int64)
            np.cumsum(is_first, out=before[1:])
            result[part] = before[offsets[1:]] - before[offsets[:-1]]
        return result


def _at_most(blocks: Ranks, first: Ints, size: int, bounds: Ints) -> Ints:
    """How many elements of the ascending block of ``size``, a power of two, that begins at ``first`` are <= bounds."""
    place = first.copy()
    step = size // 2
    while step:
        place += np.where(blocks[place + (step - 1)] <= bounds, step, 0)
        step //= 2
    return place - first + (blocks[place] <= bounds)

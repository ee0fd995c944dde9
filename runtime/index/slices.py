"""Slices of the sorted events, one for each row that asks, and what they are mapped, cut and reduced to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .columns import Bools, Ints, Values

Counts = npt.NDArray[np.uint32]

BLOCK = 64
"""Elements of a block that is reduced once for all slices, where slices are long."""

MOST_EXPANDED = 2**16
"""Elements of slices that are written out at a time: they stay in the cache."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Half-open ranges [start, stop) of positions, start <= stop; they may overlap, be empty and stand in any order."""

    starts: Ints
    stops: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, which: slice | Ints | Bools) -> Slices:
        return Slices(self.starts[which], self.stops[which])

    def counts(self) -> Ints:
        """How many elements each has. O(S)."""
        return self.stops - self.starts

    def within(self, kept_before: Counts) -> Slices:
        """The same elements, where some alone are kept: ``kept_before[i]`` of those before position i. O(S)."""
        return Slices(kept_before[self.starts].astype(np.int64), kept_before[self.stops].astype(np.int64))

    def expanded(self) -> tuple[Ints, Ints]:
        """The positions of all elements, slice after slice, and where each begins and the last one ends. O(M)."""
        counts = self.counts()
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        positions = np.repeat(self.starts - offsets[:-1], counts)
        positions += np.arange(len(positions))
        return positions, offsets

    def batches(self) -> Iterator[tuple[slice, Slices]]:
        """The slices in parts whose elements fit in memory one by one, each with its place; a long one stands alone."""
        ends = np.cumsum(self.counts())
        first = 0
        while first < len(self):
            before = int(ends[first - 1]) if first else 0
            stop = max(int(np.searchsorted(ends, before + MOST_EXPANDED, side="right")), first + 1)
            part = slice(first, stop)
            yield part, self[part]
            first = stop


def kept_before(mask: Bools) -> Counts:
    """For each position, and the one after the last, how many before it the mask keeps. O(n)."""
    counts = np.zeros(len(mask) + 1, np.uint32)
    np.cumsum(mask, dtype=np.uint32, out=counts[1:])
    return counts


def reduced(function: np.ufunc, values: Values, slices: Slices, empty: float) -> Values:
    """``function`` over each slice, and ``empty``, its neutral value, where there is nothing.

    Nothing is ever subtracted, so an infinity, a NaN or a great number counts only where it is. O(n + M) for short
    slices; O(n + S log n) for long ones, of which whole blocks are reduced first, and blocks of blocks.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _reduced(function, values, slices, empty)


def _reduced(function: np.ufunc, values: Values, slices: Slices, empty: float) -> Values:
    if int(slices.counts().sum()) <= len(values) + BLOCK * len(slices):
        return _one_by_one(function, values, slices, empty)
    # A slice is the rest of a block, whole blocks and the beginning of a block, unless it lies within one.
    firsts, lasts = -(-slices.starts // BLOCK), slices.stops // BLOCK
    is_across = firsts <= lasts
    lasts = np.where(is_across, lasts, firsts)
    head = Slices(slices.starts, np.where(is_across, firsts * BLOCK, slices.stops))
    tail = Slices(np.where(is_across, lasts * BLOCK, slices.stops), slices.stops)
    blocks = function.reduceat(values, np.arange(0, len(values), BLOCK))
    result = _one_by_one(function, values, head, empty)
    function(result, _reduced(function, blocks, Slices(firsts, lasts), empty), out=result)
    function(result, _one_by_one(function, values, tail, empty), out=result)
    return result


def _one_by_one(function: np.ufunc, values: Values, slices: Slices, empty: float) -> Values:
    """Each element of each slice is read. O(n + M), and O(S log S) where the slices are not in order."""
    result = np.full(len(slices), empty, values.dtype)
    some = np.flatnonzero(slices.stops > slices.starts)
    if not len(some):
        return result
    starts = slices.starts[some]
    # What lies between one slice and the next is reduced too: in order, that is no more than all values.
    if (starts[1:] < starts[:-1]).any():
        some = some[np.argsort(starts, kind="stable")]
        starts = slices.starts[some]
    stops = slices.stops[some]
    last = len(values) - 1
    edges = np.empty(2 * len(some), np.int64)
    edges[::2] = starts
    # No edge may be the number of values, so the last value is added by hand. A slice of it alone is the value itself.
    np.minimum(stops, last, out=edges[1::2])
    found = function.reduceat(values, edges)[::2]
    is_cut = (stops > last) & (starts < last)
    found[is_cut] = function(found[is_cut], values[last])
    result[some] = found
    return result

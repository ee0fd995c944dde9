"""Order statistics of slices: the k-th smallest value of each, all slices together.

The structure is a wavelet matrix (Claude and Navarro 2012) that is made no deeper than it is needed: each level halves
what is left of a slice by one bit of the ranks, and short slices are sorted instead.
"""

from __future__ import annotations

import numpy as np

from .columns import Bools, Ints, pieces
from .ranks import Ranks, Words
from .slices import Slices

SORTED_LENGTH = 16
"""Slices are sorted, and not halved once more, where they have half as many elements as all values, or so many each."""

_WORD = 64


class Orders:
    """The ranks of values in their order of time, and as many levels of the wavelet matrix as were asked for."""

    __slots__ = ("_bits", "_current", "_levels")

    def __init__(self, ranks: Ranks) -> None:
        self._current = ranks
        self._bits = int(ranks.max(initial=0)).bit_length()
        self._levels: list[_Level] = []

    def around(self, slices: Slices, lower: Ints, upper: Ints) -> tuple[Ranks, Ranks]:
        """The ranks at two places, from 0, in each slice's ascending order; ``upper`` is ``lower`` or the next place.

        O(M log M) for short slices, else O(n + S) for each bit by which they have to be halved.
        """
        found, after, has_after = self._kth(slices, lower)
        after = np.where(upper == lower, found, after)
        # The next place is not always in the half that is left of a slice.
        others = np.flatnonzero((upper != lower) & ~has_after)
        after[others] = self._kth(slices[others], upper[others])[0]
        return found, after

    def _kth(self, slices: Slices, places: Ints) -> tuple[Ranks, Ranks, Bools]:
        """The rank at each place, and the one after it where that was found too."""
        for level in self._levels:
            slices, places = level.descend(slices, places)
        while len(self._levels) < self._bits and self._is_long(slices):
            slices, places = self._halve().descend(slices, places)
        has_after = places + 1 < slices.counts()
        if len(self._levels) == self._bits:
            # All that is left of a slice is equal.
            found = self._current[slices.starts]
            return found, found, has_after
        found, after = np.empty(len(slices), np.uint32), np.empty(len(slices), np.uint32)
        for part, batch in slices.batches():
            positions, offsets = batch.expanded()
            words = np.repeat(np.arange(len(batch), dtype=np.uint64) << np.uint64(32), batch.counts())
            words |= self._current[positions]
            words.sort()
            at = offsets[:-1] + places[part]
            found[part] = words[at].astype(np.uint32)
            after[part] = words[at + has_after[part]].astype(np.uint32)
        return found, after, has_after

    def _is_long(self, slices: Slices) -> bool:
        """Whether to halve the slices costs less than to sort them as they are."""
        return int(slices.counts().sum()) > len(self._current) // 2 + SORTED_LENGTH * len(slices)

    def _halve(self) -> _Level:
        """Part the values by their highest bit that is left: first those without it, in order, then the others."""
        bit = np.uint32(1 << (self._bits - len(self._levels) - 1))
        is_below = (self._current & bit) == 0
        level = _Level(is_below)
        self._levels.append(level)
        parted = np.empty_like(self._current)
        below, above = 0, level.below
        for piece in pieces(len(parted)):
            # compress() is several times as fast as an index of booleans.
            lower = np.compress(is_below[piece], self._current[piece])
            upper = np.compress(~is_below[piece], self._current[piece])
            parted[below : below + len(lower)] = lower
            parted[above : above + len(upper)] = upper
            below, above = below + len(lower), above + len(upper)
        self._current = parted
        return level


class _Level:
    """Which values lack a bit, a bit each, with how many do before every word of 64: n / 4 bytes."""

    __slots__ = ("_before", "_words", "below")

    def __init__(self, is_below: Bools) -> None:
        packed = np.zeros((len(is_below) // _WORD + 1) * 8, np.uint8)
        bits = np.packbits(is_below, bitorder="little")
        packed[: len(bits)] = bits
        self._words: Words = packed.view("<u8")
        self._before = np.zeros(len(self._words) + 1, np.int64)
        np.cumsum(np.bitwise_count(self._words), out=self._before[1:])
        self.below = int(self._before[-1])

    def descend(self, slices: Slices, places: Ints) -> tuple[Slices, Ints]:
        """What is left of each slice, once its values are parted and the half without its place is dropped."""
        starts, stops = self._below(slices.starts), self._below(slices.stops)
        inside = stops - starts
        is_above = places >= inside
        starts = np.where(is_above, self.below + slices.starts - starts, starts)
        stops = np.where(is_above, self.below + slices.stops - stops, stops)
        return Slices(starts, stops), np.where(is_above, places - inside, places)

    def _below(self, positions: Ints) -> Ints:
        """How many before each position lack the bit."""
        words = positions // _WORD
        rest = (np.uint64(1) << (positions % _WORD).astype(np.uint64)) - np.uint64(1)
        return self._before[words] + np.bitwise_count(self._words[words] & rest)

"""Variance over slices by merging blocks, after Chan, Golub and LeVeque (1979): no sum of squares is subtracted."""

from __future__ import annotations

import numpy as np

from .columns import Floats, Ints
from .slices import Slices


class Moments:
    """Means and sums of squared deviations of blocks of 1, 2, 4, … of ``values``, for the variance of slices.

    Levels are made as slices need them: O(n) in all, then O(S log n) for all slices together, since a slice is at most
    two blocks of each level.
    """

    __slots__ = ("_levels", "_values")

    def __init__(self, values: Floats) -> None:
        self._values = values
        self._levels: list[tuple[Floats, Floats]] = []

    def variance(self, slices: Slices, degrees: int) -> Floats:
        """The sum of squared deviations by the count less ``degrees``; NaN around an infinity or a NaN.

        It means nothing where a slice has no more than ``degrees`` elements.
        """
        counts, means, deviations = (np.zeros(len(slices)) for _ in range(3))
        starts, stops, level = slices.starts, slices.stops, 0
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            while (is_open := starts < stops).any():
                for is_odd, blocks in ((starts & 1, starts), (stops & 1, stops - 1)):
                    some = np.flatnonzero(is_open & (is_odd == 1))
                    block_means, block_deviations = self._blocks(level, blocks[some])
                    before, size = counts[some], float(1 << level)
                    share = size / (before + size)
                    apart = block_means - means[some]
                    counts[some] += size
                    means[some] += apart * share
                    # In this order a lone value, which is as far from 0 as it is great, adds 0.
                    deviations[some] += block_deviations + before * share * apart * apart
                starts, stops, level = (starts + 1) >> 1, stops >> 1, level + 1
            return deviations / (counts - degrees)

    def _blocks(self, level: int, which: Ints) -> tuple[Floats, Floats]:
        """Means and deviations of some blocks of 2**level elements; every block is whole."""
        if not level:
            values = self._values[which]
            # Of a lone infinity or NaN the deviation is NaN.
            return values, values * 0.0
        while len(self._levels) < level:
            self._levels.append(self._pairs())
        means, deviations = self._levels[level - 1]
        return means[which], deviations[which]

    def _pairs(self) -> tuple[Floats, Floats]:
        """The blocks of the next level, each of two of the last; one that has no other is left out."""
        means = self._levels[-1][0] if self._levels else self._values
        whole = len(means) // 2 * 2
        apart = means[1:whole:2] - means[:whole:2]
        merged = apart * apart
        merged *= (1 << len(self._levels)) / 2
        if self._levels:
            deviations = self._levels[-1][1]
            merged += deviations[:whole:2]
            merged += deviations[1:whole:2]
        else:
            # NaN where one of the two is an infinity or NaN, else nothing.
            merged += apart * 0.0
        apart *= 0.5
        apart += means[:whole:2]
        return apart, merged

"""Exact sums of integers over slices: differences of running sums, of 64 bits or of limbs of 32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .columns import Floats, Ints, Values
from .slices import Slices

LIMB = 32
"""Bits of the low limb of a value. The sums of both limbs of up to 2**31 values fit in 64 bits."""

MOST_SUM = 2**63 - 1
"""Where no sum of a slice can be beyond it, running sums of 64 bits do; they may wrap, and their differences don't."""


@dataclass(frozen=True, slots=True)
class Limbs:
    """Integers ``high * 2**32 + low`` with a low part from 0 to 2**32 - 1."""

    high: Ints
    low: Ints

    def to_int64(self) -> Ints:
        """The integers. Raises OverflowError where one is beyond 64 bits."""
        half = 1 << (63 - LIMB)
        if ((self.high < -half) | (self.high >= half)).any():
            raise OverflowError("overflow: a sum is out of the range of int64")
        return (self.high << LIMB) | self.low

    def to_floats(self) -> Floats:
        """The nearest floats, but for two roundings."""
        return self.high * np.float64(1 << LIMB) + self.low

    def to_words(self) -> Ints:
        """Two words of 64 bits each, the low one first, as a decimal has them."""
        words = np.empty((len(self.high), 2), np.int64)
        words[:, 0] = (self.high << LIMB) | self.low
        words[:, 1] = self.high >> LIMB
        return words


class RunningSums:
    """The sums of slices of ``values``, integers of any width that int64 holds. O(n) once, then O(S)."""

    __slots__ = ("_greatest", "_plain", "_split", "_values")

    def __init__(self, values: Values) -> None:
        self._values = values
        self._greatest = max(-int(values.min()), int(values.max())) if len(values) else 0
        self._plain: Ints | None = None
        self._split: tuple[Ints, Ints] | None = None

    def of(self, slices: Slices) -> Ints | Limbs:
        """The exact sum of each slice: as integers where none can be beyond 64 bits, else as limbs."""
        longest = int(slices.counts().max(initial=0))
        if self._greatest * longest <= MOST_SUM:
            if self._plain is None:
                self._plain = _running(self._values)
            return self._plain[slices.stops] - self._plain[slices.starts]
        if self._split is None:
            wide = self._values.astype(np.int64, copy=False)
            self._split = _running(wide >> LIMB), _running(wide & ((1 << LIMB) - 1))
        high, low = (each[slices.stops] - each[slices.starts] for each in self._split)
        high += low >> LIMB
        low &= (1 << LIMB) - 1
        return Limbs(high, low)


def _running(values: Values) -> Ints:
    """For each position, and the one after the last, the sum of the values before it, modulo 2**64."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, dtype=np.int64, out=sums[1:])
    return sums

"""What measures of one column share: its events in order, their running sums, ranks and more, each made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from ..arrow import readable
from .columns import Bools, Floats, Positions, Values, flat, gathered, is_short_decimal, valid_of, values_of
from .distinct import Distinct
from .moments import Moments
from .orders import Orders
from .ranks import Ranked, Ranks, has_words, ranked, ranks_of
from .slices import Counts, Slices, kept_before
from .sums import RunningSums

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """A property that is computed once an instance.

    ``functools.cached_property`` has one lock for all instances in Python 3.11, and indexes are read on several
    threads, each index on one.
    """

    def __init__(self, make: Callable[[Any], _Value]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> _Value:
        value = self._make(instance)
        # Found there from now on, before this is asked.
        instance.__dict__[self._name] = value
        return value


class Kept:
    """The sorted events that are taken: their rows in the statement, and their runs."""

    def __init__(self, rows: Positions, runs: Positions, mask: Bools | None = None) -> None:
        self._all = rows, runs
        # In the order of events; ``mask`` is in that of the statement's rows.
        self._is_kept = None if mask is None else gathered(mask, rows)

    @Once
    def rows(self) -> Positions:
        return self._all[0] if self._is_kept is None else np.compress(self._is_kept, self._all[0])

    @Once
    def runs(self) -> Positions:
        return self._all[1] if self._is_kept is None else np.compress(self._is_kept, self._all[1])

    @Once
    def _before(self) -> Counts | None:
        return None if self._is_kept is None else kept_before(self._is_kept)

    def within(self, slices: Slices) -> Slices:
        """The slices of all sorted events as slices of those that are taken."""
        return slices if self._before is None else slices.within(self._before)


class Column:
    """A column of the statement: its validity, values and ranks in the statement's order."""

    def __init__(self, column: pa.ChunkedArray[Any]) -> None:
        self.chunked = readable(column)

    @Once
    def array(self) -> pa.Array[Any]:
        return flat(self.chunked)

    @Once
    def valid(self) -> Bools | None:
        """Which values are not null, without a copy of them; None where all are."""
        if not self.chunked.null_count:
            return None
        parts = [(chunk, valid_of(chunk)) for chunk in self.chunked.chunks]
        return np.concatenate([np.ones(len(chunk), np.bool_) if valid is None else valid for chunk, valid in parts])

    @Once
    def ranked(self) -> Ranked:
        return ranked(self.array)


class Operand:
    """The values of a column at the events that are taken, in order, and what is made of them."""

    def __init__(self, column: Column, events: Kept) -> None:
        self.column = column
        self.events = events

    @property
    def type(self) -> Any:
        type_: Any = self.column.chunked.type
        return type_

    @Once
    def values(self) -> Values:
        """The values, of a type of fixed width."""
        values = gathered(values_of(self.column.array), self.events.rows)
        if pa.types.is_floating(self.type):
            # Of a signalling NaN and a number, fmin() gives NaN. Arithmetic makes it a quiet one.
            with np.errstate(invalid="ignore"):
                values += 0
        return values

    @Once
    def floats(self) -> Floats:
        """The numbers as floats; decimals with their scale."""
        return as_floats(self.values, self.type)

    @Once
    def sums(self) -> RunningSums:
        return RunningSums(self.values)

    @Once
    def moments(self) -> Moments:
        return Moments(self.floats)

    @Once
    def true_before(self) -> Counts:
        return kept_before(self.values)

    @Once
    def ranks(self) -> Ranks:
        """The ranks, among all distinct values of the column, of values that are not of fixed width."""
        return gathered(self.column.ranked.ranks, self.events.rows)

    @Once
    def orders(self) -> tuple[Orders, Positions]:
        """The order statistics, and a position of each value of a rank."""
        ranks, places = ranks_of(self.values)
        return Orders(ranks), places.astype(np.uint32)

    @Once
    def distinct(self) -> Distinct:
        return Distinct(self.values if has_words(self.type) else self.ranks)


def as_floats(values: Values, type_: Any) -> Floats:
    """Numbers as the nearest floats; decimals are their integers, and get their scale."""
    floats = values.astype(np.float64, copy=False)
    # Both are exact for at most 15 digits, so the quotient is the nearest float.
    return floats / 10.0**type_.scale if is_short_decimal(type_) else floats

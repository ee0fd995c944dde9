"""Measures of windows: each aggregate over the slices of the sorted events that its windows are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from ...planner.types import DataType
from ..arrow import as_planned
from .columns import Bools, Floats, Positions, array_of, taken, values_of
from .operands import Column, Kept, Operand, as_floats
from .ranks import has_words
from .slices import Slices, reduced
from .sums import Limbs
from .ties import order_of

MOST_LISTED = 2**31 - 1
"""Elements of all lists of a column, whose offsets have 32 bits."""


class Measures:
    """Answers the measures of one index, and keeps what several of them need: for as long as it lives itself.

    ``columns`` are those of the statement by name. ``rows`` has for each event, sorted by key and time, its row in
    them, and ``runs`` the number of its run of equal keys and times; both are ascending by event.
    """

    def __init__(self, columns: Mapping[str, pa.ChunkedArray[Any]], rows: Positions, runs: Positions) -> None:
        self._named = columns
        self._events = Kept(rows, runs)
        self._columns: dict[str, Column] = {}
        self._kept: dict[tuple[str | None, str | None], Kept] = {}
        self._operands: dict[tuple[str, str | None], Operand] = {}
        self._ordered: dict[tuple[str, str | None, tuple[str, ...]], Positions] = {}

    def answer(
        self,
        function: str,
        type_: DataType,
        slices: Slices,
        *,
        operand: str | None = None,
        where: str | None = None,
        order: Sequence[str] = (),
        parameter: float | None = None,
    ) -> pa.Array[Any]:
        """A value of the planned type for each slice.

        ``operand`` is the column that is aggregated, None to count events; ``where`` a column of booleans that are
        true for the events to take; ``order`` the columns by which events of one time are ordered, before their value.
        Raises OverflowError where an exact sum does not fit its type.
        """
        if operand is None or function == "count":
            return array_of(self._kept_events(operand, where).within(slices).counts(), pa.int64())
        of = self._operand(operand, where)
        inside = of.events.within(slices)
        match function:
            case "first" | "last":
                rows = self._ordered_rows(operand, where, tuple(order))
                values = _end(of.column, rows, inside, is_last=function == "last")
            case "first_n" | "last_n":
                assert parameter is not None
                rows = self._ordered_rows(operand, where, tuple(order))
                values = _list(of.column, rows, inside, int(parameter), is_last=function == "last_n")
            case "median" | "percentile":
                values = _percentile(of, inside, 0.5 if parameter is None else parameter)
            case _:
                values = _FUNCTIONS[function](of, inside)
        return as_planned(values, type_)

    def forget(self, operand: str) -> None:
        """Drop what was made of a column: once all its measures are answered, others have its memory."""
        self._columns.pop(operand, None)
        self._kept = {key: made for key, made in self._kept.items() if key[0] != operand}
        self._operands = {key: made for key, made in self._operands.items() if key[0] != operand}
        self._ordered = {key: made for key, made in self._ordered.items() if key[0] != operand}

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            self._columns[name] = Column(self._named[name])
        return self._columns[name]

    def _kept_events(self, operand: str | None, where: str | None) -> Kept:
        """The events with a value, for which the condition is true; all columns without nulls share them."""
        valid = None if operand is None else self._column(operand).valid
        key = (None if valid is None else operand), where
        if key == (None, None):
            return self._events
        if key not in self._kept:
            mask = valid
            if where is not None:
                holds = self._column(where)
                is_true: Bools = values_of(holds.array)
                for each in (holds.valid, valid):
                    is_true = is_true if each is None else is_true & each
                mask = is_true
            assert mask is not None
            self._kept[key] = Kept(self._events.rows, self._events.runs, mask)
        return self._kept[key]

    def _operand(self, name: str, where: str | None) -> Operand:
        key = name, where
        if key not in self._operands:
            self._operands[key] = Operand(self._column(name), self._kept_events(name, where))
        return self._operands[key]

    def _ordered_rows(self, name: str, where: str | None, order: tuple[str, ...]) -> Positions:
        """The rows of an operand's events, those of a run in the order of ``order`` and their value.

        A slice holds a run whole or not at all, so its slice of these rows holds the same events.
        """
        key = name, where, order
        if key not in self._ordered:
            events = self._operand(name, where).events
            is_tied = np.zeros(len(events.runs), np.bool_)
            is_same = events.runs[1:] == events.runs[:-1]
            is_tied[1:] = is_same
            is_tied[:-1] |= is_same
            rows = events.rows
            if is_tied.any():
                candidates = rows[is_tied]
                columns = [self._column(each).chunked for each in (*order, name)]
                rows = rows.copy()
                rows[is_tied] = candidates[order_of(columns, candidates, events.runs[is_tied])]
            self._ordered[key] = rows
        return self._ordered[key]


def _spread(values: pa.Array[Any], some: Bools) -> pa.Array[Any]:
    """The values, one for each place that is marked, and null at the others."""
    places: Any = pa.array(np.cumsum(some) - 1, mask=~some)
    return values if some.all() else values.take(places)


def _end(column: Column, rows: Positions, inside: Slices, *, is_last: bool) -> pa.Array[Any]:
    """The value of the first or last event."""
    some = inside.counts() > 0
    positions = (inside.stops - 1 if is_last else inside.starts)[some]
    return _spread(taken(column.chunked, rows[positions]), some)


def _list(column: Column, rows: Positions, inside: Slices, most: int, *, is_last: bool) -> pa.Array[Any]:
    """Lists of the values of the first or last events, oldest first."""
    if is_last:
        cut = Slices(np.maximum(inside.starts, inside.stops - most), inside.stops)
    else:
        cut = Slices(inside.starts, np.minimum(inside.stops, inside.starts + most))
    if int(cut.counts().sum()) > MOST_LISTED:
        raise OverflowError("overflow: the lists of a column hold more values than their offsets can count")
    positions, offsets = cut.expanded()
    ends: Any = pa.array(offsets.astype(np.int32))
    lists: pa.Array[Any] = pa.ListArray.from_arrays(ends, taken(column.chunked, rows[positions]))
    return lists


def _percentile(of: Operand, inside: Slices, p: float) -> pa.Array[Any]:
    """Between the values around the place ``p * (n - 1)``, as the law's formula has it, to the bit."""
    counts = inside.counts()
    some = np.flatnonzero(counts)
    inside = inside[some]
    place = p * (counts[some] - 1)
    below = np.floor(place)
    orders, positions = of.orders
    lower, upper = orders.around(inside, below.astype(np.int64), np.ceil(place).astype(np.int64))
    low, high = (as_floats(of.values[positions[ranks]], of.type) for ranks in (lower, upper))
    with np.errstate(invalid="ignore", over="ignore"):
        between = low + (high - low) * (place - below)
    result = np.zeros(len(counts))
    result[some] = np.where(lower == upper, low, between)
    return array_of(result, pa.float64(), counts > 0)


def _sum(of: Operand, inside: Slices) -> pa.Array[Any]:
    some = inside.counts() > 0
    if pa.types.is_floating(of.type):
        return array_of(reduced(np.add, of.floats, inside, 0.0), pa.float64(), some)
    sums = of.sums.of(inside)
    if pa.types.is_decimal(of.type):
        words = sums.to_words() if isinstance(sums, Limbs) else sums
        return array_of(words, pa.decimal128(38, of.type.scale), some)
    return array_of(sums.to_int64() if isinstance(sums, Limbs) else sums, pa.int64(), some)


def _mean(of: Operand, inside: Slices) -> pa.Array[Any]:
    counts = inside.counts()
    if pa.types.is_floating(of.type):
        totals: Floats = reduced(np.add, of.floats, inside, 0.0)
    else:
        sums = of.sums.of(inside)
        totals = as_floats(sums.to_floats() if isinstance(sums, Limbs) else sums, of.type)
    return array_of(totals / np.maximum(counts, 1), pa.float64(), counts > 0)


def _extreme(of: Operand, inside: Slices, *, is_least: bool) -> pa.Array[Any]:
    """The least or greatest value; NaN is the greatest, so the least is NaN only where all are."""
    function = np.minimum if is_least else np.maximum
    some = inside.counts() > 0
    if not has_words(of.type):
        ranks = reduced(function, of.ranks, inside, 2**32 - 1 if is_least else 0)
        ranked = of.column.ranked
        return _spread(ranked.values.take(ranked.places[ranks[some]]), some)
    values = of.values
    if pa.types.is_floating(of.type):
        # fmin() ignores NaN, and maximum() does not.
        found = reduced(np.fmin, values, inside, np.nan) if is_least else reduced(function, values, inside, -np.inf)
    elif pa.types.is_boolean(of.type):
        found = reduced(function, values.view(np.uint8), inside, is_least)
    else:
        ends = np.iinfo(values.dtype)
        found = reduced(function, values, inside, ends.max if is_least else ends.min)
    return array_of(found, of.type, some)


def _variance(of: Operand, inside: Slices, *, degrees: int) -> pa.Array[Any]:
    return array_of(of.moments.variance(inside, degrees), pa.float64(), inside.counts() > degrees)


def _count_distinct(of: Operand, inside: Slices) -> pa.Array[Any]:
    return array_of(of.distinct.counts(inside), pa.int64())


def _every(of: Operand, inside: Slices) -> pa.Array[Any]:
    counts = inside.counts()
    return array_of(inside.within(of.true_before).counts() == counts, pa.bool_(), counts > 0)


def _any(of: Operand, inside: Slices) -> pa.Array[Any]:
    return array_of(inside.within(of.true_before).counts() > 0, pa.bool_(), inside.counts() > 0)


_FUNCTIONS: Mapping[str, Callable[[Operand, Slices], pa.Array[Any]]] = {
    "sum": _sum,
    "mean": _mean,
    "min": partial(_extreme, is_least=True),
    "max": partial(_extreme, is_least=False),
    "var_samp": partial(_variance, degrees=1),
    "var_pop": partial(_variance, degrees=0),
    "count_distinct": _count_distinct,
    "bool_and": _every,
    "bool_or": _any,
}

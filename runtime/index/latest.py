"""The latest value by the index: the event before the end of a row's interval, if it is not before its start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ...planner.ir.logical import Pick
from .columns import Bools, Ints, Positions
from .intervals import bound
from .ties import order_of
from .words import Sorted

Needles = tuple[Positions, Ints, Ints]
"""Keys and times that are searched for, in this order, and the place in the answer of each."""


def latest(
    picks: Sequence[Pick], needles: Iterable[Needles], count: int, events: Sorted, table: pa.Table, time: str
) -> list[pa.Array[Any] | pa.ChunkedArray[Any]]:
    """The features of every pick for ``count`` needles, which come in pieces; null where there is none.

    ``table`` has the events as they were read, but for their ``time`` where that is all of them. O(s log n + t log t),
    where t events tie at a place that a row matches.
    """
    if not len(events):
        return [
            pa.nulls(count, pa.int64() if column == time else table.schema.field(column).type)
            for pick in picks
            for _, column in pick.features
        ]
    orders = [[table[name] for name in pick.order] for pick in picks]
    rows = [_Placed(count) if events.rows is not None else None for _ in picks]
    times = [_Placed(count) if time in (column for _, column in pick.features) else None for pick in picks]
    for keys, at, places in needles:
        last = events.search(keys, bound(picks[0].interval.upper, at)) - 1
        has_one = last >= 0
        np.maximum(last, 0, out=last)
        for pick, order, row, moment in zip(picks, orders, rows, times, strict=True):
            lower = pick.interval.lower
            since = np.full(len(keys), events.first) if lower is None else bound(lower, at)
            is_found = has_one & events.is_at_or_after(last, keys, since)
            if row is not None and events.rows is not None:
                found = events.rows[last].astype(np.int64)
                if order:
                    _resolve(found, last, is_found, events, events.rows, order)
                row.put(found, is_found, places)
            if moment is not None:
                moment.put(events.times_at(last), is_found, places)
    columns: list[pa.Array[Any] | pa.ChunkedArray[Any]] = []
    for pick, row, moment in zip(picks, rows, times, strict=True):
        found_rows: Any = None if row is None else row.array()
        for _, column in pick.features:
            if column == time and moment is not None:
                columns.append(moment.array())
            else:
                columns.append(table[column].take(found_rows))
    return columns


class _Placed:
    """Rows or times for each place, null where nothing was found."""

    def __init__(self, count: int) -> None:
        self._values = np.empty(count, np.int64)
        self._is_null = np.zeros(count, np.bool_)

    def put(self, values: Ints, is_found: Bools, places: Ints) -> None:
        self._values[places] = values
        self._is_null[places] = ~is_found

    def array(self) -> pa.Array[Any]:
        return pa.array(self._values, mask=self._is_null if self._is_null.any() else None)


def _resolve(
    rows: Ints, last: Ints, is_found: Bools, events: Sorted, all_rows: Positions, order: Sequence[pa.ChunkedArray[Any]]
) -> None:
    """Where several events have the time of the last one, the row of the greatest by ``order``, put into ``rows``."""
    tied = np.flatnonzero(is_found & events.same_as_before(last))
    if not len(tied):
        return
    ends, needles = np.unique(last[tied], return_inverse=True)
    starts = events.starts_of_runs(ends)
    counts = ends - starts + 1
    firsts = np.cumsum(counts) - counts
    members = np.arange(counts.sum()) + np.repeat(starts - firsts, counts)
    candidates = all_rows[members]
    ordered = candidates[order_of(order, candidates, np.repeat(np.arange(len(ends)), counts))]
    rows[tied] = ordered[firsts + counts - 1][needles]

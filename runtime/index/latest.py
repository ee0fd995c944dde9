"""The latest value by the index: the event before the end of a row's interval, if it is not before its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ...planner.ir.logical import Pick
from .columns import Bools, Ints, Positions
from .intervals import bound
from .ties import order_of
from .words import Sorted


def latest(
    picks: Sequence[Pick],
    keys: Positions,
    times: Ints,
    places: Ints,
    events: Sorted,
    table: pa.Table,
    time: str,
) -> list[pa.Array[Any] | pa.ChunkedArray[Any]]:
    """The features of every pick, for the needles (``keys``, ``times``), each at its place; null where there is none.

    ``table`` has the events as they were read, but for their ``time`` where that is all of them. O(s log n + t log t),
    where t events tie at a place that a row matches.
    """
    if not len(events):
        return [
            pa.nulls(len(keys), pa.int64() if column == time else table.schema.field(column).type)
            for pick in picks
            for _, column in pick.features
        ]
    last = events.search(keys, bound(picks[0].interval.upper, times)) - 1
    has_one = last >= 0
    np.maximum(last, 0, out=last)
    columns: list[pa.Array[Any] | pa.ChunkedArray[Any]] = []
    for pick in picks:
        lower = pick.interval.lower
        since = np.full(len(keys), events.first) if lower is None else bound(lower, times)
        is_found = has_one & events.is_at_or_after(last, keys, since)
        found: pa.Array[Any] = pa.nulls(len(keys), pa.int64())
        if events.rows is not None:
            rows = events.rows[last].astype(np.int64)
            if pick.order:
                _resolve(rows, last, is_found, events, events.rows, [table[name] for name in pick.order])
            found = _placed(rows, is_found, places)
        for _, column in pick.features:
            if column == time:
                columns.append(_placed(events.times_at(last), is_found, places))
            else:
                columns.append(table[column].take(found))
    return columns


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


def _placed(rows: Ints, is_found: Bools, places: Ints) -> pa.Array[Any]:
    """The rows or times for each place, null where nothing was found."""
    taken, is_null = np.empty(len(rows), np.int64), np.empty(len(rows), np.bool_)
    taken[places], is_null[places] = rows, ~is_found
    return pa.array(taken, mask=is_null if is_null.any() else None)

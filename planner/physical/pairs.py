"""Pairs of a row and an event of its keys, as near in time as any interval of the row reaches."""

from __future__ import annotations

from collections.abc import Iterable

from ..expr.functions import call
from ..expr.nodes import Column, Expr, Literal, conjunction
from ..expr.structs import bucket_of
from ..ir.intervals import plus
from ..ir.operators import Explode, KeyedJoin
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Beside, Expansion, with_columns
from .sizes import Sizes, bytes_of, intervals, longest


def pairs_in_time(made: Expansion, columns: Iterable[str], bucket: int | None = None) -> tuple[KeyedJoin, Beside]:
    """The pairs, and what the event columns that are read are called in them.

    With a ``bucket``, which is at least as long as the span that holds every interval of a row, only events of the two
    buckets that this span touches are looked at; else all events of the keys.
    """
    node = made.node
    latest, span = max(each.latest for each in intervals(node)), longest(node)
    t = Column(node.time, INT64)
    read = [*columns, node.event_time, *([] if node.created is None else [node.created])]
    probe, keys = node.spine, node.keys
    if bucket is None:
        right, beside = made.beside_spine(made.events, read, probe.schema)
        time = beside.column(node.event_time)
    else:
        number, event_number = made.fresh("bucket"), made.fresh("event_bucket")
        newest = bucket_of(plus(t, latest - 1), bucket)
        both = (newest, call("subtract", newest, Literal(1, INT64)))
        probe = made.step(Explode(node.spine, number, both), "probe")
        right, beside = made.beside_spine(made.events, read, probe.schema)
        time = beside.column(node.event_time)
        right = with_columns(right, [(event_number, bucket_of(Column(time.name, INT64), bucket))])
        keys = (*keys, (number, event_number))
    bounds: list[Expr] = [] if span is None else [call("ge", time, plus(t, latest - span))]
    bounds.append(call("lt", time, plus(t, latest)))
    if node.created is not None:
        bounds.append(call("le", beside.column(node.created), t))
    return KeyedJoin(probe, right, keys, conjunction(tuple(bounds))), beside


def pairs_cost(sizes: Sizes, rates: Rates, bucket: int | None, *, taken: float, held: int = 0) -> Cost | None:
    """What it takes to make those pairs, group them by row, and join each row with what was found.

    ``taken`` are seconds for each pair that is within the longest interval of its row, and ``held`` bytes that are kept
    for each row.
    """
    span = longest(sizes.node)
    spine, events, matches = sizes.spine, sizes.events, sizes.within(span)
    pairs = sizes.pairs if bucket is None else sizes.within(2 * bucket)
    if spine is None or events is None or pairs is None or matches is None:
        return None
    probes = 1 if bucket is None else 2
    seconds = rates.statement + spine * (probes * (rates.scanned + rates.built) + rates.built + rates.probed)
    seconds += events * (rates.scanned + rates.probed + (0.0 if bucket is None else rates.bucketed))
    seconds += pairs * rates.paired + matches * (rates.grouped + taken)
    return Cost(seconds, spine * ((1 + probes) * bytes_of(sizes.node.spine) + held))

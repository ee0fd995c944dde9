"""How much there is to do: the rows, pairs and bytes of a point-in-time join, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..ir.logical import AsofJoin, Interval, Relation, WindowAggregate
from ..ir.properties import time_bounds
from ..statistics import Statistics

_FEW = 50_000
"""So many are read in no time: how many of them are within the times of the rows is not asked."""
_WIDTH = 24
"""Bytes of a value whose width is not fixed, such as a string."""


@dataclass(frozen=True)
class Sizes:
    """Rows of a node. Each is asked for when it is first needed, and is None where the oracle doesn't know.

    ``has_pairs`` is False for the least that it can be: no row has an event, which nobody needs to be asked.
    """

    node: AsofJoin | WindowAggregate
    statistics: Statistics
    has_pairs: bool = True

    @property
    def are_pairs_needed(self) -> bool:
        """Whether anybody has asked for the pairs."""
        return "pairs" in vars(self)

    @cached_property
    def spine(self) -> int | None:
        """How many rows are answered."""
        return self.statistics.rows(self.node.spine)

    @cached_property
    def events(self) -> int | None:
        """How many events there are within the times that any row can see."""
        stored = self._stored
        if stored is None or stored <= _FEW:
            return stored
        return max(_FEW, round(stored * self._share_of_time))

    @cached_property
    def _stored(self) -> int | None:
        return self.statistics.rows(self.node.events)

    @cached_property
    def pairs(self) -> float | None:
        """How many pairs of a row and one of those events have equal keys.

        Where nobody counted them: as many for each event as there are rows for a key.
        """
        node, spine, events = self.node, self.spine, self.events
        if spine is None or events is None:
            return None
        if not self.has_pairs:
            return 0
        if not node.keys:
            return spine * events
        counted = self.statistics.pairs(node.spine, node.events, node.keys)
        if counted is not None:
            # As many for each event as for all that are stored: what forms make of both hangs on their ratio.
            return counted * events / max(1, self._stored or 0)
        columns = tuple(dict.fromkeys(key for key, _ in node.keys))
        if self.statistics.most(node.spine, columns) == 1:
            return events
        keys = self.statistics.distinct(node.spine, columns)
        return None if keys is None else events * spine / max(1, keys)

    def within(self, micros: int | None) -> float | None:
        """How many of the pairs lie within a time of that length before the row; None is any time before it."""
        pairs = self.pairs
        if pairs is None or micros is None:
            return None if pairs is None else pairs / 2
        span = self._span
        if span is None or span[1] <= span[0]:
            return pairs
        return pairs * min(1.0, micros / (span[1] - span[0]))

    @cached_property
    def _span(self) -> tuple[int, int] | None:
        """The times of the events that any row can see."""
        stored, seen = self._stored_span, self._seen
        if stored is None or seen is None:
            return stored
        return max(stored[0], seen[0]), min(stored[1], seen[1])

    @cached_property
    def _stored_span(self) -> tuple[int, int] | None:
        return self.statistics.span(self.node.events, self.node.event_time)

    @cached_property
    def _seen(self) -> tuple[int, int] | None:
        """From when to when rows look, exactly."""
        bounds = time_bounds(self.node.spine, self.node.time)
        if bounds is None:
            return None
        all_intervals = intervals(self.node)
        starts = [each.earliest for each in all_intervals]
        first = min((start for start in starts if start is not None), default=0)
        earliest = bounds[0] + first if None not in starts else -(2**63)
        return earliest, bounds[1] + max(each.latest for each in all_intervals)

    @cached_property
    def _share_of_time(self) -> float:
        """The share of the events' times that any row can see."""
        stored, seen = self._stored_span, self._span
        if stored is None or seen is None or stored[1] <= stored[0]:
            return 1.0
        return min(1.0, max(0.0, (seen[1] - seen[0]) / (stored[1] - stored[0])))


def intervals(node: AsofJoin | WindowAggregate) -> tuple[Interval, ...]:
    """What rows look at: the interval of each pick or aggregate."""
    items = node.picks if isinstance(node, AsofJoin) else node.aggregates
    return tuple(dict.fromkeys(each.interval for each in items))


def longest(node: AsofJoin | WindowAggregate) -> int | None:
    """The span that holds every interval of a row; None where one has no lower bound, and at least 1 µs."""
    starts = [each.earliest for each in intervals(node)]
    bounded = [start for start in starts if start is not None]
    if len(bounded) < len(starts):
        return None
    return max(1, max(each.latest for each in intervals(node)) - min(bounded))


def bytes_of(relation: Relation) -> int:
    """About how many bytes a row has in a hash table."""
    widths = {"bool": 1, "int8": 1, "int16": 2, "int32": 4, "float32": 4}
    return 16 + sum(widths.get(field.type.kind, 8 if field.type.is_numeric else _WIDTH) for field in relation.schema)

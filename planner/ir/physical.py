"""The physical relations: how a point-in-time join or a windowed aggregate is carried out.

Every form says for which logical node it gives the right answer (``applies_to``); a rule chooses among those. All
other logical relations are their own physical form.
"""

from __future__ import annotations

from ..node import label_field, node
from ..types import Field, Schema
from .logical import AsofJoin, Pick, Relation, WindowAggregate, WindowedAggregate, pick_fields


@node
class Materialize(Relation):
    """A named temporary result: its input is run as a statement of its own, once, before its readers."""

    input: Relation
    name: str = label_field(default="")

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class NarrowAsofThenFetch(Relation):
    """An ASOF join on keys and time alone; then ties, order and features among the matched (keys, time) only.

    The match carries no feature, so it is narrow; the full order of ties is resolved late, on few rows, once for each
    pick, since fused views share the match and never the winning row.
    """

    spine: Relation
    events: Relation
    keys: tuple[tuple[str, str], ...]
    time: str
    event_time: str
    picks: tuple[Pick, ...]
    label: str = label_field(default="")

    def derive_schema(self) -> Schema:
        return Schema([*self.spine.schema, *pick_fields(self.picks, self.events.schema)])

    @staticmethod
    def applies_to(logical: AsofJoin) -> bool:
        """Whenever visibility is a bound on the event time alone, which every AsofJoin states for now."""
        return len({pick.interval.upper for pick in logical.picks}) == 1

    @classmethod
    def of(cls, logical: AsofJoin) -> NarrowAsofThenFetch:
        """The physical form of a logical join."""
        return cls(
            logical.spine,
            logical.events,
            logical.keys,
            logical.time,
            logical.event_time,
            logical.picks,
            label=logical.label,
        )


@node
class BucketedRangeJoinAggregate(Relation):
    """A join on (keys, bucket of time), grouped by spine row, each aggregate with its interval as a FILTER.

    A bucket is as long as the span that holds every window of a row, so a row's events lie in at most two of them and
    all windows are answered in one pass. ``bucket`` is None where a window has no lower bound: then on keys alone.
    """

    spine: Relation
    events: Relation
    keys: tuple[tuple[str, str], ...]
    row: str
    time: str
    event_time: str
    aggregates: tuple[WindowedAggregate, ...]
    bucket: int | None
    latest: int
    label: str = label_field(default="")

    def derive_schema(self) -> Schema:
        aggregates = (Field(aggregate.name, aggregate.type) for aggregate in self.aggregates)
        return Schema([*self.spine.schema, *aggregates])

    @staticmethod
    def applies_to(logical: WindowAggregate) -> bool:
        """Always: every aggregate works on the raw events of its window."""
        return bool(logical.aggregates)

    @classmethod
    def of(cls, logical: WindowAggregate) -> BucketedRangeJoinAggregate:
        """The physical form of a logical aggregate."""
        intervals = [aggregate.interval for aggregate in logical.aggregates]
        earliest = [interval.earliest for interval in intervals]
        latest = max(interval.latest for interval in intervals)
        bounded = [start for start in earliest if start is not None]
        return cls(
            logical.spine,
            logical.events,
            logical.keys,
            logical.row,
            logical.time,
            logical.event_time,
            logical.aggregates,
            bucket=latest - min(bounded) if len(bounded) == len(earliest) else None,
            latest=latest,
            label=logical.label,
        )

"""The physical relations: how a point-in-time join or a windowed aggregate is carried out.

A physical form is the logical node with a way to carry it out. It says for which logical nodes it gives the right
answer (``applies_to``); a rule chooses among those. All other logical relations are their own physical form.
"""

from __future__ import annotations

import dataclasses

from ..expr.nodes import Column
from ..node import label_field, node
from ..types import INT64, Schema
from .intervals import plus
from .logical import AsofJoin, Relation, WindowAggregate
from .properties import row_identity


@node
class Materialize(Relation):
    """A named temporary result: its input is run as a statement of its own, once, before its readers."""

    input: Relation
    name: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class NarrowAsofThenFetch(AsofJoin):
    """An ASOF join on keys and time alone; then ties, order and features among the matched (keys, time) only.

    The match carries no feature, so it is narrow; the full order of ties is resolved late, on few rows, once for each
    pick, since fused views share the match and never the winning row.
    """

    @staticmethod
    def applies_to(logical: AsofJoin) -> bool:
        """Whenever visibility is a bound on the event time alone: the latest event may not have been created yet."""
        return logical.created is None and len({pick.interval.upper for pick in logical.picks}) == 1

    @classmethod
    def of(cls, logical: AsofJoin) -> NarrowAsofThenFetch:
        """The physical form of a logical join."""
        return cls(**_fields(logical))  # type: ignore[arg-type]


@node
class UnionLastValue(AsofJoin):
    """Spine rows and events in one stream by keys, in the order of time and ties: the last event before each row.

    One sort of both sides; each pick has a stream of its own, since the order of ties is the pick's.
    """

    @staticmethod
    def applies_to(logical: AsofJoin) -> bool:
        """Whenever visibility is a bound on the event time alone: the latest event may not have been created yet."""
        return logical.created is None and bool(logical.picks)

    @classmethod
    def of(cls, logical: AsofJoin) -> UnionLastValue:
        """The physical form of a logical join."""
        return cls(**_fields(logical))  # type: ignore[arg-type]


@node
class RangeMax(AsofJoin):
    """A join on keys and time, grouped by ``row``: the greatest struct of time, order and features.

    One pass without a sort, and the full order of ties costs nothing; but every (row, visible event) pair is made, so
    it is for spines with few rows per key. All picks share the pass: each takes the maximum of its own events.
    """

    row: str

    @staticmethod
    def applies_to(logical: AsofJoin) -> bool:
        """Where a spine column identifies the row: any condition may stand in a range join."""
        return row_identity(logical.spine) is not None

    @classmethod
    def of(cls, logical: AsofJoin) -> RangeMax:
        """The physical form of a logical join."""
        return cls(**_fields(logical), row=row_identity(logical.spine))  # type: ignore[arg-type]


@node
class RunningMaximum(AsofJoin):
    """An event counts from when it has happened and was created; the greatest event up to then is the one to match.

    In the order of being visible, the maximum by (time, created, …) is carried on: a later row with an earlier time
    does not replace it. The ttl is looked at after that, since the greatest time is the last to grow too old. ``delay``
    is what passes from an event's time to when it may be seen.
    """

    delay: int

    @staticmethod
    def applies_to(logical: AsofJoin) -> bool:
        """Where only what was created counts, and all picks end at one distance from the spine's time."""
        return logical.created is not None and all(
            pick.interval.upper == plus(Column(logical.time, INT64), logical.picks[0].interval.latest)
            for pick in logical.picks
        )

    @classmethod
    def of(cls, logical: AsofJoin) -> RunningMaximum:
        """The physical form of a logical join."""
        return cls(**_fields(logical), delay=1 - logical.picks[0].interval.latest)  # type: ignore[arg-type]


@node
class BucketedRangeJoinAggregate(WindowAggregate):
    """A join on (keys, bucket of time), grouped by spine row, each aggregate with its interval as a FILTER.

    A bucket is as long as the span that holds every window of a row, so a row's events lie in at most two of them and
    all windows are answered in one pass. It is a microsecond where that span is empty: a window may hold no instant.
    ``bucket`` is None where a window has no lower bound: then on keys alone.
    """

    bucket: int | None
    latest: int

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
        bucket = max(latest - min(bounded), 1) if len(bounded) == len(earliest) else None
        return cls(**_fields(logical), bucket=bucket, latest=latest)  # type: ignore[arg-type]


def _fields(relation: Relation) -> dict[str, object]:
    return {item.name: getattr(relation, item.name) for item in dataclasses.fields(relation)}  # type: ignore[arg-type]

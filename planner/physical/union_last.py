"""The latest value by one sort of spine rows and events together."""

from __future__ import annotations

from ..expr.nodes import Column
from ..expr.structs import is_present, sort_key
from ..ir.logical import AsofJoin, Filter, Relation
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Expansion, Form
from .latest import at_the_latest
from .sizes import Sizes
from .stream import Stream, stream_cost


class UnionLast(Form[AsofJoin]):
    """Spine rows and events in one stream by keys, in the order of time and ties: the last event before each row.

    One sort of both sides; each pick has a stream of its own, since the order of ties is the pick's. At the last
    instant that a row sees, the event comes first.
    """

    name = "UnionLast"
    on = AsofJoin

    def applies_to(self, node: AsofJoin) -> bool:
        """Where events are visible by their time alone: with a created filter the latest one may not be visible yet."""
        return node.created is None and bool(node.picks)

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        return stream_cost(node, sizes, rates)

    def expand(self, node: AsofJoin) -> Relation:
        made = Expansion(node)
        stream = Stream(made, node, "is_row")
        time = Column(node.event_time, INT64)
        rows = stream.of(at_the_latest(node), time, Filter(made.events, is_present(time)))
        at, mark = Column(stream.at, INT64), Column(stream.mark, INT64)
        return stream.answers(rows, "last_present", lambda carried: (at, mark, sort_key(carried)))

"""The latest value by an as-of join of keys and time alone."""

from __future__ import annotations

from ..expr.nodes import Column
from ..ir.logical import AsofJoin, Project, Relation
from ..ir.operators import AsofMatch
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Expansion, Form
from .latest import at_the_latest, late_seconds, resolved_late
from .sizes import Sizes, bytes_of


class NarrowAsof(Form[AsofJoin]):
    """An as-of join on keys and time alone; then ties, order and features among the matched (keys, time) only."""

    name = "NarrowAsof"
    on = AsofJoin

    def applies_to(self, node: AsofJoin) -> bool:
        """Where events are visible by their time alone: with a created filter the latest one may not be visible yet."""
        return node.created is None and len({pick.interval.upper for pick in node.picks}) == 1

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Both sides are sorted by keys and time, whatever the data are like."""
        spine, events = sizes.spine, sizes.events
        if spine is None or events is None:
            return None
        seconds = rates.statement + events * rates.scanned + (spine + events) * rates.sorted
        held = spine * bytes_of(node.spine) + events * 16 * (1 + len(node.keys))
        return Cost(seconds + late_seconds(node, spine, events, rates), held)

    def expand(self, node: AsofJoin) -> Relation:
        made = Expansion(node)
        events = made.events
        matched = made.fresh(f"matched_{node.event_time}")
        keys = dict.fromkeys(right for _, right in node.keys)
        narrow = Project(
            events,
            (
                *((key, Column(key, events.schema[key])) for key in keys),
                (matched, Column(node.event_time, INT64)),
            ),
        )
        match = made.step(AsofMatch(node.spine, narrow, node.keys, at_the_latest(node), matched), "match")
        return resolved_late(made, node, events, match, {node.event_time: matched})

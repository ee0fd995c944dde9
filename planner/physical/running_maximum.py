"""The latest value among what was known: the greatest event so far, in the order in which events became visible."""

from __future__ import annotations

from ..expr.nodes import Column, Expr
from ..expr.structs import field_of, struct_of
from ..ir.intervals import plus
from ..ir.logical import AsofJoin, Measure, Project, Relation, identity_columns
from ..ir.operators import AsofMatch, Window
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Expansion, Form
from .latest import late_seconds, resolved_late, visible_at_all, visible_from
from .sizes import Sizes, bytes_of
from .stream import Stream, stream_cost


def _applies_to(node: AsofJoin) -> bool:
    """Where events are visible once they were created, and all picks end at the same distance from the query time."""
    return node.created is not None and all(
        pick.interval.upper == plus(Column(node.time, INT64), node.picks[0].interval.latest) for pick in node.picks
    )


class RunningMaximum(Form[AsofJoin]):
    """An event counts from when it has happened and was created; the greatest event up to then is the one to match.

    In the order of being visible the maximum by (time, created) is carried on: a later row with an earlier time does
    not replace it. The ttl is looked at after that, since the greatest time is the last to grow too old. The winners
    are found among the events of the matched keys, time and created time, which were all visible by then.
    """

    name = "RunningMaximum"
    on = AsofJoin

    def applies_to(self, node: AsofJoin) -> bool:
        return _applies_to(node)

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """The events are sorted twice: by when they became visible, and for the join with the rows."""
        spine, events = sizes.spine, sizes.events
        if spine is None or events is None:
            return None
        seconds = 2 * rates.statement + events * (rates.scanned + rates.compared) + (spine + 2 * events) * rates.sorted
        held = spine * bytes_of(node.spine) + events * 16 * (2 + len(node.keys))
        return Cost(seconds + late_seconds(node, spine, events, rates), held)

    def expand(self, node: AsofJoin) -> Relation:
        made = Expansion(node)
        events, created = made.events, node.created
        assert created is not None
        ts, cr = Column(node.event_time, INT64), Column(created, INT64)
        keys = tuple((key, Column(key, events.schema[key])) for key in dict.fromkeys(right for _, right in node.keys))
        visible, newest = made.fresh("visible_from"), made.fresh("newest")
        # Neither is null here, so the engine's own order of structs is the right one.
        both = struct_of([(node.event_time, ts), (created, cr)])
        seen = Project(
            visible_at_all(node, events, created),
            (*keys, (visible, visible_from(node, ts, cr)), *_without(keys, node.event_time, created)),
        )
        greatest = Measure(newest, "max", both, both.type, order=(Column(visible, INT64),))
        windowed = Window(seen, tuple(key for key, _ in keys), (greatest,), "range")
        carried = Column(newest, both.type)
        known = made.step(Project(windowed, (*keys, (visible, Column(visible, INT64)), (newest, carried))), "known")
        found = AsofMatch(node.spine, known, node.keys, Column(node.time, INT64), visible)
        matched = {name: made.fresh(f"matched_{name}") for name in (node.event_time, created)}
        times: list[tuple[str, Expr]] = [(new, field_of(carried, name)) for name, new in matched.items()]
        match = made.step(Project(found, (*identity_columns(node.spine.schema), *times)), "match")
        return resolved_late(made, node, events, match, matched)


def _without(keys: tuple[tuple[str, Column], ...], *names: str) -> list[tuple[str, Expr]]:
    """The columns of those names that are not keys: times are microseconds, keys of instants too."""
    return [(name, Column(name, INT64)) for name in dict.fromkeys(names) if name not in dict(keys)]


class RunningMaximumStream(Form[AsofJoin]):
    """The same where there is no as-of join: spine rows and events in one stream, in the order of being visible.

    An event that becomes visible at the time of a row comes before it. Each pick carries its own maximum.
    """

    name = "RunningMaximumStream"
    on = AsofJoin

    def applies_to(self, node: AsofJoin) -> bool:
        return _applies_to(node)

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        return stream_cost(node, sizes, rates)

    def expand(self, node: AsofJoin) -> Relation:
        made = Expansion(node)
        assert node.created is not None
        ts, created = Column(node.event_time, INT64), Column(node.created, INT64)
        stream = Stream(made, node, "is_row")
        visible = visible_at_all(node, made.events, node.created)
        rows = stream.of(Column(node.time, INT64), visible_from(node, ts, created), visible)
        order = (Column(stream.at, INT64), Column(stream.mark, INT64))
        return stream.answers(rows, "newest", lambda carried: order)

"""The latest value by a range join, grouped by row."""

from __future__ import annotations

from ..expr.functions import call
from ..expr.nodes import Column, Expr, conjunction
from ..ir.intervals import plus
from ..ir.logical import Aggregate, AsofJoin, Measure, Project, Relation, identity_columns
from ..ir.operators import KeyedJoin
from ..ir.properties import row_identity
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Expansion, Form
from .latest import features_of_payload, payload
from .sizes import Sizes, bytes_of, longest


class RangeMax(Form[AsofJoin]):
    """A join on keys and time, grouped by row: the greatest struct of time, order and features.

    One pass without a sort, and the full order of ties costs nothing; but every pair of a row and a visible event is
    made, so it is for spines with few rows for each key. All picks share the pass: each takes its own greatest.
    """

    name = "RangeMax"
    on = AsofJoin

    def applies_to(self, node: AsofJoin) -> bool:
        """Where a spine column identifies the row: any condition may stand in a range join."""
        return row_identity(node.spine) is not None

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Every pair with equal keys is made, and each within the longest ttl is compared, once for each pick."""
        spine, events, pairs, matches = sizes.spine, sizes.events, sizes.pairs, sizes.within(longest(node))
        if spine is None or events is None or pairs is None or matches is None:
            return None
        seconds = rates.statement + spine * (rates.scanned + 2 * rates.built + rates.probed)
        seconds += events * (rates.scanned + rates.probed) + pairs * rates.paired
        seconds += matches * (rates.grouped + len(node.picks) * rates.compared)
        held = 2 * spine * bytes_of(node.spine) + spine * sum(16 * len(pick.features) for pick in node.picks)
        return Cost(seconds, held)

    def expand(self, node: AsofJoin) -> Relation:
        made = Expansion(node)
        row = row_identity(node.spine)
        assert row is not None
        read = [node.event_time, *([] if node.created is None else [node.created])]
        for pick in node.picks:
            read += [*pick.order, *(column for _, column in pick.features)]
        right, beside = made.beside_spine(made.events, read, node.spine.schema)
        t, time = Column(node.time, INT64), beside.column(node.event_time)
        bounds: list[Expr] = [call("lt", time, node.picks[0].interval.upper)]
        if node.created is not None:
            bounds.append(call("le", beside.column(node.created), t))
        oldest = [pick.interval.earliest for pick in node.picks]
        known = [start for start in oldest if start is not None]
        if len(known) == len(oldest):
            bounds.append(call("ge", time, plus(t, min(known))))
        pairs = KeyedJoin(node.spine, right, node.keys, conjunction(tuple(bounds)))
        payloads = [payload(node, pick, beside) for pick in node.picks]
        greatest = [Column(made.fresh(f"event_{number}"), each.type) for number, each in enumerate(payloads)]
        measures = tuple(
            Measure(column.name, "newest", each, each.type) for column, each in zip(greatest, payloads, strict=True)
        )
        found = made.step(Aggregate(pairs, (row,), measures), "latest")
        every_row = KeyedJoin(node.spine, found, ((row, row),), how="left")
        features = (
            feature
            for pick, column in zip(node.picks, greatest, strict=True)
            for feature in features_of_payload(node, pick, column)
        )
        return Project(every_row, (*identity_columns(node.spine.schema), *features))

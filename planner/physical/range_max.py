"""The latest value by a range join, grouped by row."""

from __future__ import annotations

from ..expr.functions import call
from ..expr.nodes import Column, Expr, conjunction
from ..ir.intervals import plus
from ..ir.logical import Aggregate, AsofJoin, Measure, Project, Relation, identity_columns
from ..ir.operators import KeyedJoin
from ..ir.properties import row_identity
from ..statistics import Statistics
from ..types import INT64
from .form import Expansion, Form
from .latest import features_of_payload, payload

_FEW_ROWS = 2
"""An event is in the range of at most so many rows: a range join makes no more pairs than two for each event."""


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

    def drawback(self, node: AsofJoin, statistics: Statistics) -> str | None:
        """More than two pairs for each event: with 1,000 rows for each of 1,000 events of a key it makes a million."""
        most = statistics.most(node.spine, tuple(dict.fromkeys(key for key, _ in node.keys)))
        return None if most is not None and most <= _FEW_ROWS else f"for up to {_FEW_ROWS}"

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

"""Spine rows and events as one relation, for windows that carry events on to the rows after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal as OneOf

from ..expr.functions import call
from ..expr.nodes import Column, Expr, Literal, conjunction
from ..expr.structs import is_present
from ..ir.logical import AsofJoin, Filter, Measure, Project, Relation, Union, identity_columns
from ..ir.operators import Window
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Beside, Expansion
from .latest import features_of_payload, payload
from .sizes import Sizes, bytes_of


class Stream:
    """The stream of one expansion. ``mark`` is a column that is 1 for spine rows or for events, as its name says."""

    def __init__(self, made: Expansion, node: AsofJoin, mark: OneOf["is_event", "is_row"]) -> None:
        self._made = made
        self._node = node
        self._of_row = int(mark == "is_row")
        self.at, self.mark = made.fresh("at"), made.fresh(mark)
        self._own = Beside(node.events.schema, {name: name for name in node.events.schema.names})
        payloads = [payload(node, pick, self._own) for pick in node.picks]
        self._payloads = [(made.fresh(f"event_{number}"), expr) for number, expr in enumerate(payloads)]

    def of(self, row_at: Expr, event_at: Expr, events: Relation) -> Relation:
        """The spine rows and the events, each with its place in time.

        An event with a null key would stand beside the spine rows with one, and is left out.
        """
        node = self._node
        key: dict[str, str] = {}
        known: list[Expr] = []
        for left, right in node.keys:
            same = key.setdefault(left, right)
            own = self._own.column(right)
            known.append(is_present(own) if same == right else call("eq", self._own.column(same), own))
        keyed = Filter(events, conjunction(tuple(known))) if known else events
        rows = Project(
            node.spine,
            (
                *identity_columns(node.spine.schema),
                (self.at, row_at),
                (self.mark, Literal(self._of_row, INT64)),
                *((name, Literal(None, expr.type)) for name, expr in self._payloads),
            ),
        )
        past = Project(
            keyed,
            (
                *(
                    (field.name, self._own.column(key[field.name]) if field.name in key else Literal(None, field.type))
                    for field in node.spine.schema
                ),
                (self.at, event_at),
                (self.mark, Literal(1 - self._of_row, INT64)),
                *self._payloads,
            ),
        )
        return self._made.step(Union((rows, past)), "stream")

    def answers(self, stream: Relation, function: str, order: Callable[[Column], tuple[Expr, ...]]) -> Relation:
        """The spine rows with their features: the function is applied to each pick's payloads up to the row."""
        node = self._node
        partition = tuple(dict.fromkeys(left for left, _ in node.keys))
        carried = [Column(self._made.fresh(f"last_{name}"), expr.type) for name, expr in self._payloads]
        measures = tuple(
            Measure(last.name, function, Column(name, expr.type), expr.type, order=order(Column(name, expr.type)))
            for last, (name, expr) in zip(carried, self._payloads, strict=True)
        )
        spine = identity_columns(node.spine.schema)
        mark = (self.mark, Column(self.mark, INT64))
        windowed = Window(stream, partition, measures)
        match = self._made.step(Project(windowed, (*spine, mark, *((each.name, each) for each in carried))), "match")
        rows = Filter(match, call("eq", mark[1], Literal(self._of_row, INT64)))
        features = (
            feature
            for pick, last in zip(node.picks, carried, strict=True)
            for feature in features_of_payload(node, pick, last)
        )
        return Project(rows, (*spine, *features))


def stream_cost(node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
    """What a stream takes: both sides are sorted together, for each pick, with all of its features."""
    spine, events = sizes.spine, sizes.events
    if spine is None or events is None:
        return None
    rows, picks = spine + events, len(node.picks)
    seconds = rates.statement + rows * (rates.scanned + picks * (rates.sorted + rates.compared))
    return Cost(seconds, rows * (bytes_of(node.spine) + sum(8 * len(pick.features) for pick in node.picks)))

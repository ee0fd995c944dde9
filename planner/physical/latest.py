"""What the forms of the latest value share: conditions, payloads, and the late step that resolves ties."""

from __future__ import annotations

from collections.abc import Mapping

from ..expr.functions import call, coerce
from ..expr.nodes import Column, Expr, Literal, conjunction
from ..expr.structs import field_of, is_present, struct_of
from ..ir.intervals import plus
from ..ir.logical import Aggregate, AsofJoin, Filter, Measure, Pick, Project, Relation, feature_type, identity_columns
from ..ir.operators import KeyedJoin, Named
from ..statistics import Rates
from ..types import BEYOND_TIME, INT64, free_name
from .form import Beside, Expansion


def at_the_latest(node: AsofJoin) -> Expr:
    """The last instant that a row may see: all picks have the same."""
    return plus(Column(node.time, INT64), node.picks[0].interval.latest - 1)


def payload(node: AsofJoin, pick: Pick, beside: Beside) -> Expr:
    """An event's time, order and features: a struct that sorts as ties are broken."""
    columns = dict.fromkeys((node.event_time, *pick.order, *(column for _, column in pick.features)))
    return struct_of([(column, beside.column(column)) for column in columns])


def features_of_payload(node: AsofJoin, pick: Pick, carried: Column) -> list[tuple[str, Expr]]:
    """The features of a payload, null where its event is too old for the pick."""
    found: list[tuple[str, Expr]] = []
    for name, column in pick.features:
        field = field_of(carried, column)
        value = coerce(field, feature_type(field.type))
        if pick.interval.lower is not None:
            is_young = call("ge", field_of(carried, node.event_time), pick.interval.lower)
            value = call("case", is_young, value, Literal(None, value.type))
        found.append((name, value))
    return found


def visible_from(node: AsofJoin, time: Expr, created: Expr) -> Expr:
    """The first query time at which an event is visible: when it has happened and was created."""
    return call("greatest", plus(time, 1 - node.picks[0].interval.latest), created)


def visible_at_all(node: AsofJoin, events: Relation, created: str) -> Filter:
    """The events that can become visible. An infinite time can't: to add a delay to it would overflow."""
    time = Column(node.event_time, INT64)
    return Filter(
        events,
        conjunction((is_present(Column(created, INT64)), call("lt", time, Literal(BEYOND_TIME, INT64)))),
    )


def resolved_late(
    made: Expansion, node: AsofJoin, events: Named, match: Relation, matched: Mapping[str, str]
) -> Relation:
    """Every row of a match with each pick's winner among the events at it.

    ``matched`` are the event columns that a match tells beside the keys (the event time first), and what they are
    called in it. Only matched events are ordered, once for each pick: fused views share the match, never the winner.
    """
    by = {**{right: left for left, right in node.keys}, **matched}
    schema = events.schema
    found = Filter(match, is_present(Column(matched[node.event_time], INT64)))
    wanted = Aggregate(
        Project(found, tuple((column, Column(name, schema[column])) for column, name in by.items())), tuple(by)
    )
    candidates: Relation = KeyedJoin(events, wanted, tuple((column, column) for column in by))
    if len(node.picks) > 1:
        candidates = made.step(candidates, "candidates")
    rows: Relation = match
    winners: list[tuple[Pick, Column]] = []
    for pick in node.picks:
        fields = struct_of([(name, Column(column, schema[column])) for name, column in pick.features])
        order = () if pick.unique else tuple(Column(column, schema[column]) for column in pick.order)
        best = Measure(free_name("winner", by), "max_by" if order else "any", fields, fields.type, order=order)
        latest = made.step(Aggregate(candidates, tuple(by), (best,)), "latest", pick.label or "view")
        winner = Column(made.fresh("winner"), fields.type)
        right = Project(
            latest,
            (
                *((column, Column(column, schema[column])) for column in by),
                (winner.name, Column(best.name, fields.type)),
            ),
        )
        young = None
        if pick.interval.lower is not None:
            young = call("ge", Column(matched[node.event_time], INT64), pick.interval.lower)
        rows = KeyedJoin(rows, right, tuple((name, column) for column, name in by.items()), young, "left")
        winners.append((pick, winner))
    features = [
        (name, coerce(field_of(winner, name), feature_type(schema[column])))
        for pick, winner in winners
        for name, column in pick.features
    ]
    return Project(rows, (*identity_columns(node.spine.schema), *features))


def late_seconds(node: AsofJoin, spine: int, events: int, rates: Rates) -> float:
    """What ``resolved_late`` takes: the matched times, the events at them, and for each pick an order and a join."""
    each_pick = spine * (rates.grouped + rates.compared + rates.built + rates.probed)
    return spine * (rates.grouped + rates.built) + events * (rates.scanned + rates.probed) + len(node.picks) * each_pick

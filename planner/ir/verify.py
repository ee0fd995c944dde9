"""Checks that hold for every plan: run after every phase, and after every firing of a rule in the tests."""

from __future__ import annotations

from collections.abc import Iterator

from ..expr.aggregates import AGGREGATES, PLANNER_AGGREGATES
from ..expr.functions import FUNCTIONS
from ..expr.nodes import Call, Column, Expr, children
from ..types import INT64, Schema, names_that_differ_by_case
from .index import ProbeLatest, ProbeWindows, Sorted
from .logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Interval,
    Join,
    Measure,
    Pick,
    Project,
    Relation,
    Scan,
    Union,
    WindowAggregate,
    WindowMeasure,
)
from .operators import AsofMatch, Explode, KeyedJoin, Window


class InvalidPlanError(Exception):
    """A plan that no rule or lowering may produce: a bug in the planner, never of its user."""


def verify(root: Relation) -> None:
    """Raise InvalidPlanError at the first relation that is malformed. What was found sound is not looked at again."""
    if root.is_sound:
        return
    for child in root.inputs:
        verify(child)
    try:
        problem = next(_problems(root), None)
    except (KeyError, ValueError) as error:
        problem = f"has no schema: {error}"
    if problem is not None:
        raise InvalidPlanError(f"{type(root).__name__}: {problem}")
    root.mark_sound()


def _problems(relation: Relation) -> Iterator[str]:
    for first, second in names_that_differ_by_case(relation.schema.names):
        yield f"columns {first!r} and {second!r} are one name to an engine"
    match relation:
        case Scan():
            if relation.predicate is not None:
                yield from _expression(relation.predicate, relation.table.schema)
                yield from _condition(relation.predicate)
        case Project():
            for _, expr in relation.columns:
                yield from _expression(expr, relation.input.schema)
        case Filter():
            yield from _expression(relation.predicate, relation.input.schema)
            yield from _condition(relation.predicate)
        case Aggregate():
            yield from _present(relation.keys, relation.input.schema)
            yield from _measures(relation.measures, relation.input.schema)
        case Join():
            for child in relation.relations:
                yield from _present(relation.on, child.schema)
                for key in relation.on:
                    if key in child.schema and child.schema[key] != relation.relations[0].schema[key]:
                        yield f"key {key!r} is of different types"
        case Union():
            if len({child.schema for child in relation.relations}) > 1:
                yield "inputs of different schemas"
        case AsofJoin():
            yield from _point_in_time(relation)
            for pick in relation.picks:
                yield from _pick(pick, relation.spine.schema, relation.events.schema)
            if len({pick.interval.upper for pick in relation.picks}) != 1:
                yield "picks with different upper bounds cannot share a match"
        case WindowAggregate():
            yield from _point_in_time(relation)
            yield from _present([relation.row], relation.spine.schema)
            for aggregate in relation.aggregates:
                yield from _window_measure(aggregate, relation.spine.schema, relation.events.schema)
        case KeyedJoin():
            yield from _keyed(relation)
            if relation.condition is not None:
                yield from _expression(relation.condition, relation.schema)
                yield from _condition(relation.condition)
        case AsofMatch():
            yield from _keyed(relation)
            yield from _expression(relation.at, relation.left.schema)
            yield from _present([relation.ts], relation.right.schema)
            if {relation.at.type, relation.right.schema[relation.ts]} != {INT64}:
                yield "a time that is not microseconds"
        case Window():
            yield from _present(relation.partition, relation.input.schema)
            yield from _measures(relation.measures, relation.input.schema)
        case Sorted():
            yield from _present([relation.key, relation.time], relation.input.schema)
            for name in (relation.key, relation.time):
                if name in relation.schema and relation.schema[name] != INT64:
                    yield f"{name!r} is {relation.schema[name]}, not an integer"
        case ProbeLatest():
            yield from _present([relation.row], relation.spine.schema)
            for pick in relation.picks:
                yield from _pick(pick, relation.spine.schema, relation.events[0].schema)
        case ProbeWindows():
            yield from _present([relation.row], relation.spine.schema)
            for measure in relation.measures:
                yield from _window_measure(measure, relation.spine.schema, relation.events[0].schema)
        case Explode():
            for value in relation.values:
                yield from _expression(value, relation.input.schema)
            if len({value.type for value in relation.values}) != 1:
                yield "values of different types"
        case _:
            pass


def _keyed(relation: KeyedJoin | AsofMatch) -> Iterator[str]:
    left, right = relation.left.schema, relation.right.schema
    yield from _present([name for name, _ in relation.keys], left)
    yield from _present([name for _, name in relation.keys], right)
    for one, other in relation.keys:
        if one in left and other in right and left[one] != right[other]:
            yield f"keys {one!r} ({left[one]}) and {other!r} ({right[other]}) are of different types"


def _measures(measures: tuple[Measure, ...], schema: Schema) -> Iterator[str]:
    for measure in measures:
        for expr in measure.expressions:
            yield from _expression(expr, schema)
        if measure.where is not None:
            yield from _condition(measure.where)
        if not _has_form(measure.function) and measure.function not in PLANNER_AGGREGATES:
            yield f"no aggregate {measure.function!r}"


def _pick(pick: Pick, spine: Schema, events: Schema) -> Iterator[str]:
    yield from _interval(pick.interval, spine)
    yield from _present(pick.order, events)
    yield from _present([column for _, column in pick.features], events)


def _window_measure(measure: WindowMeasure, spine: Schema, events: Schema) -> Iterator[str]:
    yield from _interval(measure.interval, spine)
    if not _has_form(measure.function):
        yield f"no aggregate {measure.function!r}"
    elif (measure.parameter is None) != (AGGREGATES[measure.function].parameter is None):
        yield f"{measure.function} with the parameter {measure.parameter!r}"
    operand = [measure.operand] if measure.operand is not None else []
    yield from _present([*operand, *measure.order], events)
    if measure.where is not None:
        yield from _expression(measure.where, events)
        yield from _condition(measure.where)


def _has_form(function: str) -> bool:
    """Whether it is an aggregate, and not one that is written with others."""
    return function in AGGREGATES and AGGREGATES[function].expansion is None


def _point_in_time(
    relation: AsofJoin | WindowAggregate,
) -> Iterator[str]:
    spine, events = relation.spine.schema, relation.events.schema
    yield from _present([left for left, _ in relation.keys] + [relation.time], spine)
    times = [relation.event_time] + ([] if relation.created is None else [relation.created])
    yield from _present([right for _, right in relation.keys] + times, events)
    for left, right in relation.keys:
        if left in spine and right in events and spine[left] != events[right]:
            yield f"keys {left!r} ({spine[left]}) and {right!r} ({events[right]}) are of different types"
    for schema, time in ((spine, relation.time), *((events, time) for time in times)):
        if time in schema and schema[time] != INT64:
            yield f"time {time!r} is {schema[time]}, not microseconds"


def _interval(interval: Interval, spine: Schema) -> Iterator[str]:
    for bound in (interval.lower, interval.upper):
        if bound is not None:
            yield from _expression(bound, spine)
            if bound.type != INT64:
                yield f"a bound of type {bound.type}, not microseconds"
    if (interval.lower is None) != (interval.earliest is None):
        yield "an interval with only one of lower and earliest"


def _present(names: tuple[str, ...] | list[str], schema: Schema) -> Iterator[str]:
    yield from (f"no column {name!r} in {schema}" for name in names if name not in schema)


def _condition(expr: Expr) -> Iterator[str]:
    if expr.type.kind not in ("bool", "null"):
        yield f"a predicate of type {expr.type}"


def _expression(expr: Expr, schema: Schema) -> Iterator[str]:
    if isinstance(expr, Column):
        if expr.name not in schema:
            yield f"no column {expr.name!r} in {schema}"
        elif schema[expr.name] != expr.type:
            yield f"column {expr.name!r} is {schema[expr.name]}, not {expr.type}"
    if isinstance(expr, Call) and expr.function not in FUNCTIONS:
        yield f"no function {expr.function!r}"
    for child in children(expr):
        yield from _expression(child, schema)

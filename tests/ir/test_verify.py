"""verify: every plan that no rule may produce is found, and says where."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from hitherto.planner.expr.nodes import Call, Cast, Column, Expr, Literal
from hitherto.planner.ir.logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Join,
    Measure,
    Project,
    Relation,
    Scan,
    Union,
    WindowAggregate,
)
from hitherto.planner.ir.operators import AsofMatch, Explode, KeyedJoin, Window
from hitherto.planner.ir.verify import InvalidPlanError, verify
from hitherto.planner.types import BOOL, FLOAT64, INT64, STRING

from tests.relations import compiled, scan, table
from tests.rules.plans import EVENTS, PLANS, SPINE, USERS, latest, pick, spine, window, windows

EVENT_SCAN = scan(EVENTS)
MISSING = Column("missing", INT64)
OTHER_TYPE = Column("v", STRING)
OVER_MISSING = Call("gt", (MISSING, Literal(1, INT64)), BOOL)
TEXT_EVENTS = scan(table("text_keys", pa.table({"k": ["1"], "ts": [5], "v": [1], "w": [1.0], "status": ["ok"]})))
TEXT_TIMES = scan(table("text_times", pa.table({"k": [1], "ts": ["5"], "v": [1], "w": [1.0], "status": ["ok"]})))


def asof(**changes: object) -> AsofJoin:
    return dataclasses.replace(latest(spine(), EVENT_SCAN), **changes)  # type: ignore[arg-type]


def windowed(**changes: object) -> WindowAggregate:
    relation = windows(spine(), EVENT_SCAN, window("n", "count"))
    assert isinstance(relation, WindowAggregate)
    return dataclasses.replace(relation, **changes)  # type: ignore[arg-type]


def aggregate(**changes: object) -> WindowAggregate:
    return windowed(aggregates=(dataclasses.replace(window("n", "count"), **changes),))  # type: ignore[arg-type]


def picked(**changes: object) -> AsofJoin:
    return asof(picks=(dataclasses.replace(pick("v"), **changes),))  # type: ignore[arg-type]


def interval(**changes: object) -> object:
    return dataclasses.replace(pick("v", ttl=5).interval, **changes)  # type: ignore[arg-type]


MALFORMED: dict[str, tuple[Relation, str]] = {
    "project of a missing column": (Project(EVENT_SCAN, (("a", MISSING),)), "Project: no column 'missing'"),
    "project of a column of another type": (
        Project(EVENT_SCAN, (("a", OTHER_TYPE),)),
        "column 'v' is int64, not string",
    ),
    "a missing column deep in an expression": (
        Project(EVENT_SCAN, (("a", Cast(Call("add", (MISSING, MISSING), INT64), FLOAT64)),)),
        "Project: no column 'missing'",
    ),
    "filter over a missing column": (Filter(EVENT_SCAN, OVER_MISSING), "Filter: no column 'missing'"),
    "filter that is no condition": (Filter(EVENT_SCAN, Column("v", INT64)), "Filter: a predicate of type int64"),
    "scan whose predicate is over a missing column": (Scan(EVENTS, ("k",), OVER_MISSING), "Scan: no column 'missing'"),
    "scan whose predicate is no condition": (
        Scan(EVENTS, ("k",), Column("v", INT64)),
        "Scan: a predicate of type int64",
    ),
    "columns that differ by case": (
        Project(EVENT_SCAN, (("a", Column("k", INT64)), ("A", Column("v", INT64)))),
        "columns 'a' and 'A' are one name to an engine",
    ),
    "aggregate of a missing operand": (
        Aggregate(EVENT_SCAN, ("k",), (Measure("n", "max", MISSING, INT64),)),
        "Aggregate: no column 'missing'",
    ),
    "join on keys of two types": (Join((scan(USERS), TEXT_EVENTS), ("k",)), "Join: key 'k' is of different types"),
    "union of two schemas": (Union((EVENT_SCAN, scan(USERS))), "Union: inputs of different schemas"),
    "asof over keys of two types": (asof(events=TEXT_EVENTS), "AsofJoin: keys 'k' .int64. and 'k' .string."),
    "asof over a time that is text": (asof(events=TEXT_TIMES), "time 'ts' is string, not microseconds"),
    "asof on a missing spine key": (asof(keys=(("missing", "k"),)), "AsofJoin: no column 'missing'"),
    "asof on a missing event key": (asof(keys=(("k", "missing"),)), "AsofJoin: no column 'missing'"),
    "asof over a missing event time": (asof(event_time="missing"), "AsofJoin: no column 'missing'"),
    "asof at a missing time": (asof(time="missing"), "AsofJoin: no column 'missing'"),
    "asof at a time that is text": (asof(time="region"), "time 'region' is string, not microseconds"),
    "pick in a missing order": (picked(order=("missing",)), "AsofJoin: no column 'missing'"),
    "bound over a column of the events": (
        picked(interval=interval(upper=Column("w", FLOAT64))),
        "AsofJoin: no column 'w'",
    ),
    "lower bound without an earliest": (picked(interval=interval(earliest=None)), "only one of lower and earliest"),
    "earliest without a lower bound": (picked(interval=interval(lower=None)), "only one of lower and earliest"),
    "picks of two upper bounds": (
        asof(picks=(pick("v", prefix="a_"), pick("v", prefix="b_", exact=False))),
        "picks with different upper bounds",
    ),
    "windows of a missing row": (windowed(row="missing"), "WindowAggregate: no column 'missing'"),
    "windows over keys of two types": (windowed(events=TEXT_EVENTS), "keys 'k' .int64. and 'k' .string."),
    "windowed aggregate of a missing operand": (aggregate(operand="missing"), "WindowAggregate: no column 'missing'"),
    "windowed aggregate in a missing order": (aggregate(order=("missing",)), "WindowAggregate: no column 'missing'"),
    "windowed aggregate where a column is missing": (aggregate(where=OVER_MISSING), "no column 'missing'"),
    "windowed aggregate where no condition is": (aggregate(where=Column("v", INT64)), "a predicate of type int64"),
    "keyed join on a missing key": (
        KeyedJoin(scan(SPINE, "t"), EVENT_SCAN, (("missing", "k"),)),
        "no column 'missing'",
    ),
    "keyed join on keys of two types": (
        KeyedJoin(scan(SPINE, "k"), TEXT_EVENTS, (("k", "k"),)),
        "KeyedJoin: keys 'k' .int64. and 'k' .string.",
    ),
    "keyed join where a column is missing": (
        KeyedJoin(scan(SPINE, "k"), EVENT_SCAN, (("k", "k"),), OVER_MISSING),
        "KeyedJoin: no column 'missing'",
    ),
    "keyed join whose columns collide": (
        KeyedJoin(EVENT_SCAN, EVENT_SCAN, (("k", "k"),)),
        "KeyedJoin: has no schema: repeated column names",
    ),
    "as-of match at a column of the right": (
        AsofMatch(scan(SPINE, "k"), EVENT_SCAN, (("k", "k"),), Column("ts", INT64), "ts"),
        "AsofMatch: no column 'ts'",
    ),
    "as-of match by a time that is text": (
        AsofMatch(scan(SPINE, "k", "t"), TEXT_TIMES, (("k", "k"),), Column("t", INT64), "ts"),
        "AsofMatch: a time that is not microseconds",
    ),
    "window of a missing partition": (
        Window(EVENT_SCAN, ("missing",), (Measure("n", "max", Column("v", INT64), INT64),)),
        "Window: no column 'missing'",
    ),
    "window in a missing order": (
        Window(EVENT_SCAN, ("k",), (Measure("n", "max", Column("v", INT64), INT64, order=(MISSING,)),)),
        "Window: no column 'missing'",
    ),
    "measure of no aggregate": (
        Aggregate(EVENT_SCAN, ("k",), (Measure("n", "nothing", Column("v", INT64), INT64),)),
        "Aggregate: no aggregate 'nothing'",
    ),
    "measure where a column is missing": (
        Aggregate(EVENT_SCAN, ("k",), (Measure("n", "max", Column("v", INT64), INT64, where=OVER_MISSING),)),
        "Aggregate: no column 'missing'",
    ),
    "exploded values of two types": (
        Explode(EVENT_SCAN, "x", (Column("v", INT64), Column("w", FLOAT64))),
        "Explode: values of different types",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_plan_is_found(name: str) -> None:
    relation, message = MALFORMED[name]
    with pytest.raises(InvalidPlanError, match=message):
        verify(relation)


def test_a_malformed_plan_is_found_below_others() -> None:
    broken = Filter(Project(EVENT_SCAN, (("a", MISSING),)), Literal(True, BOOL))
    with pytest.raises(InvalidPlanError, match="Project: no column 'missing'"):
        verify(Union((Filter(broken, Literal(True, BOOL)), broken)))


@pytest.mark.parametrize("name", PLANS)
def test_every_sound_plan_passes_before_and_after_the_rules(name: str) -> None:
    plan = compiled(PLANS[name]())
    for relation in (plan.regions[0].logical, plan.regions[0].optimized, plan.regions[0].physical):
        verify(relation)


@pytest.mark.parametrize("missing", ["grouping key", "join key", "scanned column", "feature"])
def test_a_missing_name_that_the_schema_needs_is_an_invalid_plan(missing: str) -> None:
    relations: dict[str, Relation] = {
        "grouping key": Aggregate(EVENT_SCAN, ("missing",)),
        "join key": Join((EVENT_SCAN, scan(USERS)), ("country",)),
        "scanned column": Scan(EVENTS, ("missing",)),
        "feature": picked(features=(("v", "missing"),)),
    }
    with pytest.raises(InvalidPlanError):
        verify(relations[missing])


def test_a_bound_that_is_no_integer_is_an_invalid_plan() -> None:
    upper: Expr = Column("region", STRING)
    with pytest.raises(InvalidPlanError):
        verify(picked(interval=interval(upper=upper)))


def test_two_joined_columns_of_one_name_are_an_invalid_plan() -> None:
    with pytest.raises((InvalidPlanError, ValueError)):
        verify(Join((EVENT_SCAN, scan(EVENTS, "k", "v")), ("k",)))


def test_a_call_of_a_function_that_is_not_in_the_table_is_an_invalid_plan() -> None:
    with pytest.raises(InvalidPlanError):
        verify(Project(EVENT_SCAN, (("a", Call("median", (Column("v", INT64),), INT64)),)))


def test_a_windowed_aggregate_that_is_not_in_the_table_is_an_invalid_plan() -> None:
    with pytest.raises(InvalidPlanError):
        verify(aggregate(function="midrange"))


@pytest.mark.parametrize(("function", "parameter"), [("count", 3), ("percentile", None)])
def test_a_parameter_that_is_not_the_functions_is_an_invalid_plan(function: str, parameter: int | None) -> None:
    with pytest.raises(InvalidPlanError, match=f"{function} with the parameter {parameter}"):
        verify(aggregate(function=function, parameter=parameter))

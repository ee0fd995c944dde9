"""What rules may rest on: which predicates may cross a node, and what is known to hold already."""

from __future__ import annotations

import pytest
from hitherto.planner.expr.nodes import Column, Literal
from hitherto.planner.ir.logical import Aggregate, Filter, Join, NumberRows, Project, Relation, Scan, Union, Values
from hitherto.planner.ir.properties import (
    identifies_rows,
    implies,
    is_narrowing,
    is_over,
    may_cross,
    substitute,
    time_bounds,
)
from hitherto.planner.types import BOOL, INT64, Field

from tests.relations import expression, scan, unbounded
from tests.rules.plans import EVENTS, SPINE, USERS, groups, keep, latest, project, spine, where, windows

EVENT_SCAN = scan(EVENTS)
KEYS = frozenset({"k"})


def test_every_column_crosses_a_filter_and_a_union() -> None:
    every = frozenset(EVENTS.schema.names)
    assert may_cross(where(EVENT_SCAN, "v > 2"), 0) == every
    assert [may_cross(Union((EVENT_SCAN, EVENT_SCAN)), index) for index in (0, 1)] == [every, every]


def test_an_input_s_columns_cross_an_inner_join() -> None:
    joined = Join((EVENT_SCAN, scan(USERS)), ("k",))
    assert may_cross(joined, 0) == frozenset(EVENTS.schema.names)
    assert may_cross(joined, 1) == frozenset(USERS.schema.names)


def test_nothing_crosses_a_left_join_to_its_later_inputs() -> None:
    joined = Join((EVENT_SCAN, scan(USERS)), ("k",), "left")
    assert may_cross(joined, 0) == frozenset(EVENTS.schema.names)
    assert may_cross(joined, 1) == frozenset()


@pytest.mark.parametrize("relation", [latest(spine(), EVENT_SCAN), windows(spine(), EVENT_SCAN)])
def test_the_spine_s_columns_cross_a_point_in_time_to_the_left_alone(relation: Relation) -> None:
    assert may_cross(relation, 0) == {"row_id", *SPINE.schema.names}
    assert may_cross(relation, 1) == frozenset()


def test_grouping_keys_cross_an_aggregate() -> None:
    assert may_cross(groups(), 0) == {"k", "status"}
    assert may_cross(Aggregate(EVENT_SCAN, ()), 0) == frozenset()


def test_nothing_crosses_a_numbering() -> None:
    assert may_cross(spine(), 0) == frozenset()
    assert may_cross(Values((Field("k", INT64),), ()), 0) == frozenset()


def test_a_constant_is_a_predicate_over_no_columns() -> None:
    assert not is_over(Literal(False, BOOL), KEYS)


def test_a_predicate_is_over_the_columns_that_it_reads() -> None:
    assert is_over(expression("k > 1 and k < 9", EVENT_SCAN), KEYS)
    assert not is_over(expression("k > v", EVENT_SCAN), KEYS)


def test_a_substituted_predicate_means_the_same_below() -> None:
    projection = project(EVENT_SCAN, a="v + 1", v="k")
    assert substitute(expression("a > v", projection), projection) == expression("v + 1 > k", EVENT_SCAN)


def test_what_is_filtered_for_is_implied() -> None:
    filtered = where(where(EVENT_SCAN, "v > 2 and k = 1"), "status = 'ok'")
    assert implies(filtered, expression("k = 1", EVENT_SCAN))
    assert not implies(filtered, expression("k = 2", EVENT_SCAN))


def test_a_scan_s_predicate_is_implied() -> None:
    filtered = Scan(EVENTS, EVENTS.schema.names, expression("k = 1 and v > 2", EVENTS.schema))
    assert implies(filtered, expression("v > 2", EVENT_SCAN))
    assert not implies(EVENT_SCAN, expression("v > 2", EVENT_SCAN))


def test_what_is_filtered_for_is_implied_above_a_projection() -> None:
    projection = project(where(EVENT_SCAN, "v + 1 > 2"), a="v + 1")
    assert implies(projection, expression("a > 2", projection))


def test_a_union_implies_what_every_branch_does() -> None:
    filtered, predicate = where(EVENT_SCAN, "k = 1"), expression("k = 1", EVENT_SCAN)
    assert implies(Union((filtered, filtered)), predicate)
    assert not implies(Union((filtered, EVENT_SCAN)), predicate)


def test_a_point_in_time_implies_what_its_spine_does() -> None:
    joined = latest(spine("k = 1"), where(EVENT_SCAN, "v > 2"))
    assert implies(joined, expression("k = 1", joined))
    assert not implies(joined, expression("v > 2", joined))


def test_an_inner_join_implies_what_an_input_does() -> None:
    joined = Join((where(EVENT_SCAN, "v > 2"), scan(USERS)), ("k",))
    assert implies(joined, expression("v > 2", joined))


def test_a_left_join_implies_nothing_of_its_later_inputs() -> None:
    joined = Join((EVENT_SCAN, where(scan(USERS), "age > 2")), ("k",), "left")
    assert not implies(joined, expression("age > 2", joined))


def test_an_aggregate_implies_what_its_input_does_of_the_keys() -> None:
    grouped = Aggregate(where(EVENT_SCAN, "k = 1"), ("k",))
    assert implies(grouped, expression("k = 1", grouped))


def test_a_conjunction_is_implied_by_its_parts() -> None:
    filtered = where(where(EVENT_SCAN, "k = 1"), "v > 2")
    assert implies(filtered, expression("v > 2 and k = 1", EVENT_SCAN))


def test_a_projection_that_drops_and_reorders_is_narrowing() -> None:
    assert is_narrowing(keep(EVENT_SCAN, "v", "k"))
    assert not is_narrowing(Project(EVENT_SCAN, (("k", Column("v", INT64)),)))
    assert not is_narrowing(project(EVENT_SCAN, v="v + 1"))


def test_only_a_row_number_identifies_rows() -> None:
    assert identifies_rows(NumberRows(EVENT_SCAN, "row"), "row")
    assert identifies_rows(Filter(NumberRows(EVENT_SCAN, "row"), Literal(True, BOOL)), "row")
    assert not identifies_rows(EVENT_SCAN, EVENT_SCAN.columns[0])


def test_the_bounds_of_a_time_come_from_the_table_or_a_literal() -> None:
    over = project(spine("t > 5"), at="t", label="region", fixed="7", later="t + 1")
    found = {name: time_bounds(over, name) for name in over.schema.names}
    assert found == {"at": (-7, 100), "label": None, "fixed": (7, 7), "later": None}
    assert time_bounds(spine(), "row_id") is None
    assert time_bounds(unbounded(spine()), "t") is None


def test_literal_rows_bound_their_times_unless_one_is_null() -> None:
    fields = (Field("t", INT64),)
    assert time_bounds(Values(fields, ((3,), (-2,), (9,))), "t") == (-2, 9)
    assert time_bounds(Values(fields, ((3,), (None,))), "t") is None
    assert time_bounds(Values(fields, ()), "t") is None

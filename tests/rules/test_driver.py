"""The driver: what a rule may do, what happens to one that breaks a plan, and what the trace says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hitherto.planner.errors import DefinitionError
from hitherto.planner.expr.nodes import Column, Literal
from hitherto.planner.ir.logical import Filter, Join, Project, Relation, Scan, Union
from hitherto.planner.options import PlannerOptions
from hitherto.planner.phases import PHASES, PHYSICAL
from hitherto.planner.rules import LOGICAL_PHASES, RuleContext, Trace, rewrite
from hitherto.planner.rules.driver import Phase, Rule, RuleError, plan_rule, rule
from hitherto.planner.types import BOOL, INT64

from tests.relations import scan
from tests.rules.plans import EVENTS, PLANS, keep, latest, project, spine, where

EVERY_FIRING = RuleContext(verify_each=True)


@rule(on=Filter)
def lose_a_column(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(x) -> Project(x) without a column."""
    return keep(node.input, "k")


@rule(on=Filter)
def read_a_missing_column(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(x) -> Filter(x) over a column that x does not have."""
    return Filter(node.input, Column("missing", BOOL))


@rule(on=Filter)
def negate(node: Filter, context: RuleContext) -> Relation | None:
    """Filter true <-> Filter false: never at rest."""
    assert isinstance(node.predicate, Literal)
    return Filter(node.input, Literal(not node.predicate.value, BOOL))


@rule(on=Filter)
def wrap(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(x) -> Filter(Filter(x)): grows without end."""
    return Filter(node, node.predicate)


@plan_rule
def negate_whole_plan(root: Relation, context: RuleContext) -> Relation | None:
    """Filter true <-> Filter false, at the root."""
    assert isinstance(root, Filter)
    assert isinstance(root.predicate, Literal)
    return Filter(root.input, Literal(not root.predicate.value, BOOL))


@rule(on=Scan)
def narrow_to_k_and_v(node: Scan, context: RuleContext) -> Relation | None:
    """Scan -> the same scan with its columns in another order, under a projection that puts them back."""
    return keep(Scan(node.table, ("k", "v")), "v", "k") if node.columns == ("v", "k") else None


@rule(on=Filter)
def drop_filter(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(x) -> x."""
    return node.input


def rewritten(
    relation: Relation, *rules: Rule, context: RuleContext = EVERY_FIRING, physical: bool = False
) -> Relation:
    return rewrite(relation, (Phase("tried", rules, physical),), context)


FILTERED = where(scan(EVENTS), "v > 2")
TRUE = Filter(scan(EVENTS), Literal(True, BOOL))


def test_a_rule_that_changes_the_schema_is_named_at_its_firing() -> None:
    with pytest.raises(RuleError, match="rule lose_a_column changed the schema"):
        rewritten(FILTERED, lose_a_column)


def test_a_rule_that_breaks_the_plan_is_named_at_its_firing() -> None:
    with pytest.raises(RuleError, match="rule read_a_missing_column broke the plan: Filter: no column 'missing'"):
        rewritten(FILTERED, read_a_missing_column)


def test_without_a_check_at_each_firing_the_phase_of_a_changed_schema_is_named() -> None:
    with pytest.raises(RuleError, match="phase tried changed the schema"):
        rewritten(FILTERED, lose_a_column, context=RuleContext())


def test_without_a_check_at_each_firing_the_phase_of_a_broken_plan_is_named() -> None:
    with pytest.raises(RuleError, match="phase tried broke the plan"):
        rewritten(FILTERED, read_a_missing_column, context=RuleContext())


def test_a_rule_that_is_never_at_rest_is_named() -> None:
    with pytest.raises(RuleError, match=r"goes in circles.*negate"):
        rewritten(TRUE, negate)


def test_a_rule_that_grows_the_plan_without_end_is_named() -> None:
    with pytest.raises(RuleError, match=r"goes in circles.*wrap"):
        rewritten(FILTERED, wrap)


def test_a_plan_rule_that_is_never_at_rest_is_named() -> None:
    with pytest.raises(RuleError, match=r"goes in circles.*negate_whole_plan"):
        rewritten(TRUE, negate_whole_plan, context=RuleContext())


def test_a_disabled_rule_does_not_fire() -> None:
    disabled = RuleContext(disabled=frozenset({"drop_filter"}))
    assert rewritten(FILTERED, drop_filter, context=disabled) is FILTERED


def test_a_physical_rule_cannot_be_disabled() -> None:
    disabled = RuleContext(disabled=frozenset({"drop_filter"}))
    assert rewritten(FILTERED, drop_filter, context=disabled, physical=True) == scan(EVENTS)


def test_a_disabled_rule_that_does_not_exist_is_a_definition_error() -> None:
    with pytest.raises(DefinitionError, match=r"no rule 'merge_filter'\n.*\n  did you mean 'merge_filters'"):
        PlannerOptions(disabled_rules=("merge_filter",))


def test_a_physical_rule_is_no_name_for_disabled_rules() -> None:
    with pytest.raises(DefinitionError, match="no rule 'choose_asof_form'"):
        PlannerOptions(disabled_rules=("choose_asof_form",))


def test_a_single_text_for_disabled_rules_is_a_definition_error() -> None:
    with pytest.raises(DefinitionError, match="give a tuple of names"):
        PlannerOptions(disabled_rules="merge_filters")  # type: ignore[arg-type]


def test_a_plan_that_no_rule_changes_is_the_same_object() -> None:
    relation = Join((scan(EVENTS, "k", "v"), scan(EVENTS, "k", "w")), ("k",))
    assert rewrite(relation, PHASES, RuleContext()) is relation


def test_a_second_rewrite_changes_nothing() -> None:
    context = RuleContext(verify_each=True)
    for build in PLANS.values():
        once = rewrite(build(), LOGICAL_PHASES, context)
        assert rewrite(once, LOGICAL_PHASES, context) == once
        physical = rewrite(once, PHYSICAL, context)
        assert rewrite(physical, PHYSICAL, context) == physical


def test_a_shared_subplan_is_rewritten_once() -> None:
    trace: Trace = []
    shared = Project(Scan(EVENTS, ("v", "k")), (("k", Column("k", INT64)), ("v", Column("v", INT64))))
    rewrite(
        Union((shared, where(shared, "v > 1"), shared)), (Phase("tried", (narrow_to_k_and_v,)),), RuleContext(), trace
    )
    assert [step.rule for step in trace] == ["narrow_to_k_and_v"]


def test_a_deep_plan_of_shared_subplans_is_rewritten_in_time() -> None:
    relation: Relation = where(scan(EVENTS), "v > 2")
    for _ in range(60):
        relation = Union((relation, relation))
    trace: Trace = []
    rewrite(relation, (Phase("tried", (drop_filter,)),), RuleContext(), trace)
    assert len(trace) == 1


def chain_of_doubled_columns(depth: int) -> Relation:
    relation: Relation = scan(EVENTS)
    for _ in range(depth):
        relation = project(relation, k="k", v="v + v")
    return where(relation, "v > 2")


def chain_of_shared_joins(depth: int) -> Relation:
    relation: Relation = keep(scan(EVENTS), "k")
    for _ in range(depth):
        relation = keep(Join((relation, project(relation, k="k", more="k + 1")), ("k",)), "k")
    return relation


def events_of_shared_unions(depth: int) -> Relation:
    relation: Relation = scan(EVENTS)
    for _ in range(depth):
        relation = Union((relation, relation))
    return latest(spine("k = 1"), relation)


@pytest.mark.parametrize("build", [chain_of_doubled_columns, chain_of_shared_joins, events_of_shared_unions])
def test_the_work_on_a_plan_that_is_read_twice_grows_with_its_depth_alone(build: Callable[[int], Relation]) -> None:
    """At depth 40 a cost that doubles by level would never end."""
    trace: Trace = []
    rewrite(build(40), PHASES, RuleContext(), trace)
    assert len(trace) < 40 * 40


def test_the_trace_lists_phase_rule_before_and_after() -> None:
    trace: Trace = []
    rewrite(FILTERED, (Phase("tried", (drop_filter,)),), RuleContext(), trace)
    (step,) = trace
    assert (step.phase, step.rule, step.before, step.after) == ("tried", "drop_filter", FILTERED, scan(EVENTS))


def test_the_trace_is_appended_to() -> None:
    trace: Trace = []
    for _ in range(2):
        rewrite(FILTERED, (Phase("tried", (drop_filter,)),), RuleContext(), trace)
    assert len(trace) == 2


def test_a_rule_that_gives_an_equal_node_has_not_fired() -> None:
    @rule(on=Filter)
    def copy(node: Filter, context: RuleContext) -> Relation | None:
        return Filter(node.input, node.predicate)

    trace: Trace = []
    assert rewrite(FILTERED, (Phase("tried", (copy,)),), RuleContext(), trace) is FILTERED
    assert trace == []


def test_inputs_are_rewritten_before_their_readers() -> None:
    trace: Trace = []
    rewrite(where(FILTERED, "k > 1"), (Phase("tried", (drop_filter,)),), RuleContext(), trace)
    assert [step.before for step in trace] == [FILTERED, where(scan(EVENTS), "k > 1")]


def test_a_replacement_is_rewritten_too() -> None:
    @rule(on=Union)
    def filter_union(node: Union, context: RuleContext) -> Relation | None:
        return where(node.relations[0], "v > 2")

    assert rewritten(Union((scan(EVENTS), scan(EVENTS))), filter_union, drop_filter) == scan(EVENTS)


def test_phases_run_in_their_order() -> None:
    trace: Trace = []
    rewrite(PLANS["views_of_two_kinds_left_joined"](), PHASES, RuleContext(), trace)
    names = [phase.name for phase in PHASES]
    order = [names.index(step.phase) for step in trace]
    assert order == sorted(order)


def test_physical_forms_are_at_rest() -> None:
    for build in PLANS.values():
        physical = rewrite(build(), PHYSICAL, EVERY_FIRING)
        assert rewrite(physical, PHYSICAL, EVERY_FIRING) is physical


def test_the_description_of_a_rule_is_its_first_line() -> None:
    assert drop_filter.description == "Filter(x) -> x."

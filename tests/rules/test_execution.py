"""Every rule keeps the rows: hand-built plans are run on DuckDB as they are and rewritten, and compared."""

from __future__ import annotations

import inspect
import random
import re
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache

import pyarrow as pa
import pytest
from hitherto.planner.ir.intervals import latest_interval
from hitherto.planner.ir.logical import Filter, Pick, Relation
from hitherto.planner.phases import PHASES, RULES
from hitherto.planner.rules import RULE_NAMES

from tests.relations import compiled, execute, multiset, run, scan, table, unbounded
from tests.rules import plans
from tests.rules.plans import PLANS, latest, where

Rows = Counter[tuple[object, ...]]


@cache
def unrewritten(name: str) -> Rows:
    """The rows of a plan with physical forms and no other rule."""
    return multiset(execute(compiled(PLANS[name](), ()).joined))


_RUNS: dict[tuple[str, str], Rows] = {}


def rewritten(name: str, rules: Collection[str], given: Callable[[Relation], Relation] = lambda plan: plan) -> Rows:
    """The rows of a plan with some rules; what came out as the same physical plan is run once."""
    plan = compiled(given(PLANS[name]()), rules)
    key = (name, plan.regions[0].physical.fingerprint)
    if key not in _RUNS:
        _RUNS[key] = multiset(execute(plan.joined))
    return _RUNS[key]


def same_rows(relation: Relation) -> bool:
    """Whether a plan of its own gives the same rows with and without all rules."""
    rewritten_rows = multiset(execute(compiled(relation).joined))
    return rewritten_rows == multiset(execute(compiled(relation, ()).joined))


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.deep
def test_each_rule_alone_keeps_the_rows(name: str) -> None:
    differing = [rule for rule in RULE_NAMES if rewritten(name, [rule]) != unrewritten(name)]
    assert differing == []


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.deep
def test_all_rules_but_one_keep_the_rows(name: str) -> None:
    others = {rule: [other for other in RULE_NAMES if other != rule] for rule in RULE_NAMES}
    differing = [rule for rule in RULE_NAMES if rewritten(name, others[rule]) != unrewritten(name)]
    assert differing == []


@pytest.mark.parametrize("name", PLANS)
def test_all_rules_together_keep_the_rows(name: str) -> None:
    assert rewritten(name, RULE_NAMES) == unrewritten(name)


@pytest.mark.parametrize("name", PLANS)
def test_all_rules_without_bounds_keep_the_rows(name: str) -> None:
    assert rewritten(name, RULE_NAMES, unbounded) == unrewritten(name)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.deep
def test_random_halves_of_the_rules_keep_the_rows(name: str) -> None:
    for seed in range(8):
        half = random.Random(f"{name} {seed}").sample(RULE_NAMES, len(RULE_NAMES) // 2)
        assert rewritten(name, half) == unrewritten(name), f"with {', '.join(half)}"


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_has_rows_to_compare(name: str) -> None:
    assert unrewritten(name)


SPINE_AT_20 = table("spine_at_20", pa.table({"k": [1], "t": [20]}))
TWO_EVENTS = table("two_events", pa.table({"k": [1, 1], "ts": [5, 15], "v": [20, 10]}))


def latest_value() -> Relation:
    """The latest of the events (5, v=20) and (15, v=10) at t = 20."""
    bounds = latest_interval("t", ttl=None, allow_exact_matches=True, data_delay=0)
    return latest(scan(SPINE_AT_20), scan(TWO_EVENTS), Pick(bounds, ("v",), (("v", "v"),)))


def test_a_filter_over_a_feature_drops_the_row_whose_latest_value_fails_it() -> None:
    assert run(where(latest_value(), "v > 15")) == []


def test_a_filter_pushed_to_the_right_would_match_the_stale_event() -> None:
    joined = latest_value()
    pushed = joined.with_inputs(joined.inputs[0], where(joined.inputs[1], "v > 15"))
    assert run(where(pushed, "v > 15")) == [{"k": 1, "t": 20, "v": 20}]


def test_a_time_filter_pushed_to_the_right_would_lose_the_match() -> None:
    left = Filter(scan(SPINE_AT_20), where(scan(SPINE_AT_20), "t > 16").predicate)
    joined = latest_value().with_inputs(left, scan(TWO_EVENTS))
    pushed = joined.with_inputs(left, where(scan(TWO_EVENTS), "ts > 16"))
    assert [row["v"] for row in run(joined)] == [10]
    assert [row["v"] for row in run(pushed)] == [None]


def test_a_filter_pushed_into_the_second_input_of_a_left_join_would_keep_the_row() -> None:
    joined = PLANS["filter_on_the_right_of_a_left_join"]()
    (left_join,) = joined.inputs
    pushed = left_join.with_inputs(left_join.inputs[0], where(left_join.inputs[1], "age is null"))
    assert len(run(joined)) < len(run(pushed))


def test_a_feature_without_its_order_would_lose_the_tie() -> None:
    read = PLANS["last_tied_feature_alone"]()
    values = {row["row_id"]: row["b"] for row in run(read)}
    assert values[0] == 1


def test_views_whose_joins_name_their_features_alike_are_fused_or_left_alone() -> None:
    assert same_rows(plans.latest_views_with_hidden_names())


def test_windows_whose_aggregates_are_named_alike_are_fused_or_left_alone() -> None:
    assert same_rows(plans.window_views_with_hidden_names())


def test_views_joined_by_a_key_that_repeats_are_not_fused() -> None:
    assert same_rows(plans.latest_views_joined_by_key())


def test_a_key_filter_moves_into_events_that_are_a_join() -> None:
    assert same_rows(plans.latest_over_joined_events())


def test_a_time_bound_moves_into_events_that_are_a_join() -> None:
    assert same_rows(plans.latest_over_joined_events("region = 'eu'"))


def test_a_key_filter_moves_into_events_that_are_an_aggregate() -> None:
    assert same_rows(plans.latest_over_grouped_events())


def test_a_key_filter_moves_onto_a_key_that_is_computed_from_two_conditions() -> None:
    assert same_rows(plans.latest_over_computed_keys())


def test_a_key_filter_that_can_fail_is_not_asked_of_keys_that_the_spine_lacks() -> None:
    assert same_rows(plans.latest_of_a_spine_filtered_by_a_cast_key())


@pytest.mark.parametrize("name", RULES)
def test_every_rule_shows_both_trees_and_a_counter_example(name: str) -> None:
    text = inspect.getdoc(RULES[name].apply) or ""
    assert "->" in RULES[name].description
    assert re.search(r"\bNot\b", text)


def test_no_two_rules_share_a_name() -> None:
    distinct = {id(rule): rule.name for phase in PHASES for rule in phase.rules}
    assert sorted(distinct.values()) == sorted(RULES)

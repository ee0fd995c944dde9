"""What is kept of parts of the rows makes the aggregate of all rows: in plain Python, over random splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hitherto.planner.expr.aggregates import AGGREGATES, AggregateFunction
from hitherto.planner.expr.nodes import Column, Expr
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.types import BOOL, FLOAT64, INT64, STRING, DataType

from tests.interpreter import value
from tests.reference import Approximate, Reference, agrees

REFERENCE = Reference({})
AGE: Any = SimpleNamespace(timestamp_field="place", created_timestamp_column=None, sequence_columns=())
MERGING = [name for name, each in AGGREGATES.items() if each.states]
POOLS: dict[str, tuple[DataType, Sequence[Any]]] = {
    "floats": (FLOAT64, (0.1, -7.25, 1e9 + 4, 1e9 + 7, 3.0, -0.0, None)),
    "floats of any kind": (FLOAT64, (1.5, math.nan, math.inf, -math.inf, 2.0, 0.0, None, None)),
    "one value": (FLOAT64, (3.0, None)),
    "integers": (INT64, (3, -1, 0, 2**53 + 1, 2**62, None)),
    "the edges of integers": (INT64, (2**63 - 1, -(2**63), 1, -1, None)),
    "decimals": (DataType("decimal", precision=9, scale=2), (Decimal("1.10"), Decimal("-0.35"), None)),
    "texts": (STRING, ("a", "A", "é", "", None)),
    "conditions": (BOOL, (True, False, None)),
    "nulls": (INT64, (None,)),
}


def aggregate(function: str, values: Sequence[Any]) -> Any:
    events = [{"place": place, "x": each} for place, each in enumerate(values)]
    item: Any = SimpleNamespace(column="x", function=function, params={})
    return REFERENCE.aggregate(item, AGE, events)  # type: ignore[arg-type]


def exact(found: Any) -> Any:
    return found.value if isinstance(found, Approximate) else found


def converted(values: Sequence[Any], type_: DataType) -> list[Any]:
    return [each if each is None or not type_.is_float else float(each) for each in values]


def merged(entry: AggregateFunction, type_: DataType, parts: Sequence[Sequence[Any]]) -> Any:
    """The aggregate of all parts: from their states, these merged, and then finished."""
    made = [
        [exact(aggregate(state.function, converted(part, state.as_(type_)))) for state in entry.states]
        for part in parts
    ]
    return finished(entry, type_, whole(entry, type_, made))


def columns(entry: AggregateFunction, type_: DataType, of: str) -> list[Expr]:
    rules = [AGGREGATES[state.function].type_rule(state.as_(type_)) for state in entry.states]
    return [Column(f"{of}{number}", rule) for number, rule in enumerate(rules)]


def row(of: str, states: Sequence[Any]) -> dict[str, Any]:
    return {f"{of}{number}": state for number, state in enumerate(states)}


def whole(entry: AggregateFunction, type_: DataType, parts: Sequence[Sequence[Any]]) -> list[Any]:
    """The states of all parts, by those of each; of these again those of more can be made."""
    found: list[Any] = []
    for number, state in enumerate(entry.states):
        expr = columns(entry, type_, "part")[number]
        if state.weighed is not None:
            before = columns(entry, type_, "whole")[:number]
            expr = state.weighed(columns(entry, type_, "part")[: number + 1], before)
        given = [value(expr, row("part", part) | row("whole", found)) for part in parts]
        state_of_all = exact(aggregate(state.merge, given))
        found.append(AGGREGATES[state.function].empty if state_of_all is None else state_of_all)
    return found


def finished(entry: AggregateFunction, type_: DataType, states: Sequence[Any]) -> Any:
    found = value(entry.finish(columns(entry, type_, "whole"), entry.type_rule(type_)), row("whole", states))
    return entry.empty if found is None else found


def cut(values: Sequence[Any], random: Random) -> list[Sequence[Any]]:
    places = sorted(random.randrange(len(values) + 1) for _ in range(random.randrange(5)))
    return [values[start:end] for start, end in zip([0, *places], [*places, len(values)], strict=True)]


def takes(function: str, type_: DataType) -> bool:
    try:
        AGGREGATES[function].type_rule(type_)
    except TypeRuleError:
        return False
    return True


GRID = [(function, pool) for function in MERGING for pool, (type_, _) in POOLS.items() if takes(function, type_)]


def splits(pool: str) -> list[tuple[Sequence[Any], list[Sequence[Any]]]]:
    random, (_, values) = Random(pool), POOLS[pool]
    drawn = [random.choices(values, k=random.randrange(9)) for _ in range(80)]
    return [(each, cut(each, random)) for each in drawn]


def differing(
    function: str, pool: str, answer: Callable[[AggregateFunction, DataType, list[Sequence[Any]]], Any]
) -> list[Any]:
    entry, (type_, _) = AGGREGATES[function], POOLS[pool]
    found = [(values, aggregate(function, values), answer(entry, type_, parts)) for values, parts in splits(pool)]
    return [case for case in found if not agrees(case[1], case[2])]


@pytest.mark.parametrize(("function", "pool"), GRID, ids=[f"{function} of {pool}" for function, pool in GRID])
def test_the_states_of_parts_make_the_aggregate_of_all(function: str, pool: str) -> None:
    assert differing(function, pool, merged) == []


def test_merged_states_are_states_of_the_same_kind() -> None:
    def in_two_steps(entry: AggregateFunction, type_: DataType, parts: list[Sequence[Any]]) -> Any:
        made = [
            [exact(aggregate(state.function, converted(part, state.as_(type_)))) for state in entry.states]
            for part in parts
        ]
        pairs = [whole(entry, type_, made[place : place + 2]) for place in range(0, len(made), 2)]
        return finished(entry, type_, whole(entry, type_, pairs))

    assert [case for function, pool in GRID for case in differing(function, pool, in_two_steps)] == []


def test_states_are_of_every_aggregate_that_is_not_made_from_all_its_values() -> None:
    assert MERGING == ["count", "sum", "mean", "min", "max", "var_samp", "var_pop", "bool_and", "bool_or"]


def test_a_part_of_an_integer_sum_may_be_beyond_64_bits() -> None:
    assert merged(AGGREGATES["sum"], INT64, [[2**63 - 1, 1], [-1]]) == 2**63 - 1
    (state,) = AGGREGATES["sum"].states
    assert AGGREGATES["sum"].type_rule(state.as_(INT64)) == DataType("decimal", precision=38)

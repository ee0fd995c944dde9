"""A left join has nulls where its right side has no row, also in columns that are computed."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hitherto.planner.expr.nodes import Column, Expr, Literal
from hitherto.planner.ir.logical import Filter, Join, Project, Relation
from hitherto.planner.ir.operators import AsofMatch, KeyedJoin, Named
from hitherto.planner.rules import RULE_NAMES
from hitherto.planner.types import INT64

from tests.interpreter import Interpreter
from tests.relations import expression, run, scan, table

LEFT = scan(table("left_rows", pa.table({"k": [1, 2], "t": [20, 20], "row": [1, 2]})))
RIGHT = scan(table("right_rows", pa.table({"k": [1, 3], "ts": [5, 5], "v": pa.array([None, 2], pa.int64())})))
OTHER = scan(table("other_rows", pa.table({"other": [1, 2]})))
OWN: tuple[tuple[str, Expr], ...] = (("k", Column("k", INT64)), ("ts", Column("ts", INT64)))
FLAG = Project(RIGHT, (*OWN, ("flag", Literal(7, INT64))))
JOINS: dict[str, Callable[[Relation], Relation]] = {
    "by keys": lambda right: KeyedJoin(LEFT, right, (("k", "k"),), how="left"),
    "as of": lambda right: AsofMatch(LEFT, right, (("k", "k"),), Column("t", INT64), "ts"),
}
RIGHTS = {
    "a literal": FLAG,
    "an expression": Project(RIGHT, (*OWN, ("flag", expression("coalesce(v, 7)", RIGHT)))),
    "a named step": Named(FLAG, "v", "flags"),
    "a filter": Filter(FLAG, expression("flag = 7", FLAG)),
    "columns of columns": Project(FLAG, (*OWN, ("flag", Column("flag", INT64)))),
}
ABOVE: dict[str, Callable[[Relation], Relation]] = {
    "nothing": lambda joined: joined,
    "a projection": lambda joined: Project(joined, tuple((name, Column(name, INT64)) for name in ("row", "flag"))),
    "another join": lambda joined: KeyedJoin(joined, OTHER, (("row", "other"),)),
}
ANSWER = [(1, 7), (2, None)]


def answer(rows: list[dict[str, object]]) -> list[tuple[object, object]]:
    return sorted((row["row"], row["flag"]) for row in rows)  # type: ignore[type-var]


@pytest.mark.parametrize("rules", [RULE_NAMES, ()], ids=["rules", "no rules"])
@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("above", ABOVE)
def test_a_row_without_a_match_has_null_for_a_computed_column(
    above: str, right: str, join: str, rules: tuple[str, ...]
) -> None:
    relation = ABOVE[above](JOINS[join](RIGHTS[right]))
    assert answer(run(relation, rules)) == ANSWER
    assert answer(Interpreter().rows(relation)) == ANSWER


@pytest.mark.parametrize("rules", [RULE_NAMES, ()], ids=["rules", "no rules"])
@pytest.mark.parametrize("right", RIGHTS)
def test_the_logical_left_join_does_the_same(right: str, rules: tuple[str, ...]) -> None:
    assert answer(run(Join((LEFT, RIGHTS[right]), ("k",), "left"), rules)) == ANSWER

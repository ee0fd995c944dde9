"""No step of a query has a column that nobody reads: not a CTE, nor a subquery, nor a temporary result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hitherto as ht
import pytest
import sqlglot
from hitherto.planner.dag.index import LoadNode
from hitherto.planner.dag.query import QueryNode
from hitherto.planner.physical import FORMS, Form
from hitherto.runtime.engine import SqlComputeEngine
from sqlglot import exp

from tests.engines import ENGINES, with_forms
from tests.options import GRIDS
from tests.rules.requests import REQUESTS
from tests.tiers import SEED, shards
from tests.worlds import seeded_world

INDEXED = frozenset(form.name for form in FORMS if form.name.startswith("EventIndex"))


def first_select(query: exp.Expr) -> exp.Select:
    while not isinstance(query, exp.Select):
        query = query.this
    return query


def columns_of(query: exp.Expr) -> list[str]:
    """The columns of a step; none of one whose rows depend on them all, or that is a source's parts together."""
    select = first_select(query)
    is_whole = bool(select.args.get("distinct")) or select.is_star
    return [] if is_whole else [each.alias_or_name for each in select.expressions]


def steps(statement: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
    """The CTEs and subqueries of a statement, each with its name."""
    for cte in statement.find_all(exp.CTE):
        yield cte.alias, cte.this
    for subquery in statement.find_all(exp.Subquery):
        yield f"subquery {id(subquery)}", subquery.this


def reads(statement: exp.Select) -> Iterator[tuple[str, str]]:
    """Each step or table that a statement reads, with a column that it reads of it."""
    for select in statement.find_all(exp.Select):
        given = [select.args[clause].this for clause in ("from_",) if select.args.get(clause)]
        given += [join.this for join in select.args.get("joins") or ()]
        names = {
            each.alias_or_name: each.name if isinstance(each, exp.Table) else f"subquery {id(each)}" for each in given
        }
        for column in select.find_all(exp.Column):
            if column.find_ancestor(exp.Select) is select:
                yield names[column.table] if column.table else next(iter(names.values())), column.name


def unread_in(statement: exp.Select) -> set[tuple[str, str]]:
    """Columns of CTEs and subqueries that the statement does not read."""
    given = {(name, column) for name, query in steps(statement) for column in columns_of(query)}
    return given - {*reads(statement)}


def unread(job: ht.RetrievalJob, engine: SqlComputeEngine) -> set[tuple[str, str]]:
    """Columns of CTEs, subqueries and temporary results that nothing reads."""
    planner = engine.planner
    in_sql = set() if engine.forms <= INDEXED else unread_of(planner.in_sql.plan(job._task).joined, engine)
    return in_sql | unread_of(planner.plan(job._task).pieces, engine)


def is_loaded_spine(node: ht.DAGNode) -> bool:
    return isinstance(node, LoadNode) and node.load.row is not None


def unread_of(plan: ht.ExecutionPlan, engine: SqlComputeEngine) -> set[tuple[str, str]]:
    queries = [node for node in plan.nodes if isinstance(node, QueryNode)]
    statements = [engine.compiler.compile(node.relation, node.order_by) for node in queries]
    made = [(node.name, query) for node, query in zip(queries, statements, strict=True) if not node.is_result]
    # What an index reads of the spine itself is in the spine's table, too, where SQL answers another view.
    made = [each for each in made if each[0] != "spine_rows" or not any(map(is_loaded_spine, plan.nodes))]
    tables = {(name, column) for name, query in made for column in columns_of(query)}
    read = {each for statement in statements for each in reads(statement)}
    return (tables - read).union(*map(unread_in, statements))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("request_", REQUESTS)
def test_every_column_of_a_request_is_read(request_: str, name: str) -> None:
    assert unread(REQUESTS[request_](), ENGINES[name].make()) == set()


@pytest.mark.parametrize("name", ENGINES)
@shards(fast=1, deep=9)
def test_every_column_of_a_random_world_is_read(name: str, shard: int) -> None:
    engine = ENGINES[name].make()
    for number in range(4):
        job = seeded_world(f"{SEED}.{shard}.{number} columns").job(ht.LocalComputeEngine())
        assert unread(job, engine) == set()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_column_of_a_form_is_read(form: Form[Any]) -> None:
    for known in (False, True):
        grid = GRIDS[form.on](keys=(1,), uniques=(False,)).of(form, known=known)
        if grid.views:
            engine = with_forms(ht.LocalComputeEngine(), form.name)
            assert unread(grid.job(engine, known=known), engine) == set()


def test_a_column_that_nobody_reads_is_seen() -> None:
    (statement,) = sqlglot.parse(
        "WITH a AS (SELECT x, y FROM t) SELECT b.x FROM a JOIN (SELECT x, z FROM t) AS b ON b.x = a.x"
    )
    assert isinstance(statement, exp.Select)
    found = {(name.split(" ")[0], column) for name, column in unread_in(statement)}
    assert found == {("a", "y"), ("subquery", "z")}

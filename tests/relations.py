"""Relations over small tables in memory, and a way to run them on DuckDB with any choice of rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa
from hitherto.planner.dag.plan import ExecutionPlan
from hitherto.planner.dag.query import RelationalNode
from hitherto.planner.expr.nodes import Column, Expr
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.ir.data import ArrowData, Bounds
from hitherto.planner.ir.logical import Relation, Scan, Table
from hitherto.planner.options import PlannerOptions
from hitherto.planner.planning import PlannedRequest
from hitherto.planner.rules import RULE_NAMES
from hitherto.planner.statistics import NoStatistics, Statistics
from hitherto.planner.types import Schema
from hitherto.runtime.arrow import planner_schema
from hitherto.runtime.engine import SqlComputeEngine
from hitherto.runtime.engines.local import LocalComputeEngine

ENGINE = LocalComputeEngine(threads=2)
NO_STATISTICS = NoStatistics()


class Given(RelationalNode):
    """A node that lowers to a relation that is there already."""

    def __init__(self, relation: Relation) -> None:
        super().__init__("given")
        self._given = relation

    def lower(self, *inputs: Relation) -> Relation:
        return self._given


def table(name: str, rows: pa.Table, bounds: Bounds | None = None) -> Table:
    """A table of Arrow data; the name is its identity too."""
    return Table(name, planner_schema(rows.schema), ArrowData(rows, numbered=True), name=name, bounds=bounds)


def scan(read: Table, *columns: str) -> Scan:
    """A scan of the named columns, or of all."""
    return Scan(read, columns or read.schema.names)


def unbounded(relation: Relation) -> Relation:
    """The plan over tables of whose times nothing is known."""
    if isinstance(relation, Scan):
        return replace(relation, table=replace(relation.table, bounds=None))
    return relation.with_inputs(*map(unbounded, relation.inputs))


def column(relation: Relation, name: str) -> Column:
    """A column of the relation, with its type."""
    return Column(name, relation.schema[name])


def expression(text: str, over: Relation | Schema) -> Expr:
    """The expression that a text means over a relation's columns."""
    return parse_expression(text, over if isinstance(over, Schema) else over.schema, "test")


def compiled(
    relation: Relation,
    rules: Iterable[str] = RULE_NAMES,
    statistics: Statistics = NO_STATISTICS,
    engine: SqlComputeEngine = ENGINE,
    *,
    in_sql: bool = True,
) -> PlannedRequest:
    """The relation as queries, with these logical rules and all physical ones; every firing is verified.

    Not ``in_sql`` alone where the engine's index may be used, too.
    """
    disabled = tuple(name for name in RULE_NAMES if name not in set(rules))
    options = PlannerOptions(disabled_rules=disabled, verify_each=True)
    planner = engine.planner.in_sql if in_sql else engine.planner
    return planner.plan_dag(ExecutionPlan(Given(relation)), options, statistics)


def execute(plan: ExecutionPlan) -> pa.Table:
    """The result of a plan of queries."""
    with ENGINE.executing(PlannerOptions()) as context:
        (value,) = plan.execute(context)
        return value.to_reader().read_all()


def run(
    relation: Relation, rules: Iterable[str] = RULE_NAMES, statistics: Statistics = NO_STATISTICS
) -> list[dict[str, object]]:
    """The relation's rows, each a dictionary."""
    rows: list[dict[str, object]] = execute(compiled(relation, rules, statistics).joined).to_pylist()
    return rows


def multiset(rows: pa.Table) -> Counter[tuple[object, ...]]:
    """The rows with how often each is there; NaN equals NaN and -0.0 equals 0.0."""
    return Counter(tuple(map(_comparable, row.values())) for row in rows.to_pylist())


def _comparable(value: object) -> object:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return value

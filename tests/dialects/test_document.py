"""docs/functions.md is made from the tables of functions and aggregates, and says what they say.

``pytest --update-golden`` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hitherto.dialects import syntax
from hitherto.dialects.base import Dialect, Measured
from hitherto.planner.expr.aggregates import AGGREGATES, AggregateFunction
from hitherto.planner.expr.functions import EXAMPLE, FUNCTIONS
from hitherto.planner.expr.nodes import Column
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.types import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, DataType, Schema
from sqlglot import exp

from tests.engines import DIALECTS, ENGINES

TITLES = [entry.title for entry in ENGINES.values()]
PAGE = Path(__file__).parents[2] / "docs" / "functions.md"
TYPES = (INT64, FLOAT64, DataType("decimal", precision=9, scale=2), BOOL, STRING, DataType("binary"), DATE, TIMESTAMP)
HEAD = """\
# Functions and aggregates

What expressions (`filter`, `where`, `columns`, `post_aggregation`) and aggregations may use, on DuckDB and on Spark
alike: each has one meaning, one form in either dialect, and examples that the tests execute on both. Anything else is
refused when the plan is made. This page is made from the code's own tables; a test keeps it current.
"""


def row(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([row(titles), row(["---"] * len(titles)), *map(row, rows)])


def code(text: str) -> str:
    """Text as code, also where it holds backticks, as Spark's identifiers do."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def functions() -> str:
    rows: list[list[str]] = []
    for function in FUNCTIONS.values():
        if function.visibility != "public":
            continue
        text, value = function.cases[0]
        parsed = parse_expression(text, Schema((EXAMPLE,)), "example")
        forms = [dialect.expressions.compile(parsed, syntax.column).sql(dialect.name) for dialect in DIALECTS.values()]
        rows.append([code(function.name), f"{code(text)} = {code(shown(value))}", str(parsed.type), *map(code, forms)])
    return table(["function", "example", "type", *TITLES], rows)


def taken(rule: Callable[[DataType], DataType]) -> str:
    """Which types an aggregate takes, and what of."""
    results: list[str] = []
    for type_ in TYPES:
        try:
            results.append(f"{type_} → {rule(type_)}")
        except TypeRuleError:
            continue
    return ", ".join(results)


def form(dialect: Dialect, aggregate: AggregateFunction, type_: DataType, parameter: int | float | None) -> exp.Expr:
    """The SQL of an aggregate of ``x``; of one that is written with others, that of these in place of their values."""
    result = aggregate.type_rule(type_)
    if aggregate.expansion is not None:
        parts = {part: form(dialect, AGGREGATES[part], type_, parameter) for part in aggregate.expansion.parts}
        value = aggregate.expansion.value(
            *(Column(part, AGGREGATES[part].type_rule(type_)) for part in aggregate.expansion.parts)
        )
        return dialect.expressions.compile(value, parts.__getitem__)
    measured = Measured(
        lambda: syntax.column("x"),
        type_,
        lambda: exp.Column(this=exp.Identifier(this="in_window", quoted=False)),
        lambda: [syntax.column("ts")],
        parameter,
        dialect,
    )
    return dialect.aggregate(aggregate.name, measured, result)


def aggregates() -> str:
    rows: list[list[str]] = []
    for aggregate in AGGREGATES.values():
        type_, values, expected = aggregate.cases[0]
        given = aggregate.parameter
        parameter = None if given is None else given.example
        with_parameter = "" if given is None else f"{given.name}={given.example} "
        forms = [form(dialect, aggregate, type_, parameter).sql(dialect.name) for dialect in DIALECTS.values()]
        example = f"{with_parameter}of {', '.join(map(shown, values))}: {shown(expected)}"
        empty = shown(aggregate.empty)
        rows.append([code(aggregate.name), taken(aggregate.type_rule), example, empty, *map(code, forms)])
    return table(["aggregate", "types", "example", "empty window", *TITLES], rows)


def page() -> str:
    return "\n".join([
        HEAD,
        "## Functions and operators\n",
        functions(),
        "\n## Aggregates\n",
        "Nulls in the column are left out; `count` of `*` counts rows. `in_window` stands for the bounds of the window",
        "and the aggregation's `where`; `x` is the column and `ts` the time of an event.\n",
        aggregates(),
        "",
    ])  # fmt: skip


def test_the_page_of_functions_is_current(update_golden: bool) -> None:
    if update_golden:
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_public_function_and_every_aggregate_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    public = [function.name for function in FUNCTIONS.values() if function.visibility == "public"]
    assert [name for name in (*public, *AGGREGATES) if f"| {code(name)} |" not in text] == []

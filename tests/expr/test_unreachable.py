"""No function outside the table reaches an engine: every one that the engines list is refused, or means an entry."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest
from hitherto.planner.errors import DefinitionError
from hitherto.planner.expr.functions import FUNCTIONS
from hitherto.planner.expr.nodes import Call, Expr
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.types import INT64, STRING, TIMESTAMP, Field, Schema

ROWS = Schema([Field("n", INT64), Field("s", STRING), Field("ts", TIMESTAMP)])
FORMS = ("{}", "{}()", "{}(n)", "{}(s)", "{}('x.csv')", "{}('x', 'y')", "{}(n, n)", "{}(*)", "{}(distinct n)", "{}(ts)")
# Names of functions that read files, reach the network, or tell of the session, the clock or a die.
OUTSIDE = re.compile(
    r"read_|_scan|glob|parquet_|sniff|getenv|getvariable|current_|setting|pragma|duckdb_|^query|^now|today|random|"
    r"uuid|nextval|currval|setseed|txid|transaction_|get_current|sleep|write_|http|reflect|java_|input_file|"
    r"spark_partition|monotonically|^rand|shuffle|version|^user$|session_user|session_window|raise_error|assert_true|"
    r"in_search_path|sql_auto|json_execute|from_substrait|unix_timestamp|localtimestamp|catalog"
)


def accepted(text: str) -> Expr | None:
    """What the text means; None where it is refused as ours. Any other error is the test's failure."""
    try:
        return parse_expression(text, ROWS, "filter")
    except DefinitionError:
        return None


def calls(expr: Expr) -> list[str]:
    """The names of all functions in an expression."""
    below = [name for child in vars_of(expr) for name in calls(child)]
    return [expr.function, *below] if isinstance(expr, Call) else below


def vars_of(expr: Expr) -> list[Expr]:
    values = [getattr(expr, name) for name in getattr(expr, "__dataclass_fields__", {})]
    flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return [item for item in flat if isinstance(item, Expr)]


def check(names: set[str], outside: set[str]) -> None:
    assert outside
    for name in sorted(names):
        if not re.fullmatch(r"\w+", name):
            continue
        for form in FORMS:
            expr = accepted(form.format(name))
            if expr is not None:
                assert name not in outside, form.format(name)
                assert set(calls(expr)) <= set(FUNCTIONS)


def test_no_function_of_duckdb_is_reached_outside_the_table() -> None:
    listed = duckdb.connect().sql("SELECT function_name, function_type, stability FROM duckdb_functions()").fetchall()
    names = {name for name, _, _ in listed}
    assert len(names) > 500
    outside = {name for name in names if OUTSIDE.search(name)}
    outside |= {name for name, kind, stability in listed if kind == "pragma" or stability == "VOLATILE"}
    check(names, outside)


@pytest.mark.deep
def test_no_function_of_spark_is_reached_outside_the_table(spark: Any) -> None:
    names = {row.function.split(".")[-1] for row in spark.sql("SHOW FUNCTIONS").collect()}
    assert len(names) > 300
    check(names, {name for name in names if OUTSIDE.search(name)})


@pytest.mark.parametrize("name", sorted(name for name, each in FUNCTIONS.items() if each.visibility == "planner"))
def test_a_function_of_the_planner_cannot_be_written(name: str) -> None:
    for form in FORMS[1:]:
        assert accepted(form.format(name)) is None

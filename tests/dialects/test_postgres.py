"""What dialects share has no engine's own words in it: another one prints all of it, and overrides what differs.

An expression, an aggregate or an operator either has SQL of PostgreSQL's words alone, or is ``never`` there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hitherto.dialects import syntax as sql
from hitherto.dialects.base import Measured
from hitherto.dialects.compiler import SqlCompiler
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.expr.functions import FUNCTIONS, call
from hitherto.planner.expr.nodes import Call, Column, Expr, Literal, children
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.expr.structs import bucket_of, field_of, sort_key, struct_of
from hitherto.planner.ir import operators as op
from hitherto.planner.ir.logical import Measure, NumberRows, Relation, Union, Values, topological
from hitherto.planner.physical import FORMS
from hitherto.planner.types import INT64, STRING, TIMESTAMP, DataType, Field, Schema

from tests.dialects import postgres
from tests.dialects.postgres import NeverError, PostgresDialect
from tests.options import GRIDS
from tests.relations import scan, table

DIALECT = PostgresDialect()
# What may stand before a parenthesis, and after AS where that is no quoted name.
FUNCTIONS_OF_POSTGRES = set(re.findall(r"\w+", """
    abs any any_value array_agg avg bool_and bool_or cardinality ceil coalesce concat count date_part date_trunc div exp
    extract floor greatest jsonb_build_object jsonb_extract_path_text least left length ln log10 lower ltrim max md5
    min mode nullif percentile_cont power replace right round row row_number rtrim split_part sqrt starts_with strpos
    substr sum translate trim unnest upper var_pop var_samp
"""))  # fmt: skip
KEYWORDS = set(re.findall(r"\w+", """
    all and as by case cast distinct else escape filter from group in is join like not on or order over select then
    union values when where with within decimal numeric
"""))  # fmt: skip
TYPES = frozenset(name.split("(")[0] for name in (*DIALECT.expressions.type_names.values(), "DECIMAL", "INTERVAL"))
FOREIGN = (
    "LAMBDA",
    "->",
    "ASOF",
    "IGNORE NULLS",
    "QUALIFY",
    "TRY_CAST",
    "//",
    "DIV ",
    "{",
    "] OVER",
    "`",
    "NOT MATERIALIZED",
)


def foreign_words(text: str) -> list[str]:
    """What PostgreSQL would not understand: functions, types and notations of others."""
    bare = re.sub(r'"(?:[^"]|"")*"', '"x"', re.sub(r"'(?:[^']|'')*'", "''", text))
    called = {word.lower() for word in re.findall(r"\b([A-Za-z_]\w*)\s*\(", bare)}
    types = set(re.findall(r"\bAS ([A-Z_]+(?: [A-Z]+)?)(?=[()\[])", bare)) - {"MATERIALIZED "}
    marks = [mark for mark in FOREIGN if mark in bare]
    return sorted((called - FUNCTIONS_OF_POSTGRES - KEYWORDS) | (types - TYPES)) + marks


@pytest.mark.parametrize(
    "text",
    [
        "LAST(x, TRUE)", "ARG_MAX(x, y)", "MAX_BY(x, y)", "STRUCT_PACK(a := 1)", "LIST_TRANSFORM(x, LAMBDA e : e)",
        "LAST_VALUE(x) IGNORE NULLS", "{'a': 1}", "x // 2", "CAST(x AS DOUBLE)", "CAST(x AS STRING)", "EPOCH_US(t)",
        "CAST(x AS HUGEINT[])", "TRANSFORM(x, e -> e)", "a ASOF JOIN b", "`x`", "TRY_CAST(x AS BIGINT)", "x DIV y",
    ],
)  # fmt: skip
def test_words_of_other_engines_are_found(text: str) -> None:
    assert foreign_words(text)


def test_the_dialect_is_short() -> None:
    assert len(Path(postgres.__file__).read_text().splitlines()) < 150


EXAMPLES = Schema([Field("tags", DataType("list", element=STRING)), Field("t", TIMESTAMP), Field("x", INT64)])
T, X = Column("t", TIMESTAMP), Column("x", INT64)
PAIR = struct_of([("at", T), ("x", X)])
OF_THE_PLANNER = [
    call("micros_up", T), call("micros_down", T), call("floor_to", X, Literal(60, INT64)), PAIR,
    field_of(Column("s", PAIR.type), "x"), sort_key(Column("s", PAIR.type)), bucket_of(X, 60),
    call("round", Column("d", DataType("decimal", precision=5, scale=2)), Literal(1, INT64)),
]  # fmt: skip
EXPRESSIONS = [
    *(parse_expression(text, EXAMPLES, "case") for each in FUNCTIONS.values() for text, _ in each.cases),
    *OF_THE_PLANNER,
]


def functions_in(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Call):
        yield expr.function
    for child in children(expr):
        yield from functions_in(child)


def test_every_function_has_its_words_or_never_any() -> None:
    printed: set[str] = set()
    refused: set[str] = set()
    for expr in EXPRESSIONS:
        try:
            text = DIALECT.expressions.compile(expr, sql.column).sql(DIALECT.name)
        except NeverError:
            refused |= set(functions_in(expr))
        else:
            assert foreign_words(text) == [], text
            printed |= set(functions_in(expr))
    with_form = {name for name, each in FUNCTIONS.items() if each.expansion is None}
    assert set(DIALECT.expressions.forms) == with_form
    assert printed | refused == with_form
    assert refused - printed == {"regexp_matches", "regexp_extract"}


def measured(function: str) -> str:
    entry = AGGREGATES.get(function)
    type_ = entry.cases[0][0] if entry is not None else PAIR.type if function == "newest" else INT64
    given = None if entry is None or entry.parameter is None else entry.parameter.example
    of = Measured(
        lambda: sql.column("x"), type_, lambda: sql.column("inside"), lambda: [sql.column("ts")], given, DIALECT
    )
    return DIALECT.aggregate(function, of, type_ if entry is None else entry.type_rule(type_)).sql(DIALECT.name)


def test_every_aggregate_has_its_words_or_never_any() -> None:
    refused: set[str] = set()
    for function in DIALECT.aggregates:
        try:
            text = measured(function)
        except NeverError:
            refused.add(function)
        else:
            assert foreign_words(text) == [], text
    lists = {"first_n", "last_n", "first_distinct_n", "last_distinct_n", "top_k"}
    assert refused == {*lists, "last_present"}


def test_an_aggregate_of_the_shared_ones_prints_what_a_person_would_write() -> None:
    assert measured("last") == (
        '(ARRAY_AGG("x" ORDER BY ROW("ts" IS NOT NULL, "ts", "x" IS NOT NULL, "x") DESC NULLS LAST)'
        ' FILTER(WHERE "inside" AND "x" IS NOT NULL))[1]'
    )
    assert measured("mean") == 'AVG(CAST("x" AS DOUBLE PRECISION)) FILTER(WHERE "inside")'


ROWS = scan(table("rows", pa.table({"k": [1], "x": [2]})))
OTHERS = scan(table("others", pa.table({"j": [1], "y": [2]})))
OPERATORS: dict[str, Relation] = {
    "KeyedJoin": op.KeyedJoin(ROWS, OTHERS, (("k", "j"),), call("lt", X, Column("y", INT64)), "left"),
    "Window": op.Window(ROWS, ("k",), (Measure("m", "max", X, INT64, order=(X,)),)),
    "Window of lists": op.Window(ROWS, ("k",), (Measure("m", "max_by", X, INT64, order=(X,)),)),
    "Explode": op.Explode(ROWS, "bucket", (bucket_of(X, 9), X)),
    "Named": op.Named(op.Explode(ROWS, "bucket", (X,)), "view", "probe"),
    "Materialize": op.Materialize(ROWS, name="rows"),
    "Union": Union((ROWS, ROWS)),
    "Values": Values((Field("n", INT64), Field("s", STRING)), ((1, "a"), (None, None))),
    "NumberRows": NumberRows(ROWS, "n"),
    "AsofMatch": op.AsofMatch(ROWS, OTHERS, (("k", "j"),), X, "y"),
}


def is_never(relation: Relation) -> bool:
    """There is no ASOF JOIN, and no list in an order over a window."""
    if isinstance(relation, op.Window):
        return any(each.function in ("newest", "max_by") for each in relation.measures)
    return isinstance(relation, op.AsofMatch)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_has_its_words_or_never_any(name: str) -> None:
    text = SqlCompiler(DIALECT).to_text(SqlCompiler(DIALECT).compile(OPERATORS[name]))
    assert bool(foreign_words(text)) == is_never(OPERATORS[name]), text


def test_every_form_prints_what_it_needs_or_never() -> None:
    printed: set[str] = set()
    for form in FORMS:
        for node in GRIDS[form.on](keys=(1,), uniques=(False,)).nodes(known=True):
            made = form.of(node) if form.applies_to(node) else None
            if made is None or any(map(is_never, topological(made))):
                continue
            try:
                text = SqlCompiler(DIALECT).to_text(SqlCompiler(DIALECT).compile(made))
            except NeverError:
                continue
            assert foreign_words(text) == [], text
            printed.add(form.name)
    assert printed == {"RangeMax", "BucketedMax", "BucketedWindows", "RangeWindows"}

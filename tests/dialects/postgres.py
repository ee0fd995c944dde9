"""A dialect that no engine of ours has: what it takes to write one, and a check that the shared SQL is nobody's own.

It is printed and never run. What PostgreSQL has no words for is ``never``, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hitherto.dialects import aggregates, expressions
from hitherto.dialects import syntax as sql
from hitherto.dialects.base import AggregateForm, Dialect, Measured
from hitherto.dialects.expressions import ExpressionCompiler, Form, Operand
from hitherto.dialects.syntax import Sql
from hitherto.planner.expr.nodes import Call, Literal
from hitherto.planner.ir.logical import NumberRows
from hitherto.planner.types import STRING, DataType
from sqlglot import exp


class NeverError(Exception): ...


LISTS = ("first_n", "last_n", "first_distinct_n", "last_distinct_n", "top_k")


def never(reason: str) -> Callable[..., Sql]:
    def form(*given: object) -> Sql:
        raise NeverError(reason)

    return form


def micros(call: Call, args: list[Operand]) -> Sql:
    seconds = exp.Extract(this=exp.Var(this="epoch"), expression=args[0]())
    return sql.cast(sql.binary(exp.Mul, seconds, sql.number(1_000_000)), "BIGINT")


def part(call: Call, args: list[Operand]) -> Sql:
    return sql.cast(sql.function("floor", expressions.named("date_part")(call, args)), "BIGINT")


def moved(instant: Sql, micros: Sql) -> Sql:
    return sql.binary(exp.Add, instant, sql.binary(exp.Mul, micros, sql.cast(sql.text("1 us"), "INTERVAL")))


def ends_with(call: Call, args: list[Operand]) -> Sql:
    end = sql.function("right", args[0](), sql.function("length", args[1]()))
    return sql.comparison(exp.EQ, end, args[1]())


def field(call: Call, args: list[Operand]) -> Sql:
    name = call.args[1]
    assert isinstance(name, Literal)
    text = sql.function("jsonb_extract_path_text", args[0](), sql.text(str(name.value)))
    return sql.cast(text, PostgresExpressions().result_name(call.type) or "JSONB")


def key(values: Sequence[Sql]) -> Sql:
    return sql.function("row", *(part for value in values for part in (sql.is_present(value), value.copy())))


def struct(call: Call, args: list[Operand]) -> Sql:
    pairs = zip(call.type.fields, args, strict=True)
    return sql.function("jsonb_build_object", *(part for each, arg in pairs for part in (sql.text(each.name), arg())))


def fields_in_turn(call: Call, args: list[Operand]) -> Sql:
    (of,) = call.args
    calls = [Call("field_of", (of, Literal(each.name, STRING)), each.type) for each in of.type.fields]
    return key([field(each, args) for each in calls])


class PostgresExpressions(ExpressionCompiler):
    forms: Mapping[str, Form] = {
        **expressions.FORMS,
        "plain_round": lambda call, args: sql.function("round", sql.cast(args[0](), "NUMERIC")),
        "like": lambda call, args: exp.Escape(this=expressions.FORMS["like"](call, args), expression=sql.text("")),
        "contains": lambda call, args: sql.comparison(exp.GT, expressions.named("strpos")(call, args), sql.number(0)),
        "ends_with": ends_with,
        **dict.fromkeys(("regexp_matches", "regexp_extract"), never("its regular expressions are not those of RE2")),
        "list_length": expressions.named("cardinality"),
        "list_contains": expressions.in_list(
            lambda call, args: sql.comparison(exp.EQ, args[1](), sql.function("any", args[0]()))
        ),
        "list_extract": lambda call, args: exp.Bracket(this=args[0](), expressions=[args[1]()], offset=1),
        "extract": part,
        "shift": lambda call, args: moved(args[0](), args[1]()),
        **dict.fromkeys(("micros_up", "micros_down"), micros),
        "struct_of": struct,
        "field_of": field,
        "sort_key": fields_in_turn,
    }
    zoned = "TIMESTAMPTZ"
    type_names: Mapping[str, str] = {
        **expressions.TYPE_NAMES, "int8": "SMALLINT", "uint8": "SMALLINT", "uint16": "INTEGER", "uint32": "BIGINT",
        "uint64": "NUMERIC(20, 0)", "float64": "DOUBLE PRECISION", "string": "TEXT", "binary": "BYTEA",
    }  # fmt: skip

    def cast(self, value: Operand, source: DataType, target: DataType, *, is_try: bool = False) -> Sql:
        return never("a cast that fails is an error")() if is_try else sql.cast(value(), self.type_name(target))

    def instant_of_micros(self, micros: Sql) -> Sql:
        return moved(sql.cast(sql.text("epoch"), self.type_names["timestamp"]), micros)


def picked(order: Callable[[Measured], Sql], *, newest: bool = True, present: bool = False) -> AggregateForm:
    def form(w: Measured, result: str) -> Sql:
        ordered = exp.Ordered(this=order(w), desc=newest, nulls_first=not newest)
        values = sql.function("array_agg", exp.Order(this=w.operand(), expressions=[ordered]))
        listed = exp.Paren(this=sql.filtered(values, w.valued() if present else w.within()))
        return exp.Bracket(this=listed, expressions=[sql.number(1)], offset=1)

    return form


def in_group(function: str, w: Measured, value: Sql, *given: Sql) -> Sql:
    order = exp.Order(expressions=[exp.Ordered(this=value, desc=False, nulls_first=False)])
    return sql.filtered(exp.WithinGroup(this=sql.function(function, *given), expression=order), w.within())


def percentile(w: Measured, result: str) -> Sql:
    return in_group("percentile_cont", w, sql.cast(w.operand(), result), sql.double(w.fraction))


class PostgresDialect(Dialect):
    name = "postgres"
    expressions = PostgresExpressions()
    aggregates: Mapping[str, AggregateForm] = {
        **aggregates.FORMS,
        "first": picked(Measured.key, newest=False, present=True),
        "last": picked(Measured.key, present=True),
        "max_by": picked(Measured.place_key),
        "newest": picked(Measured.struct_key),
        **dict.fromkeys(("median", "percentile"), percentile),
        "mode": lambda w, result: in_group("mode", w, w.folded()),
        **dict.fromkeys(LISTS, never("there are no functions over the elements of an array")),
        "last_present": never("no window function leaves nulls out"),
    }
    session: Mapping[str, str] = {"TimeZone": "UTC"}

    def row_number(self, node: NumberRows) -> Sql:
        return sql.binary(exp.Sub, exp.Window(this=exp.RowNumber()), sql.number(1))

    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        return key(columns)

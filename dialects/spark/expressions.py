"""Expressions in Spark SQL: what it spells in its own way, and where its default meaning is not the canonical one.

An instant with a zone is spelled ``TIMESTAMP_LTZ``: a plain ``TIMESTAMP`` would drop the offset of a text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from sqlglot import exp

from ...planner.expr.nodes import Call, Literal
from ...planner.expr.regex import java
from ...planner.types import FLOAT64, INT64, DataType
from .. import syntax as sql
from ..expressions import FORMS, TYPE_NAMES, ExpressionCompiler, Form, Operand, as_decimal, in_list, named
from ..syntax import Sql

_WHOLE = 2.0**53
_BEYOND_FLOAT32 = float(2**128 - 2**103)
_PARTS = {"isodow": "DAYOFWEEK_ISO"}


def _rounded(function: str) -> Form:
    """Spark rounds a double to a long. NaN, infinities and values beyond a long are left alone: they are whole."""

    def form(call: Call, args: list[Operand]) -> Sql:
        if not call.type.is_float:
            return FORMS[function](call, args)
        limit = exp.Literal(this=f"{_WHOLE!r}e0", is_string=False)
        is_small = exp.LT(this=sql.function("abs", args[0]()), expression=limit)
        return sql.case([(is_small, sql.cast(sql.function(function, args[0]()), "DOUBLE"))], args[0]())

    return form


def _like(call: Call, args: list[Operand]) -> Sql:
    """A pattern has no escape character. SQL needs one, so it is '$', and each '$' of the pattern is doubled."""
    pattern = call.args[1]
    if isinstance(pattern, Literal) and isinstance(pattern.value, str):
        doubled: Sql = sql.text(pattern.value.replace("$", "$$"))
    else:
        doubled = sql.function("replace", args[1](), sql.text("$"), sql.text("$$"))
    return exp.Escape(this=exp.Like(this=sql.wrapped(args[0]()), expression=doubled), expression=sql.text("$"))


def _concat(call: Call, args: list[Operand]) -> Sql:
    """Nulls are left out: Spark's concat of one is null."""
    return sql.function("concat", *(sql.function("coalesce", arg(), sql.text("")) for arg in args))


def _with_pattern(function: str) -> Form:
    """A function of a pattern, in Java's notation."""

    def form(call: Call, args: list[Operand]) -> Sql:
        pattern = call.args[1]
        assert isinstance(pattern, Literal)
        group = args[2]() if len(args) > 2 else sql.number(0)
        rest = [group] if function == "regexp_extract" else []
        return sql.function(function, args[0](), sql.text(java(str(pattern.value))), *rest)

    return form


def _date_trunc(call: Call, args: list[Operand]) -> Sql:
    return sql.cast(sql.function("date_trunc", args[0](), args[1]()), "TIMESTAMP_NTZ")


def _extract(call: Call, args: list[Operand]) -> Sql:
    """The second is whole, as every part is: Spark's has a fraction."""
    part = call.args[0]
    assert isinstance(part, Literal)
    name = sql.text(_PARTS.get(str(part.value), str(part.value)))
    return sql.cast(sql.function("date_part", name, args[1]()), "BIGINT")


def _micros(rounding: str) -> Form:
    """Microseconds of a timestamp; nanoseconds come as integers, and are rounded up or down."""

    def form(call: Call, args: list[Operand]) -> Sql:
        if call.args[0].type.unit != "ns":
            return sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))
        above = sql.function("pmod", args[0](), sql.number(1000))
        down = sql.binary(exp.IntDiv, sql.binary(exp.Sub, args[0](), above), sql.number(1000))
        if rounding == "down":
            return down
        rest = exp.GT(this=sql.function("pmod", args[0](), sql.number(1000)), expression=sql.number(0))
        return sql.binary(exp.Add, down, sql.case([(rest, sql.number(1))], sql.number(0)))

    return form


def _shift(call: Call, args: list[Operand]) -> Sql:
    micros = sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))
    return _instant(sql.binary(exp.Add, micros, args[1]()))


def _instant(micros: Sql) -> Sql:
    return sql.cast(sql.function("timestamp_micros", micros), "TIMESTAMP_NTZ")


def _floor_to(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Sub, args[0](), sql.function("pmod", args[0](), args[1]()))


def named_struct(fields: Iterable[tuple[str, Sql]]) -> Sql:
    """A struct of named values."""
    return sql.function("named_struct", *(part for name, value in fields for part in (sql.text(name), value)))


def _struct_of(call: Call, args: list[Operand]) -> Sql:
    return named_struct((field.name, arg()) for field, arg in zip(call.type.fields, args, strict=True))


def _field_of(call: Call, args: list[Operand]) -> Sql:
    name = call.args[1]
    assert isinstance(name, Literal)
    return exp.Dot(this=args[0](), expression=sql.name(str(name.value)))


class SparkExpressions(ExpressionCompiler):
    """Expressions in Spark SQL."""

    forms: Mapping[str, Form] = {
        **FORMS,
        "multiply": as_decimal(FORMS["multiply"]),
        "floor": _rounded("floor"),
        "ceil": _rounded("ceil"),
        "like": _like,
        "concat": _concat,
        "starts_with": named("startswith"),
        "ends_with": named("endswith"),
        "regexp_matches": _with_pattern("regexp_like"),
        "regexp_extract": _with_pattern("regexp_extract"),
        "list_length": lambda call, args: sql.cast(sql.function("cardinality", args[0]()), "BIGINT"),
        "list_contains": in_list(named("array_contains")),
        "list_extract": named("try_element_at"),
        "date_trunc": _date_trunc,
        "extract": _extract,
        "shift": _shift,
        "micros_up": _micros("up"),
        "micros_down": _micros("down"),
        "struct_of": _struct_of,
        "field_of": _field_of,
        # Spark's own order of structs: null lowest, NaN highest, strings by bytes.
        "sort_key": lambda call, args: args[0](),
        "floor_to": _floor_to,
    }
    zoned = "TIMESTAMP_LTZ"
    type_names: Mapping[str, str] = {
        **TYPE_NAMES,
        "int8": "TINYINT",
        "int32": "INT",
        "uint8": "SMALLINT",
        "uint16": "INT",
        "uint32": "BIGINT",
        "uint64": "DECIMAL(20, 0)",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "string": "STRING",
        "binary": "BINARY",
        "timestamp": "TIMESTAMP_NTZ",
    }
    list_name = "ARRAY<{}>"

    def instant_of_micros(self, micros: Sql) -> Sql:
        return _instant(micros)

    def cast(self, value: Operand, source: DataType, target: DataType, *, is_try: bool = False) -> Sql:
        name, made = self.type_name(target), sql.try_cast if is_try else sql.cast
        if source.kind == "string":
            # Spark's own form of an integer is the canonical one.
            return made(value(), name) if target.is_integer else super().cast(value, source, target, is_try=is_try)
        if source.kind == "timestamp" and target.kind == "timestamp":
            micros = Call("micros_down", (Literal(None, source),), target)
            return _instant(self.forms["micros_down"](micros, [value])) if source.unit == "ns" else value()
        lost = self._is_lost(value, source, target)
        if lost is None:
            return made(value(), name)
        failed = exp.Null() if is_try else self.error(sql.text(f"cast: out of range of {name}"))
        return sql.case([(lost, failed)], made(value(), name))

    def _is_lost(self, value: Operand, source: DataType, target: DataType) -> Sql | None:
        """The floats that Spark casts to the greatest integer or to infinity, though the type has no such value."""
        if source.is_float and target == INT64:
            return exp.EQ(this=sql.wrapped(value()), expression=self.literal(Literal(2.0**63, FLOAT64)))
        if source == FLOAT64 and target.kind == "float32":
            low, high = (self.literal(Literal(bound, FLOAT64)) for bound in (_BEYOND_FLOAT32, sys.float_info.max))
            return exp.Between(this=sql.function("abs", value()), low=low, high=high)
        return None

    def matches(self, value: Sql, pattern: str) -> Sql:
        return sql.function("regexp_like", value, sql.text(f"^({pattern})$"))

    def error(self, message: Sql) -> Sql:
        return sql.function("raise_error", message)

"""Spark SQL's expressions: where its default meaning is not the canonical one.

The session is in UTC, with ANSI mode on and ``TIMESTAMP_NTZ`` as the timestamp type (``SESSION``), so an instant with
a zone is spelled ``TIMESTAMP_LTZ``: a plain ``TIMESTAMP`` would drop the offset of a text.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from ..planner.expr.nodes import Call, Literal
from ..planner.types import DataType
from . import syntax as sql
from .expressions import FORMS, ExpressionCompiler, Form, Operand, ascii_case
from .patterns import DATE, FLOAT, TIMESTAMP
from .syntax import Sql

SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
}

_WHOLE = 2.0**53
_PARTS = {"isodow": "DAYOFWEEK_ISO"}


def _rounded(function: str) -> Form:
    """Spark rounds a double to a long, which loses NaN, infinities and what is too large; those are whole already."""

    def form(call: Call, args: list[Operand]) -> Sql:
        if call.type.is_integer:
            return args[0]()
        limit = exp.Literal(this=f"{_WHOLE!r}e0", is_string=False)
        is_small = exp.LT(this=sql.function("abs", args[0]()), expression=limit)
        return sql.case([(is_small, sql.cast(sql.function(function, args[0]()), "DOUBLE"))], args[0]())

    return form


def _like(call: Call, args: list[Operand]) -> Sql:
    """No character escapes in a pattern: a '$', which does here, is doubled."""
    pattern = call.args[1]
    if isinstance(pattern, Literal) and isinstance(pattern.value, str):
        doubled: Sql = sql.text(pattern.value.replace("$", "$$"))
    else:
        doubled = sql.function("replace", args[1](), sql.text("$"), sql.text("$$"))
    return exp.Escape(this=exp.Like(this=sql.wrapped(args[0]()), expression=doubled), expression=sql.text("$"))


def _date_trunc(call: Call, args: list[Operand]) -> Sql:
    return sql.cast(sql.function("date_trunc", args[0](), args[1]()), "TIMESTAMP_NTZ")


def _extract(call: Call, args: list[Operand]) -> Sql:
    """The second is whole, as every part is: Spark's has a fraction."""
    part = call.args[0]
    assert isinstance(part, Literal)
    name = sql.text(_PARTS.get(str(part.value), str(part.value)))
    return sql.cast(sql.function("date_part", name, args[1]()), "BIGINT")


def _micros(call: Call, args: list[Operand]) -> Sql:
    return sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))


def _shift(call: Call, args: list[Operand]) -> Sql:
    micros = sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))
    return _instant(sql.binary(exp.Add, micros, args[1]()))


def _instant(micros: Sql) -> Sql:
    return sql.cast(sql.function("timestamp_micros", micros), "TIMESTAMP_NTZ")


def _floor_to(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Sub, args[0](), sql.function("pmod", args[0](), args[1]()))


class SparkExpressions(ExpressionCompiler):
    """Expressions in Spark SQL."""

    forms: Mapping[str, Form] = {
        **FORMS,
        "floor": _rounded("floor"),
        "ceil": _rounded("ceil"),
        "lower": ascii_case("lower"),
        "upper": ascii_case("upper"),
        "like": _like,
        "date_trunc": _date_trunc,
        "extract": _extract,
        "shift": _shift,
        "micros_up": _micros,
        "micros_down": _micros,
        "floor_to": _floor_to,
    }
    type_names: Mapping[str, str] = {
        "bool": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INT",
        "int64": "BIGINT",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "string": "STRING",
        "binary": "BINARY",
        "date": "DATE",
        "timestamp": "TIMESTAMP_NTZ",
    }

    def instant_of_micros(self, micros: Sql) -> Sql:
        return _instant(micros)

    def cast(self, value: Operand, source: DataType, target: DataType) -> Sql:
        name = self.type_name(target)
        if source.kind != "string":
            same_instant = source.kind == "timestamp" and target.kind == "timestamp"
            return value() if same_instant else sql.cast(value(), name)
        if target.is_integer:
            return sql.cast(value(), name)
        if target.kind == "bool":
            lowered = exp.In(this=sql.function("lower", value()), expressions=[sql.text("true"), sql.text("false")])
            return self._guarded(lowered, value, name)
        if target.kind == "timestamp":
            return sql.cast(self._guarded(self._matches(value, TIMESTAMP), value, "TIMESTAMP_LTZ"), name)
        return self._guarded(self._matches(value, DATE if target.kind == "date" else FLOAT), value, name)

    def _matches(self, value: Operand, pattern: str) -> Sql:
        return sql.function("regexp_like", value(), sql.text(f"^({pattern})$"))

    def _guarded(self, valid: Sql, value: Operand, name: str) -> Sql:
        message = sql.function("concat", sql.text(f"cast: not a {name}: '"), value(), sql.text("'"))
        present = exp.Is(this=sql.wrapped(value()), expression=exp.Not(this=exp.Null()))
        return sql.case([(valid, sql.cast(value(), name)), (present, sql.function("raise_error", message))])

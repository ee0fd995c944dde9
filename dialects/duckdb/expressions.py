"""Expressions in DuckDB: what it spells in its own way, and where its default meaning is not the canonical one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from ...planner.expr.nodes import Call, Column, Literal
from ...planner.types import DataType
from .. import syntax as sql
from ..expressions import FORMS, TYPE_NAMES, ExpressionCompiler, Form, Operand, as_decimal, decimal_name, named
from ..syntax import Sql

_SMALL_DECIMAL = 18


def _trim(function: str) -> Form:
    """Spaces alone: unless it is told a character, DuckDB trims every space of Unicode."""
    return lambda call, args: sql.function(function, args[0](), sql.text(" "))


def _date_part(call: Call, args: list[Operand]) -> Sql:
    part = sql.function("date_part", args[0](), args[1]())
    is_null = isinstance(call.args[1], Literal) and call.args[1].value is None
    return sql.cast(part, "BIGINT") if is_null else part


def _shift(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Add, args[0](), sql.function("to_microseconds", args[1]()))


def _micros(rounding: str) -> Form:
    """Microseconds of a timestamp; nanoseconds are rounded up or down, also before 1970, where // truncates."""

    def form(call: Call, args: list[Operand]) -> Sql:
        (operand,) = args
        if call.args[0].type.unit != "ns":
            return sql.function("epoch_us", operand())

        is_wide = call.args[0].type.precision > 0

        def nanos() -> Sql:
            return sql.cast(operand(), "HUGEINT") if is_wide else sql.function("epoch_ns", operand())

        up = rounding == "up"
        away: type[exp.Binary] = exp.Add if up else exp.Sub
        beyond = (
            exp.GT(this=nanos(), expression=sql.number(0)) if up else exp.LT(this=nanos(), expression=sql.number(0))
        )
        moved = sql.binary(exp.IntDiv, sql.binary(away, nanos(), sql.number(999)), sql.number(1000))
        micros = sql.case([(beyond, moved)], sql.binary(exp.IntDiv, nanos(), sql.number(1000)))
        return sql.cast(micros, "BIGINT") if is_wide else micros

    return form


def _arithmetic(kind: type[exp.Binary]) -> Form:
    """From two decimals of up to 18 digits DuckDB computes one of up to 18; a wider operand gives a wider result."""

    def form(call: Call, args: list[Operand]) -> Sql:
        left, right = (arg.type for arg in call.args)
        if call.type.precision <= _SMALL_DECIMAL or max(left.precision, right.precision) > _SMALL_DECIMAL:
            return sql.binary(kind, args[0](), args[1]())
        wide = sql.cast(args[0](), f"DECIMAL({_SMALL_DECIMAL + 1}, {left.scale})")
        return sql.cast(sql.binary(kind, wide, args[1]()), decimal_name(call.type))

    return form


def _struct_of(call: Call, args: list[Operand]) -> Sql:
    return sql.struct((field.name, arg()) for field, arg in zip(call.type.fields, args, strict=True))


def sort_key(values: Iterable[Sql]) -> Sql:
    """One value that orders as the values do in turn, null lowest."""
    return sql.function("create_sort_key", *(part for value in values for part in (value, sql.text("ASC NULLS FIRST"))))


def _sort_key(call: Call, args: list[Operand]) -> Sql:
    """By its fields in turn: in DuckDB's own order of structs null is highest."""
    names = (field.name for field in call.args[0].type.fields)
    return sort_key(sql.function("struct_extract", args[0](), sql.text(name)) for name in names)


class DuckDBExpressions(ExpressionCompiler):
    """Expressions in DuckDB. The session is in UTC (``LocalComputeEngine`` sets and checks it)."""

    forms: Mapping[str, Form] = {
        **FORMS,
        "add": _arithmetic(exp.Add),
        "subtract": _arithmetic(exp.Sub),
        "multiply": _arithmetic(exp.Mul),
        "floor": as_decimal(FORMS["floor"]),
        "ceil": as_decimal(FORMS["ceil"]),
        "round_decimal": as_decimal(FORMS["round_decimal"]),
        "trim": _trim("trim"),
        "ltrim": _trim("ltrim"),
        "rtrim": _trim("rtrim"),
        "regexp_matches": named("regexp_matches"),
        "regexp_extract": named("regexp_extract"),
        "list_length": named("len"),
        "list_contains": named("list_contains"),
        "list_extract": named("list_extract"),
        "extract": _date_part,
        "shift": _shift,
        "micros_up": _micros("up"),
        "micros_down": _micros("down"),
        "struct_of": _struct_of,
        "field_of": named("struct_extract"),
        "sort_key": _sort_key,
    }
    zoned = "TIMESTAMPTZ"
    type_names: Mapping[str, str] = {
        **TYPE_NAMES,
        "int8": "TINYINT",
        "uint8": "UTINYINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "uint64": "UBIGINT",
        "float64": "DOUBLE",
        "string": "VARCHAR",
        "binary": "BLOB",
    }

    def instant_of_micros(self, micros: Sql) -> Sql:
        return sql.function("make_timestamp", micros)

    def cast(self, value: Operand, source: DataType, target: DataType, *, is_try: bool = False) -> Sql:
        name, made = self.type_name(target), sql.try_cast if is_try else sql.cast
        if target.is_integer and (source.is_float or source.kind == "decimal"):
            return made(sql.function("trunc", value()), name)
        if source.kind == "decimal" and source.precision == source.scale and target.kind == "string":
            # DuckDB writes .5, not 0.5, where the type has no digit before the point.
            return sql.function("regexp_replace", made(value(), name), sql.text(r"^(-?)[.]"), sql.text(r"\10."))
        if source.kind == "timestamp" and source.unit == "ns" and target.kind == "timestamp":
            micros = Call("micros_down", (Column("", source),), target)
            return self.instant_of_micros(self.forms["micros_down"](micros, [value]))
        if source.kind == "timestamp" and target.kind == "timestamp" and source.unit == "us":
            return value()
        return super().cast(value, source, target, is_try=is_try)

    def matches(self, value: Sql, pattern: str) -> Sql:
        return sql.function("regexp_full_match", value, sql.text(pattern))

    def error(self, message: Sql) -> Sql:
        return sql.function("error", message)

"""Typed expressions to SQL: one form per function of the planner's table, and one per kind of cast.

A dialect takes ``FORMS`` and puts its own entry over those whose meaning would be another in its engine. Arguments come
as functions that build the SQL, since a form may need one twice and a subtree of sqlglot has one owner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Literal as OneOf

from sqlglot import exp

from ..planner.durations import format_instant, to_datetime
from ..planner.expr.functions import FUNCTIONS
from ..planner.expr.nodes import Call, Cast, Column, Expr, Literal
from ..planner.types import DataType
from . import syntax as sql
from .patterns import DATE, DECIMAL, FLOAT, INTEGER, TIMESTAMP
from .syntax import Sql

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Operand = Callable[[], Sql]
Form = Callable[[Call, list[Operand]], Sql]
Lookup = Callable[[str], Sql]


def operator(kind: type[exp.Binary]) -> Form:
    """A binary operator."""
    return lambda call, args: sql.binary(kind, args[0](), args[1]())


def comparison(kind: type[exp.Binary]) -> Form:
    """A comparison of two values."""
    return lambda call, args: sql.comparison(kind, args[0](), args[1]())


def named(function: str) -> Form:
    """A function of that name over all arguments."""
    return lambda call, args: sql.function(function, *(arg() for arg in args))


def ascii_case(to: OneOf["lower", "upper"]) -> Form:
    """ASCII letters only: engines disagree on the others."""
    source, target = (_UPPER, _UPPER.lower()) if to == "lower" else (_UPPER.lower(), _UPPER)
    return lambda call, args: sql.function("translate", args[0](), sql.text(source), sql.text(target))


def _variadic(kind: type[exp.Connector]) -> Form:
    def form(call: Call, args: list[Operand]) -> Sql:
        result = _connected(args[0]())
        for arg in args[1:]:
            result = kind(this=result, expression=_connected(arg()))
        return result

    return form


def _connected(value: Sql) -> Sql:
    return exp.Paren(this=value) if isinstance(value, exp.Connector) else value


def _divide(call: Call, args: list[Operand]) -> Sql:
    """X / 0 is null on every engine; operands are doubles already."""
    return sql.binary(exp.Div, args[0](), not_zero(args[1]()))


def _int_divide(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.IntDiv, args[0](), not_zero(args[1]()))


def _modulo(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Mod, args[0](), not_zero(args[1]()))


def not_zero(divisor: Sql) -> Sql:
    """The divisor, or null for zero: x / 0 is null on every engine."""
    return sql.function("nullif", divisor, sql.number(0))


def _negate(call: Call, args: list[Operand]) -> Sql:
    return exp.Neg(this=sql.wrapped(args[0]()))


def _not(call: Call, args: list[Operand]) -> Sql:
    inner = args[0]()
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return exp.Is(this=inner.this, expression=exp.Not(this=exp.Null()))
    return exp.Not(this=sql.wrapped(inner))


def _is_null(call: Call, args: list[Operand]) -> Sql:
    return exp.Is(this=sql.wrapped(args[0]()), expression=exp.Null())


def _in(call: Call, args: list[Operand]) -> Sql:
    return exp.In(this=sql.wrapped(args[0]()), expressions=[arg() for arg in args[1:]])


def _case(call: Call, args: list[Operand]) -> Sql:
    pairs = zip(args[:-1:2], args[1:-1:2], strict=True)
    is_null = [isinstance(value, Literal) and value.value is None for value in (*call.args[1:-1:2], call.args[-1])]
    default = None if is_null[-1] and not all(is_null) else args[-1]()
    return sql.case([(condition(), value()) for condition, value in pairs], default)


def in_list(found: Form) -> Form:
    """Whether a value is in a list, also where the list has nulls: many engines give null then."""

    def form(call: Call, args: list[Operand]) -> Sql:
        known = exp.And(this=sql.is_present(args[0]()), expression=sql.is_present(args[1]()))
        return sql.case([(known, sql.function("coalesce", found(call, args), exp.Boolean(this=False)))])

    return form


def _rounded(function: str) -> Form:
    """Floor and ceil give their argument's type: a double stays one, an integer is already whole."""
    return lambda call, args: args[0]() if is_whole(call.args[0].type) else sql.function(function, args[0]())


def is_whole(type_: DataType) -> bool:
    """Whether all values of a number's type are whole."""
    return type_.is_integer or (type_.kind == "decimal" and not type_.scale)


def _floor_to(call: Call, args: list[Operand]) -> Sql:
    """The multiple of s at or below x: ``x - ((x % s) + s) % s``, right before 1970 too, where % is negative."""
    x, s = args
    remainder = sql.binary(exp.Add, sql.binary(exp.Mod, x(), s()), s())
    return sql.binary(exp.Sub, x(), sql.binary(exp.Mod, remainder, s()))


def decimal_name(type_: DataType) -> str:
    """A decimal's type, as every engine calls it."""
    return f"DECIMAL({type_.precision}, {type_.scale})"


def as_decimal(form: Form) -> Form:
    """The form with a decimal result cast to the planned type: engines have rules of their own for its digits."""

    def cast(call: Call, args: list[Operand]) -> Sql:
        value = form(call, args)
        return sql.cast(value, decimal_name(call.type)) if call.type.kind == "decimal" else value

    return cast


FORMS: Mapping[str, Form] = {
    "add": operator(exp.Add),
    "subtract": operator(exp.Sub),
    "multiply": operator(exp.Mul),
    "divide": _divide,
    "int_divide": _int_divide,
    "modulo": _modulo,
    "negate": _negate,
    "abs": named("abs"),
    "floor": _rounded("floor"),
    "ceil": _rounded("ceil"),
    "eq": comparison(exp.EQ),
    "ne": comparison(exp.NEQ),
    "lt": comparison(exp.LT),
    "le": comparison(exp.LTE),
    "gt": comparison(exp.GT),
    "ge": comparison(exp.GTE),
    "and": _variadic(exp.And),
    "or": _variadic(exp.Or),
    "not": _not,
    "is_null": _is_null,
    "in": _in,
    "case": _case,
    "coalesce": named("coalesce"),
    "nullif": named("nullif"),
    "text_length": named("length"),
    "is_distinct_from": operator(exp.NullSafeNEQ),
    "is_not_distinct_from": operator(exp.NullSafeEQ),
    "greatest": named("greatest"),
    "least": named("least"),
    "plain_round": named("round"),
    "round_decimal": named("round"),
    "plain_sqrt": named("sqrt"),
    "plain_ln": named("ln"),
    "plain_log10": named("log10"),
    "exp": named("exp"),
    "power": named("power"),
    "lower": ascii_case("lower"),
    "upper": ascii_case("upper"),
    "like": lambda call, args: exp.Like(this=sql.wrapped(args[0]()), expression=args[1]()),
    "concat": named("concat"),
    "concatenate": operator(exp.DPipe),
    "trim": named("trim"),
    "ltrim": named("ltrim"),
    "rtrim": named("rtrim"),
    "starts_with": named("starts_with"),
    "ends_with": named("ends_with"),
    "substr": named("substr"),
    "left": named("left"),
    "right": named("right"),
    "replace": named("replace"),
    "contains": named("contains"),
    "split_part": named("split_part"),
    "md5": named("md5"),
    "date_trunc": named("date_trunc"),
    "floor_to": _floor_to,
    "bucket_of": lambda call, args: sql.binary(exp.IntDiv, args[0](), args[1]()),
}

TYPE_NAMES: Mapping[str, str] = {
    "bool": "BOOLEAN", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "float32": "REAL", "date": "DATE",
    "timestamp": "TIMESTAMP",
}  # fmt: skip
"""The types that most engines call alike."""


class ExpressionCompiler:
    """Typed expressions to SQL for one dialect. ``forms`` has an entry for every function of the planner's table."""

    forms: Mapping[str, Form] = FORMS
    type_names: Mapping[str, str]
    list_name = "{}[]"
    zoned: str
    """The type of an instant with a zone."""

    def compile(self, expr: Expr, column: Lookup) -> Sql:
        """The SQL of an expression; ``column`` gives the SQL of a column by name, anew at every call."""
        match expr:
            case Column():
                return column(expr.name)
            case Literal():
                return self.literal(expr)
            case Cast():
                value = lambda: self.compile(expr.operand, column)  # noqa: E731  # an operand, as of a call
                return self.cast(value, expr.operand.type, expr.type, is_try=expr.is_try)
            case Call():
                return self.forms[expr.function](expr, self._operands(expr, column))
            case _:
                raise TypeError(f"{type(expr).__name__} is no expression")

    def _operands(self, call: Call, column: Lookup) -> list[Operand]:
        """The operands of a call. Integer literals are written without a type where the function's ``bare`` says so."""
        bare = FUNCTIONS[call.function].bare
        is_bare = bare == "always" or (bare == "beside" and not all(isinstance(arg, Literal) for arg in call.args))

        def operand(arg: Expr) -> Operand:
            if is_bare and isinstance(arg, Literal) and arg.type.is_integer and isinstance(arg.value, int):
                value = arg.value
                return lambda: sql.number(value)
            return lambda: self.compile(arg, column)

        return [operand(arg) for arg in call.args]

    def literal(self, literal: Literal) -> Sql:
        """A constant with its type."""
        value, kind = literal.value, literal.type.kind
        if value is None and kind == "struct":
            return exp.Null()  # beside rows that have one
        if value == ():
            return sql.cast(exp.Array(expressions=[]), self.type_name(literal.type))
        if value is None:
            return exp.Null() if kind == "null" else sql.cast(exp.Null(), self.type_name(literal.type))
        if isinstance(value, bool):
            return exp.Boolean(this=value)
        if kind == "timestamp" and isinstance(value, int):
            return self.instant(value)
        if kind == "date" and isinstance(value, int):
            return sql.cast(sql.text(str(date(1970, 1, 1) + timedelta(days=value))), self.type_name(literal.type))
        if isinstance(value, int):
            return sql.cast(sql.number(value), self.type_name(literal.type))
        if isinstance(value, float):
            if not math.isfinite(value):
                return sql.cast(sql.text(str(value)), self.type_name(literal.type))
            return sql.double(value)
        if kind == "decimal" and isinstance(value, str):
            return sql.cast(sql.text(value), self.type_name(literal.type))
        if isinstance(value, str):
            return sql.text(value)
        raise TypeError(f"no literal of {literal.type}")

    def instant(self, micros: int) -> Sql:
        """A timestamp literal in UTC."""
        try:
            to_datetime(micros)
        except OverflowError:
            return self.instant_of_micros(sql.number(micros))
        return sql.cast(sql.text(format_instant(micros)), self.type_names["timestamp"])

    def type_name(self, type_: DataType) -> str:
        """The engine's name of a type; a timestamp is one without zone, in UTC."""
        if type_.kind == "decimal":
            return decimal_name(type_)
        if type_.kind == "list" and type_.element is not None:
            return self.list_name.format(self.type_name(type_.element))
        return self.type_names[type_.kind]

    def result_name(self, type_: DataType) -> str:
        """The engine's name of an aggregate's type; a struct is what it is made of, and has none."""
        return "" if type_.kind == "struct" else self.type_name(type_)

    def cast(self, value: Operand, source: DataType, target: DataType, *, is_try: bool = False) -> Sql:
        """A conversion with its canonical meaning; with ``is_try``, null where there is no value of the type."""
        if source.kind == "string":
            return self._of_text(value, target, is_try=is_try)
        return (sql.try_cast if is_try else sql.cast)(value(), self.type_name(target))

    def _of_text(self, value: Operand, target: DataType, *, is_try: bool) -> Sql:
        """Text that has another form than the canonical one is an error, and not what an engine would make of it."""
        name = self.type_name(target)
        if target.kind == "timestamp":
            valid = self.matches(value(), TIMESTAMP)
            return sql.cast(self._guarded(valid, value, self.zoned, is_try=is_try), name)
        if target.kind == "bool":
            words: list[Sql] = [sql.text("true"), sql.text("false")]
            valid = exp.In(this=sql.function("lower", value()), expressions=words)
        else:
            pattern = INTEGER if target.is_integer else {"date": DATE, "decimal": DECIMAL}.get(target.kind, FLOAT)
            valid = self.matches(value(), pattern)
        return self._guarded(valid, value, name, is_try=is_try)

    def _guarded(self, valid: Sql, value: Operand, name: str, *, is_try: bool) -> Sql:
        if is_try:
            return sql.case([(valid, sql.try_cast(value(), name))])
        message = exp.DPipe(this=sql.text(f"cast: not a {name}: '"), expression=value())
        failed = self.error(exp.DPipe(this=message, expression=sql.text("'")))
        return sql.case([(valid, sql.cast(value(), name)), (sql.is_present(value()), failed)])

    def matches(self, value: Sql, pattern: str) -> Sql:
        """Whether all of a text has the form of a pattern."""
        raise TypeError(f"{type(self).__name__} has no patterns")

    def error(self, message: Sql) -> Sql:
        """A value whose evaluation is an error with this message."""
        raise TypeError(f"{type(self).__name__} has no errors")

    def instant_of_micros(self, micros: Sql) -> Sql:
        """The timestamp of integer microseconds."""
        raise TypeError(f"{type(self).__name__} has no timestamps")

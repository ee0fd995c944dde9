"""The one table of functions and operators: name, type rule, and cases that every dialect must answer alike.

A type rule takes the argument types and says to which types the arguments are brought and what comes out; it raises
``TypeRuleError`` where the function is not defined for them. Each dialect has a form for every name of this table
(``dialects.expressions``), and the cases are executed through it, so an entry without both does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal as OneOf

from ..types import BOOL, FLOAT64, INT64, NULL, STRING, TIMESTAMP, DataType
from .nodes import Call, Cast, Expr, Literal

Types = Sequence[DataType]
_INTEGER_AS_DECIMAL = DataType("decimal", precision=19)
Case = tuple[str, bool | int | float | str | None]


class TypeRuleError(Exception):
    """A function does not take arguments of these types; the text completes 'function: …'."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The types that the arguments are brought to, and the type of the result."""

    arguments: tuple[DataType, ...]
    result: DataType


@dataclass(frozen=True, slots=True)
class Function:
    """One entry of the table. ``cases`` pairs an expression with its canonical value on every engine."""

    name: str
    type_rule: Callable[[Types], Signature]
    cases: tuple[Case, ...]
    visibility: OneOf["public", "planner"] = "public"


def call(name: str, *args: Expr) -> Expr:
    """A typed call: arguments are cast to what the type rule asks for. Raises TypeRuleError."""
    beside_decimal = any(arg.type.kind == "decimal" for arg in args)
    signature = FUNCTIONS[name].type_rule([_decimal_literal(arg) if beside_decimal else arg.type for arg in args])
    return Call(name, tuple(map(coerce, args, signature.arguments)), signature.result)


def coerce(expr: Expr, to: DataType) -> Expr:
    """The expression as a value of a type that every one of its values has: a widening, or a typed null."""
    if expr.type == to:
        return expr
    if isinstance(expr, Literal):
        if to.kind == "decimal" and isinstance(expr.value, int | float):
            return Literal(repr(expr.value), to)
        if expr.value is None:
            return Literal(None, to)
        if isinstance(expr.value, int) and to.is_integer:
            return Literal(expr.value, to)
        if isinstance(expr.value, int) and to == FLOAT64 and abs(expr.value) <= 2**53:
            return Literal(float(expr.value), to)
    return Cast(expr, to)


def common_type(types: Types) -> DataType:
    """The type that all these types are compared and computed as: integers beside floats are floats."""
    known = [type_ for type_ in dict.fromkeys(types) if type_.kind != "null"]
    if not known:
        return NULL
    first = known[0]
    if len(known) == 1:
        return first
    if all(type_.is_integer for type_ in known):
        return INT64
    if all(type_.is_integer or type_.is_float for type_ in known):
        return FLOAT64
    if all(type_.is_instant for type_ in known):
        zones = {type_.zone for type_ in known if type_.kind == "timestamp"}
        return DataType("timestamp", unit="us", zone=zones.pop() if len(zones) == 1 else "UTC")
    if all(type_.is_integer or type_.kind == "decimal" for type_ in known):
        return _common_decimal([type_ if type_.kind == "decimal" else _INTEGER_AS_DECIMAL for type_ in known])
    raise TypeRuleError(f"{' and '.join(map(str, known))} have no common type; cast one of them")


def _common_decimal(types: Types) -> DataType:
    """The decimal that holds every value of all of them."""
    scale = max(type_.scale for type_ in types)
    precision = max(type_.precision - type_.scale for type_ in types) + scale
    if precision > 38:
        raise TypeRuleError(f"{' and '.join(map(str, types))} need more than 38 digits; cast one of them")
    return DataType("decimal", precision=precision, scale=scale)


def _decimal_literal(expr: Expr) -> DataType:
    """The type of an operand beside a decimal: a number literal is the decimal that is written there."""
    if not isinstance(expr, Literal) or isinstance(expr.value, bool) or not isinstance(expr.value, int | float):
        return expr.type
    try:
        _, digits, exponent = Decimal(repr(expr.value)).as_tuple()
    except InvalidOperation:
        return expr.type
    if not isinstance(exponent, int):
        return expr.type
    scale = max(0, -exponent)
    return DataType("decimal", precision=max(len(digits) + max(0, exponent), scale, 1), scale=scale)


def _number(type_: DataType) -> DataType:
    if type_.kind == "null" or type_.is_integer:
        return INT64
    if type_.is_float:
        return FLOAT64
    if type_.kind == "decimal":
        raise TypeRuleError("arithmetic on decimals is not supported yet; cast to double first")
    raise TypeRuleError(f"takes numbers, not {type_}")


def _arithmetic(types: Types) -> Signature:
    result = common_type([_number(type_) for type_ in types])
    return Signature((result,) * len(types), result)


def _division(types: Types) -> Signature:
    for type_ in types:
        _number(type_)
    return Signature((FLOAT64, FLOAT64), FLOAT64)


def _integers(types: Types) -> Signature:
    for type_ in types:
        if not type_.is_integer and type_.kind != "null":
            raise TypeRuleError(f"takes integers, not {type_}")
    return Signature((INT64,) * len(types), INT64)


def _comparison(types: Types) -> Signature:
    for type_ in types:
        if type_.is_nested:
            raise TypeRuleError(f"does not compare {type_}")
    common = common_type(types)
    return Signature((common,) * len(types), BOOL)


def _logic(types: Types) -> Signature:
    for type_ in types:
        if type_.kind not in ("bool", "null"):
            raise TypeRuleError(f"takes conditions, not {type_}")
    return Signature((BOOL,) * len(types), BOOL)


def _null_test(types: Types) -> Signature:
    return Signature(tuple(types), BOOL)


def _case(types: Types) -> Signature:
    """Arguments: condition, value, condition, value, …, default."""
    conditions, values = types[:-1:2], [*types[1::2], types[-1]]
    _logic(conditions)
    common = common_type(values)
    arguments = tuple(BOOL if index % 2 == 0 else common for index in range(len(types) - 1))
    return Signature((*arguments, common), common)


def _choice(types: Types) -> Signature:
    common = common_type(types)
    return Signature((common,) * len(types), common)


def _text(result: DataType) -> Callable[[Types], Signature]:
    def rule(types: Types) -> Signature:
        for type_ in types:
            if type_.kind not in ("string", "null"):
                raise TypeRuleError(f"takes strings, not {type_}")
        return Signature((STRING,) * len(types), result)

    return rule


def _instant(type_: DataType) -> DataType:
    if not type_.is_instant and type_.kind != "null":
        raise TypeRuleError(f"takes a timestamp or a date, not {type_}")
    return DataType("timestamp", unit="us", zone=type_.zone) if type_.kind == "timestamp" else TIMESTAMP


def _truncation(types: Types) -> Signature:
    instant = _instant(types[1])
    return Signature((STRING, instant), instant)


def _part(types: Types) -> Signature:
    return Signature((STRING, _instant(types[1])), INT64)


def _shift(types: Types) -> Signature:
    instant = _instant(types[0])
    return Signature((instant, INT64), instant)


def _instant_to_micros(types: Types) -> Signature:
    if not types[0].is_instant:
        raise TypeRuleError(f"takes a timestamp or a date, not {types[0]}")
    return Signature((types[0],), INT64)


TRUNCATION_UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond")
PARTS = ("year", "quarter", "month", "week", "day", "doy", "isodow", "hour", "minute", "second")

_ENTRIES = (
    Function("add", _arithmetic, (("1 + 2", 3), ("1 + 2.5", 3.5), ("1 + null", None))),
    Function("subtract", _arithmetic, (("1 - 2", -1), ("1.5 - 1", 0.5))),
    Function("multiply", _arithmetic, (("3 * 4", 12), ("2 * 0.5", 1.0))),
    Function("divide", _division, (("1 / 2", 0.5), ("7 / 0", None), ("0.0 / 0", None), ("-1 / 4", -0.25))),
    Function("int_divide", _integers, (("-7 // 2", -3), ("7 // 2", 3), ("1 // 0", None))),
    Function("modulo", _integers, (("-7 % 3", -1), ("7 % -3", 1), ("7 % 0", None))),
    Function("negate", _arithmetic, (("-(3)", -3), ("-(1.5)", -1.5))),
    Function("abs", _arithmetic, (("abs(-3)", 3), ("abs(-1.5)", 1.5), ("abs(null)", None))),
    Function("floor", _arithmetic, (("floor(-1.2)", -2.0), ("floor(3)", 3))),
    Function("ceil", _arithmetic, (("ceil(-1.2)", -1.0), ("ceil(1.2)", 2.0), ("ceil(3)", 3))),
    Function("eq", _comparison, (("1 = 1.0", True), ("'a' = 'A'", False), ("1 = null", None))),
    Function("ne", _comparison, (("1 <> 2", True), ("'a' != 'a'", False))),
    Function("lt", _comparison, (
        ("1 < 2", True),
        ("'Z' < 'a'", True),
        ("date '2024-01-01' < timestamp '2024-01-02'", True),
    )),
    Function("le", _comparison, (("2 <= 2", True), ("false <= true", True))),
    Function("gt", _comparison, (("2 > 2", False), ("cast('nan' as double) > 1e308", True))),
    Function("ge", _comparison, (("2 >= 2", True), ("cast('nan' as double) >= cast('nan' as double)", True))),
    Function("and", _logic, (("true and null", None), ("false and null", False), ("true and true", True))),
    Function("or", _logic, (("true or null", True), ("false or null", None))),
    Function("not", _logic, (("not true", False), ("not (null = 1)", None), ("not (1 is not null)", False))),
    Function("is_null", _null_test, (("null is null", True), ("1 is null", False), ("1 is not null", True))),
    Function("in", _comparison, (("1 in (1, 2)", True), ("3 in (1, null)", None), ("3 not in (1, 2)", True))),
    Function("case", _case, (
        ("case when 1 > 2 then 'a' else 'b' end", "b"),
        ("case when null then 1 end", None),
        ("case 2 when 1 then 10 when 2 then 20 end", 20),
    )),
    Function("coalesce", _choice, (("coalesce(null, 2)", 2), ("coalesce(null, null, 1.5)", 1.5))),
    Function("nullif", _choice, (("nullif(1, 1)", None), ("nullif(1, 2)", 1))),
    Function("lower", _text(STRING), (("lower('ABC')", "abc"), ("lower('ÄB')", "Äb"))),
    Function("upper", _text(STRING), (("upper('abc')", "ABC"), ("upper('straße')", "STRAßE"))),
    Function("length", _text(INT64), (("length('añb')", 3), ("length('')", 0))),
    Function("like", _text(BOOL), (
        ("'abc' like 'a%'", True),
        ("'abc' like '_b_'", True),
        ("'a%c' like 'a\\%c'", False),
        ("'abc' not like 'b%'", True),
    )),
    Function("date_trunc", _truncation, (
        ("date_trunc('week', timestamp '1969-12-31 23:59:59') = timestamp '1969-12-29'", True),
        ("date_trunc('hour', timestamp '2024-01-01 10:59:00') = timestamp '2024-01-01 10:00:00'", True),
        ("date_trunc('month', date '2024-02-29') = date '2024-02-01'", True),
    )),
    Function("extract", _part, (
        ("extract(hour from timestamp '2024-01-01 10:59:00')", 10),
        ("extract(second from timestamp '2024-01-01 10:59:07.9')", 7),
        ("extract(isodow from date '2024-01-07')", 7),
        ("extract(week from date '2021-01-03')", 53),
        ("extract(doy from date '2024-12-31')", 366),
    )),
    Function("shift", _shift, (
        ("timestamp '2024-01-01' + interval '1 day' = timestamp '2024-01-02'", True),
        ("timestamp '2024-01-01' - interval 1 microsecond < timestamp '2024-01-01'", True),
        ("date '2024-01-01' + interval '90 minutes' = timestamp '2024-01-01 01:30:00'", True),
    )),
    Function("micros_up", _instant_to_micros, (), "planner"),
    Function("micros_down", _instant_to_micros, (), "planner"),
    Function("floor_to", _integers, (), "planner"),
)  # fmt: skip

FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _ENTRIES}

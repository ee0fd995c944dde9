"""The one table of functions and operators: name, type rule, and cases that every dialect must answer alike.

Each dialect has a form for every name of this table (``dialects.expressions``), but for those that are written with
other functions of it (``expansion``), which have one meaning by that. The cases are executed on every engine, so an
entry without form and cases does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal as OneOf

from ..types import BOOL, FLOAT64, INT64, STRING, DataType, Field
from . import checks
from . import type_rules as rules
from .nodes import Call, Cast, Expr, Literal
from .type_rules import Signature, Types

Case = tuple[str, bool | int | float | str | None]
# The column that cases of lists read, and its value there.
EXAMPLE = Field("tags", DataType("list", element=STRING))
EXAMPLE_VALUE = ("a", None, "b")


@dataclass(frozen=True, slots=True)
class Function:
    """One entry of the table: everything that is known of a function. ``cases`` are expressions with their values.

    ``expansion`` writes a call with other functions of the table. ``check`` raises a TypeRuleError for arguments that
    are of the right type and still have no meaning that all engines share. ``infix`` is an operator's symbol between
    its operands; any other notation that is no call is a ``symbol``. ``bare`` says whether an integer literal among the
    arguments is written without its type: beside an operand that has one, or always. ``units`` are those of time that
    the first argument names. A function that ``is_total`` has a value for every input, and one that ``is_approximate``
    may differ in the last digits.
    """

    name: str
    type_rule: Callable[[Types], Signature]
    cases: tuple[Case, ...]
    visibility: OneOf["public", "planner"] = "public"
    expansion: Callable[..., Expr] | None = None
    check: Callable[[Sequence[Expr]], None] | None = None
    infix: str = ""
    symbol: str = ""
    bare: OneOf["never", "beside", "always"] = "never"
    units: tuple[str, ...] = ()
    is_total: bool = False
    is_approximate: bool = False

    @property
    def operator(self) -> str:
        """Its notation as an operator; empty for a function that is called by name."""
        return self.infix or self.symbol


def call(name: str, *args: Expr) -> Expr:
    """A typed call: arguments are cast to what the type rule asks for. Raises TypeRuleError."""
    function = FUNCTIONS[name]
    # A checked argument is a parameter: an integer literal beside a decimal stays an integer.
    beside_decimal = function.check is None and any(arg.type.kind == "decimal" for arg in args)
    signature = function.type_rule([_decimal_literal(arg) if beside_decimal else arg.type for arg in args])
    if function.check is not None:
        function.check(args)
    coerced = tuple(map(coerce, args, signature.arguments))
    return Call(name, coerced, signature.result) if function.expansion is None else function.expansion(*coerced)


def coerce(expr: Expr, to: DataType) -> Expr:
    """The expression as a value of a type that holds all of its values: a widening, or a typed null."""
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


def _decimal_literal(expr: Expr) -> DataType:
    """The type of an operand beside a decimal. A number literal has the digits that are written, if a decimal can."""
    if not isinstance(expr, Literal) or isinstance(expr.value, bool) or not isinstance(expr.value, int | float):
        return expr.type
    try:
        _, digits, exponent = Decimal(repr(expr.value)).as_tuple()
    except InvalidOperation:
        return expr.type
    if not isinstance(exponent, int):
        return expr.type
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    return rules.decimal(precision, scale) if precision <= rules.MOST_DIGITS else expr.type


def _is_nan(x: Expr) -> Expr:
    return call("eq", x, Literal(math.nan, FLOAT64))


def _size(x: Expr) -> Expr:
    return call("abs", x)


def _sign(x: Expr) -> Expr:
    zero, one = Literal(0, INT64), Literal(1, INT64)
    is_zero = call("or", call("eq", x, zero), _is_nan(x)) if x.type.is_float else call("eq", x, zero)
    minus, unknown = Literal(-1, INT64), Literal(None, INT64)
    return call("case", is_zero, zero, call("lt", x, zero), minus, call("gt", x, zero), one, unknown)


def _round(x: Expr, digits: Expr | None = None) -> Expr:
    """Rounds half away from zero. A float is scaled by a power of ten first; beyond 2^52 every float is whole."""
    value = int(digits.value or 0) if isinstance(digits, Literal) else 0
    if x.type.kind == "decimal" and value < x.type.scale:
        rounded = rules.decimal(x.type.precision - x.type.scale + value + 1, value)
        return Call("round_decimal", (x, Literal(value, INT64)), rounded)
    if not x.type.is_float:
        return x
    if not value:
        return call("plain_round", x)
    power = Literal(10.0**value, FLOAT64)
    scaled = call("multiply", x, power)
    has_fraction = call("lt", call("abs", scaled), Literal(2.0**52, FLOAT64))
    return call("case", has_fraction, call("divide", call("plain_round", scaled), power), x)


def _where_defined(function: str, comparison: str) -> Callable[..., Expr]:
    """The function where it has a real value, and null elsewhere."""

    def expansion(x: Expr) -> Expr:
        is_defined = call(comparison, x, Literal(0.0, FLOAT64))
        return call("case", is_defined, call(function, x), Literal(None, FLOAT64))

    return expansion


def _ilike(text: Expr, pattern: Expr) -> Expr:
    return call("like", call("lower", text), call("lower", pattern))


def _date_diff(unit: Expr, start: Expr, end: Expr) -> Expr:
    """The number of boundaries of the unit between two instants: the difference of both, truncated to it."""
    assert isinstance(unit, Literal)
    name = str(unit.value)

    def months(instant: Expr, each: int) -> Expr:
        part = call("extract", Literal("month" if each == 12 else "quarter", STRING), instant)
        year = call("extract", Literal("year", STRING), instant)
        return call("add", call("multiply", year, Literal(each, INT64)), part)

    if name in ("year", "quarter", "month"):
        each = {"year": 0, "quarter": 4, "month": 12}[name]
        if not each:
            return call("subtract", call("extract", unit, end), call("extract", unit, start))
        return call("subtract", months(end, each), months(start, each))

    def micros(instant: Expr) -> Expr:
        return call("micros_down", instant if name == "microsecond" else call("date_trunc", unit, instant))

    apart = call("subtract", micros(end), micros(start))
    return call("int_divide", apart, Literal(MICROSECONDS[name], INT64))


def _epoch(instant: Expr) -> Expr:
    return call("divide", call("micros_down", instant), Literal(1e6, FLOAT64))


def _length(value: Expr) -> Expr:
    return call("list_length" if value.type.kind == "list" else "text_length", value)


MICROSECONDS = {
    "week": 604_800_000_000, "day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000,
    "millisecond": 1_000, "microsecond": 1,
}  # fmt: skip
DIFFERENCE_UNITS = ("year", "quarter", "month", *MICROSECONDS)
TRUNCATION_UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond")
PARTS = ("year", "quarter", "month", "week", "day", "doy", "isodow", "hour", "minute", "second")

_ENTRIES = (
    Function("add", rules.addition, (
        ("1 + 2", 3), ("1 + 2.5", 3.5), ("1 + null", None), ("cast('9.9' as decimal(2, 1)) + 0.15 = 10.05", True),
    ), infix="+", bare="beside"),
    Function("subtract", rules.addition, (("1 - 2", -1), ("1.5 - 1", 0.5)), infix="-", bare="beside"),
    Function("multiply", rules.multiplication, (
        ("3 * 4", 12), ("2 * 0.5", 1.0), ("cast('0.1' as decimal(2, 1)) * 3 = 0.3", True),
    ), infix="*", bare="beside"),
    Function("divide", rules.division, (("1 / 2", 0.5), ("7 / 0", None), ("0.0 / 0", None), ("-1 / 4", -0.25)),
             infix="/"),
    Function("int_divide", rules.integers, (("-7 // 2", -3), ("7 // 2", 3), ("1 // 0", None)), infix="//"),
    Function("modulo", rules.integers, (("-7 % 3", -1), ("7 % -3", 1), ("7 % 0", None)), infix="%", bare="beside"),
    Function("negate", rules.arithmetic, (("-(3)", -3), ("-(1.5)", -1.5)), symbol="-"),
    Function("abs", rules.arithmetic, (("abs(-3)", 3), ("abs(-1.5)", 1.5), ("abs(null)", None))),
    Function("floor", rules.whole, (("floor(-1.2)", -2.0), ("floor(3)", 3))),
    Function("ceil", rules.whole, (("ceil(-1.2)", -1.0), ("ceil(1.2)", 2.0), ("ceil(3)", 3))),
    Function("round", rules.rounding, (
        ("round(2.5e0)", 3.0), ("round(-2.5e0)", -3.0), ("round(1.25e0, 1)", 1.3), ("round(7)", 7),
        ("round(0.49999999999999994e0)", 0.0), ("round(1e300, 2)", 1e300),
        ("round(cast('-0.25' as decimal(3, 2)), 1) = -0.3", True),
    ), expansion=_round, check=checks.digits),
    Function("plain_round", rules.real, (), "planner"),
    Function("round_decimal", rules.rounding, (), "planner", check=checks.digits, bare="always"),
    Function("sign", rules.sign, (
        ("sign(-2.5e0)", -1), ("sign(0)", 0), ("sign(7)", 1), ("sign(cast('nan' as double))", 0), ("sign(null)", None),
    ), expansion=_sign),
    Function("sqrt", rules.real, (
        ("sqrt(2.25e0)", 1.5), ("sqrt(-1)", None), ("sqrt(cast('inf' as double))", math.inf),
    ), expansion=_where_defined("plain_sqrt", "ge")),
    Function("plain_sqrt", rules.real, (), "planner"),
    Function("ln", rules.real, (("ln(1)", 0.0), ("ln(0)", None), ("ln(-1)", None), ("ln(2.5)", math.log(2.5))),
             expansion=_where_defined("plain_ln", "gt"), is_approximate=True),
    Function("plain_ln", rules.real, (), "planner"),
    Function("log10", rules.real, (("log10(1000)", 3.0), ("log10(0)", None)),
             expansion=_where_defined("plain_log10", "gt"), is_approximate=True),
    Function("plain_log10", rules.real, (), "planner"),
    Function("exp", rules.real, (
        ("exp(0)", 1.0), ("exp(1)", math.e), ("exp(-1e6)", 0.0), ("exp(1e6)", math.inf),
    ), is_approximate=True),
    Function("power", rules.division, (
        ("power(2, 10)", 1024.0), ("pow(2, -1)", 0.5), ("2 ** 3", 8.0), ("power(0, 0)", 1.0), ("power(-8, 3)", -512.0),
    ), is_approximate=True),
    Function("isnan", rules.float_test, (
        ("isnan(1.5)", False), ("isnan(cast('nan' as double))", True), ("isnan(1)", False), ("isnan(null)", None),
    ), expansion=_is_nan),
    Function("isinf", rules.float_test, (
        ("isinf(1.5)", False), ("isinf(cast('-inf' as double))", True), ("isinf(cast('nan' as double))", False),
    ), expansion=lambda x: call("eq", _size(x), Literal(math.inf, FLOAT64))),
    Function("isfinite", rules.float_test, (
        ("isfinite(1.5)", True), ("isfinite(cast('nan' as double))", False), ("isfinite(null)", None),
    ), expansion=lambda x: call("lt", _size(x), Literal(math.inf, FLOAT64))),
    Function("greatest", rules.extreme, (
        ("greatest(1, null, 3)", 3), ("greatest(1, 2.5)", 2.5), ("greatest('a', 'B')", "a"),
        ("isnan(greatest(cast('nan' as double), cast('inf' as double)))", True),
    ), is_total=True),
    Function("least", rules.extreme, (("least(3, null, 1)", 1), ("least(cast('nan' as double), 1)", 1.0)),
             is_total=True),
    Function("eq", rules.comparison, (("1 = 1.0", True), ("'a' = 'A'", False), ("1 = null", None)),
             infix="=", bare="beside", is_total=True),
    Function("ne", rules.comparison, (("1 <> 2", True), ("'a' != 'a'", False)),
             infix="<>", bare="beside", is_total=True),
    Function("lt", rules.comparison, (
        ("1 < 2", True),
        ("'Z' < 'a'", True),
        ("date '2024-01-01' < timestamp '2024-01-02'", True),
    ), infix="<", bare="beside", is_total=True),
    Function("le", rules.comparison, (("2 <= 2", True), ("false <= true", True)),
             infix="<=", bare="beside", is_total=True),
    Function("gt", rules.comparison, (("2 > 2", False), ("cast('nan' as double) > 1e308", True)),
             infix=">", bare="beside", is_total=True),
    Function("ge", rules.comparison, (("2 >= 2", True), ("cast('nan' as double) >= cast('nan' as double)", True)),
             infix=">=", bare="beside", is_total=True),
    Function("and", rules.logic, (("true and null", None), ("false and null", False), ("true and true", True)),
             infix="and", is_total=True),
    Function("or", rules.logic, (("true or null", True), ("false or null", None)), infix="or", is_total=True),
    Function("not", rules.logic, (("not true", False), ("not (null = 1)", None), ("not (1 is not null)", False)),
             symbol="not", is_total=True),
    Function("is_null", rules.null_test, (("null is null", True), ("1 is null", False), ("1 is not null", True)),
             symbol="is null", is_total=True),
    Function("is_distinct_from", rules.comparison, (
        ("1 is distinct from null", True), ("null is distinct from null", False), ("1 is distinct from 1.0", False),
    ), infix="is distinct from", is_total=True),
    Function("is_not_distinct_from", rules.comparison, (
        ("1 is not distinct from null", False), ("null is not distinct from null", True),
        ("cast('nan' as double) is not distinct from cast('nan' as double)", True),
    ), infix="is not distinct from", is_total=True),
    Function("in", rules.comparison, (("1 in (1, 2)", True), ("3 in (1, null)", None), ("3 not in (1, 2)", True)),
             symbol="in", bare="beside", is_total=True),
    Function("case", rules.case, (
        ("case when 1 > 2 then 'a' else 'b' end", "b"),
        ("case when null then 1 end", None),
        ("case 2 when 1 then 10 when 2 then 20 end", 20),
    ), symbol="case", is_total=True),
    Function("coalesce", rules.choice, (("coalesce(null, 2)", 2), ("coalesce(null, null, 1.5)", 1.5)),
             bare="beside", is_total=True),
    Function("nullif", rules.choice, (("nullif(1, 1)", None), ("nullif(1, 2)", 1)), is_total=True),
    Function("lower", rules.text(STRING), (("lower('ABC')", "abc"), ("lower('ÄB')", "Äb")), is_total=True),
    Function("upper", rules.text(STRING), (("upper('abc')", "ABC"), ("upper('straße')", "STRAßE")), is_total=True),
    Function("length", rules.length, (
        ("length('añb')", 3), ("len('')", 0), ("len(null)", None), ("len(tags)", 3),
    ), expansion=_length),
    Function("text_length", rules.text(INT64), (), "planner", is_total=True),
    Function("list_length", rules.list_length, (), "planner", is_total=True),
    Function("like", rules.text(BOOL), (
        ("'abc' like 'a%'", True),
        ("'abc' like '_b_'", True),
        ("'a%c' like 'a\\%c'", False),
        ("'abc' not like 'b%'", True),
    ), infix="like", is_total=True),
    Function("ilike", rules.text(BOOL), (
        ("'ABC' ilike 'a%'", True), ("'Äb' ilike 'äB'", False), ("'a%c' not ilike 'A\\%C'", True),
    ), expansion=_ilike, symbol="ilike"),
    Function("concat", rules.text(STRING), (
        ("concat('a', null, 'b')", "ab"), ("concat(null, null)", ""), ("concat('ü')", "ü"),
    ), is_total=True),
    Function("concatenate", rules.text(STRING), (("'a' || 'b'", "ab"), ("'a' || null", None)),
             infix="||", is_total=True),
    Function("trim", rules.text(STRING), (("trim('  a b ')", "a b"), ("trim('\ta\u00a0 ')", "\ta\u00a0")),
             is_total=True),
    Function("ltrim", rules.text(STRING), (("ltrim('  a ')", "a "), ("ltrim('   ')", "")), is_total=True),
    Function("rtrim", rules.text(STRING), (("rtrim('  a ')", "  a"), ("rtrim(null)", None)), is_total=True),
    Function("substr", rules.text_and_numbers(STRING, 1), (
        ("substr('añb', 2)", "ñb"), ("substring('añb', 2, 1)", "ñ"), ("substr('abc', 9, 2)", ""),
        ("substr('abc', 2, 0)", ""), ("substr('abc', 2, 99)", "bc"),
    ), check=checks.substr, bare="always"),
    Function("left", rules.text_and_numbers(STRING, 1), (
        ("left('añb', 2)", "añ"), ("left('abc', 0)", ""), ("left('abc', 9)", "abc"),
    ), check=checks.at_least(0, 1), bare="always"),
    Function("right", rules.text_and_numbers(STRING, 1), (
        ("right('añb', 2)", "ñb"), ("right('abc', 0)", ""), ("right('abc', 9)", "abc"),
    ), check=checks.at_least(0, 1), bare="always"),
    Function("replace", rules.text(STRING), (
        ("replace('abab', 'b', '')", "aa"), ("replace('abc', '', 'x')", "abc"), ("replace('aaa', 'aa', 'b')", "ba"),
    )),
    Function("starts_with", rules.text(BOOL), (
        ("starts_with('abc', 'ab')", True), ("starts_with('abc', '')", True), ("starts_with('a', 'ab')", False),
    ), is_total=True),
    Function("ends_with", rules.text(BOOL), (("ends_with('abc', 'bc')", True), ("ends_with('abc', '')", True)),
             is_total=True),
    Function("contains", rules.text(BOOL), (
        ("contains('abc', 'b')", True), ("contains('abc', '')", True), ("contains('a', null)", None),
    ), is_total=True),
    Function("split_part", rules.text_and_numbers(STRING, 2), (
        ("split_part('a,b,c', ',', 2)", "b"), ("split_part('a,b', ',', 3)", ""), ("split_part('a.b', '.', 1)", "a"),
        ("split_part('', ',', 1)", ""), ("split_part('a||b', '||', 2)", "b"),
    ), check=checks.split_part, bare="always"),
    Function("regexp_matches", rules.text(BOOL), (
        ("regexp_matches('abc', 'b+')", True), ("regexp_matches('abc', '^b')", False),
        ("regexp_matches('a\n', '^a$')", False), ("regexp_matches('a\r', 'a.')", True),
        ("regexp_matches('٣', '\\d')", False), ("regexp_matches('a\v', '\\s')", False),
    ), check=checks.pattern),
    Function("regexp_extract", rules.text_and_numbers(STRING, 2), (
        ("regexp_extract('ab12', '[0-9]+')", "12"), ("regexp_extract('ab12', '([a-z]+)([0-9]+)', 2)", "12"),
        ("regexp_extract('ab', '[0-9]')", ""), ("regexp_extract('b', '(a)?b', 1)", ""),
    ), check=checks.pattern, bare="always"),
    Function("md5", rules.text(STRING), (
        ("md5('')", "d41d8cd98f00b204e9800998ecf8427e"), ("md5('ü')", "c03410a5204b21cd8229ff754688d743"),
    )),
    Function("list_contains", rules.list_contains, (
        ("list_contains(tags, 'b')", True), ("list_contains(tags, 'c')", False),
        ("list_contains(tags, null)", None),
    )),
    Function("list_extract", rules.list_extract, (
        ("tags[1]", "a"), ("tags[4]", None), ("list_extract(tags, 3)", "b"),
    ), check=checks.at_least(1, 1), bare="always"),
    Function("date_trunc", rules.truncation, (
        ("date_trunc('week', timestamp '1969-12-31 23:59:59') = timestamp '1969-12-29'", True),
        ("date_trunc('hour', timestamp '2024-01-01 10:59:00') = timestamp '2024-01-01 10:00:00'", True),
        ("date_trunc('month', date '2024-02-29') = date '2024-02-01'", True),
    ), units=TRUNCATION_UNITS),
    Function("extract", rules.part, (
        ("extract(hour from timestamp '2024-01-01 10:59:00')", 10),
        ("extract(second from timestamp '2024-01-01 10:59:07.9')", 7),
        ("extract(isodow from date '2024-01-07')", 7),
        ("extract(week from date '2021-01-03')", 53),
        ("extract(doy from date '2024-12-31')", 366),
    ), units=PARTS),
    Function("date_diff", rules.difference, (
        ("date_diff('day', timestamp '2024-01-01 23:59:59', timestamp '2024-01-02')", 1),
        ("date_diff('hour', timestamp '2024-01-01 10:59:00', timestamp '2024-01-01 11:01:00')", 1),
        ("date_diff('week', date '2024-01-07', date '2024-01-08')", 1),
        ("date_diff('month', date '2024-01-31', date '2023-12-01')", -1),
        ("date_diff('year', timestamp '1969-12-31 23:59:59', timestamp '1970-01-01')", 1),
        ("date_diff('second', timestamp '1969-12-31 23:59:58.5', timestamp '1970-01-01')", 2),
    ), units=DIFFERENCE_UNITS, expansion=_date_diff),
    Function("epoch", rules.instant_to(FLOAT64), (
        ("epoch(timestamp '1970-01-01 00:00:01.5')", 1.5), ("epoch(date '1969-12-31')", -86400.0),
    ), expansion=_epoch),
    Function("epoch_us", rules.instant_to(INT64), (
        ("epoch_us(timestamp '1969-12-31 23:59:59.999999')", -1), ("epoch_us(date '1970-01-02')", 86400000000),
    ), expansion=lambda instant: call("micros_down", instant)),
    Function("shift", rules.shift, (
        ("timestamp '2024-01-01' + interval '1 day' = timestamp '2024-01-02'", True),
        ("timestamp '2024-01-01' - interval 1 microsecond < timestamp '2024-01-01'", True),
        ("date '2024-01-01' + interval '90 minutes' = timestamp '2024-01-01 01:30:00'", True),
    ), symbol="+ interval"),
    Function("micros_up", rules.instant_to_micros, (), "planner", is_total=True),
    Function("micros_down", rules.instant_to_micros, (), "planner", is_total=True),
    Function("floor_to", rules.integers, (), "planner", bare="beside"),
    Function("struct_of", rules.planned, (), "planner", is_total=True),
    Function("field_of", rules.planned, (), "planner", is_total=True),
    Function("sort_key", rules.planned, (), "planner", is_total=True),
    Function("bucket_of", rules.planned, (), "planner", infix="//", bare="beside", is_total=True),
)  # fmt: skip

FUNCTIONS: Mapping[str, Function] = {function.name: function for function in _ENTRIES}

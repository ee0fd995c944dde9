"""Every function and every canonical meaning, executed on DuckDB through the planner's own lowering."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hitherto.dialects.duckdb.expressions import DuckDBExpressions
from hitherto.planner.dag.node import Session
from hitherto.planner.errors import EngineError
from hitherto.planner.expr.functions import EXAMPLE, EXAMPLE_VALUE, FUNCTIONS, call
from hitherto.planner.expr.nodes import Call, Cast, Column, Expr, Literal
from hitherto.planner.ir.logical import Project, Relation
from hitherto.planner.options import PlannerOptions
from hitherto.planner.types import INT64, TIMESTAMP, DataType, Schema
from hitherto.runtime.arrow import arrow_type

from tests.relations import ENGINE, expression, scan, table

Value = bool | int | float | str | bytes | None
ONE_ROW = pa.table({EXAMPLE.name: pa.array([EXAMPLE_VALUE], pa.list_(pa.string()))})


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with ENGINE.session(PlannerOptions()) as session:
        yield session


class Evaluator:
    """Evaluates expressions over one row, in one session for all."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tables = 0

    def __call__(self, text: str, **columns: pa.Scalar[Any]) -> object:
        """The value of a text over columns of the given Arrow scalars."""
        arrays = {name: pa.array([value.as_py()], value.type) for name, value in columns.items()}
        return self.over(pa.table(arrays) if arrays else ONE_ROW, text)

    def over(self, rows: pa.Table, text: str) -> object:
        """The value of a text over a table of one row."""
        self._tables += 1
        read = scan(table(f"rows_{self._tables}", rows))
        return self.value(read, expression(text, read))

    def value(self, rows: Relation, expr: Expr) -> object:
        """The value of an expression over one row, which has the planned type."""
        value = self._session.view(Project(rows, (("value", expr),)), "value")
        column = value.to_reader().read_all()["value"]
        if expr.type.kind != "null":
            assert column.type == arrow_type(DataType(expr.type.kind, unit=expr.type.unit)), f"planned {expr.type}"
        return column.to_pylist()[0]

    def on_columns(self, text: str) -> object:
        """The value of a text of literals alone, with the literals as a row of columns instead."""
        literals: list[Literal] = []
        expr = _columns_for_literals(expression(text, Schema([EXAMPLE])), literals)
        row = ONE_ROW
        for index, literal in enumerate(literals):
            row = row.append_column(f"c{index}", _array(literal))
        self._tables += 1
        return self.value(scan(table(f"rows_{self._tables}", row)), expr)


def _columns_for_literals(expr: Expr, found: list[Literal]) -> Expr:
    """Nulls, units of time and what a function takes as it is written stay literals."""
    match expr:
        case Literal() if expr.value is not None and expr.type.kind != "null":
            found.append(expr)
            return Column(f"c{len(found) - 1}", expr.type)
        case Cast():
            return Cast(_columns_for_literals(expr.operand, found), expr.type)
        case Call(args=(unit, operand)) if FUNCTIONS[expr.function].units:
            return Call(expr.function, (unit, _columns_for_literals(operand, found)), expr.type)
        case Call() if FUNCTIONS[expr.function].check is not None:
            return Call(expr.function, (_columns_for_literals(expr.args[0], found), *expr.args[1:]), expr.type)
        case Call():
            return Call(expr.function, tuple(_columns_for_literals(arg, found) for arg in expr.args), expr.type)
        case _:
            return expr


def _array(literal: Literal) -> pa.Array[Any]:
    if literal.type.kind in ("timestamp", "date"):
        whole = pa.int64() if literal.type.kind == "timestamp" else pa.int32()
        return pa.array([literal.value], whole).cast(arrow_type(literal.type))
    value = Decimal(str(literal.value)) if literal.type.kind == "decimal" else literal.value
    return pa.array([value], arrow_type(literal.type))


@pytest.fixture
def evaluate(session: Session) -> Evaluator:
    return Evaluator(session)


def same(actual: object, expected: object, *, is_approximate: bool = False) -> bool:
    """Equal, and of one type; NaN equals NaN, and a zero has no sign."""
    if is_approximate and isinstance(actual, float) and isinstance(expected, float):
        return math.isclose(actual, expected, rel_tol=1e-15)
    if isinstance(actual, float) and isinstance(expected, float) and math.isnan(expected):
        return math.isnan(actual)
    return type(actual) is type(expected) and actual == expected


CASES = [(function.name, text, value) for function in FUNCTIONS.values() for text, value in function.cases]


@pytest.mark.parametrize(("function", "text", "expected"), CASES, ids=[f"{name}: {text}" for name, text, _ in CASES])
def test_a_case_of_the_table_has_its_value_for_constants(
    evaluate: Evaluator, function: str, text: str, expected: Value
) -> None:
    actual = evaluate(text)
    assert same(actual, expected, is_approximate=FUNCTIONS[function].is_approximate), actual


@pytest.mark.parametrize(("function", "text", "expected"), CASES, ids=[f"{name}: {text}" for name, text, _ in CASES])
def test_a_case_of_the_table_has_its_value_for_columns(
    evaluate: Evaluator, function: str, text: str, expected: Value
) -> None:
    actual = evaluate.on_columns(text)
    assert same(actual, expected, is_approximate=FUNCTIONS[function].is_approximate), actual


def test_every_function_has_a_duckdb_form_or_is_written_with_others() -> None:
    assert set(DuckDBExpressions.forms) == {each.name for each in FUNCTIONS.values() if each.expansion is None}


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.visibility == "public"])
def test_every_public_function_has_a_case_that_uses_it(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.cases
    for text, _ in function.cases:
        is_written = re.search(rf"\b{name}\b", text.replace("len(", "length(")) is not None
        assert is_written if function.expansion else name in _functions(expression(text, Schema([EXAMPLE])))


def _functions(expr: Expr) -> set[str]:
    match expr:
        case Call():
            return {expr.function}.union(*map(_functions, expr.args))
        case Cast():
            return _functions(expr.operand)
        case _:
            return set()


# Beyond the table: text, and its value. A list of two texts must be equal instants or values.
CANONICAL: list[tuple[str, Value]] = [
    # Division, remainders, arithmetic.
    ("1 / 0", None),
    ("0.0 / 0", None),
    ("-1 / 0.0", None),
    ("1 // 0", None),
    ("1 % 0", None),
    ("null / 2", None),
    ("7 / 2", 3.5),
    ("-7 // 2", -3),
    ("7 // -2", -3),
    ("-7 % 3", -1),
    ("2000000000 + 2000000000", 4_000_000_000),
    ("2000000000 * 2", 4_000_000_000),
    ("-2000000000 - 2000000000", -4_000_000_000),
    ("1 + 2 * 3 - 4", 3),
    ("(1 + 2) * 3", 9),
    ("10 - (5 - 3)", 8),
    ("2 * -3", -6),
    ("- -3", 3),
    ("1 - -3", 4),
    ("-(-(3))", 3),
    ("1 - (-(3))", 4),
    ("1 + case when true then 1 else 2 end * 2", 3),
    ("10 / 4 / 5", 0.5),
    ("10 / (4 / 2)", 5.0),
    ("7 - 3 % 2", 6),
    ("(7 - 3) % 3", 1),
    ("20 // (6 // 2)", 6),
    ("cast(1 as varchar) like '1%'", True),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("0.1 + 0.2 = 0.3", False),
    ("0.1 * 3", 0.1 * 3),
    ("1e308 * 10", math.inf),
    ("1.5", 1.5),
    ("1e-7", 1e-7),
    ("abs(-9223372036854775807)", 2**63 - 1),
    ("floor(-0.5)", -1.0),
    ("ceil(-0.5)", -0.0),
    ("floor(null)", None),
    # Comparisons and NaN.
    ("cast('nan' as double) = cast('nan' as double)", True),
    ("cast('nan' as double) <> cast('nan' as double)", False),
    ("cast('nan' as double) > cast('inf' as double)", True),
    ("cast('nan' as double) < 0", False),
    ("cast('-inf' as double) < -1e308", True),
    ("-0.0 = 0.0", True),
    ("-0.0 < 0.0", False),
    ("0.0 in (-0.0)", True),
    ("1 = 1.5", False),
    ("9007199254740993 = 9007199254740992.0", True),
    ("3 between 1 and 3", True),
    ("null between 1 and 3", None),
    ("4 between 1 and null", None),
    ("0 between 1 and null", False),
    ("'a' < 'B'", False),
    ("'é' > 'z'", True),
    ("'' < 'a'", True),
    ("'a' = 'a '", False),
    ("false < true", True),
    ("date '2024-01-01' = timestamp '2024-01-01 00:00:00'", True),
    # Three-valued logic.
    ("null and null", None),
    ("null or null", None),
    ("not null", None),
    ("null = null", None),
    ("null <> 1", None),
    ("true and false or true", True),
    ("true or false and false", True),
    ("not true or true", True),
    ("(1 = null) is null", True),
    ("(1 = null) is true", False),
    ("(1 = 1) is not true", False),
    ("(1 = null) is false", False),
    ("1 in (1, null)", True),
    ("2 in (1, null)", None),
    ("2 not in (1, null)", None),
    ("null in (1, 2)", None),
    ("1 in (null)", None),
    ("not 1 = 2", True),
    ("not 1 in (1, 2)", False),
    ("not 'abc' like 'a%'", False),
    ("(1 < 2) = (3 < 4)", True),
    ("(1 = 1) in (true)", True),
    ("not (true and false) and not (false or false)", True),
    ("(true or true) and false", False),
    ("1 not between 2 and 3", True),
    ("1 is null or 1 is not null", True),
    ("(1 is null) = false", True),
    ("'b' in ('a', 'b')", True),
    ("1 in (1.0, 2.5)", True),
    # Conditionals.
    ("case when 1 = 1 then case when 1 = 2 then 'a' else 'b' end else 'c' end", "b"),
    ("case when null then 'a' when true then 'b' end", "b"),
    ("case when false then 1 else 2.5 end", 2.5),
    ("case null when null then 1 else 2 end", 2),
    ("case when 1 = 0 then 1 / 0 else 5 end", 5.0),
    ("coalesce(null, 1, 2)", 1),
    ("coalesce(1, 2.5)", 1.0),
    ("coalesce(cast(null as varchar), 'x')", "x"),
    ("nullif(null, 1)", None),
    ("nullif(1, null)", 1),
    ("nullif('a', 'b')", "a"),
    # Text.
    ("'a%' like 'a\\%'", False),
    ("'a\\b' like 'a\\%'", True),
    ("'ABC' like 'abc'", False),
    ("'a' like ''", False),
    ("null like '%'", None),
    ("'a' like null", None),
    ("'línea' like 'l_nea'", True),
    ("'a''b' like '%''%'", True),
    ("lower('ÀÉ ABC İ')", "ÀÉ abc İ"),
    ("upper('ß ı abc é')", "ß ı ABC é"),
    ("lower(null)", None),
    ("length('🦆')", 1),
    ("length(null)", None),
    ("'it''s'", "it's"),
    # Casts.
    ("cast(2.7 as bigint)", 2),
    ("cast(-2.7 as bigint)", -2),
    ("cast(2.5 as bigint)", 2),
    ("cast(-0.5 as int)", 0),
    ("cast(' 12 ' as bigint)", 12),
    ("cast('+7' as bigint)", 7),
    ("cast('-7' as int)", -7),
    ("cast('1.5' as double)", 1.5),
    ("cast(' 1e3 ' as double)", 1000.0),
    ("cast('-Infinity' as double)", -math.inf),
    ("cast('NaN' as double)", math.nan),
    ("cast('true' as boolean)", True),
    ("cast('FALSE' as boolean)", False),
    ("cast(2 as boolean)", True),
    ("cast(0 as boolean)", False),
    ("cast(true as bigint)", 1),
    ("cast(true as double)", 1.0),
    ("cast(12 as varchar)", "12"),
    ("cast(true as varchar)", "true"),
    ("cast(null as bigint)", None),
    ("cast(cast(null as varchar) as bigint)", None),
    ("cast(cast(null as varchar) as boolean)", None),
    ("cast(cast(null as double) as bigint)", None),
    ("1::double", 1.0),
    ("cast(300 as double) = 300", True),
    # Time. Before 1970, floors go towards minus infinity.
    ("date_trunc('day', timestamp '1969-12-31 12:00:00') = timestamp '1969-12-31'", True),
    ("date_trunc('hour', timestamp '1969-12-31 23:59:59.999999') = timestamp '1969-12-31 23:00:00'", True),
    ("date_trunc('second', timestamp '1969-12-31 23:59:59.5') = timestamp '1969-12-31 23:59:59'", True),
    ("date_trunc('week', timestamp '2024-01-07 12:00:00') = timestamp '2024-01-01'", True),
    ("date_trunc('quarter', timestamp '2024-05-31') = timestamp '2024-04-01'", True),
    ("date_trunc('year', date '1969-06-01') = date '1969-01-01'", True),
    ("date_trunc('millisecond', timestamp '2024-01-01 00:00:00.123456') = timestamp '2024-01-01 00:00:00.123'", True),
    ("extract(year from timestamp '1969-12-31 23:59:59')", 1969),
    ("extract(quarter from date '2024-05-01')", 2),
    ("extract(month from date '2024-05-01')", 5),
    ("extract(day from date '2024-05-31')", 31),
    ("extract(minute from timestamp '1969-12-31 23:58:59')", 58),
    ("extract(second from timestamp '1969-12-31 23:58:59.9')", 59),
    ("extract(isodow from date '2024-01-01')", 1),
    ("extract(week from date '2024-12-30')", 1),
    ("extract(hour from date '2024-01-01')", 0),
    ("extract(year from cast(null as timestamp))", None),
    ("timestamp '1970-01-01' - interval '1 microsecond' = timestamp '1969-12-31 23:59:59.999999'", True),
    ("timestamp '2024-01-01' + interval 2 weeks = timestamp '2024-01-15'", True),
    ("interval '1 day' + date '2024-02-28' = timestamp '2024-02-29'", True),
    ("timestamp '2024-01-01 02:00:00+02:00' = timestamp '2024-01-01 00:00:00'", True),
    ("cast('2024-01-01' as date) = date '2024-01-01'", True),
    ("cast(timestamp '2024-01-01 23:59:59' as date) = date '2024-01-01'", True),
    ("cast(timestamp '1969-12-31 23:59:59' as date) = date '1969-12-31'", True),
    ("cast(date '2024-01-01' as timestamp) = timestamp '2024-01-01'", True),
    ("cast(date '2024-01-01' as varchar)", "2024-01-01"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL, ids=[text for text, _ in CANONICAL])
def test_a_canonical_meaning_of_constants(evaluate: Evaluator, text: str, expected: Value) -> None:
    actual = evaluate(text)
    assert same(actual, expected), actual


@pytest.mark.parametrize(("text", "expected"), CANONICAL, ids=[text for text, _ in CANONICAL])
def test_a_canonical_meaning_of_columns(evaluate: Evaluator, text: str, expected: Value) -> None:
    actual = evaluate.on_columns(text)
    assert same(actual, expected), actual


FAILING_CASTS = [
    ("s", "bigint", "1.7"), ("s", "bigint", "1e3"), ("s", "bigint", "0x1A"), ("s", "bigint", "1_000"),
    ("s", "bigint", ""), ("s", "bigint", "9223372036854775808"), ("s", "tinyint", "128"), ("s", "double", "1,5"),
    ("s", "double", "abc"), ("s", "boolean", "yes"), ("s", "boolean", "1"), ("s", "date", "2024-13-01"),
    ("s", "date", "2024-1-1"), ("s", "date", "01.01.2024"), ("s", "date", "2024-01-01 10:00:00"),
    ("s", "timestamp", "yesterday"), ("s", "timestamp", ""),
]  # fmt: skip


@pytest.mark.parametrize(("column", "type_", "text"), FAILING_CASTS, ids=[f"{t} as {k}" for _, k, t in FAILING_CASTS])
def test_a_text_of_another_form_is_an_error(evaluate: Evaluator, column: str, type_: str, text: str) -> None:
    with pytest.raises(EngineError):
        evaluate(f"cast({column} as {type_})", **{column: pa.scalar(text)})


def test_a_cast_is_asked_only_where_its_branch_is_taken(evaluate: Evaluator) -> None:
    text = "case when s <> 'none' then cast(s as bigint) else 0 end"
    rows = pa.table({"s": ["none"]})
    assert evaluate.over(rows, text) == 0
    assert evaluate.over(rows, "coalesce(nullif(s, 'none'), 'x')") == "x"
    assert evaluate.over(rows, "case when false then cast('none' as bigint) else 1 end") == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e19])
def test_a_float_that_is_no_integer_does_not_become_one(evaluate: Evaluator, value: float) -> None:
    with pytest.raises(EngineError):
        evaluate("cast(x as bigint)", x=pa.scalar(value))


@pytest.mark.parametrize("text", ["x + 1", "x * 2", "-x - 2", "abs(x - 1 + 2)"])
def test_an_integer_beyond_64_bits_is_an_error_and_not_a_wrapped_value(evaluate: Evaluator, text: str) -> None:
    with pytest.raises(EngineError):
        evaluate(text, x=pa.scalar(2**63 - 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01 02:00:00+02", datetime(2024, 1, 1)),
        ("2024-01-01 02:00:00-05:30", datetime(2024, 1, 1, 7, 30)),
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1)),
        ("2024-01-01 00:00:00", datetime(2024, 1, 1)),
        ("2024-01-01", datetime(2024, 1, 1)),
        ("1969-12-31 23:59:59.999999", datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ],
)
def test_a_text_becomes_the_instant_that_its_offset_says(evaluate: Evaluator, text: str, expected: datetime) -> None:
    assert evaluate("cast(s as timestamp)", s=pa.scalar(text)) == expected


def test_a_text_becomes_a_date(evaluate: Evaluator) -> None:
    assert evaluate("cast(s as date)", s=pa.scalar("2024-02-29")) == date(2024, 2, 29)


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32()]


@pytest.mark.parametrize("type_", INTEGERS, ids=str)
def test_arithmetic_on_small_integers_is_64_bits_wide(evaluate: Evaluator, type_: pa.DataType) -> None:
    x = pa.scalar(100, type_)
    assert evaluate("x * 1000000000", x=x) == 100_000_000_000
    assert evaluate("x * x * x * x * x * x", x=x) == 10**12
    assert evaluate("x - 200", x=x) == -100
    assert evaluate("-x", x=x) == -100
    assert evaluate("x // 7", x=x) == 14
    assert evaluate("x % 7", x=x) == 2
    assert evaluate("x / 8", x=x) == 12.5


@pytest.mark.parametrize("type_", INTEGERS, ids=str)
def test_a_small_integer_beside_a_large_literal_is_compared_by_value(evaluate: Evaluator, type_: pa.DataType) -> None:
    x = pa.scalar(100, type_)
    assert evaluate("x < 5000000000", x=x) is True
    assert evaluate("x in (5000000000, 100)", x=x) is True
    assert evaluate("x = -1", x=x) is False
    assert evaluate("coalesce(nullif(x, 100), 5000000000)", x=x) == 5_000_000_000


@pytest.mark.parametrize("function", ["abs(x)", "-x"])
def test_the_least_small_integer_has_an_opposite(evaluate: Evaluator, function: str) -> None:
    assert evaluate(function, x=pa.scalar(-128, pa.int8())) == 128


def test_integers_of_two_widths_are_compared_by_value(evaluate: Evaluator) -> None:
    assert evaluate("x = y", x=pa.scalar(200, pa.uint8()), y=pa.scalar(200, pa.int64())) is True
    assert evaluate("x < y", x=pa.scalar(-1, pa.int8()), y=pa.scalar(200, pa.uint8())) is True


def test_a_float_literal_is_compared_with_a_float32_as_a_double(evaluate: Evaluator) -> None:
    tenth = pa.scalar(0.1, pa.float32())
    assert evaluate("x = 0.1", x=tenth) is False
    assert evaluate("x > 0.1", x=tenth) is True
    assert evaluate("x = 0.5", x=pa.scalar(0.5, pa.float32())) is True
    assert evaluate("x in (0.1, 0.5)", x=tenth) is False


def test_float32_arithmetic_is_double(evaluate: Evaluator) -> None:
    assert evaluate("x * x", x=pa.scalar(1e30, pa.float32())) == pytest.approx(1e60)
    assert evaluate("x + 0.25", x=pa.scalar(0.5, pa.float32())) == 0.75


def test_an_integer_column_beside_a_float_literal_is_compared_as_a_double(evaluate: Evaluator) -> None:
    assert evaluate("x > 2.5", x=pa.scalar(3)) is True
    assert evaluate("x = 2.0", x=pa.scalar(2, pa.int8())) is True


@pytest.mark.parametrize("text", ["x = 1.1", "x > 1.05", "x < 1.105", "x in (1.1, 2.5)", "x > 1", "x < 2"])
def test_a_literal_beside_a_decimal_is_a_decimal(evaluate: Evaluator, text: str) -> None:
    assert evaluate(text, x=pa.scalar(Decimal("1.10"), pa.decimal128(10, 2))) is True


@pytest.mark.parametrize(("text", "value"), [("x < 1e40", True), ("x * 1e40", 1.1 * 1e40), ("x + 1e-40", 1.1)])
def test_a_literal_of_more_than_38_digits_beside_a_decimal_is_a_float(
    evaluate: Evaluator, text: str, value: object
) -> None:
    assert evaluate(text, x=pa.scalar(Decimal("1.10"), pa.decimal128(10, 2))) == value


def test_a_decimal_becomes_a_number_toward_zero(evaluate: Evaluator) -> None:
    assert evaluate("cast(x as bigint)", x=pa.scalar(Decimal("-2.70"), pa.decimal128(10, 2))) == -2
    assert evaluate("cast(x as double)", x=pa.scalar(Decimal("2.50"), pa.decimal128(10, 2))) == 2.5


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_an_instant_means_the_same_in_every_unit_and_zone(evaluate: Evaluator, unit: Any, zone: Any) -> None:
    moment = datetime(2024, 7, 1, 4, tzinfo=UTC) if zone else datetime(2024, 7, 1, 4)
    rows = pa.table({"x": pa.array([moment], pa.timestamp(unit, zone))})
    assert evaluate.over(rows, "extract(hour from x)") == 4
    assert evaluate.over(rows, "x = timestamp '2024-07-01 04:00:00'") is True
    assert evaluate.over(rows, "date_trunc('day', x) = date '2024-07-01'") is True
    assert evaluate.over(rows, "x + interval '20 hours' = timestamp '2024-07-02'") is True
    assert evaluate.over(rows, "cast(x as date) = date '2024-07-01'") is True


def test_a_day_of_a_zone_with_a_clock_change_is_24_hours(evaluate: Evaluator) -> None:
    before = pa.table({"x": pa.array([datetime(2024, 3, 10, 6, tzinfo=UTC)], pa.timestamp("us", "America/New_York"))})
    assert evaluate.over(before, "x + interval '1 day' = timestamp '2024-03-11 06:00:00'") is True


@pytest.mark.parametrize(
    ("function", "nanos", "expected"),
    [
        ("micros_up", 1_000, 1), ("micros_up", 1_001, 2), ("micros_up", 1_999, 2), ("micros_up", 0, 0),
        ("micros_up", -1, 0), ("micros_up", -999, 0), ("micros_up", -1_000, -1), ("micros_up", -1_001, -1),
        ("micros_down", 1_999, 1), ("micros_down", 1_000, 1), ("micros_down", 0, 0), ("micros_down", -1, -1),
        ("micros_down", -1_000, -1), ("micros_down", -1_001, -2), ("micros_down", 999, 0),
    ],
)  # fmt: skip
def test_nanoseconds_are_rounded_explicitly(evaluate: Evaluator, function: str, nanos: int, expected: int) -> None:
    rows = scan(table(f"nanos_{function}_{nanos}", pa.table({"x": pa.array([nanos], pa.timestamp("ns"))})))
    assert evaluate.value(rows, call(function, Column("x", rows.schema["x"]))) == expected


COARSE = [pa.timestamp("s"), pa.timestamp("ms", "Europe/Berlin"), pa.timestamp("us"), pa.date32()]


@pytest.mark.parametrize("function", ["micros_up", "micros_down"])
@pytest.mark.parametrize("type_", COARSE, ids=str)
def test_coarser_times_become_their_microseconds(evaluate: Evaluator, function: str, type_: pa.DataType) -> None:
    moment = pa.array([datetime(1969, 12, 31)], pa.timestamp("us")).cast(pa.timestamp("s"))
    stored = moment.cast(type_) if not getattr(type_, "tz", None) else moment.cast(pa.timestamp("ms")).cast(type_)
    rows = scan(table(f"coarse_{function}_{type_}", pa.table({"x": stored})))
    assert evaluate.value(rows, call(function, Column("x", rows.schema["x"]))) == -86_400_000_000


@pytest.mark.parametrize(("x", "expected"), [(-61, -120), (-60, -60), (-1, -60), (0, 0), (59, 0), (60, 60), (61, 60)])
def test_floor_to_goes_towards_minus_infinity(evaluate: Evaluator, x: int, expected: int) -> None:
    rows = scan(table(f"floor_{x}", pa.table({"x": [x]})))
    assert evaluate.value(rows, call("floor_to", Column("x", INT64), Literal(60, INT64))) == expected


def test_a_literal_beyond_the_years_of_python_is_an_instant_too(evaluate: Evaluator) -> None:
    rows = scan(table("far", ONE_ROW))
    far = call("micros_down", Literal(400_000_000_000_000_000, TIMESTAMP))
    assert evaluate.value(rows, far) == 400_000_000_000_000_000


HOSTILE = ["it's", "'; drop table x; --", "%_\\", "", " ", "new\nline", "\t", "🦆", "$$", "a\\", "${env:HOME}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_literal_is_that_text(evaluate: Evaluator, text: str) -> None:
    quoted = text.replace("'", "''")
    assert evaluate(f"'{quoted}'") == text
    assert evaluate(f"x = '{quoted}'", x=pa.scalar(text)) is True


@pytest.mark.parametrize("name", ['quo"te', "semi;colon", "sélect", "select", "a.b", " ", "it's", "100%", "%s", "{x}"])
def test_a_column_may_have_any_name(evaluate: Evaluator, name: str) -> None:
    quoted = name.replace('"', '""')
    assert evaluate(f'"{quoted}" + 1', **{name: pa.scalar(1)}) == 2


def test_column_names_ignore_case(evaluate: Evaluator) -> None:
    assert evaluate("AMOUNT + amount", Amount=pa.scalar(2)) == 4


def test_a_bool_column_is_a_condition(evaluate: Evaluator) -> None:
    assert evaluate("not flag or flag", flag=pa.scalar(True)) is True


def test_a_column_of_nulls_is_null(evaluate: Evaluator) -> None:
    rows = pa.table({"x": pa.nulls(1), "y": [1]})
    assert evaluate.over(rows, "x + y") is None
    assert evaluate.over(rows, "coalesce(x, y)") == 1
    assert evaluate.over(rows, "x is null") is True

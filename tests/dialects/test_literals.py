"""Every kind of literal, at its edges, is its value on every engine."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
from hitherto.planner.expr.nodes import Literal, LiteralValue
from hitherto.planner.types import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, DataType
from hitherto.runtime.arrow import arrow_type
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import INF, NAN, comparable, evaluated, values

WRITTEN: dict[str, object] = {
    "0": 0, "-0": 0, "00012": 12, "9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63),
    "2147483648": 2**31, "-1": -1,
    "1e300": 1e300, "-1e300": -1e300, "5e-324": 5e-324, "2.2250738585072014e-308": 2.2250738585072014e-308,
    "1.7976931348623157e308": 1.7976931348623157e308, "0.1": 0.1, "1e-7": 1e-7, "1e22": 1e22, "1e23": 1e23,
    "123456789012345678.9": 123456789012345678.9, "-0.0": 0.0, ".5": 0.5, "5.": 5.0, "1e999": INF, "-1e999": -INF,
    "cast('nan' as double)": NAN, "cast('-inf' as double)": -INF, "9007199254740993.0": 2.0**53,
    "true": True, "false": False,
    "date '0001-01-01'": date(1, 1, 1), "date '9999-12-31'": date(9999, 12, 31),
    "date '1582-10-10'": date(1582, 10, 10), "date '1969-12-31'": date(1969, 12, 31),
    "timestamp '0001-01-01'": datetime(1, 1, 1),
    "timestamp '9999-12-31 23:59:59.999999'": datetime(9999, 12, 31, 23, 59, 59, 999999),
    "timestamp '1970-01-01 00:00:00.000001'": datetime(1970, 1, 1, 0, 0, 0, 1),
    "timestamp '1969-12-31 23:59:59.999999'": datetime(1969, 12, 31, 23, 59, 59, 999999),
    "timestamp '2024-01-01 00:00:00+05:30'": datetime(2023, 12, 31, 18, 30),
    "timestamp '1970-01-01 00:00:00-00:00:01'": datetime(1970, 1, 1, 0, 0, 1),
    "timestamptz '2024-01-01 00:00:00-08'": datetime(2024, 1, 1, 8, tzinfo=UTC),
    "timestamp '1582-10-10 01:02:03'": datetime(1582, 10, 10, 1, 2, 3),
    "timestamp '2024-03-10 02:30:00'": datetime(2024, 3, 10, 2, 30),
}  # fmt: skip
TEXTS = [
    "", " ", "it's", "''", 'a"b', "`x`", "\\", "a\\b", "\\'", "\\\\", "\\n", "\\u0041", "\\0", "\\%", "$", "$$", "$1",
    "${env:HOME}", "${system:user.name}", "{{x}}", "@{x}", ":x", "?", "%s", "%", "_", "a%b_c", "new\nline", "\r\n",
    "\t", "\x00", "a\x00b", "\x01\x1f\x7f", "--", "/* */", "'; drop table x; --", "r'x'", "é", "e\u0301", "\ufeff",
    "\u2028", "🦆", "𝒳", "x" * 5000,
]  # fmt: skip
DIRECT: list[tuple[LiteralValue, DataType, object]] = [
    (-128, DataType("int8"), -128), (32767, DataType("int16"), 32767), (-(2**31), DataType("int32"), -(2**31)),
    (2**63 - 1, INT64, 2**63 - 1), (255, DataType("uint8"), 255), (2**16 - 1, DataType("uint16"), 2**16 - 1),
    (2**32 - 1, DataType("uint32"), 2**32 - 1), (2**63 - 1, DataType("uint64"), 2**63 - 1),
    (0.5, DataType("float32"), 0.5), (-0.0, FLOAT64, 0.0), (NAN, FLOAT64, NAN), (-INF, DataType("float32"), -INF),
    ("-0.01", DataType("decimal", precision=3, scale=2), Decimal("-0.01")),
    ("9" * 28 + "." + "9" * 10, DataType("decimal", precision=38, scale=10), Decimal("9" * 28 + "." + "9" * 10)),
    (-719_162, DATE, date(1, 1, 1)), (-1, TIMESTAMP, datetime(1969, 12, 31, 23, 59, 59, 999999)),
    (1, DataType("timestamp", unit="us", zone="Asia/Tokyo"), datetime(1970, 1, 1, 0, 0, 0, 1, UTC)),
]  # fmt: skip
NULLS = [BOOL, STRING, DataType("binary"), *dict.fromkeys(type_ for _, type_, _ in DIRECT)]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_written_literal_is_its_value(engine: SqlComputeEngine) -> None:
    assert values(engine, list(WRITTEN)) == {
        text: comparable([value]) for text, value in WRITTEN.items()
    }  # fmt: skip


def test_a_text_is_that_text_and_equals_itself_alone(engine: SqlComputeEngine) -> None:
    literals = [quoted(text) for text in TEXTS]
    found = values(engine, literals)
    assert [found[literal] for literal in literals] == [[text] for text in TEXTS]
    equal = [f"s = {literal}" for literal in literals]
    rows = pa.table({"s": TEXTS})
    matches = values(engine, equal, rows)
    assert [[row == "bool True" for row in matches[text]] for text in equal] == [
        [text == other for other in TEXTS] for text in TEXTS
    ]


def test_a_pattern_knows_two_wildcards_and_no_escape(engine: SqlComputeEngine) -> None:
    matching = {
        "'a%c' like 'a%c'": True, "'a_c' like 'a\\_c'": False, "'a\\_c' like 'a\\_c'": True, "'a\\' like 'a\\'": True,
        "'a\\bc' like 'a\\%'": True, "'abc' like 'a_c'": True, "'ac' like 'a_c'": False, "'a🦆c' like 'a_c'": True,
        "'a$c' like 'a$_'": True, "'a$$' like 'a$'": False, "'%' like '$%'": False, "'${x}' like '${_}'": True,
        "'a\nb' like 'a%b'": True, "'' like '%'": True, "'' like '_'": False, "'A' like 'a'": False,
        "'it''s' like '%''_'": True, "'a\\' like 'a_'": True,
    }  # fmt: skip
    asked = engine
    assert values(asked, list(matching)) == {text: [f"bool {value}"] for text, value in matching.items()}
    rows = pa.table({"p": ["a$_", "a\\_", "%\\%", "$", None]})
    assert values(asked, ["'a$c' like p", "'a\\c' like p"], rows) == {
        "'a$c' like p": ["bool True", "bool False", "bool False", "bool False", None],
        "'a\\c' like p": ["bool False", "bool True", "bool True", "bool False", None],
    }


def test_a_typed_literal_has_its_value_and_its_type(engine: SqlComputeEngine) -> None:
    literals = [Literal(value, type_) for value, type_, _ in DIRECT] + [Literal(None, type_) for type_ in NULLS]
    found = evaluated(engine, literals)
    assert [column.type for column in found] == [arrow_type(literal.type) for literal in literals]
    expected = [pa.array([value], arrow_type(type_)).to_pylist() for _, type_, value in DIRECT] + [[None]] * len(NULLS)
    assert [comparable(column.to_pylist()) for column in found] == comparable(expected)


def test_a_number_beside_a_decimal_is_the_decimal_that_is_written(engine: SqlComputeEngine) -> None:
    rows = pa.table(
        {"d": pa.array([Decimal("0.10"), Decimal("-0.01"), Decimal("99999999.99"), None], pa.decimal128(10, 2))}
    )
    expected = {
        "d = 0.1": [True, False, False, None], "d >= -0.01": [True, True, True, None],
        "d in (0.10, 99999999.99)": [True, False, True, None], "d < 1e8": [True, True, True, None],
        "d > 99999999.98999": [False, False, True, None], "d between -1 and 1": [True, True, False, None],
    }  # fmt: skip
    assert values(engine, list(expected), rows) == {text: comparable(answers) for text, answers in expected.items()}

"""Every cast that the planner allows, at the edges, on every engine: values that are stated, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest
from hitherto.planner.errors import DefinitionError, EngineError
from hitherto.planner.types import Kind
from hitherto.runtime.arrow import data_type
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import INF, NAN, comparable, evaluated, typed

SOURCES = {
    "bool": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
    "float32": pa.float32(), "float64": pa.float64(), "decimal": pa.decimal128(10, 2), "wide": pa.decimal128(38, 2),
    "fine": pa.decimal128(9, 9),
    "string": pa.string(), "binary": pa.binary(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
    "millis": pa.timestamp("ms"), "zoned": pa.timestamp("us", "Asia/Tokyo"),
}  # fmt: skip
TARGETS = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "float32": "float",
    "float64": "double", "string": "varchar", "date": "date", "timestamp": "timestamp", "zoned": "timestamptz",
    "tenths": "decimal(6, 1)",
}  # fmt: skip
MOST, TENTH = 2**63 - 1, 0.10000000149011612
GREATEST32 = 3.4028234663852886e38
Pairs = list[tuple[Any, Any]]


def same(*values: Any) -> Pairs:
    return [(value, value) for value in values]


def of_integer(kind: str) -> dict[str, Pairs]:
    """Every value of an integer type that the target has, exactly; floats of large ones are the nearest."""
    least, most = edges(kind)
    ends = {0, least, most}
    integers = {}
    for target in ("int8", "int16", "int32", "int64"):
        low, high = edges(target)
        integers[target] = same(*(value for value in {*ends, low, high} if max(low, least) <= value <= min(high, most)))
    nearest = [(most, float(most)), (least, float(least)), (0, 0.0)]
    return integers | {
        "bool": [(0, False), (1, True), (most, True), (least, least != 0)],
        "float32": [(0, 0.0), (100, 100.0), (least, float(least))],
        "float64": nearest + ([(2**53 + 1, 2.0**53)] if most > 2**53 else []),
        "string": [(value, str(value)) for value in ends],
        "tenths": [(value, Decimal(value)) for value in (0, 7, max(least, -99999), min(most, 99999))],
    }


def edges(kind: str) -> tuple[int, int]:
    bits = int(kind.removeprefix("u").removeprefix("int"))
    if kind.startswith("u"):
        return 0, min(2**bits - 1, MOST)
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def to_integers(pairs: Pairs, beyond: Mapping[str, Pairs]) -> dict[str, Pairs]:
    return {target: pairs + beyond.get(target, []) for target in ("int8", "int16", "int32", "int64")}


TOWARD_ZERO: Pairs = [(2.5, 2), (-2.5, -2), (2.75, 2), (-0.5, 0), (-0.0, 0), (127.5, 127), (-128.5, -128)]
BEYOND = {
    "int16": [(32767.5, 32767), (-32768.5, -32768)],
    "int32": [(2147483520.0, 2147483520), (-2147483648.0, -(2**31))],
    "int64": [(-9223372036854775808.0, -(2**63)), (16777217.0, 16777217)],
}
DECIMALS: Pairs = [(Decimal("2.70"), 2), (Decimal("-2.70"), -2), (Decimal("127.99"), 127), (Decimal("0.00"), 0)]
WHOLE_TEXTS: Pairs = [(" 12 ", 12), ("+7", 7), ("-0", 0), ("007", 7), ("\t5\n", 5), ("-128", -128), ("127", 127)]
DAYS = (date(1, 1, 1), date(1582, 10, 10), date(1969, 12, 31), date(9999, 12, 31))
MOMENTS = (
    datetime(1, 1, 1), datetime(1582, 10, 10, 1), datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(1970, 1, 1, 0, 0, 0, 1), datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime(2024, 2, 29, 0, 0, 0, 120000),
)  # fmt: skip
MOMENT_TEXTS: Pairs = [
    ("2024-02-29", datetime(2024, 2, 29)), ("0001-01-01", datetime(1, 1, 1)),
    ("9999-12-31 23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("2024-01-01 10:00", datetime(2024, 1, 1, 10)), ("2024-01-01T10:00:00.5", datetime(2024, 1, 1, 10, 0, 0, 500000)),
    ("2024-01-01 10:00:00+02", datetime(2024, 1, 1, 8)), ("2024-01-01 10:00:00-08:30", datetime(2024, 1, 1, 18, 30)),
    ("2024-01-01 10:00:00+0530", datetime(2024, 1, 1, 4, 30)), ("1582-10-10T00:00:00Z", datetime(1582, 10, 10)),
    ("2024-01-01 10:00:00+17:59", datetime(2023, 12, 31, 16, 1)),
]  # fmt: skip


def in_utc(pairs: Pairs) -> Pairs:
    return [(value, moment.replace(tzinfo=UTC)) for value, moment in pairs]


def of_moments(*moments: datetime) -> dict[str, Pairs]:
    texts = [(moment, moment.isoformat(" ").rstrip("0") if moment.microsecond else str(moment)) for moment in moments]
    return {
        "string": texts,
        "date": [(moment, moment.date()) for moment in moments],
        "timestamp": same(*moments),
        "zoned": in_utc(same(*moments)),
    }


CASTS: dict[str, dict[str, Pairs]] = {
    "bool": {
        "bool": same(True, False), **{f"int{bits}": [(True, 1), (False, 0)] for bits in (8, 16, 32, 64)},
        **{f"float{bits}": [(True, 1.0), (False, 0.0)] for bits in (32, 64)},
        "string": [(True, "true"), (False, "false")],
    },
    **{kind: of_integer(kind) for kind in SOURCES if kind.lstrip("u").startswith("int")},
    "float32": {
        **to_integers(TOWARD_ZERO, BEYOND | {"int64": [(2.0**62, 2**62), (-(2.0**63), -(2**63))]}),
        "float32": same(0.5, NAN, INF), "float64": [(0.1, TENTH), *same(2.5, NAN, INF, -INF, -0.0, GREATEST32)],
    },
    "float64": {
        **to_integers(TOWARD_ZERO, BEYOND | {"int64": [(2.0**63 - 1024, 2**63 - 1024), (-(2.0**63), -(2**63))]}),
        "float32": [
            (0.1, TENTH), (16777217.0, 16777216.0), (3.4028235677973362e38, GREATEST32), (1e-46, 0.0),
            *same(NAN, INF, -INF, -0.0),
        ],
        "float64": same(0.1, 1e300, NAN),
    },
    "decimal": {
        **to_integers(DECIMALS, {"int64": [(Decimal("99999999.99"), 99999999)]}),
        "float32": [(Decimal("0.10"), TENTH), (Decimal("-2.50"), -2.5)],
        "float64": [(Decimal("0.10"), 0.1), (Decimal("99999999.99"), 99999999.99)],
        "string": [(Decimal(text), text) for text in ("0.00", "-0.05", "99999999.99", "-7.00")],
        "tenths": [
            (Decimal(value), Decimal(rounded)) for value, rounded in
            (("2.25", "2.3"), ("-2.25", "-2.3"), ("2.24", "2.2"), ("-0.04", "0.0"), ("99999.94", "99999.9"))
        ],
    },
    "wide": {
        **to_integers(DECIMALS, {
            "int64": [(Decimal("9223372036854775807.99"), MOST), (Decimal("-9223372036854775808.99"), -MOST - 1)],
        }),
        "float32": [(Decimal("0.10"), TENTH), (Decimal("1234567890123456789.00"), 1.2345679395506094e18)],
        "float64": [(Decimal("123456789012345678901234567890123456.78"), 1.2345678901234568e35)],
        "string": [(Decimal(text), text) for text in ("-123456789012345678901234567890123456.78", "0.10")],
        "tenths": [(Decimal("99999.94"), Decimal("99999.9")), (Decimal("-0.05"), Decimal("-0.1"))],
    },
    "fine": {
        "int8": [(Decimal("0.999999999"), 0)], "int16": [(Decimal("-0.999999999"), 0)], "int32": [(Decimal(0), 0)],
        "int64": [(Decimal("0.5"), 0)], "float32": [(Decimal("0.5"), 0.5)],
        "float64": [(Decimal("0.000000001"), 1e-9), (Decimal("-0.123456789"), -0.123456789)],
        "string": [(Decimal(text), text) for text in ("0.000000001", "-0.000000001", "0.000000000", "0.123456789")],
        "tenths": [(Decimal("0.999999999"), Decimal("1.0")), (Decimal("0.049999999"), Decimal("0.0"))],
    },
    "string": {
        "bool": [("true", True), ("FALSE", False), ("TrUe", True)],
        **to_integers(WHOLE_TEXTS, {"int64": [("9223372036854775807", MOST), ("-9223372036854775808", -MOST - 1)]}),
        "float64": [
            ("1.5", 1.5), (" .5 ", 0.5), ("5.", 5.0), ("-2e3", -2000.0), ("1e400", INF), ("-1e400", -INF),
            ("1e-400", 0.0), ("NaN", NAN), (" nan ", NAN), ("inf", INF), ("-Infinity", -INF), ("+INF", INF),
        ],
        "string": same("", " a ", "ä"),
        "tenths": [
            (text, Decimal(value)) for text, value in
            (("1.25", "1.3"), ("-1.25", "-1.3"), (" .5 ", "0.5"), ("5.", "5.0"), ("+7", "7.0"), ("-0.05", "-0.1"),
             ("0.049" + "9" * 60, "0.0"), ("-0.0", "0.0"), ("000012345.6", "12345.6"), ("99999.94", "99999.9"))
        ],
        "date": [(str(day), day) for day in DAYS] + [("2024-02-29", date(2024, 2, 29))],
        "timestamp": MOMENT_TEXTS,
        "zoned": in_utc(MOMENT_TEXTS),
    },
    "binary": {},
    "date": {
        "date": same(*DAYS), "string": [(day, str(day)) for day in DAYS],
        "timestamp": [(day, datetime(day.year, day.month, day.day)) for day in DAYS],
        "zoned": in_utc([(day, datetime(day.year, day.month, day.day)) for day in DAYS]),
    },
    "timestamp": of_moments(*MOMENTS),
    "millis": of_moments(*(moment.replace(microsecond=0) for moment in MOMENTS)),
    "zoned": {
        "string": [(datetime(2024, 1, 1, 23, tzinfo=UTC), "2024-01-01 23:00:00")],
        "date": [(datetime(2024, 1, 1, 23, tzinfo=UTC), date(2024, 1, 1))],
        "timestamp": [(datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime(1969, 12, 31, 23, 59, 59, 999999))],
    },
}  # fmt: skip
ERRORS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("int16", "int8"): (128, -129),
    ("int64", "int32"): (2**31, -(2**31) - 1),
    ("uint64", "int64"): (2**63,),
    ("float32", "int64"): (2.0**63,),
    ("float64", "int8"): (128.0,),
    ("float64", "int32"): (2147483648.0,),
    ("float64", "int64"): (NAN, INF, 2.0**63, -9.3e18),
    ("float64", "float32"): (3.5e38, -1e300),
    ("decimal", "int8"): (Decimal("128.00"),),
    ("int64", "tenths"): (100_000, -100_000),
    ("decimal", "tenths"): (Decimal("99999.95"), Decimal("-99999.95")),
    ("string", "tenths"): ("99999.95", "100000", "1e3", "", " ", "1,5", "nan", "inf", "1.2.3", "0x1"),
    ("wide", "int64"): (Decimal("9223372036854775808.00"),),
    ("string", "int64"): ("1.7", "1e3", "0x1A", "1_000", "", " ", "9223372036854775808", "\u00a05", "\u0661"),
    ("string", "int8"): ("128",),
    ("string", "float64"): ("1.5d", "1,5", "0x1p3", "e1", "-nan", "+NaN", ""),
    ("string", "bool"): ("yes", "1", " true", ""),
    ("string", "date"): ("2023-02-29", "2024-1-1", " 2024-01-01", "2024-01-01T00:00:00", "10000-01-01", "infinity"),
    ("string", "timestamp"): (
        "2024-01-01 24:00:00", "2024-01-01 10:00:60", "2024-01-01 10:00:00.1234567", "2024-01-01 10:00:00 UTC", "now",
        "2024-01-01 10:00:00 +02", "2024-01-01 10:00:00+19", "2024-01-01 10:00:00+02:60", "infinity", "2023-02-29",
    ),
}  # fmt: skip
GRID = [(source, target) for source, targets in CASTS.items() for target in targets]


def is_allowed(source: str, target: str) -> bool:
    try:
        typed(f"cast(x as {TARGETS[target]})", pa.table({"x": pa.array([], SOURCES[source])}))
    except DefinitionError:
        return False
    return True


def test_every_cast_that_is_allowed_is_stated_here() -> None:
    assert {data_type(type_).kind for type_ in SOURCES.values()} == set(get_args(Kind)) - {
        "null", "list", "struct", "other",
    }  # fmt: skip
    allowed = {(source, target) for source in SOURCES for target in TARGETS if is_allowed(source, target)}
    assert allowed == {*GRID, ("zoned", "zoned")}


@pytest.mark.deep("spark")
def test_a_cast_gives_its_values_and_its_type(engine: SqlComputeEngine, tmp_path: Path) -> None:
    height = 1 + max(len(CASTS[source][target]) for source, target in GRID)
    columns = {}
    for source, target in GRID:
        given = [value for value, _ in CASTS[source][target]]
        columns[f"{source}_{target}"] = pa.array(given + [None] * (height - len(given)), SOURCES[source])
    rows = pa.table(columns)
    exprs = [typed(f"cast({source}_{target} as {TARGETS[target]})", rows) for source, target in GRID]
    found = evaluated(engine, exprs, rows, tmp_path / "rows.parquet")
    for (source, target), column in zip(GRID, found, strict=True):
        expected = [value for _, value in CASTS[source][target]]
        wanted = pa.array(expected, column.type).to_pylist() + [None] * (height - len(expected))
        assert (source, target, comparable(column.to_pylist())) == (source, target, comparable(wanted))


FAILING = [(source, target, value) for (source, target), values in ERRORS.items() for value in values]
# On Spark each is a job of its own: the fast tier has three.
FAILING_CASES = [
    pytest.param(*case, marks=pytest.mark.deep("spark") if number % 25 else ()) for number, case in enumerate(FAILING)
]


@pytest.mark.parametrize(("source", "target", "value"), FAILING_CASES)
def test_a_value_that_the_target_does_not_have_is_an_error(
    engine: SqlComputeEngine, tmp_path: Path, source: str, target: str, value: object
) -> None:
    rows = pa.table({"x": pa.array([value], SOURCES[source])})
    expr = typed(f"cast(x as {TARGETS[target]})", rows)
    with pytest.raises(EngineError, match=r"(?i)cast|convert|overflow|out of range|cannot be represented"):
        evaluated(engine, [expr], rows, tmp_path / "rows.parquet" if source.startswith("u") else None)

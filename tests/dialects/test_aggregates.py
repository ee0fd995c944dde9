"""Every windowed aggregate over every type that it takes, on every engine, through a view, with its values stated.

All cases are rows of one parquet file and of one question, each under a key of its own, so that Spark runs one job.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.expr.aggregates import AGGREGATES, PLANNER_AGGREGATES
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.types import Kind
from hitherto.runtime.arrow import arrow_type, data_type
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import INF, NAN, retrieved
from tests.engines import DIALECTS

LEAST, MOST = -(2**63), 2**63 - 1
DECIMAL, WIDE = pa.decimal128(10, 2), pa.decimal128(38, 10)
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59)


@dataclass(frozen=True)
class Of:
    """A type and three of its values in their order."""

    type: pa.DataType
    low: Any
    mid: Any
    high: Any


def at_utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


TYPES = {
    **{kind: Of(data, 1, 2, 5) for kind, data in {
        "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
        "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
    }.items()},
    "float32": Of(pa.float32(), 1.0, 2.0, 5.0),
    "float64": Of(pa.float64(), 1.0, 2.0, 5.0),
    "decimal": Of(DECIMAL, Decimal("1.00"), Decimal("2.00"), Decimal("5.00")),
    "wide_decimal": Of(WIDE, Decimal(1), Decimal(2), Decimal(5)),
    "string": Of(pa.string(), "Z", "a", "ä"),
    "binary": Of(pa.binary(), b"", b"\x00", b"\xff"),
    "bool": Of(pa.bool_(), False, True, True),
    "date": Of(pa.date32(), date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)),
    "timestamp": Of(pa.timestamp("us"), FIRST, BEFORE_1970, LAST),
    "millis": Of(pa.timestamp("ms"), FIRST, BEFORE_1970, LAST),
    "nanos": Of(pa.timestamp("ns"), datetime(1700, 1, 1), BEFORE_1970, datetime(2200, 1, 1)),
    "zoned": Of(pa.timestamp("us", "Asia/Tokyo"), at_utc(1, 1, 2), at_utc(1969, 12, 31, 23), at_utc(9999, 12, 30)),
    "zoned_nanos": Of(pa.timestamp("ns", "UTC"), at_utc(1700, 1, 1), at_utc(1969, 12, 31, 23), at_utc(2200, 1, 1)),
}  # fmt: skip

Case = tuple[str, Sequence[Any], Mapping[str, Any]]
"""A type, its values a microsecond apart, and aggregates of them; a list of values is one of ties."""


LISTS = ("first_n", "last_n", "first_distinct_n", "last_distinct_n", "top_k")
EXACT = ("median", "percentile")


def general(name: str) -> list[Case]:
    """Repeated values and nulls, a full tie, a lone value, nulls alone, and nothing; stated for every aggregate."""
    low, mid, high = TYPES[name].low, TYPES[name].mid, TYPES[name].high
    several = {
        "count": 4, "sum": 10, "mean": 2.5, "min": low, "max": high, "var_samp": 3.0, "var_pop": 2.25,
        "stddev_samp": math.sqrt(3), "stddev_pop": 1.5, "count_distinct": 2 if mid == high else 3, "median": 2.0,
        "percentile": 1.75, "mode": mid, "top_k": [mid, low], "bool_and": False, "bool_or": True,
    }  # fmt: skip
    in_turn = {
        "first": mid, "last": mid, "first_n": [mid, low], "last_n": [high, mid], "first_distinct_n": [mid, low],
        "last_distinct_n": [low, mid] if mid == high else [high, mid],
    }  # fmt: skip
    tied = {
        "first": low, "last": high, "first_n": [low, mid], "last_n": [mid, high], "first_distinct_n": [low, mid],
        "last_distinct_n": [low, high] if mid == high else [mid, high],
    }  # fmt: skip
    lone = {
        "count": 1, "sum": 5, "mean": 5.0, "min": high, "max": high, "var_samp": None, "var_pop": 0.0,
        "stddev_samp": None, "stddev_pop": 0.0, "count_distinct": 1, "first": high, "last": high,
        "median": 5.0, "percentile": 5.0, "mode": high, "bool_and": True, "bool_or": True,
        **{function: [high] for function in LISTS},
    }  # fmt: skip
    nothing = {
        "count": 0, "sum": None, "mean": None, "min": None, "max": None, "var_samp": None, "var_pop": None,
        "stddev_samp": None, "stddev_pop": None, "count_distinct": 0, "first": None, "last": None,
        "median": None, "percentile": None, "mode": None, "bool_and": None, "bool_or": None,
        **{function: [] for function in LISTS},
    }  # fmt: skip
    return [
        (name, [None, mid, None, low, high, mid, None], several | in_turn),
        (name, [[mid, None, high, low, mid]], several | tied),
        (name, [None, high], lone),
        (name, [None, None], nothing),
        (name, [], nothing),
    ]


STATED = tuple(general("int64")[0][2])
"""The aggregates whose values are here; another one has its cases in the table, and its meaning in the reference."""
EDGES: tuple[Case, ...] = (
    ("int8", [-128, 127, -128], {"sum": -129, "mean": -43.0, "min": -128, "max": 127, "count_distinct": 2}),
    ("int16", [-32768, 32767, -32768], {"sum": -32769, "mean": -10923.0, "min": -32768, "max": 32767}),
    ("int32", [2**31 - 1] * 3, {"sum": 3 * 2**31 - 3, "mean": 2.0**31 - 1, "var_pop": 0.0, "count_distinct": 1}),
    ("int64", [MOST, 1, -1], {"sum": MOST, "mean": MOST / 3, "min": -1, "max": MOST, "first": MOST, "last": -1}),
    ("int64", [LEAST, -1, 1], {"sum": LEAST, "mean": LEAST / 3, "min": LEAST, "max": 1, "count_distinct": 3}),
    ("int64", [[MOST, LEAST]], {"sum": -1, "first": LEAST, "last": MOST, "var_pop": 2.0**126}),
    ("int64", [2**53 + 1, 2**53], {"min": 2**53, "max": 2**53 + 1, "count_distinct": 2}),
    ("uint8", [255, 255, 0], {"sum": 510, "mean": 170.0, "min": 0, "max": 255, "last": 0}),
    ("uint16", [65535, 65535, 0], {"sum": 131070, "max": 65535, "first": 65535}),
    ("uint32", [2**32 - 1, 2**32 - 1, 0], {"sum": 2**33 - 2, "max": 2**32 - 1, "first": 2**32 - 1}),
    ("uint64", [MOST, 0], {"sum": MOST, "mean": MOST / 2, "max": MOST, "first": MOST, "count_distinct": 2}),
    ("float64", [1.0, NAN, None, INF, NAN], {
        "count": 4, "sum": NAN, "mean": NAN, "min": 1.0, "max": NAN, "var_samp": NAN, "var_pop": NAN,
        "stddev_samp": NAN, "stddev_pop": NAN, "count_distinct": 3, "first": 1.0, "last": NAN,
    }),
    ("float64", [INF, 1.0], {"sum": INF, "mean": INF, "min": 1.0, "max": INF, "var_samp": NAN, "stddev_pop": NAN}),
    ("float64", [INF, -INF], {"sum": NAN, "mean": NAN, "min": -INF, "max": INF, "var_pop": NAN, "stddev_samp": NAN}),
    ("float64", [-INF], {"sum": -INF, "var_samp": None, "var_pop": NAN, "stddev_samp": None, "stddev_pop": NAN}),
    ("float64", [None, NAN], {"sum": NAN, "min": NAN, "max": NAN, "var_samp": None, "var_pop": NAN, "first": NAN}),
    ("float64", [0.0, -0.0], {"count_distinct": 1, "sum": 0.0, "min": 0.0, "max": 0.0, "first": 0.0}),
    ("float64", [NAN, -NAN], {"count_distinct": 1}),
    ("float64", [[INF, NAN, -INF]], {"first": -INF, "last": NAN}),
    ("float64", [1e308, 1e308], {"sum": INF, "max": 1e308}),
    ("float64", [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], {"var_samp": 30.0, "var_pop": 22.5}),
    ("float64", [5e-324, 1.7976931348623157e308], {"min": 5e-324, "max": 1.7976931348623157e308}),
    ("float32", [16_777_216.0, 1.0, 1.0], {"sum": 16_777_218.0, "mean": 5592406.0}),
    ("float32", [NAN, INF, -0.0, 0.0], {"count_distinct": 3, "max": NAN, "min": 0.0, "first": NAN, "sum": NAN}),
    ("float32", [[NAN, -INF]], {"first": -INF, "last": NAN, "min": -INF}),
    ("float32", [3.4028234663852886e38, 3.4028234663852886e38], {"sum": 6.805646932770577e38}),
    ("decimal", [Decimal("1.67"), Decimal("1.68")], {"mean": 1.675, "sum": Decimal("3.35"), "var_pop": 2.5e-5}),
    ("decimal", [Decimal("99999999.99"), Decimal("-99999999.99")], {"sum": Decimal(0), "max": Decimal("99999999.99")}),
    ("decimal", [[Decimal("-0.01"), Decimal(0)]], {"first": Decimal("-0.01"), "last": Decimal(0)}),
    ("wide_decimal", [Decimal("0.1234567891"), Decimal("-0.0000000001")], {"sum": Decimal("0.1234567890")}),
    ("string", ["a", "A", "a ", "", "ä", "Ä", "🦆", "\uffff"], {"min": "", "max": "🦆", "count_distinct": 8}),
    ("string", [["z", "é", "Z"]], {"first": "Z", "last": "é"}),
    ("string", ["", None], {"count": 1, "min": "", "max": "", "first": "", "last": ""}),
    ("binary", [b"a", b"", b"a\x00", b"\x80"], {"min": b"", "max": b"\x80", "count_distinct": 4}),
    ("bool", [[True, False, None]], {"first": False, "last": True}),
    ("date", [[date(1970, 1, 1), date(1969, 12, 31)]], {"first": date(1969, 12, 31), "last": date(1970, 1, 1)}),
    ("int64", [MOST, LEAST, MOST - 1], {
        "mode": LEAST, "top_k": [LEAST, MOST - 1], "median": 2.0**63, "first_n": [MOST, LEAST],
    }),
    ("int64", [3, 1, 2, 3, 1], {"last_distinct_n": [3, 1], "first_distinct_n": [3, 1], "mode": 1, "top_k": [1, 3]}),
    ("int64", [7, [3, 1], 1, [2, 7]], {
        "first_n": [7, 1], "last_n": [2, 7], "first_distinct_n": [7, 1], "last_distinct_n": [2, 7], "median": 2.5,
    }),
    ("uint64", [MOST, 0], {"last_n": [MOST, 0], "mode": 0, "top_k": [0, MOST], "median": 2.0**62}),
    ("float64", [NAN, -0.0, 0.0, INF, NAN, -NAN], {
        "mode": NAN, "top_k": [NAN, 0.0], "first_distinct_n": [NAN, 0.0], "last_distinct_n": [INF, NAN],
        "first_n": [NAN, 0.0], "last_n": [NAN, NAN], "median": NAN, "percentile": INF,
    }),
    ("float64", [NAN, 1.0], {"mode": 1.0, "top_k": [1.0, NAN], "median": NAN, "percentile": NAN}),
    ("float64", [INF, INF], {"median": INF, "percentile": INF}),
    ("float64", [2.5, -INF], {"median": NAN, "percentile": NAN}),
    ("float64", [1e308, -1e308], {"median": INF, "percentile": INF}),
    ("float64", [0.7, 0.1, 0.3], {"median": 0.3, "percentile": 0.1 + (0.3 - 0.1) * 0.5}),
    ("float64", [0.1, 1.0, -7.25, 1e-3, 3.0, 2.5], {
        "median": 0.1 + (1.0 - 0.1) * 0.5, "percentile": 1e-3 + (0.1 - 1e-3) * 0.25,
    }),
    ("float32", [0.5, NAN, 0.5, NAN, -0.0], {"top_k": [0.5, NAN], "mode": 0.5, "last_distinct_n": [NAN, 0.0]}),
    ("decimal", [Decimal("0.20"), Decimal("0.10")], {"median": 0.1 + (0.2 - 0.1) * 0.5, "mode": Decimal("0.10")}),
    ("wide_decimal", [Decimal("12345678901234567890.1234567891")], {"median": 12345678901234567890.1234567891}),
    ("string", ["z", "é", "Z", ""], {"mode": "", "top_k": ["", "Z"], "first_n": ["z", "é"], "last_n": ["Z", ""]}),
    ("string", [["z", "é", "Z"]], {"first_n": ["Z", "z"], "last_n": ["z", "é"]}),
    ("binary", [b"b", b"", b"b", b"", b"\x80"], {
        "mode": b"", "top_k": [b"", b"b"], "first_distinct_n": [b"b", b""], "last_distinct_n": [b"", b"\x80"],
    }),
    ("bool", [True, True, None], {"bool_and": True, "bool_or": True, "first_distinct_n": [True], "last_n": [True] * 2}),
    ("bool", [False, None], {"bool_and": False, "bool_or": False, "top_k": [False]}),
    ("timestamp", [datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999)], {
        "count_distinct": 2, "min": datetime(1969, 12, 31, 23, 59, 59, 999999), "max": datetime(1970, 1, 1),
    }),
)  # fmt: skip
CASES = [
    *(case for name in TYPES for case in general(name)),
    *EDGES,
    *((str(type_), list(of), {name: value}) for name in STATED for type_, of, value in AGGREGATES[name].cases),
]
OVERFLOWS = (
    pytest.param("int64", [MOST, 1], id="above"),
    pytest.param("int64", [LEAST, -1], id="below", marks=pytest.mark.deep("spark")),
    pytest.param("uint64", [MOST, MOST], id="unsigned", marks=pytest.mark.deep("spark")),
    pytest.param("wide_decimal", [Decimal(10) ** 28 - 1, Decimal(1)], id="decimal", marks=pytest.mark.deep("spark")),
)


def aggregation(column: str, function: str, **options: Any) -> ht.Aggregation:
    """An aggregate over an hour, with the parameter that the table's cases are stated for."""
    parameter = AGGREGATES[function].parameter
    given = {} if parameter is None else {parameter.name: parameter.example}
    return ht.Aggregation(column, function, "1h", **given, **options)


def takes(function: str, name: str) -> bool:
    try:
        AGGREGATES[function].type_rule(data_type(TYPES[name].type))
    except TypeRuleError:
        return False
    return True


def events(cases: Sequence[Case]) -> pa.Table:
    """The values of every case as rows: of its number, and null in the columns of the other types."""
    rows: list[dict[str, Any]] = []
    for number, (name, values, _) in enumerate(cases):
        for micros, value in enumerate(values):
            at = datetime(2024, 1, 1, microsecond=micros)
            rows += [{"k": number, "ts": at, name: tie} for tie in (value if isinstance(value, list) else [value])]
    schema = {"k": pa.int64(), "ts": pa.timestamp("us"), **{name: of.type for name, of in TYPES.items()}}
    return pa.Table.from_pylist(rows, pa.schema(list(schema.items())))


def question(cases: Sequence[Case], aggregations: Sequence[ht.Aggregation], path: Path) -> tuple[Any, pa.Table]:
    """A view over the cases in a file, and a spine that asks for each."""
    pq.write_table(events(cases), path)
    source = ht.FileSource(path, timestamp_field="ts")
    at = pa.array([datetime(2024, 1, 1, 0, 30)] * len(cases), pa.timestamp("us"))
    spine = pa.table({"k": pa.array(range(len(cases)), pa.int64()), "event_timestamp": at})
    return [ht.FeatureView("view", entities=["k"], source=source, aggregations=aggregations)], spine


GRID = [(function, name) for name in TYPES for function in STATED if takes(function, name)]


def same(found: object, expected: object, *, exact: bool = False) -> bool:
    if isinstance(found, list) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float) and isinstance(expected, int | float):
        if math.isnan(expected) or math.isnan(found):
            return math.isnan(expected) and math.isnan(found)
        return found == expected or (not exact and math.isclose(found, expected, rel_tol=1e-9))
    return found == expected and (isinstance(found, bool) == isinstance(expected, bool))


def test_every_aggregate_has_a_form_in_every_dialect() -> None:
    with_form = {name for name, each in AGGREGATES.items() if each.expansion is None} | PLANNER_AGGREGATES
    assert [name for name, dialect in DIALECTS.items() if set(dialect.aggregates) != with_form] == []


def test_every_aggregate_has_cases_of_its_own_and_a_general_one() -> None:
    assert [each.name for each in AGGREGATES.values() if not each.cases] == []
    assert all(set(expected) == set(STATED) for _, _, expected in general("int64"))


def test_every_scalar_type_is_aggregated() -> None:
    kinds = {data_type(of.type).kind for of in TYPES.values()}
    assert kinds == set(get_args(Kind)) - {"null", "list", "struct", "other"}


@pytest.mark.deep("spark")
def test_every_aggregate_has_its_values_and_its_planned_type_on_every_engine(
    engine: SqlComputeEngine, tmp_path: Path
) -> None:
    aggregations = [aggregation(name, function, name=f"{function}_{name}") for function, name in GRID]
    asked = question(CASES, aggregations, tmp_path / "events.parquet")
    planned = [arrow_type(AGGREGATES[function].type_rule(data_type(TYPES[name].type))) for function, name in GRID]
    answer = retrieved(engine, *asked)
    assert answer.schema.types == planned
    wrong = [
        (function, name, values, wanted, found)
        for number, (name, values, expected) in enumerate(CASES)
        for function, wanted in expected.items()
        if takes(function, name)
        if not same(found := answer[f"{function}_{name}"][number].as_py(), wanted, exact=function in EXACT)
    ]
    assert wrong == []


@pytest.mark.deep("spark")
def test_other_aggregates_have_their_cases_on_every_engine(engine: SqlComputeEngine, tmp_path: Path) -> None:
    entries = [each for each in AGGREGATES.values() if each.name not in STATED or each.expansion is not None]
    stated = [(each.name, str(type_), of, value) for each in entries for type_, of, value in each.cases]
    asked = list(dict.fromkeys((function, type_) for function, type_, _, _ in stated))
    aggregations = [aggregation(type_, function, name=f"{function}_{type_}") for function, type_ in asked]
    cases: list[Case] = [(type_, list(of), {function: value}) for function, type_, of, value in stated]
    answer = retrieved(engine, *question(cases, aggregations, tmp_path / "events.parquet"))
    found = [answer[f"{function}_{type_}"][number].as_py() for number, (function, type_, _, _) in enumerate(stated)]
    assert [case for case, value in zip(stated, found, strict=True) if not same(value, case[3])] == []


@pytest.mark.deep("spark")
def test_a_condition_keeps_the_events_of_its_aggregate_alone(engine: SqlComputeEngine, tmp_path: Path) -> None:
    general_values = [2, None, 1, 5, 2, -90, 70, None]
    expected = {
        "count": 4, "sum": 10, "mean": 2.5, "min": 1, "max": 5, "var_samp": 3.0, "var_pop": 2.25,
        "stddev_samp": math.sqrt(3), "stddev_pop": 1.5, "count_distinct": 3, "first": 2, "last": 2, "median": 2.0,
        "percentile": 1.75, "first_n": [2, 1], "last_n": [5, 2], "first_distinct_n": [2, 1], "last_distinct_n": [5, 2],
        "mode": 2, "top_k": [2, 1],
    }  # fmt: skip
    assert set(expected) == set(STATED) - {"bool_and", "bool_or"}
    kept = [aggregation("int64", function, where="int64 between 0 and 9", name=function) for function in expected]
    none = [aggregation("int64", function, where="int64 > 99 or null", name=f"no_{function}") for function in expected]
    whole = ht.Aggregation("*", "count", "1h", name="rows")
    asked = question([("int64", general_values, {})], [*kept, *none, whole], tmp_path / "events.parquet")
    (row,) = retrieved(engine, *asked).to_pylist()
    assert {function: row[function] for function in expected if not same(row[function], expected[function])} == {}
    assert {function: row[f"no_{function}"] for function in expected} == {
        function: [] if function in LISTS else AGGREGATES[function].empty for function in expected
    }
    assert row["rows"] == 8


@pytest.mark.parametrize(("name", "values"), OVERFLOWS)
def test_a_sum_that_does_not_fit_is_an_error_on_every_engine(
    engine: SqlComputeEngine, tmp_path: Path, name: str, values: list[Any]
) -> None:
    asked = question([(name, values, {})], [ht.Aggregation(name, "sum", "1h")], tmp_path / "events.parquet")
    with pytest.raises(ht.EngineError, match=r"(?s)feature view 'view'.*among the aggregates sum_") as caught:
        retrieved(engine, *asked)
    assert caught.value.view == "view"


@pytest.mark.deep("spark")
@pytest.mark.parametrize("function", ["sum", "mean", "var_samp", "median", "max", "mode", "first", "last_n", "top_k"])
def test_an_unsigned_value_beyond_64_signed_bits_is_an_error_on_every_engine(
    engine: SqlComputeEngine, tmp_path: Path, function: str
) -> None:
    asked = question(
        [("uint64", [2**63, 2**63], {})], [aggregation("uint64", function, name="x")], tmp_path / "e.parquet"
    )
    with pytest.raises(ht.EngineError, match=r"(?s)(feature view 'view'.*among the aggregates x|feature 'x' holds)"):
        retrieved(engine, *asked)


@pytest.mark.deep("spark")
def test_an_aggregate_has_its_planned_type_without_rows_too(engine: SqlComputeEngine, tmp_path: Path) -> None:
    aggregations = [aggregation(name, function, name=f"{function}_{name}") for function, name in GRID]
    views, spine = question([], aggregations, tmp_path / "events.parquet")
    planned = [arrow_type(AGGREGATES[function].type_rule(data_type(TYPES[name].type))) for function, name in GRID]
    answer = retrieved(engine, views, spine.schema.empty_table())
    assert (answer.num_rows, answer.schema.types) == (0, planned)

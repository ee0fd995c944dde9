"""One meaning on every engine: every case of the function table, executed on each."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hitherto.planner.errors import EngineError
from hitherto.planner.expr.functions import DIFFERENCE_UNITS, EXAMPLE, EXAMPLE_VALUE, FUNCTIONS, PARTS, TRUNCATION_UNITS
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import ONE_ROW, evaluated, typed
from tests.engines import DIALECTS, ENGINES
from tests.tiers import few

DUCKDB = ENGINES["duckdb"].make()

ROWS = pa.table({
    "i": pa.array([-7, 0, 7, None, 2**62], pa.int64()),
    "j": pa.array([3, 0, -3, 2, None], pa.int64()),
    "x": pa.array([-1.5, math.nan, math.inf, None, 1e300], pa.float64()),
    "s": pa.array(["Ab$c", "", "a%c", None, "ÄßZ_"], pa.string()),
    "n": pa.array([" 12 ", "-3", "+4", None, "0"], pa.string()),
    "f": pa.array(["1.5", "-2e3", "NaN", None, " .5 "], pa.string()),
    "d": pa.array(["2024-02-29", "1969-12-31", "0001-01-01", None, "9999-12-31"], pa.string()),
    "m": pa.array(["2024-01-01 10:00:00+02", "1969-12-31T23:59:59.999999Z", "2024-06-01", None, "2024-01-01 09:30"]),
    "b": pa.array([True, False, None, True, False], pa.bool_()),
    "t": pa.array([0, -1, 1_709_251_199_999_999, None, -86_400_000_000], pa.timestamp("us")),
    "u": pa.array([0, 1, 1_709_251_200_000_000, 5, None], pa.timestamp("us")),
    "w": pa.array(["a%C", "", "A%c", "a,b,,c", None], pa.string()),
    "y": pa.array([0.5, -0.5, 2.5, 1e308, math.nan], pa.float64()),
    "l": pa.array([["a", None, "b"], [], ["Ab$c"], None, [None]], pa.list_(pa.string())),
    "q": pa.array([[1.5, math.nan], [], [None, -0.0], None, [2.0]], pa.list_(pa.float64())),
})  # fmt: skip

OVER_COLUMNS = (
    "i / j", "i // j", "i % j", "abs(i)", "-x", "floor(x)", "ceil(x)", "floor(x / 1e299)", "x = x", "x > 1e308",
    "x <> j", "i in (7, null)", "not (x is not null)", "b and null", "b or null", "case when b then i else j end",
    "case i when 7 then 'seven' when 0 then s end", "coalesce(x, j)", "nullif(i, 7)", "lower(s)", "upper(s)",
    "length(s)", "s like '%$%'", "s like 'a\\%c'", "s like '_b%'", "s like s", "s < 'a'", "date_trunc('week', t)",
    "date_trunc('quarter', t)", "date_trunc('millisecond', t)", "extract(second from t)", "extract(isodow from t)",
    "extract(doy from t)", "extract(week from t)", "extract(year from t)", "extract(quarter from t)",
    "t + interval '1 microsecond'", "t - interval '36 hours'", "t >= date '1970-01-01'", "cast(t as date)",
    "cast(b as bigint)", "cast(i as varchar)", "cast(t as varchar)", "cast(b as varchar)",
    "cast(n as bigint)", "cast(f as double)", "cast(d as date)", "cast(m as timestamp)", "cast(j as double) / 2",
    "cast(case when x < 0 then x end as bigint)", "i between j and 10", "cast(i as boolean)",
    "i is distinct from j", "x is not distinct from x", "s is distinct from w", "l is null", "s ilike w",
    "s not ilike 'a%'",
    "w ilike '%C'", "try_cast(s as bigint)", "try_cast(n as bigint)", "try_cast(f as double)", "try_cast(s as double)",
    "try_cast(d as date)", "try_cast(s as date)", "try_cast(m as timestamp)", "try_cast(s as timestamp)",
    "try_cast(s as boolean)", "try_cast(x as bigint)", "try_cast(i as integer)", "try_cast(x as real)",
    "try_cast(i as varchar)", "try_cast(t as date)",
    "greatest(i, j)", "least(i, j, 0)", "greatest(x, y)", "least(x, y)", "greatest(s, w)", "least(t, u)",
    "greatest(b, false)",
    "round(x)", "round(y)", "round(y, 1)", "round(x * 1000 / 7, 2)", "round(i)", "round(j / 4)", "sign(i)", "sign(x)",
    "sign(y)", "sqrt(x)", "sqrt(y)", "sqrt(i)", "ln(y)", "ln(x)", "ln(j)", "log10(y)", "log(10, y)", "log10(x)",
    "exp(x)",
    "exp(y)", "exp(j)", "power(x, 2)", "power(x, y)", "pow(j, -1)", "y ** 3", "j ^ 2", "isnan(x)", "isfinite(x)",
    "isinf(x)",
    "trim(n)", "ltrim(n)", "rtrim(n)", "trim(s)", "substr(s, 2)", "substr(s, 1, 2)", "substring(s, 3, 0)", "left(s, 2)",
    "right(s, 2)", "left(s, 0)", "right(s, 0)", "right(s, 99)", "concat(s, w)", "concat(s, null, w, '!')", "s || w",
    "s || '-' || s", "replace(s, 'b', '')", "replace(s, '', 'x')", "replace(s, w, 'z')", "replace(w, ',', ', ')",
    "starts_with(s, 'Ä')", "starts_with(s, w)", "ends_with(s, 'c')", "contains(s, '$')", "contains(s, w)",
    "split_part(w, ',', 1)", "split_part(w, ',', 3)", "split_part(w, ',', 4)", "split_part(w, ',', 5)",
    "split_part(s, 'b$', 2)", "split_part(s, '%', 2)",
    "regexp_matches(s, '[a-z]')", "regexp_matches(s, '^.b')", "regexp_matches(s, '[aA]b')",
    "regexp_matches(s, '\\$c$')",
    "regexp_matches(w, '\\w,\\w')", "regexp_matches(s, '^$')",
    "regexp_matches(s, '[^\\d]')",
    "regexp_extract(s, '[A-Z]')", "regexp_extract(s, '(.)(\\W)', 2)", "regexp_extract(w, '(?:a|b)+,?(b)?', 1)",
    "regexp_extract(s, 'x*')", "md5(s)", "md5(w)", "len(s)", "len(l)", "len(q)", "length(l)", "list_contains(l, 'a')",
    "list_contains(l, s)", "list_contains(q, 1.5)", "list_contains(q, x)", "list_contains(q, 0.0)",
    "list_contains(q, cast('nan' as double))", "l[1]", "l[3]", "q[2]", "list_extract(l, 2)", "l[1] || 'x'",
    *(f"date_diff('{unit}', t, u)" for unit in DIFFERENCE_UNITS),
    *(f"date_diff('{unit}', u, t)" for unit in DIFFERENCE_UNITS),
    "date_diff('day', cast(t as date), u)", "epoch(t)", "epoch(cast(t as date))", "epoch_us(t)",
    "epoch_us(cast(t as date))",
    *(f"extract({part} from t)" for part in PARTS), *(f"date_part('{part}', u)" for part in PARTS),
    *(f"{part}(cast(t as date))" for part in PARTS if part not in ("hour", "minute", "second")),
    *(f"date_trunc('{unit}', t)" for unit in TRUNCATION_UNITS), "date_trunc('week', cast(u as date))",
    "isodow(t)", "hour(t)", "minute(t)", "second(t)",
)  # fmt: skip
ERRORS = (
    "cast('1.7' as bigint)", "cast('1e3' as bigint)", "cast('1.5d' as double)", "cast(lower('2024-1-1') as date)",
    "cast('yes' as boolean)", "cast(lower('infinity') as timestamp)", "cast(cast('nan' as double) as bigint)",
    "9223372036854775807 + 1",
)  # fmt: skip


def plain_values(engine: SqlComputeEngine, texts: Sequence[str], rows: pa.Table = ONE_ROW) -> list[list[Any]]:
    """Values by expression; NaN as a text, since it equals NaN here, and a whole float apart from an integer."""
    return [
        ["NaN" if isinstance(value, float) and math.isnan(value) else value for value in column.to_pylist()]
        for column in evaluated(engine, [typed(text, rows) for text in texts], rows)
    ]


def is_same(text: str, one: Any, other: Any) -> bool:
    """Equal, but for the last digits of the functions that engines take from different libraries."""
    names = "|".join(name for name, function in FUNCTIONS.items() if function.is_approximate)
    is_approximate = re.match(rf"({names}|log|pow)\(|.* (\*\*|\^) ", text) is not None
    if is_approximate and isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15)
    return bool(one == other)


def test_every_function_has_a_form_in_every_dialect() -> None:
    with_form = {function.name for function in FUNCTIONS.values() if function.expansion is None}
    assert [name for name, dialect in DIALECTS.items() if set(dialect.expressions.forms) != with_form] == []


def test_every_case_of_the_table_has_its_value_on_every_engine(engine: SqlComputeEngine) -> None:
    cases = [case for function in FUNCTIONS.values() for case in function.cases]
    row = pa.table({EXAMPLE.name: pa.array([EXAMPLE_VALUE], pa.list_(pa.string()))})
    found = plain_values(engine, [text for text, _ in cases], row)
    wrong = [
        (text, expected, value)
        for (text, expected), (value,) in zip(cases, found, strict=True)
        if not is_same(text, expected, value)
    ]
    assert wrong == []


def test_expressions_over_columns_agree_with_duckdb(other_engine: SqlComputeEngine) -> None:
    one, other = plain_values(DUCKDB, OVER_COLUMNS, ROWS), plain_values(other_engine, OVER_COLUMNS, ROWS)
    different = [
        (text, on_one, on_other)
        for text, on_one, on_other in zip(OVER_COLUMNS, one, other, strict=True)
        if not all(is_same(text, *pair) for pair in zip(on_one, on_other, strict=True))
    ]
    assert different == []
    types = [[type(value) for value in column] for column in one]
    assert [[type(value) for value in column] for column in other] == types


@pytest.mark.parametrize("text", few(ERRORS, fast=2, on="spark"))
def test_what_is_an_error_is_one_on_every_engine(engine: SqlComputeEngine, text: str) -> None:
    with pytest.raises(EngineError, match=r"(?i)cast|convert|overflow"):
        plain_values(engine, [text])

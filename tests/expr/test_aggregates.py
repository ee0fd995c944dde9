"""Every windowed aggregate on DuckDB, over tiny windows, against values written down by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pyarrow as pa
import pytest
from hitherto.dialects.duckdb.aggregates import AGGREGATE_FORMS
from hitherto.planner.errors import EngineError
from hitherto.planner.expr.aggregates import AGGREGATES, PLANNER_AGGREGATES, AggregateFunction, Expansion
from hitherto.planner.expr.functions import call
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.ir.intervals import window_interval
from hitherto.planner.ir.logical import Project, WindowAggregate, WindowMeasure
from hitherto.planner.ir.verify import InvalidPlanError, verify
from hitherto.planner.ir.windows import expanded
from hitherto.planner.types import FLOAT64, INT64, STRING, DataType
from hitherto.runtime.arrow import data_type

from tests.relations import expression, run, scan, table

NAN, INF = math.nan, math.inf
SPINE = table("spine_table", pa.table({"row_id": [0], "k": [1], "t": [100]}))
WRITTEN = [name for name, each in AGGREGATES.items() if each.expansion is None]
LISTS = ("first_n", "last_n", "first_distinct_n", "last_distinct_n", "top_k")


def windows(
    values: pa.Array[Any],
    *functions: str,
    ts: list[int] | None = None,
    where: str | None = None,
    order: tuple[str, ...] = (),
    parameter: float | None = None,
) -> WindowAggregate:
    """Aggregates at t = 100 over the window [0, 100) of the values, one a microsecond unless ``ts`` says when.

    A parameter is the one that the table's cases are stated for, where it is not given.
    """
    times = ts if ts is not None else list(range(len(values)))
    rows = {"k": pa.array([1] * len(values), pa.int64()), "ts": pa.array(times, pa.int64()), "x": values}
    events = scan(table("events", pa.table({**rows, "position": pa.array(range(len(values)), pa.int64())})))
    interval = window_interval("t", window=100, offset=0, slide=None, closed="left", data_delay=0)
    aggregates = tuple(
        WindowMeasure(
            function,
            function,
            "x",
            None if where is None else expression(where, events),
            interval,
            ("ts", *order) if AGGREGATES[function].is_ordered else (),
            AGGREGATES[function].type_rule(data_type(values.type)),
            _parameter(function, parameter),
        )
        for function in functions
    )
    return WindowAggregate(
        scan(SPINE), events, (("k", "k"),), "row_id", "t", "ts", aggregates, label="spend"
    )  # fmt: skip


def _parameter(function: str, given: float | None) -> float | None:
    parameter = AGGREGATES[function].parameter
    return None if parameter is None else parameter.example if given is None else given


def aggregated(function: str, values: pa.Array[Any], **options: object) -> object:
    """One aggregate of the values."""
    (row,) = run(expanded(windows(values, function, **options)))  # type: ignore[arg-type]
    return row[function]


def floats(*values: float | None) -> pa.Array[Any]:
    return pa.array(values, pa.float64())


def integers(*values: int | None) -> pa.Array[Any]:
    return pa.array(values, pa.int64())


def same(actual: object, expected: object) -> bool:
    """Equal and of one type; NaN equals NaN, and the last bits of a float may differ."""
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    if isinstance(actual, float) and isinstance(expected, float):
        if math.isnan(expected) or math.isinf(expected):
            return actual == expected or (math.isnan(actual) and math.isnan(expected))
        return actual == pytest.approx(expected, rel=1e-12)
    return type(actual) is type(expected) and actual == expected


def test_every_aggregate_has_a_duckdb_form() -> None:
    assert set(AGGREGATE_FORMS) == {*WRITTEN, *PLANNER_AGGREGATES}


FINITE = floats(2.0, None, -1.0, 2.0, 5.0)
OF_FINITE = {
    "count": 4, "sum": 8.0, "mean": 2.0, "min": -1.0, "max": 5.0, "var_samp": 6.0, "var_pop": 4.5,
    "stddev_samp": math.sqrt(6.0), "stddev_pop": math.sqrt(4.5), "count_distinct": 3, "first": 2.0, "last": 5.0,
    "median": 2.0, "percentile": 1.25, "first_n": [2.0, -1.0], "last_n": [2.0, 5.0], "first_distinct_n": [2.0, -1.0],
    "last_distinct_n": [2.0, 5.0], "mode": 2.0, "top_k": [2.0, -1.0],
}  # fmt: skip
FUNCTIONS = tuple(OF_FINITE)
WITH_NAN = floats(1.0, NAN, None, INF, NAN)
OF_NAN = {
    "count": 4, "sum": NAN, "mean": NAN, "min": 1.0, "max": NAN, "var_samp": NAN, "var_pop": NAN, "stddev_samp": NAN,
    "stddev_pop": NAN, "count_distinct": 3, "first": 1.0, "last": NAN,
    "median": NAN, "percentile": INF, "first_n": [1.0, NAN], "last_n": [INF, NAN], "first_distinct_n": [1.0, NAN],
    "last_distinct_n": [INF, NAN], "mode": NAN, "top_k": [NAN, 1.0],
}  # fmt: skip
WITH_INFINITY = floats(INF, 1.0, None)
OF_INFINITY = {
    "count": 2, "sum": INF, "mean": INF, "min": 1.0, "max": INF, "var_samp": NAN, "var_pop": NAN, "stddev_samp": NAN,
    "stddev_pop": NAN, "count_distinct": 2, "first": INF, "last": 1.0,
    "median": INF, "percentile": INF, "first_n": [INF, 1.0], "last_n": [INF, 1.0], "first_distinct_n": [INF, 1.0],
    "last_distinct_n": [INF, 1.0], "mode": 1.0, "top_k": [1.0, INF],
}  # fmt: skip
BOTH_INFINITIES = floats(INF, -INF)
OF_BOTH = {
    "count": 2, "sum": NAN, "mean": NAN, "min": -INF, "max": INF, "var_samp": NAN, "var_pop": NAN, "stddev_samp": NAN,
    "stddev_pop": NAN, "count_distinct": 2, "first": INF, "last": -INF,
    "median": NAN, "percentile": NAN, "first_n": [INF, -INF], "last_n": [INF, -INF], "first_distinct_n": [INF, -INF],
    "last_distinct_n": [INF, -INF], "mode": -INF, "top_k": [-INF, INF],
}  # fmt: skip
LONE_INFINITY = floats(None, -INF)
OF_LONE = {
    "count": 1, "sum": -INF, "mean": -INF, "min": -INF, "max": -INF, "var_samp": None, "var_pop": NAN,
    "stddev_samp": None, "stddev_pop": NAN, "count_distinct": 1, "first": -INF, "last": -INF,
    "median": -INF, "percentile": -INF, "first_n": [-INF], "last_n": [-INF], "first_distinct_n": [-INF],
    "last_distinct_n": [-INF], "mode": -INF, "top_k": [-INF],
}  # fmt: skip
LONE_NAN = floats(NAN)
OF_LONE_NAN = {
    "count": 1, "sum": NAN, "mean": NAN, "min": NAN, "max": NAN, "var_samp": None, "var_pop": NAN, "stddev_samp": None,
    "stddev_pop": NAN, "count_distinct": 1, "first": NAN, "last": NAN,
    "median": NAN, "percentile": NAN, "first_n": [NAN], "last_n": [NAN], "first_distinct_n": [NAN],
    "last_distinct_n": [NAN], "mode": NAN, "top_k": [NAN],
}  # fmt: skip
LONE_VALUE = floats(3.0)
OF_LONE_VALUE = {
    "count": 1, "sum": 3.0, "mean": 3.0, "min": 3.0, "max": 3.0, "var_samp": None, "var_pop": 0.0, "stddev_samp": None,
    "stddev_pop": 0.0, "count_distinct": 1, "first": 3.0, "last": 3.0,
    "median": 3.0, "percentile": 3.0, "first_n": [3.0], "last_n": [3.0], "first_distinct_n": [3.0],
    "last_distinct_n": [3.0], "mode": 3.0, "top_k": [3.0],
}  # fmt: skip
EMPTY: dict[str, object] = {
    function: 0 if function in ("count", "count_distinct") else [] if function in LISTS else None
    for function in FUNCTIONS
}
WINDOWS: dict[str, tuple[pa.Array[Any], Mapping[str, object]]] = {
    "finite": (FINITE, OF_FINITE),
    "NaN": (WITH_NAN, OF_NAN),
    "infinity": (WITH_INFINITY, OF_INFINITY),
    "both infinities": (BOTH_INFINITIES, OF_BOTH),
    "a lone infinity": (LONE_INFINITY, OF_LONE),
    "a lone NaN": (LONE_NAN, OF_LONE_NAN),
    "a lone value": (LONE_VALUE, OF_LONE_VALUE),
    "nulls": (floats(None, None), EMPTY),
    "nothing": (floats(), EMPTY),
}
GRID = [(window, function) for window in WINDOWS for function in FUNCTIONS]


@pytest.mark.parametrize(("window", "function"), GRID, ids=[f"{function} of {window}" for window, function in GRID])
def test_an_aggregate_of_floats(window: str, function: str) -> None:
    values, expected = WINDOWS[window]
    actual = aggregated(function, values)
    assert same(actual, expected[function]), actual


def test_all_aggregates_of_one_window_agree_with_each_alone() -> None:
    (row,) = run(expanded(windows(FINITE, *FUNCTIONS)))
    assert all(same(row[function], OF_FINITE[function]) for function in FUNCTIONS)


OF_INTEGERS = {
    "count": 4, "sum": 8, "mean": 2.0, "min": -1, "max": 5, "var_samp": 6.0, "var_pop": 4.5,
    "stddev_samp": math.sqrt(6.0), "stddev_pop": math.sqrt(4.5), "count_distinct": 3, "first": 2, "last": 5,
    "median": 2.0, "percentile": 1.25, "first_n": [2, -1], "last_n": [2, 5], "first_distinct_n": [2, -1],
    "last_distinct_n": [2, 5], "mode": 2, "top_k": [2, -1],
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("type_", [pa.int8(), pa.int16(), pa.int32(), pa.int64()], ids=str)
def test_an_aggregate_of_integers(function: str, type_: pa.DataType) -> None:
    actual = aggregated(function, pa.array([2, None, -1, 2, 5], type_))
    assert same(actual, OF_INTEGERS[function]), actual


def test_zeros_of_both_signs_are_one_distinct_value() -> None:
    assert aggregated("count_distinct", floats(0.0, -0.0, 0.0)) == 1


def test_nans_are_one_distinct_value() -> None:
    assert aggregated("count_distinct", floats(NAN, -NAN, NAN)) == 1


def test_a_mean_of_large_integers_does_not_overflow() -> None:
    assert same(aggregated("mean", integers(2**62, 2**62, 2**62)), float(2**62))


def test_a_variance_far_from_zero_is_stable() -> None:
    assert same(aggregated("var_samp", floats(1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16)), 30.0)


def test_a_sum_of_floats_beyond_their_range_is_infinite() -> None:
    assert aggregated("sum", floats(1e308, 1e308)) == INF


@pytest.mark.parametrize("type_", [pa.int8(), pa.int32(), pa.int64()], ids=str)
def test_a_sum_of_integers_is_64_bits_wide(type_: pa.DataType) -> None:
    assert aggregated("sum", pa.array([100] * 50, type_)) == 5000


def test_an_intermediate_sum_beyond_64_bits_does_not_count() -> None:
    assert aggregated("sum", integers(2**63 - 1, 1, -1)) == 2**63 - 1


@pytest.mark.parametrize("values", [integers(2**63 - 1, 1), integers(-(2**63), -1)], ids=["above", "below"])
def test_a_sum_beyond_64_bits_is_an_error_that_names_view_and_aggregate(values: pa.Array[Any]) -> None:
    with pytest.raises(EngineError, match=r"(?s)feature view 'spend'.*among the aggregates sum") as caught:
        run(windows(values, "sum", "mean"))
    assert caught.value.view == "spend"
    assert caught.value.sql is not None
    assert "Traceback" not in str(caught.value)


def test_a_float32_is_summed_as_a_double() -> None:
    assert aggregated("sum", pa.array([16_777_216.0, 1.0, 1.0], pa.float32())) == 16_777_218.0


def test_a_float32_keeps_its_type_in_an_extreme() -> None:
    assert same(aggregated("max", pa.array([0.1, NAN], pa.float32())), NAN)
    assert aggregated("min", pa.array([0.5, NAN], pa.float32())) == 0.5


DECIMALS = pa.array([Decimal("1.10"), None, Decimal("2.25"), Decimal("-0.35")], pa.decimal128(10, 2))


def test_a_sum_of_decimals_is_an_exact_decimal() -> None:
    assert aggregated("sum", DECIMALS) == Decimal("3.00")
    assert AGGREGATES["sum"].type_rule(data_type(DECIMALS.type)) == DataType("decimal", precision=38, scale=2)


def test_a_mean_of_decimals_is_a_float() -> None:
    assert same(aggregated("mean", DECIMALS), 1.0)


def test_other_aggregates_of_decimals_keep_them() -> None:
    assert aggregated("min", DECIMALS) == Decimal("-0.35")
    assert aggregated("last", DECIMALS) == Decimal("-0.35")
    assert aggregated("count_distinct", DECIMALS) == 3


def test_a_variance_of_decimals_is_a_float() -> None:
    assert same(aggregated("var_pop", pa.array([Decimal("1.0"), Decimal("3.0")], pa.decimal128(4, 1))), 1.0)


def test_a_sum_of_decimals_beyond_38_digits_is_an_error() -> None:
    most = pa.array([Decimal(10**38 - 1), Decimal(1)], pa.decimal128(38, 0))
    with pytest.raises(EngineError, match=r"(?s)feature view 'spend'.*among the aggregates sum"):
        run(windows(most, "sum"))


@pytest.mark.parametrize(
    "function", ["sum", "mean", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "median", "percentile"]
)
@pytest.mark.parametrize("kind", ["string", "bool", "date", "timestamp", "binary"])
def test_numbers_are_not_made_of_other_types(function: str, kind: str) -> None:
    type_ = DataType("timestamp", unit="us") if kind == "timestamp" else DataType(kind)  # type: ignore[arg-type]
    with pytest.raises(TypeRuleError, match="takes numbers, not"):
        AGGREGATES[function].type_rule(type_)


@pytest.mark.parametrize("function", ["min", "max", "first", "last", "count_distinct", "mode", *LISTS])
def test_lists_are_no_scalars(function: str) -> None:
    with pytest.raises(TypeRuleError, match="takes scalars, not list<string>"):
        AGGREGATES[function].type_rule(DataType("list", element=STRING))


@pytest.mark.parametrize("function", ["bool_and", "bool_or"])
def test_conditions_are_not_made_of_numbers(function: str) -> None:
    with pytest.raises(TypeRuleError, match="takes conditions, not int64"):
        AGGREGATES[function].type_rule(INT64)


def test_conditions_are_joined_without_nulls() -> None:
    mixed = pa.array([True, None, False])
    assert (aggregated("bool_and", mixed), aggregated("bool_or", mixed)) == (False, True)
    nothing = pa.array([None, None], pa.bool_())
    assert (aggregated("bool_and", nothing), aggregated("bool_or", nothing)) == (None, None)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.9, 0.99, 1.0])
def test_a_percentile_is_interpolated_to_the_last_bit(p: float) -> None:
    values = sorted([0.1, 1.0, -7.25, 1e-3, 3.0, 2.5])
    place = p * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    actual = aggregated("percentile", floats(0.1, 1.0, -7.25, None, 1e-3, 3.0, 2.5), parameter=p)
    assert actual == (low if low == high else low + (high - low) * (place - math.floor(place)))


def test_lists_have_at_most_n_values() -> None:
    values = integers(5, 1, 4, None, 1)
    assert aggregated("first_n", values, parameter=3) == [5, 1, 4]
    assert aggregated("last_n", values, parameter=999_999) == [5, 1, 4, 1]
    assert aggregated("first_distinct_n", values, parameter=9) == [5, 1, 4]
    assert aggregated("last_distinct_n", values, parameter=9) == [5, 4, 1]
    assert aggregated("top_k", values, parameter=1) == [1]


def test_lists_of_ties_are_in_the_order_of_the_values() -> None:
    tied = integers(5, None, 9, 7, 9)
    assert aggregated("first_n", tied, ts=[3] * 5, parameter=9) == [5, 7, 9, 9]
    assert aggregated("last_n", tied, ts=[3] * 5) == [9, 9]
    assert aggregated("first_distinct_n", tied, ts=[3] * 5, parameter=9) == [5, 7, 9]
    assert aggregated("last_distinct_n", tied, ts=[3] * 5) == [7, 9]


def test_lists_follow_the_declared_order_before_the_value() -> None:
    assert aggregated("first_n", integers(9, 5, 7), ts=[3, 3, 2], order=("position",), parameter=3) == [7, 9, 5]
    assert aggregated("last_distinct_n", integers(9, 5, 9), ts=[3] * 3, order=("position",)) == [5, 9]


def test_ties_of_frequency_go_to_the_smaller_value() -> None:
    assert aggregated("mode", pa.array(["z", "é", "Z", "z", "é"])) == "z"
    assert aggregated("top_k", pa.array(["z", "é", "Z", "z", "é"]), parameter=9) == ["z", "é", "Z"]


def test_long_lists_have_their_values() -> None:
    values = [number * 7919 % 5_000 // 2 for number in range(5_000)]
    options: dict[str, Any] = {"ts": [number % 100 for number in range(5_000)], "order": ("position",)}
    in_order = [value for _, value in sorted(enumerate(values), key=lambda each: (each[0] % 100, each[0]))]
    last = list(dict.fromkeys(reversed(in_order)))
    first = list(dict.fromkeys(in_order))
    assert aggregated("first_distinct_n", integers(*values), parameter=50, **options) == first[:50]
    assert aggregated("last_distinct_n", integers(*values), parameter=50, **options) == last[:50][::-1]
    assert aggregated("top_k", integers(*values), parameter=3, **options) == [0, 1, 2]


def test_anything_can_be_counted() -> None:
    assert AGGREGATES["count"].type_rule(DataType("list", element=STRING)) == INT64
    assert aggregated("count", pa.array([[1], None, []], pa.list_(pa.int64()))) == 2


SCALARS: dict[str, tuple[pa.Array[Any], object, object]] = {
    "strings by bytes": (pa.array(["é", "z", "", "A", None]), "", "é"),
    "bools": (pa.array([True, None, False]), False, True),
    "dates": (pa.array([date(2024, 1, 2), date(1969, 1, 1), None]), date(1969, 1, 1), date(2024, 1, 2)),
    "binary": (pa.array([b"\xff", b"", b"a"]), b"", b"\xff"),
    "timestamps": (
        pa.array([datetime(2024, 1, 1), datetime(1969, 1, 1)], pa.timestamp("us")),
        datetime(1969, 1, 1),
        datetime(2024, 1, 1),
    ),
    "floats": (floats(NAN, -INF, 3.0), -INF, NAN),
}


@pytest.mark.parametrize("name", SCALARS)
def test_the_extremes_of_scalars(name: str) -> None:
    values, least, greatest = SCALARS[name]
    assert same(aggregated("min", values), least)
    assert same(aggregated("max", values), greatest)


@pytest.mark.parametrize("name", SCALARS)
def test_the_first_and_the_last_of_scalars(name: str) -> None:
    values, _, _ = SCALARS[name]
    present = [value for value in values.to_pylist() if value is not None]
    assert same(aggregated("first", values), present[0])
    assert same(aggregated("last", values), present[-1])


def test_first_and_last_keep_nulls_out() -> None:
    assert aggregated("first", integers(None, 7, 8, None)) == 7
    assert aggregated("last", integers(None, 7, 8, None)) == 8


def test_a_full_tie_is_decided_by_the_value() -> None:
    tied = integers(5, None, 9, 7)
    assert aggregated("first", tied, ts=[3, 3, 3, 3]) == 5
    assert aggregated("last", tied, ts=[3, 3, 3, 3]) == 9


def test_a_tie_of_floats_is_decided_with_nan_highest() -> None:
    assert same(aggregated("last", floats(1.0, NAN, INF), ts=[3, 3, 3]), NAN)
    assert same(aggregated("first", floats(1.0, NAN, -INF), ts=[3, 3, 3]), -INF)


def test_a_tie_of_texts_is_decided_by_bytes() -> None:
    assert aggregated("last", pa.array(["z", "é", ""]), ts=[3, 3, 3]) == "é"
    assert aggregated("first", pa.array(["z", "é", ""]), ts=[3, 3, 3]) == ""


def test_the_declared_order_comes_before_the_value() -> None:
    assert aggregated("last", integers(9, 5), ts=[3, 3], order=("position",)) == 5


def test_a_where_keeps_events_of_its_aggregate_alone() -> None:
    values = integers(1, 20, 3, 40)
    assert aggregated("sum", values, where="x > 10") == 60
    assert aggregated("first", values, where="x > 10") == 20
    assert aggregated("count", values, where="x > 100") == 0
    assert aggregated("sum", values, where="x > 100") is None


def test_a_where_that_is_null_keeps_nothing() -> None:
    assert aggregated("count", integers(1, None), where="null") == 0


def test_events_of_a_null_time_or_outside_the_window_do_not_count() -> None:
    assert aggregated("sum", integers(1, 2, 4, 8), ts=[-1, 0, 99, 100]) == 6


def test_a_count_of_rows_counts_nulls() -> None:
    events = windows(integers(None, 1), "count")
    (aggregate,) = events.aggregates
    rows = WindowMeasure("rows", "count", None, None, aggregate.interval, (), INT64)
    (row,) = run(WindowAggregate(events.spine, events.events, events.keys, "row_id", "t", "ts", (aggregate, rows)))
    assert (row["count"], row["rows"]) == (1, 2)


def test_a_null_key_has_the_empty_window() -> None:
    nobody = table("nobody", pa.table({"row_id": [0], "k": pa.array([None], pa.int64()), "t": [100]}))
    some = windows(integers(1, 2), *FUNCTIONS)
    (row,) = run(expanded(some.with_inputs(scan(nobody), some.events)))
    assert {function: row[function] for function in FUNCTIONS} == EMPTY


def test_float_results_are_planned_as_floats() -> None:
    assert AGGREGATES["mean"].type_rule(INT64) == FLOAT64
    assert AGGREGATES["sum"].type_rule(DataType("float32")) == FLOAT64


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_a_timestamp_of_another_unit_comes_out_in_microseconds(unit: Any) -> None:
    type_ = AGGREGATES["max"].type_rule(data_type(pa.timestamp(unit, "UTC")))
    assert type_ == DataType("timestamp", unit="us", zone="UTC")
    values = pa.array([datetime(1969, 1, 1), datetime(2024, 1, 1)], pa.timestamp(unit))
    assert aggregated("max", values) == datetime(2024, 1, 1)


def test_a_part_that_is_asked_for_anyway_is_computed_once() -> None:
    one = expanded(windows(FINITE, "var_pop", "stddev_pop", "stddev_samp"))
    assert isinstance(one, Project)
    assert isinstance(one.input, WindowAggregate)
    assert [each.function for each in one.input.aggregates] == ["var_pop", "var_samp"]
    assert one.schema.names == ("row_id", "k", "t", "var_pop", "stddev_pop", "stddev_samp")


def test_a_part_of_other_rows_is_another_part() -> None:
    whole, some = windows(FINITE, "stddev_pop"), windows(FINITE, "var_pop", where="x > 0")
    both = dataclasses.replace(whole, aggregates=(*some.aggregates, *whole.aggregates))
    (row,) = run(expanded(both))
    assert same(row["var_pop"], 2.0)
    assert same(row["stddev_pop"], math.sqrt(4.5))


def test_a_part_takes_no_name_of_a_column() -> None:
    node = windows(FINITE, "stddev_pop")
    (deviation,) = node.aggregates
    clash = dataclasses.replace(deviation, name="Var_Pop_stddev_pop", function="max")
    (row,) = run(expanded(dataclasses.replace(node, aggregates=(clash, dataclasses.replace(deviation, name="x_pop")))))
    assert (row["Var_Pop_stddev_pop"], row["x_pop"]) == (5.0, math.sqrt(4.5))


@pytest.fixture
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two aggregates that the table does not have, each one entry."""
    for name, parts, is_ordered in (("range", ("max", "min"), False), ("change", ("last", "first"), True)):
        entry = AggregateFunction(name, Expansion(parts, partial(call, "subtract")), (), is_ordered=is_ordered)
        monkeypatch.setitem(cast("dict[str, AggregateFunction]", AGGREGATES), name, entry)


@pytest.mark.usefixtures("more")
def test_an_aggregate_that_is_written_with_others_is_one_entry() -> None:
    assert aggregated("range", integers(3, None, -4, 1)) == 7
    assert aggregated("range", integers(None)) is None
    assert aggregated("range", floats(1.5, 4.0)) == 2.5
    assert aggregated("range", DECIMALS) == Decimal("2.60")
    assert same(aggregated("range", floats(INF, INF)), NAN)
    assert aggregated("range", integers(1, 20, 3), where="x < 10") == 2
    assert aggregated("change", integers(9, 5, 7), ts=[3, 3, 2], order=("position",)) == -2
    with pytest.raises(TypeRuleError, match="takes numbers, not string"):
        AGGREGATES["range"].type_rule(STRING)


@pytest.mark.usefixtures("more")
def test_what_is_beyond_64_bits_is_an_error_in_an_expansion_too() -> None:
    with pytest.raises(EngineError, match="feature view 'spend'"):
        aggregated("range", integers(2**63 - 1, -1))


def test_an_aggregate_with_an_ordered_part_is_ordered() -> None:
    for each in AGGREGATES.values():
        if each.expansion is not None:
            assert each.is_ordered == any(AGGREGATES[part].is_ordered for part in each.expansion.parts)
            assert all(AGGREGATES[part].expansion is None for part in each.expansion.parts)


def test_a_plan_holds_no_aggregate_that_is_written_with_others() -> None:
    with pytest.raises(InvalidPlanError, match="no aggregate 'stddev_pop'"):
        verify(windows(FINITE, "stddev_pop"))

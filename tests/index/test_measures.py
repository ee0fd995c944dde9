"""Every function of the index over random slices gives what the row-at-a-time reference gives."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
import pytest
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.physical.index_functions import supports
from hitherto.planner.types import BOOL, FLOAT64, INT64, DataType
from hitherto.runtime.arrow import arrow_type, data_type
from hitherto.runtime.index import columns as reading
from hitherto.runtime.index import distinct, measures, operands, orders, ranks, slices, sums
from hitherto.runtime.index.measures import Measures
from hitherto.runtime.index.slices import Slices

from tests.index.columns import NANS, POOLS, column, plain
from tests.reference import Reference, agrees
from tests.tiers import seed_of, shards

FUNCTIONS = [name for name in AGGREGATES if supports(name, INT64) or supports(name, BOOL)]
SOURCE = ht.ArrowSource(
    pa.table({"ts": pa.array([], pa.timestamp("us"))}),
    timestamp_field="ts",
    created_timestamp_column="created",
    sequence_columns=["sequence"],
)


def force(monkeypatch: pytest.MonkeyPatch, block: int = 2) -> None:
    """Small data takes the paths of big data."""
    monkeypatch.setattr(slices, "BLOCK", block)
    monkeypatch.setattr(slices, "MOST_EXPANDED", 5)
    monkeypatch.setattr(sums, "MOST_SUM", 0)
    monkeypatch.setattr(orders, "SORTED_LENGTH", 0)
    monkeypatch.setattr(distinct, "FIRST_BLOCK", 2)
    monkeypatch.setattr(distinct, "LONG_LENGTH", 0)
    monkeypatch.setattr(ranks, "TABLE_SPAN", 0)
    monkeypatch.setattr(ranks, "WORD_BITS", 10)
    monkeypatch.setattr(reading, "PIECE", 3)
    monkeypatch.setattr(reading, "GATHER_BY_CHUNK", 0)


@dataclass
class World:
    """Columns of a statement, the order of its events, and slices that hold runs whole."""

    columns: dict[str, pa.ChunkedArray[Any]]
    rows: np.ndarray[Any, Any]
    runs: np.ndarray[Any, Any]
    slices: Slices
    made: Measures = field(init=False)

    def __post_init__(self) -> None:
        self.made = Measures(self.columns, self.rows, self.runs)

    def got(self, function: str, parameter: Any = None, operand: str | None = "v", where: str | None = None) -> Any:
        planned = planned_type(function, self.columns[operand].type) if operand else INT64
        given = {"operand": operand, "where": where, "order": ("created", "sequence"), "parameter": parameter}
        result = self.made.answer(function, planned, self.slices, **given)
        result.validate(full=True)
        assert result.type == arrow_type(planned)
        if planned.element is not None:
            values = plain(result.values)
            ends = result.offsets.to_pylist()
            assert not result.null_count
            return [values[start:stop] for start, stop in itertools.pairwise(ends)]
        return plain(result)

    def expected(self, function: str, parameter: Any = None, operand: str = "v", where: str | None = None) -> Any:
        values = {name: plain(each) for name, each in self.columns.items()}
        events = [
            {"ts": int(run), **{name: each[int(row)] for name, each in values.items()}}
            for row, run in zip(self.rows, self.runs, strict=True)
        ]
        name = AGGREGATES[function].parameter
        item = ht.Aggregation(operand or "*", function, "1d", **({name.name: parameter} if name else {}))
        reference = Reference({})
        return [
            reference.aggregate(
                item, SOURCE, [row for row in events[start:stop] if where is None or row[where] is True]
            )
            for start, stop in zip(self.slices.starts.tolist(), self.slices.stops.tolist(), strict=True)
        ]


def planned_type(function: str, type_: pa.DataType) -> DataType:
    return AGGREGATES[function].type_rule(data_type(type_))


def world(random: Random, type_: pa.DataType, nulls: float | None = None) -> World:
    size = random.choice((0, 1, 2, 7, 64, 65, 90))
    events = random.randint(0, size)
    share = random.choice((0.0, 0.3, 1.0)) if nulls is None else nulls
    columns = {
        "v": column(random, type_, size, share),
        "w": column(random, pa.bool_(), size, 0.2),
        "created": column(random, pa.timestamp("us"), size, 0.4),
        "sequence": column(random, random.choice((pa.int32(), pa.string(), pa.float64())), size, 0.4),
    }
    width = random.choice((np.uint32, np.int64))
    rows = np.array(random.sample(range(size), events), width)
    runs = np.sort(np.array([random.randint(0, random.choice((2, 9, 200))) for _ in range(events)], np.int64))
    ends = [place for place in range(events + 1) if place in (0, events) or runs[place - 1] != runs[place]]
    pairs = [sorted(random.choices(ends, k=2)) for _ in range(random.choice((0, 1, 3, 40)))]
    pairs += [[0, events], [events, events], [0, 0]]
    random.shuffle(pairs)
    starts, stops = (np.array(each, np.int64) for each in zip(*pairs, strict=True))
    return World(columns, rows, runs, Slices(starts, stops))


def parameters(function: str) -> tuple[Any, ...]:
    return {"percentile": (0.0, 0.25, 0.9, 1.0), "first_n": (1, 3), "last_n": (1, 3)}.get(function, (None,))


def takes(function: str, type_: pa.DataType) -> bool:
    try:
        planned_type(function, type_)
    except TypeRuleError:
        return False
    return supports(function, data_type(type_))


CASES = [(name, type_) for name in FUNCTIONS for type_ in POOLS if takes(name, type_)]


def test_there_is_a_case_of_every_function_and_of_every_type() -> None:
    assert {name for name, _ in CASES} == {*FUNCTIONS}
    assert {*FUNCTIONS} > {*measures._FUNCTIONS}
    assert {type_ for _, type_ in CASES} == {*POOLS}


@shards(fast=1, deep=8)
@pytest.mark.parametrize("block", [0, 2, 3], ids=["natural", "forced", "forced by threes"])
@pytest.mark.parametrize(("function", "type_"), CASES, ids=str)
def test_a_measure_is_the_references(
    function: str, type_: pa.DataType, block: int, shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if block:
        force(monkeypatch, block)
    for number in range(3):
        made = world(Random(f"{function} {type_} {seed_of(shard)} {number}"), type_)
        for where in (None, "w"):
            for parameter in parameters(function):
                check(made, function, parameter, where)


def check(made: World, function: str, parameter: Any = None, where: str | None = None) -> None:
    expected = made.expected(function, parameter, where=where)
    sums_of_integers = function == "sum" and any(isinstance(each, int) and not fits(each) for each in expected)
    if sums_of_integers:
        with pytest.raises(OverflowError, match="int64"):
            made.got(function, parameter, where=where)
        return
    got = made.got(function, parameter, where=where)
    assert len(got) == len(expected)
    for value, other in zip(expected, got, strict=True):
        assert agrees(value, other), (value, other)


def fits(value: int) -> bool:
    return -(2**63) <= value < 2**63


def made_of(values: Any, runs: Any = None, **columns: Any) -> tuple[Measures, int]:
    """Measures over events in the order of their rows, all of different times unless said."""
    chunks = {"v": values, "created": pa.nulls(len(values)), **columns}
    named = {
        name: each if isinstance(each, pa.ChunkedArray) else pa.chunked_array([each]) for name, each in chunks.items()
    }
    size = len(values)
    return Measures(named, np.arange(size), np.arange(size) if runs is None else np.array(runs)), size


def ask(made: Measures, function: str, type_: DataType, *pairs: tuple[int, int], **given: Any) -> list[Any]:
    starts, stops = zip(*pairs, strict=True)
    taken = Slices(np.array(starts), np.array(stops))
    return plain(made.answer(function, type_, taken, **{"operand": "v", **given}))


def test_windows_without_events_have_the_empty_values() -> None:
    made, _ = made_of(pa.array([1, 2]), b=pa.array([True, False]))
    for name in FUNCTIONS:
        operand = "b" if name.startswith("bool") else "v"
        planned = planned_type(name, pa.bool_() if operand == "b" else pa.int64())
        empty = AGGREGATES[name].empty
        got = ask(made, name, planned, (0, 0), (2, 2), operand=operand, parameter=parameters(name)[0])
        assert got == [[] if empty == () else empty] * 2


@pytest.mark.parametrize("nan", NANS)
def test_the_least_value_ignores_a_nan_of_any_pattern_unless_it_is_alone(nan: float) -> None:
    made, _ = made_of(pa.array(np.array([nan, -np.inf, nan, 2.0, nan])))
    pairs = ((0, 1), (0, 2), (1, 3), (2, 5), (0, 5), (4, 5))
    assert str(ask(made, "min", FLOAT64, *pairs)) == "[nan, -inf, -inf, 2.0, -inf, nan]"
    assert str(ask(made, "max", FLOAT64, *pairs)) == "[nan, nan, nan, nan, nan, nan]"
    assert ask(made, "count_distinct", INT64, *pairs) == [1, 2, 2, 2, 3, 1]


def test_all_nans_are_one_value_and_so_are_both_zeros() -> None:
    made, size = made_of(pa.array(np.array([*NANS, 0.0, -0.0, 0.0])))
    assert ask(made, "count_distinct", INT64, (0, size), (0, 4), (4, 7), (3, 6)) == [2, 1, 1, 2]
    assert str(ask(made, "percentile", FLOAT64, (0, size), (4, 7), parameter=0.0)) in ("[0.0, 0.0]", "[-0.0, -0.0]")
    assert str(ask(made, "percentile", FLOAT64, (0, size), parameter=1.0)) == "[nan]"


def test_a_percentile_between_infinities_is_as_the_formula_says() -> None:
    made, _ = made_of(pa.array([-np.inf, 2.5, np.inf, np.inf]))
    assert str(ask(made, "median", FLOAT64, (0, 2), (1, 3), (2, 4), (0, 4))) == "[nan, inf, inf, inf]"
    assert ask(made, "percentile", FLOAT64, (0, 2), (1, 2), parameter=1.0) == [2.5, 2.5]


def test_a_percentile_of_decimals_is_that_of_the_nearest_floats() -> None:
    values = [Decimal("0.35"), Decimal("9999999999999.99"), Decimal("-0.01")]
    made, _ = made_of(pa.array(values, pa.decimal128(15, 2)))
    got = ask(made, "percentile", FLOAT64, (0, 3), (0, 2), (2, 3), parameter=0.25)
    assert got == [-0.01 + (0.35 - -0.01) * 0.5, 0.35 + (9999999999999.99 - 0.35) * 0.25, -0.01]


def test_a_mean_of_great_integers_does_not_overflow() -> None:
    made, _ = made_of(pa.array([2**63 - 1, 2**63 - 1, -(2**63), -(2**63), -(2**63) + 7]))
    got = ask(made, "mean", FLOAT64, (0, 2), (2, 5), (0, 4), (4, 5))
    assert got == pytest.approx([2.0**63, -(2.0**63), -0.5, -(2.0**63)], rel=1e-15)
    with pytest.raises(OverflowError, match="int64"):
        ask(made, "sum", INT64, (0, 4), (0, 2))
    assert ask(made, "sum", INT64, (0, 4), (1, 3), (4, 4)) == [-2, -1, None]


def test_a_sum_of_decimals_goes_beyond_64_bits() -> None:
    great = Decimal(10**18 - 1).scaleb(-2)
    made, _ = made_of(pa.array([great] * 40 + [-great] * 60, pa.decimal128(18, 2)))
    planned = DataType("decimal", precision=38, scale=2)
    assert ask(made, "sum", planned, (0, 40), (40, 100), (39, 41), (0, 1)) == [great * 40, great * -60, 0, great]


def test_a_condition_that_is_null_is_not_true() -> None:
    bits = [pa.py_buffer(np.packbits(each, bitorder="little")) for each in ([1, 0, 1, 1], [1, 1, 0, 1])]
    conditions = pa.Array.from_buffers(pa.bool_(), 4, bits)
    assert conditions.to_pylist() == [True, None, False, True]
    made, _ = made_of(pa.array([1, 2, 3, None]), w=conditions)
    assert ask(made, "count", INT64, (0, 4), (1, 4), where="w") == [1, 0]
    assert ask(made, "count", INT64, (0, 4), (1, 4), where="w", operand=None) == [2, 1]
    assert ask(made, "count", INT64, (0, 4), (3, 4)) == [3, 0]


def test_what_lies_under_a_null_is_never_read() -> None:
    bits = pa.py_buffer(np.packbits([True, False, True], bitorder="little"))
    content = pa.py_buffer(np.array([1.0, np.nan, 3.0]))
    made, _ = made_of(pa.Array.from_buffers(pa.float64(), 3, [bits, content]))
    for function, expected in (("sum", 4.0), ("max", 3.0), ("var_pop", 1.0), ("median", 2.0)):
        assert ask(made, function, FLOAT64, (0, 3)) == [expected]
    assert ask(made, "count_distinct", INT64, (0, 3)) == [2]


def test_only_the_validity_of_a_list_is_counted() -> None:
    made, _ = made_of(pa.array([[1], None, [], [2, 3]]))
    assert ask(made, "count", INT64, (0, 4), (1, 2)) == [3, 0]


def test_timestamps_of_another_unit_come_out_in_microseconds() -> None:
    made, _ = made_of(pa.array([5, 7, None], pa.timestamp("ms", "UTC")))
    planned = DataType("timestamp", unit="us", zone="UTC")
    assert ask(made, "max", planned, (0, 3), (2, 3)) == [7000, None]
    assert ask(made, "first", planned, (0, 3)) == [5000]


@pytest.mark.parametrize(("created", "sequence", "expected"), [
    ([2, 1, None], [0, 0, 0], [30, 20, 10]),
    ([1, 1, 1], [5, None, 7], [20, 10, 30]),
    ([1, 1, 1], [5, 5, 5], [10, 20, 30]),
])  # fmt: skip
def test_events_of_one_time_are_ordered_by_created_then_sequence_then_value(
    created: list[Any], sequence: list[Any], expected: list[int]
) -> None:
    values = pa.array([10, 20, 30])
    made, _ = made_of(values, runs=[4, 4, 4], created=pa.array(created), sequence=pa.array(sequence))
    order = ("created", "sequence")
    listed = DataType("list", element=INT64)
    taken = Slices(np.array([0]), np.array([3]))
    assert made.answer("first_n", listed, taken, operand="v", order=order, parameter=9).to_pylist() == [expected]
    assert made.answer("last_n", listed, taken, operand="v", order=order, parameter=2).to_pylist() == [expected[1:]]
    assert ask(made, "first", INT64, (0, 3), order=order) == expected[:1]
    assert ask(made, "last", INT64, (0, 3), order=order) == expected[2:]
    assert ask(made, "last", INT64, (0, 3)) == [30]


def test_lists_that_their_offsets_cannot_count_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MOST_LISTED", 5)
    made, _ = made_of(pa.array([1, 2, 3]))
    listed = DataType("list", element=INT64)
    assert ask(made, "last_n", listed, (0, 3), (0, 3), parameter=2) == [[2, 3], [2, 3]]
    with pytest.raises(OverflowError, match="more values than their offsets can count"):
        ask(made, "last_n", listed, (0, 3), (0, 3), parameter=3)


def test_what_measures_share_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = made_of(pa.array([1.5, None, 2.5, 0.5]), w=pa.array([True, False, True, True]))
    ranked: list[int] = []
    gathers: list[str] = []
    ranks_of, gathered = operands.ranks_of, operands.gathered
    monkeypatch.setattr(operands, "ranks_of", lambda values: ranked.append(len(values)) or ranks_of(values))
    monkeypatch.setattr(
        operands, "gathered", lambda values, rows: gathers.append(str(values.dtype)) or gathered(values, rows)
    )
    for pair in ((0, 4), (1, 3)):
        for parameter in (0.1, 0.9):
            ask(made, "percentile", FLOAT64, pair, parameter=parameter)
            ask(made, "sum", FLOAT64, pair)
            ask(made, "var_samp", FLOAT64, pair)
            ask(made, "count", INT64, pair)
    assert ranked == [3]
    assert gathers == ["bool", "float64"]
    ask(made, "median", FLOAT64, (0, 4), where="w")
    assert ranked == [3, 3]


def test_columns_without_nulls_share_the_events_of_a_condition() -> None:
    made, _ = made_of(pa.array([1, 2, 3]), u=pa.array([4, 5, 6]), w=pa.array([True, False, True]))
    for operand in ("v", "u", None):
        assert ask(made, "count", INT64, (0, 3), operand=operand, where="w") == [2]
    assert len(made._kept) == 1


def test_an_index_dies_with_its_owner() -> None:
    values = pa.array(np.arange(100) % 7 * 1.5)
    made, _ = made_of(values, runs=np.arange(100) // 3, w=pa.array([True, False] * 50))
    gc.collect()
    gc.disable()
    try:
        for where in (None, "w"):
            for name in FUNCTIONS:
                if supports(name, FLOAT64) and not name.startswith("bool"):
                    ask(
                        made,
                        name,
                        planned_type(name, values.type),
                        (0, 99),
                        (3, 60),
                        where=where,
                        parameter=parameters(name)[0],
                    )
        parts = [
            weakref.ref(each) for each in (made, *made._operands.values(), *made._kept.values(), made._events.rows)
        ]
        parts += [weakref.ref(each.values) for each in made._operands.values()]
        assert len(parts) == 7
        del made
        assert [part() for part in parts] == [None] * 7
    finally:
        gc.enable()


def test_what_is_not_exact_in_64_bits_or_a_float_is_left_to_sql() -> None:
    def decimal(precision: int) -> DataType:
        return DataType("decimal", precision=precision, scale=1)

    assert [supports(name, None) for name in ("count", "sum")] == [True, False]
    assert not any(supports(name, DataType("uint64")) for name in AGGREGATES)
    assert not any(supports(name, INT64) for name in ("mode", "top_k", "first_distinct_n", "last_distinct_n"))
    assert not any(supports(name, INT64) for name in ("stddev_samp", "stddev_pop"))
    for most, names in ((18, ("sum", "mean")), (15, ("var_samp", "var_pop", "median", "percentile"))):
        assert all(supports(name, decimal(most)) and not supports(name, decimal(most + 1)) for name in names)
    others = ("count", "count_distinct", "min", "max", "first", "last", "first_n", "last_n")
    assert all(supports(name, decimal(38)) for name in others)
    nested = DataType("list", element=INT64)
    assert [name for name in FUNCTIONS if supports(name, nested)] == ["count"]
    assert not supports("max", DataType("timestamp", unit="ns", precision=38))


def test_indexes_on_two_threads_do_not_wait_for_each_other() -> None:
    meeting = threading.Barrier(2, timeout=20)

    class Made:
        @operands.Once
        def value(self) -> int:
            return meeting.wait()

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda made: made.value, [Made(), Made()]))
    assert sorted(found) == [0, 1]


def test_what_was_made_of_a_column_is_forgotten() -> None:
    made, _ = made_of(pa.array([1.5, None, 2.5]), runs=[1, 1, 1], u=pa.array([4, None, 6]))
    for operand, planned in (("v", FLOAT64), ("u", INT64)):
        ask(made, "last", planned, (0, 3), operand=operand)
        ask(made, "max", planned, (0, 3), operand=operand)
    values = weakref.ref(made._operands["v", None].values)
    made.forget("v")
    made.forget("missing")
    assert values() is None
    assert {*made._columns, *(key[0] for key in (*made._kept, *made._operands, *made._ordered))} == {"u"}
    assert ask(made, "max", FLOAT64, (0, 3)) == [2.5]

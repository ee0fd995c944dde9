"""Every function of the index over random slices gives what the row-at-a-time reference gives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
import pytest
from hitherto.planner.expr.aggregates import AGGREGATES
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.physical.index_functions import supports
from hitherto.planner.types import BOOL, INT64, DataType
from hitherto.runtime.arrow import arrow_type, data_type
from hitherto.runtime.index import columns as reading
from hitherto.runtime.index import distinct, measures, orders, ranks, slices, sums
from hitherto.runtime.index.measures import Measures
from hitherto.runtime.index.slices import Slices

from tests.index.columns import POOLS, column, plain
from tests.reference import Reference, agrees

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
    monkeypatch.setattr(reading, "GATHER_BLOCK", 3)
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
        result = self.made.answer(
            function,
            planned,
            self.slices,
            operand=operand,
            where=where,
            order=["created", "sequence"],
            parameter=parameter,
        )
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
    assert {name for name, _ in CASES} == {*FUNCTIONS} == {*measures._FUNCTIONS, *measures._ORDERED, "count"}
    assert {type_ for _, type_ in CASES} == {*POOLS}


@pytest.mark.parametrize("block", [0, 2, 3], ids=["natural", "forced", "forced by threes"])
@pytest.mark.parametrize(("function", "type_"), CASES, ids=str)
def test_a_measure_is_the_references(
    function: str, type_: pa.DataType, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if block:
        force(monkeypatch, block)
    for number in range(5):
        made = world(Random(f"{function} {type_} {number}"), type_)
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

"""Rows of one key and time in the order of their columns, as the row-at-a-time reference orders them."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hitherto.runtime.index import columns as reading
from hitherto.runtime.index import ranks as ranking
from hitherto.runtime.index.ties import order_of

from tests.index.columns import NANS, POOLS, column, plain
from tests.reference import value_order

TYPES = list(POOLS)


def expected(columns: list[pa.ChunkedArray[Any]], candidates: list[int], runs: list[int]) -> list[int]:
    values = [plain(each) for each in columns]

    def key(place: int) -> tuple[Any, ...]:
        return (runs[place], *(value_order(each[candidates[place]]) for each in values))

    return sorted(range(len(candidates)), key=key)


@pytest.mark.parametrize("by_chunk", [0, 1_000_000], ids=["whole", "chunks"])
@pytest.mark.parametrize("seed", range(40))
def test_candidates_are_ordered_by_run_and_then_by_each_column(
    seed: int, by_chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "GATHER_BY_CHUNK", by_chunk)
    random = Random(seed)
    rows = random.choice((1, 2, 9, 60))
    columns = [column(random, random.choice(TYPES), rows) for _ in range(random.randint(0, 4))]
    candidates = random.sample(range(rows), random.randint(0, rows))
    runs = [random.randint(0, 3) * 5 for _ in candidates]
    order = order_of(columns, np.array(candidates, np.uint32), np.array(runs, np.int64))
    assert order.tolist() == expected(columns, candidates, runs)


@pytest.mark.parametrize("type_", TYPES, ids=str)
@pytest.mark.parametrize(("span", "bits"), [(4, 64), (0, 64), (0, 12)], ids=["table", "sort", "coarse sort"])
def test_every_type_is_ordered_as_the_reference_orders_it(
    type_: pa.DataType, span: int, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "TABLE_SPAN", span)
    monkeypatch.setattr(ranking, "WORD_BITS", bits)
    values = column(Random(str(type_)), type_, 80)
    runs = np.zeros(80, np.int64)
    order = order_of([values], np.arange(80), runs)
    assert order.tolist() == expected([values], list(range(80)), [0] * 80)


def test_a_later_column_decides_only_what_the_earlier_ones_leave_tied() -> None:
    first = pa.chunked_array([[1, 1, 0, None, None]])
    second = pa.chunked_array([["b", "a", "z", "y", "x"]])
    assert order_of([first, second], np.arange(5), np.zeros(5, np.int64)).tolist() == [4, 3, 2, 1, 0]


def test_the_same_rows_of_other_runs_do_not_meet() -> None:
    values = pa.chunked_array([[3, 2, 1, 0]])
    assert order_of([values], np.arange(4), np.array([0, 0, 7, 7])).tolist() == [1, 0, 3, 2]


def test_zeros_of_both_signs_and_nans_of_every_pattern_tie() -> None:
    zeros = pa.chunked_array([[0.0, -0.0, 0.0]])
    nans = pa.chunked_array([pa.array(np.array([*NANS, np.inf])[: len(NANS)])])
    for values in (zeros, nans):
        size = len(values)
        assert order_of([values], np.arange(size), np.zeros(size, np.int64)).tolist() == list(range(size))


def test_texts_beyond_the_offsets_of_one_array_are_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_TEXT", 3)
    for type_ in (pa.string(), pa.binary()):
        values = column(Random(5), type_, 30)
        assert order_of([values], np.arange(30), np.zeros(30, np.int64)).tolist() == expected(
            [values], list(range(30)), [0] * 30
        )


def test_no_candidates_and_no_columns_are_in_order_already() -> None:
    nothing = np.empty(0, np.int64)
    empty: pa.ChunkedArray[Any] = pa.chunked_array([], pa.string())
    assert order_of([empty], nothing, nothing).tolist() == []
    assert order_of([], np.array([4, 5]), np.array([9, 9])).tolist() == [0, 1]

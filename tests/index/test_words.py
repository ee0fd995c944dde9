"""Rows by key and time: sorted and searched like a list of pairs, also where words are too short for them."""

from __future__ import annotations

import bisect
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hitherto.runtime.index import words
from hitherto.runtime.index.words import Sorted, sorted_rows

SPANS = (1, 3, 1_000, 2**40, 2**60)


@pytest.fixture(params=[64, 40, 20])
def bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Few bits send small data the ways of big ones: times that do not fit into the words, and keys and times apart."""
    monkeypatch.setattr(words, "WORD", request.param)
    monkeypatch.setattr(words, "BLOCK", 7)
    return int(request.param)


def worlds(seed: int, count: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Keys and times of rows, and of needles: at the rows' times, one beside, and far away."""
    random = np.random.default_rng(seed)
    for number in range(count):
        rows = int(random.integers(1, 60))
        span = SPANS[number % len(SPANS)]
        keys, times = random.integers(0, 8, rows), random.integers(-span, span, rows, endpoint=True)
        needles = random.choice(times, 40) + random.integers(-1, 2, 40)
        far = random.random(40) < 0.3
        needles[far] = random.choice([-(2**61), 2**61, 0], far.sum())
        yield keys, times, random.integers(0, 20, 40), needles


def halves(keys: Any, times: Any) -> list[tuple[Any, Any]]:
    """The rows in two chunks and an empty one."""
    half = len(keys) // 2
    return [(keys[:half], times[:half]), (keys[:0], times[:0]), (keys[half:], times[half:])]


def pairs(keys: Any, times: Any) -> list[tuple[int, int]]:
    return list(zip(keys.tolist(), times.tolist(), strict=True))


@pytest.mark.usefixtures("bits")
def test_rows_are_sorted_and_searched_like_pairs() -> None:
    for keys, times, needle_keys, needle_times in worlds(1, 150):
        found, expected = sorted_rows(halves(keys, times)), sorted(pairs(keys, times))
        assert found.rows is not None
        assert pairs(keys[found.rows], times[found.rows]) == expected
        assert pairs(found.sorted_keys(), found.sorted_times()) == expected
        assert sorted(found.rows.tolist()) == list(range(len(keys)))
        needles = pairs(needle_keys, needle_times)
        searched = found.search(needle_keys, needle_times)
        assert searched.tolist() == [bisect.bisect_left(expected, needle) for needle in needles]
        last = np.maximum(searched - 1, 0)
        is_after = [
            expected[i][0] == key and expected[i][1] >= time for i, (key, time) in zip(last, needles, strict=True)
        ]
        assert found.is_at_or_after(last, needle_keys, needle_times).tolist() == is_after


@pytest.mark.usefixtures("bits")
def test_runs_are_of_equal_keys_and_times() -> None:
    for keys, times, *_ in worlds(2, 100):
        found, expected = sorted_rows(halves(keys, times)), sorted(pairs(keys, times))
        places = np.arange(len(expected))
        same = [number > 0 and expected[number - 1] == each for number, each in enumerate(expected)]
        assert found.same_as_before(places).tolist() == same
        assert found.starts_of_runs(places).tolist() == [bisect.bisect_left(expected, each) for each in expected]
        runs = found.runs().tolist()
        assert [number > 0 and runs[number - 1] == run for number, run in enumerate(runs)] == same
        assert runs == sorted(runs)


@pytest.mark.usefixtures("bits")
def test_times_alone_are_searched_alike() -> None:
    for keys, times, needle_keys, needle_times in worlds(3, 50):
        whole, alone = sorted_rows(halves(keys, times)), sorted_rows(halves(keys, times), with_rows=False)
        assert len(alone) == len(whole) == len(keys)
        assert (alone.search(needle_keys, needle_times) == whole.search(needle_keys, needle_times)).all()
        assert alone.times_at(np.arange(len(keys))).tolist() == whole.sorted_times().tolist()
        assert (alone.rows is None) == (alone.packed is not None)


def test_the_ways_are_those_of_big_data(bits: int) -> None:
    found = sorted_rows(halves(np.array([5, 0, 5]), np.array([2**40, 0, 7])))
    assert (found.packed is None) == (bits < 64)
    assert pairs(found.sorted_keys(), found.sorted_times()) == [(0, 0), (5, 7), (5, 2**40)]


def test_no_rows_are_before_any_needle() -> None:
    nothing = np.zeros(0, np.int64)
    found = sorted_rows([(nothing, nothing)])
    assert len(found) == 0
    assert found.search(np.array([0, 3]), np.array([5, -5])).tolist() == [0, 0]


@pytest.mark.parametrize(
    "ends", [(-(2**62), 2**62), (-(2**63), 2**63 - 1), (2**62 - 1, 2**62), (-(2**63), -(2**63) + 1)]
)
def test_the_furthest_times_are_in_order(ends: tuple[int, int]) -> None:
    times = np.array([ends[1], ends[0]])
    found = sorted_rows(halves(np.array([1, 1]), times))
    assert found.rows is not None
    assert found.rows.tolist() == [1, 0]
    assert found.search(np.array([1, 1, 2]), np.array([*ends, ends[0]])).tolist() == [0, 1, 2]


def test_sorted_rows_are_gone_with_their_last_owner() -> None:
    """Not when the collector runs: what is sorted is big."""
    gc.disable()
    try:
        found: Sorted | None = sorted_rows(halves(np.arange(1_000), np.arange(1_000)))
        assert found is not None
        assert found.rows is not None
        kept = weakref.ref(found.rows)
        found = None
        assert kept() is None
    finally:
        gc.enable()

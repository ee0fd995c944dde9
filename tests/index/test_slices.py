"""The kernels over slices against plain loops, on small data and on data that is long enough for their own paths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hitherto.runtime.index import distinct, orders, slices, sums
from hitherto.runtime.index.distinct import Distinct
from hitherto.runtime.index.moments import Moments
from hitherto.runtime.index.orders import Orders
from hitherto.runtime.index.ranks import grouped, ranks_of
from hitherto.runtime.index.slices import Slices, kept_before, reduced
from hitherto.runtime.index.sums import Limbs, RunningSums

LEAST, GREATEST = -(2**63), 2**63 - 1


def sliced(*pairs: tuple[int, int]) -> Slices:
    starts, stops = zip(*pairs, strict=True) if pairs else ((), ())
    return Slices(np.array(starts, np.int64), np.array(stops, np.int64))


def some_slices(random: Random, size: int, count: int) -> Slices:
    """In any order, overlapping, with empty ones, the whole and every edge of it."""
    pairs = [tuple(sorted(random.choices(range(size + 1), k=2))) for _ in range(count)]
    pairs += [(0, 0), (size, size), (0, size), (max(size - 1, 0), size), (0, min(size, 1))]
    random.shuffle(pairs)
    return sliced(*pairs)  # type: ignore[arg-type]


def each(taken: Slices) -> list[tuple[int, int]]:
    return list(zip(taken.starts.tolist(), taken.stops.tolist(), strict=True))


SIZES = (0, 1, 2, 3, 63, 64, 65, 127, 128, 130, pytest.param(700, marks=pytest.mark.deep))


@pytest.mark.parametrize("block", [2, 3, 64])
@pytest.mark.parametrize("size", SIZES)
def test_reductions_are_those_of_a_loop(size: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "BLOCK", block)
    random = Random(size)
    whole = np.array([random.randint(-1000, 1000) for _ in range(size)], np.int64)
    holed = np.array([random.choice((math.nan, math.inf, -math.inf, 0.5, -3.0)) for _ in range(size)])
    taken = some_slices(random, size, 300)
    assert reduced(np.add, whole, taken, 0).tolist() == [int(whole[a:b].sum()) for a, b in each(taken)]
    least = reduced(np.minimum, whole, taken, 5000)
    assert least.tolist() == [min(whole[a:b].tolist(), default=5000) for a, b in each(taken)]
    for function, empty in ((np.fmin, math.nan), (np.maximum, -math.inf)):
        with np.errstate(invalid="ignore"):
            expected = [function.reduce(holed[a:b]) if a < b else empty for a, b in each(taken)]
        np.testing.assert_array_equal(reduced(function, holed, taken, empty), expected)


def test_slices_in_any_order_read_little_beyond_their_elements() -> None:
    reads = 0

    def add(one: int, other: int) -> int:
        nonlocal reads
        reads += 1
        return one + other

    values = np.ones(1000, object)
    taken = sliced(*[(5, 7), (800, 802)] * 300)
    adding = np.frompyfunc(add, 2, 1)
    assert reduced(adding, values, taken, 0).tolist() == [2] * 600
    assert reads <= len(values) + int(taken.counts().sum())


def test_an_empty_slice_at_the_end_and_the_last_value_alone_are_right() -> None:
    taken = sliced((3, 3), (2, 3), (0, 3), (0, 0), (1, 1), (1, 3))
    assert reduced(np.add, np.array([1.0, 2.0, 4.0]), taken, 0.0).tolist() == [0, 4, 7, 0, 0, 6]
    assert reduced(np.add, np.empty(0), sliced((0, 0)), 0.0).tolist() == [0]
    assert reduced(np.add, np.array([1.0]), sliced(), 0.0).tolist() == []


@pytest.mark.parametrize("block", [2, 64])
@pytest.mark.parametrize("gone", [1e17, -1e308, math.inf, -math.inf, math.nan])
def test_what_has_left_a_window_leaves_nothing_in_its_sum(
    gone: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "BLOCK", block)
    values = np.array([0.1, gone, *[0.1] * 400])
    taken = sliced(*[(place, place + 200) for place in range(200)])
    found = reduced(np.add, values, taken, 0.0)
    np.testing.assert_allclose(found[2:], 20.0, rtol=1e-14)
    assert all(not abs(each) <= 1e16 for each in found[:2])


@pytest.mark.parametrize("most", [-1, 2**63 - 1])
@pytest.mark.parametrize("size", SIZES)
def test_sums_of_integers_are_exact(size: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_SUM", most)
    random = Random(size)
    edges = (LEAST, GREATEST, LEAST + 1, 2**32 - 1, 2**32, -(2**32), -1, 0, 1, 2**31)
    values = [random.choice(edges) if random.random() < 0.5 else random.randint(LEAST, GREATEST) for _ in range(size)]
    taken = some_slices(random, size, 200)
    expected = [sum(values[a:b]) for a, b in each(taken)]
    found = RunningSums(np.array(values, np.int64)).of(taken)
    if not isinstance(found, Limbs):
        assert most > 0
        assert found.tolist() == expected
        return
    assert [high * 2**32 + low for high, low in zip(found.high.tolist(), found.low.tolist(), strict=True)] == expected
    assert all(0 <= low < 2**32 for low in found.low.tolist())
    np.testing.assert_allclose(found.to_floats(), [float(total) for total in expected], rtol=1e-15)
    assert [int(low) % 2**64 + (int(high) << 64) for low, high in found.to_words()] == expected
    if all(LEAST <= total <= GREATEST for total in expected):
        assert found.to_int64().tolist() == expected


@pytest.mark.parametrize("width", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_sums_of_narrow_integers_do_not_wrap_at_their_width(width: type[np.integer[Any]]) -> None:
    ends = np.iinfo(width)
    values = np.array([ends.min, ends.max, ends.max, ends.min], width)
    assert RunningSums(values).of(sliced((0, 4), (1, 3), (3, 4))).tolist() == [  # type: ignore[union-attr]
        2 * (int(ends.min) + int(ends.max)),
        2 * int(ends.max),
        int(ends.min),
    ]


@pytest.mark.parametrize(("values", "pair"), [
    ([GREATEST, 1], (0, 2)),
    ([LEAST, -1], (0, 2)),
    ([LEAST, LEAST], (0, 2)),
    ([GREATEST, GREATEST, 5], (0, 3)),
    ([LEAST] * 4, (0, 4)),
])  # fmt: skip
def test_a_sum_beyond_64_bits_is_an_error(values: list[int], pair: tuple[int, int]) -> None:
    found = RunningSums(np.array(values, np.int64)).of(sliced((0, 1), pair, (0, 0)))
    assert isinstance(found, Limbs)
    with pytest.raises(OverflowError, match="overflow: a sum is out of the range of int64"):
        found.to_int64()


@pytest.mark.parametrize(("values", "pair"), [
    ([GREATEST - 1, 1], (0, 2)),
    ([LEAST + 1, -1], (0, 2)),
    ([LEAST], (0, 1)),
    ([GREATEST, GREATEST, LEAST, LEAST, 2], (0, 5)),
    ([GREATEST, GREATEST, 7], (2, 3)),
    ([LEAST, LEAST, LEAST, GREATEST], (2, 4)),
])  # fmt: skip
def test_a_sum_that_is_beyond_64_bits_only_on_its_way_is_none(values: list[int], pair: tuple[int, int]) -> None:
    found = RunningSums(np.array(values, np.int64)).of(sliced(pair))
    total = found.to_int64() if isinstance(found, Limbs) else found
    assert total.tolist() == [sum(values[slice(*pair)])]


@pytest.mark.parametrize("size", SIZES)
def test_variances_are_those_of_fractions(size: int) -> None:
    random = Random(size)
    values = [random.choice((1e9, -1e9, 1e9 + 0.25)) + random.random() for _ in range(size)]
    taken = some_slices(random, size, 60)
    for degrees in (0, 1):
        found = Moments(np.array(values)).variance(taken, degrees)
        for (start, stop), got in zip(each(taken), found.tolist(), strict=True):
            if stop - start > degrees:
                exact = [Fraction(value) for value in values[start:stop]]
                mean = sum(exact) / len(exact)
                expected = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - degrees))
                slack = 64 * 2.0**-52 * abs(float(mean))
                assert abs(got - expected) <= 1e-9 * expected + slack * math.sqrt(expected) + slack**2


@pytest.mark.parametrize("place", [77, 78])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_the_variance_is_nan_around_an_infinity_or_nan_and_no_other(odd: float, place: int) -> None:
    values = np.arange(200.0)
    values[place] = odd
    taken = sliced(*[(a, b) for a in range(60, 100) for b in range(a, 100)])
    for (start, stop), value in zip(each(taken), Moments(values).variance(taken, 0).tolist(), strict=True):
        if start < stop:
            assert math.isnan(value) == (start <= place < stop)
            assert math.isnan(value) or math.isclose(value, ((stop - start) ** 2 - 1) / 12, abs_tol=1e-9)


def test_the_variance_of_equal_values_is_nothing_however_great_they_are() -> None:
    taken = sliced((0, 1), (1, 2), (0, 9), (3, 8))
    for value in (1e200, 1e17 / 3, -1e-300):
        assert Moments(np.full(9, value)).variance(taken, 0).tolist() == [0, 0, 0, 0]


def distinct_by_loop(values: list[float], pairs: list[tuple[int, int]]) -> list[int]:
    return [len({"nan" if value != value else value for value in values[a:b]}) for a, b in pairs]


@pytest.mark.parametrize(("first", "long"), [(2, 0), (4, 0), (64, 128)])
@pytest.mark.parametrize("size", SIZES)
def test_distinct_counts_are_those_of_sets(size: int, first: int, long: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "FIRST_BLOCK", first)
    monkeypatch.setattr(distinct, "LONG_LENGTH", long)
    random = Random(size)
    taken = some_slices(random, size, 300)
    for most in (1, 3, 100, 10_000):
        values = [float(random.randint(0, most)) for _ in range(size)]
        assert Distinct(np.array(values)).counts(taken).tolist() == distinct_by_loop(values, each(taken))


@pytest.mark.parametrize("length", [0, 16])
@pytest.mark.parametrize("expanded", [3, 2**16])
@pytest.mark.parametrize("size", SIZES[1:])
def test_order_statistics_are_those_of_sorted_lists(
    size: int, expanded: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SORTED_LENGTH", length)
    monkeypatch.setattr(slices, "MOST_EXPANDED", expanded)
    random = Random(size)
    taken = some_slices(random, size, 300)
    taken = taken[taken.counts() > 0]
    for most in (0, 1, 7, 100_000):
        values = np.array([random.randint(0, most) for _ in range(size)], np.uint32)
        made = Orders(values)
        for share in (0.0, 0.5, 1.0):
            lower = ((taken.counts() - 1) * share).astype(np.int64)
            for upper in (lower, np.minimum(lower + 1, taken.counts() - 1)):
                found = made.around(taken, lower, upper)
                for ranks, places in zip(found, (lower, upper), strict=True):
                    ordered = [sorted(values[a:b]) for a, b in each(taken)]
                    assert ranks.tolist() == [x[place] for x, place in zip(ordered, places.tolist(), strict=True)]


def test_levels_that_long_slices_needed_serve_short_ones_too() -> None:
    values = np.array([Random(7).randint(0, 500) for _ in range(600)], np.uint32)
    made, fresh = Orders(values), Orders(values)
    long = sliced(*[(place, place + 400) for place in range(200)])
    short = sliced(*[(place, place + 3) for place in range(500)])
    made.around(long, np.full(200, 300), np.full(200, 301))
    assert made._levels
    assert not fresh._levels
    middle = np.full(500, 1)
    for ranks, others in zip(*(each.around(short, middle, middle + 1) for each in (made, fresh)), strict=True):
        assert ranks.tolist() == others.tolist()


def test_elements_are_written_out_in_batches_and_a_long_slice_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MOST_EXPANDED", 4)
    taken = sliced((0, 2), (0, 2), (5, 5), (0, 1), (0, 9), (1, 2), (3, 3))
    parts = [(part.start, part.stop) for part, _ in taken.batches()]
    assert parts == [(0, 3), (3, 4), (4, 5), (5, 7)]
    assert list(sliced().batches()) == []


def test_the_elements_of_slices_stand_one_after_the_other() -> None:
    positions, offsets = sliced((4, 6), (1, 1), (0, 3)).expanded()
    assert positions.tolist() == [4, 5, 0, 1, 2]
    assert offsets.tolist() == [0, 2, 2, 5]


def test_slices_are_mapped_to_the_values_that_are_kept() -> None:
    mask = np.array([True, False, False, True, True])
    mapped = sliced((0, 5), (1, 3), (1, 4), (5, 5), (0, 0)).within(kept_before(mask))
    assert each(mapped) == [(0, 3), (1, 1), (1, 2), (3, 3), (0, 0)]


@pytest.mark.parametrize("make", [
    lambda random: random.choice((1, 2, 3)),
    lambda random: random.choice((LEAST, LEAST + 1, LEAST + 2, GREATEST, GREATEST - 1)),
    lambda random: random.choice((0, 1 << 50)) + random.randint(0, 3),
    lambda random: random.randint(LEAST, GREATEST),
], ids=["few", "ends", "bins", "any"])  # fmt: skip
def test_values_are_grouped_in_order_also_where_high_bits_agree(make: Callable[[Random], int]) -> None:
    random = Random(3)
    values = [make(random) for _ in range(3000)]
    order, is_new = grouped(np.array(values, np.int64))
    assert order.tolist() == sorted(range(3000), key=lambda place: (values[place], place))
    ascending = sorted(values)
    assert is_new.tolist() == [True, *(a != b for a, b in itertools.pairwise(ascending))]
    ranks, places = ranks_of(np.array(values, np.int64))
    known = sorted(set(values))
    assert [known[rank] for rank in ranks.tolist()] == values
    assert [values[place] for place in places.tolist()] == known

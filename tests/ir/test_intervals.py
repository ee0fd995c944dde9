"""Intervals, against a direct statement of the law, at every edge and a microsecond beside it."""

from __future__ import annotations

from typing import Literal as OneOf

import pytest
from hitherto.planner.expr.nodes import Call, Column, Expr, Literal
from hitherto.planner.ir.intervals import latest_interval, window_interval
from hitherto.planner.ir.logical import Interval

Closed = OneOf["left", "right", "both", "neither"]
CLOSED: tuple[Closed, ...] = ("left", "right", "both", "neither")
TIMES = (-1_000, -61, -60, -59, -1, 0, 1, 7, 59, 60, 61, 119, 120, 1_700_000_000_000_000)


def value(expr: Expr, t: int) -> int:
    """A bound at a query time; Python's ``//`` floors towards minus infinity, as ``floor_to`` must."""
    match expr:
        case Column("t"):
            return t
        case Literal(int() as number):
            return number
        case Call("add", (left, right)):
            return value(left, t) + value(right, t)
        case Call("subtract", (left, right)):
            return value(left, t) - value(right, t)
        case Call("floor_to", (left, right)):
            return value(left, t) // value(right, t) * value(right, t)
        case _:
            raise AssertionError(f"{type(expr).__name__} is no part of a bound")


def holds(interval: Interval, t: int, ts: int) -> bool:
    lower = None if interval.lower is None else value(interval.lower, t)
    return (lower is None or lower <= ts) and ts < value(interval.upper, t)


def is_latest_visible(t: int, ts: int, ttl: int | None, exact: bool, delay: int) -> bool:
    """Section 4 of the semantics, with the delay of section 3: ``ts`` is compared with ``t - d``."""
    seen_from = t - delay
    in_time = ts <= seen_from if exact else ts < seen_from
    return in_time and (not ttl or ts >= seen_from - ttl)


def is_in_window(
    t: int, ts: int, width: int | None, offset: int, slide: int | None, closed: Closed, delay: int
) -> bool:
    """Section 5 of the semantics."""
    end = t - delay - offset
    if slide is not None:
        end = end // slide * slide
    before_end = ts <= end if closed in ("right", "both") else ts < end
    if width is None:
        return before_end
    after_start = ts >= end - width if closed in ("left", "both") else ts > end - width
    return before_end and after_start


def around(*edges: int) -> set[int]:
    """Every edge, and a microsecond to both sides of it."""
    return {edge + step for edge in edges for step in (-2, -1, 0, 1, 2)}


@pytest.mark.parametrize("delay", [0, 1, 13])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("ttl", [None, 1, 60])
def test_a_latest_interval_is_the_law(ttl: int | None, exact: bool, delay: int) -> None:
    interval = latest_interval("t", ttl=ttl, allow_exact_matches=exact, data_delay=delay)
    for t in TIMES:
        for ts in around(t, t - delay, t - delay - (ttl or 0)):
            assert holds(interval, t, ts) == is_latest_visible(t, ts, ttl, exact, delay), (t, ts)


@pytest.mark.parametrize("delay", [0, 13])
@pytest.mark.parametrize("slide", [None, 1, 7, 60])
@pytest.mark.parametrize("offset", [0, 1, 60])
@pytest.mark.parametrize("width", [None, 1, 10, 60])
@pytest.mark.parametrize("closed", CLOSED)
def test_a_window_is_the_law(closed: Closed, width: int | None, offset: int, slide: int | None, delay: int) -> None:
    interval = window_interval("t", window=width, offset=offset, slide=slide, closed=closed, data_delay=delay)
    for t in TIMES:
        end = t - delay - offset
        floored = end if slide is None else end // slide * slide
        for ts in around(t, end, floored, end - (width or 0), floored - (width or 0)):
            assert holds(interval, t, ts) == is_in_window(t, ts, width, offset, slide, closed, delay), (t, ts)


@pytest.mark.parametrize("slide", [None, 1, 7, 60])
@pytest.mark.parametrize(("width", "offset"), [(1, 0), (10, 0), (1, 60), (10, 60)])
@pytest.mark.parametrize("closed", CLOSED)
def test_earliest_and_latest_hold_for_every_time(closed: Closed, width: int, offset: int, slide: int | None) -> None:
    interval = window_interval("t", window=width, offset=offset, slide=slide, closed=closed, data_delay=13)
    assert interval.lower is not None
    assert interval.earliest is not None
    for t in range(-200, 200):
        assert t + interval.earliest <= value(interval.lower, t)
        assert value(interval.upper, t) <= t + interval.latest


@pytest.mark.parametrize("slide", [None, 7])
@pytest.mark.parametrize("closed", CLOSED)
def test_earliest_and_latest_are_reached(closed: Closed, slide: int | None) -> None:
    interval = window_interval("t", window=10, offset=3, slide=slide, closed=closed, data_delay=2)
    assert interval.lower is not None
    assert min(value(interval.lower, t) - t for t in range(50)) == interval.earliest
    assert max(value(interval.upper, t) - t for t in range(50)) == interval.latest


def test_the_latest_interval_holds_its_own_ends() -> None:
    interval = latest_interval("t", ttl=60, allow_exact_matches=True, data_delay=13)
    assert (interval.earliest, interval.latest) == (-73, -12)


def test_without_a_ttl_there_is_no_lower_end() -> None:
    interval = latest_interval("t", ttl=None, allow_exact_matches=False, data_delay=0)
    assert (interval.lower, interval.earliest) == (None, None)


def test_a_lifetime_window_has_no_lower_end() -> None:
    interval = window_interval("t", window=None, offset=5, slide=7, closed="both", data_delay=0)
    assert (interval.lower, interval.earliest) == (None, None)


def test_an_interval_at_t_itself_has_no_arithmetic() -> None:
    interval = latest_interval("t", ttl=None, allow_exact_matches=False, data_delay=0)
    assert isinstance(interval.upper, Column)


def test_views_that_differ_in_their_ttl_alone_share_the_upper_bound() -> None:
    short = latest_interval("t", ttl=1, allow_exact_matches=True, data_delay=3)
    assert short.upper == latest_interval("t", ttl=9, allow_exact_matches=True, data_delay=3).upper

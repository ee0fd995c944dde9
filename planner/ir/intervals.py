"""The one place where ttl, exact matches, delay, offset, slide and closed ends become an interval.

Every bound of a feature is ``[lower, upper)`` in integer microseconds for each spine row; no physical form has boundary
code of its own.
"""

from __future__ import annotations

from typing import Literal as OneOf

from ..durations import format_span
from ..expr.functions import call
from ..expr.nodes import Call, Column, Expr, Literal
from ..types import INT64
from .logical import Interval

Closed = OneOf["left", "right", "both", "neither"]


def latest_bound(*, ttl: int | None, allow_exact_matches: bool, data_delay: int = 0) -> str:
    """Which rows count for the latest value, as people say it.

    >>> latest_bound(ttl=5_400_000_000, allow_exact_matches=True, data_delay=60_000_000)
    'ts <= t-1m, ttl 1h30m'
    """
    age = "" if ttl is None else f", ttl {format_span(ttl)}"
    return f"ts {'<=' if allow_exact_matches else '<'} {_before('t', data_delay)}{age}"


def window_bound(*, window: int | None, offset: int, slide: int | None, closed: Closed, data_delay: int = 0) -> str:
    """A window around the query time ``t``, as people say it.

    >>> window_bound(window=3_600_000_000, offset=0, slide=None, closed="left", data_delay=60_000_000)
    '[t-1h1m, t-1m)'
    """
    shift = data_delay + offset
    end = _before("t", shift)
    start = _before("t", shift + (window or 0))
    if slide is not None:
        end = f"floor({end}, {format_span(slide)})"
        start = _before(end, window or 0)
    left = "[" if closed in ("left", "both") else "("
    right = "]" if closed in ("right", "both") else ")"
    return f"(-inf, {end}{right}" if window is None else f"{left}{start}, {end}{right}"


def _before(time: str, micros: int) -> str:
    return f"{time}-{format_span(micros)}" if micros else time


def latest_interval(time: str, *, ttl: int | None, allow_exact_matches: bool, data_delay: int) -> Interval:
    """Events with ``ts <= t`` (or ``ts < t``) and ``ts >= t - ttl``, seen from ``t - data_delay``."""
    t = Column(time, INT64)
    closing = 1 if allow_exact_matches else 0
    return Interval(
        lower=None if ttl is None else plus(t, -data_delay - ttl),
        upper=plus(t, closing - data_delay),
        earliest=None if ttl is None else -data_delay - ttl,
        latest=closing - data_delay,
        bound=latest_bound(ttl=ttl, allow_exact_matches=allow_exact_matches, data_delay=data_delay),
    )


def window_interval(
    time: str,
    *,
    window: int | None,
    offset: int,
    slide: int | None,
    closed: Closed,
    data_delay: int,
) -> Interval:
    """Events of a window that ends at ``end = t - data_delay - offset``, floored to the slide where there is one.

    The ends move by a microsecond where they are closed on the right or open on the left: "left" [end-w, end),
    "right" [end-w+1, end+1), "both" [end-w, end+1), "neither" [end-w+1, end).
    """
    shift = -data_delay - offset
    end = plus(Column(time, INT64), shift)
    if slide is not None:
        end = call("floor_to", end, Literal(slide, INT64))
    opening = 1 if closed in ("right", "neither") else 0
    closing = 1 if closed in ("right", "both") else 0
    slack = 0 if slide is None else slide - 1
    return Interval(
        lower=None if window is None else plus(end, opening - window),
        upper=plus(end, closing),
        earliest=None if window is None else shift - slack + opening - window,
        latest=shift + closing,
        bound=window_bound(window=window, offset=offset, slide=slide, closed=closed, data_delay=data_delay),
    )


def plus(expr: Expr, micros: int) -> Expr:
    """The expression moved by microseconds; one that was moved before is moved once, by both."""
    match expr:
        case Call("add", (before, Literal(int() as moved))):
            return plus(before, moved + micros)
        case Call("subtract", (before, Literal(int() as moved))):
            return plus(before, micros - moved)
        case _ if micros == 0:
            return expr
        case _:
            pass
    return call("add" if micros > 0 else "subtract", expr, Literal(abs(micros), INT64))

"""The one place where ttl, exact matches, delay, offset, slide and closed ends become an interval.

Every bound of a feature is ``[lower, upper)`` in integer microseconds for each spine row; no physical form has boundary
code of its own.
"""

from __future__ import annotations

from typing import Literal as OneOf

from ..expr.functions import call
from ..expr.nodes import Column, Expr, Literal
from ..types import INT64
from .logical import Interval


def latest_interval(time: str, *, ttl: int | None, allow_exact_matches: bool, data_delay: int) -> Interval:
    """Events with ``ts <= t`` (or ``ts < t``) and ``ts >= t - ttl``, seen from ``t - data_delay``."""
    t = Column(time, INT64)
    closing = 1 if allow_exact_matches else 0
    return Interval(
        lower=None if ttl is None else plus(t, -data_delay - ttl),
        upper=plus(t, closing - data_delay),
        earliest=None if ttl is None else -data_delay - ttl,
        latest=closing - data_delay,
    )


def window_interval(
    time: str,
    *,
    window: int | None,
    offset: int,
    slide: int | None,
    closed: OneOf["left", "right", "both", "neither"],
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
    )


def plus(expr: Expr, micros: int) -> Expr:
    """The expression moved by microseconds."""
    if micros == 0:
        return expr
    return call("add" if micros > 0 else "subtract", expr, Literal(abs(micros), INT64))

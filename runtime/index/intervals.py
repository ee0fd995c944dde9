"""The ends of intervals, for all query times at once."""

from __future__ import annotations

import numpy as np

from ...planner.expr.nodes import Call, Column, Expr, Literal
from ...planner.types import BEYOND_TIME
from .columns import Ints


def bound(end: Expr, times: Ints) -> Ints:
    """An end of an interval, for each query time; it grows with the time. O(s).

    What the ends are made of is all there is: the time, whole microseconds added or taken away, and floors to a slide.
    """
    match end:
        case Column():
            # Beyond these an event can't be, and what is added to a time can't wrap.
            return np.clip(times, -BEYOND_TIME, BEYOND_TIME)
        case Call("add", (left, Literal(int() as micros))):
            return bound(left, times) + micros
        case Call("subtract", (left, Literal(int() as micros))):
            return bound(left, times) - micros
        case Call("floor_to", (left, Literal(int() as step))):
            return bound(left, times) // step * step
        case _:
            raise TypeError(f"{end!r} is no end of an interval")

"""Windows of one view."""

from __future__ import annotations

from ..data import DAY, Events, Size
from ..shape import Measure, Shape, Sql, Windows

BUCKETED = Sql("bucketed range join", "windows_bucketed")
RANGE_JOIN = Sql("range join", "windows_range_join", textbook=True)
POLARS = ("join and group", "join and group, streaming", "rolling_by", "rolling", "prefix sums")

SUMS = (
    Measure("sum", "amount", 7 * DAY),
    Measure("sum", "amount", 30 * DAY),
    Measure("count", "*", 7 * DAY),
    Measure("count", "*", 30 * DAY),
)

SIZES = {
    "S": Size(10_000, 100_000, 1_000),
    "M": Size(100_000, 1_000_000, 10_000),
    "L": Size(1_000_000, 10_000_000, 100_000),
}

SHAPES = (
    Shape(
        "sums",
        "sum and count over 7 d and 30 d, few events in a window",
        Events(),
        SIZES,
        views=(Windows(SUMS),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=POLARS,
    ),
    Shape(
        "sums-dense",
        "sum and count over 7 d and 30 d, thousands of events in a window",
        Events(),
        {"S": Size(2_000, 400_000, 15), "M": Size(20_000, 4_000_000, 150), "L": Size(40_000, 16_000_000, 300)},
        views=(Windows(SUMS),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=("rolling_by", "rolling", "join and group", "prefix sums"),
    ),
)

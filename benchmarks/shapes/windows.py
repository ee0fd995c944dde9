"""Windows of one view."""

from __future__ import annotations

from ..data import DAY, Events, Size
from ..shape import Measure, Shape, Sql, Windows

BUCKETED = Sql("bucketed range join", "windows_bucketed")
RANGE_JOIN = Sql("range join", "windows_range_join", textbook=True)
TILES = Sql("tiles", "sums_tiles")
SPARSE = ("join and group", "join and group, streaming", "rolling_by", "prefix sums")
DENSE = ("rolling_by", "rolling", "join and group", "prefix sums")

SIZES = {
    "S": Size(10_000, 100_000, 1_000),
    "M": Size(100_000, 1_000_000, 10_000),
    "L": Size(1_000_000, 10_000_000, 100_000),
}
CROWDED = {
    "S": Size(2_000, 400_000, 15),
    "M": Size(20_000, 4_000_000, 150),
    "L": Size(40_000, 16_000_000, 300),
}
SUMS = (
    Measure("sum", "amount", 7 * DAY),
    Measure("sum", "amount", 30 * DAY),
    Measure("count", "*", 7 * DAY),
    Measure("count", "*", 30 * DAY),
)
PERCENTILE = (Measure("percentile", "amount", 30 * DAY, p=0.9),)
DISTINCT = (Measure("count_distinct", "c0", 30 * DAY),)
TEN = tuple(Measure("sum", "amount", days * DAY) for days in (1, 2, 3, 5, 7, 10, 14, 21, 28, 30))
TWENTY = tuple(Measure("sum", "amount", days * DAY) for days in range(1, 21))

SHAPES = (
    Shape(
        "sums",
        "sum and count over 7 d and 30 d, few events in a window",
        Events(),
        SIZES,
        views=(Windows(SUMS),),
        sql=(BUCKETED, TILES, RANGE_JOIN),
        polars=SPARSE,
    ),
    Shape(
        "sums-dense",
        "sum and count over 7 d and 30 d, thousands of events in a window",
        Events(),
        CROWDED,
        views=(Windows(SUMS),),
        sql=(TILES, BUCKETED, RANGE_JOIN),
        polars=DENSE,
    ),
    Shape(
        "percentile",
        "percentile over 30 d, few events in a window",
        Events(),
        SIZES,
        views=(Windows(PERCENTILE),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=SPARSE[:-1],
    ),
    Shape(
        "percentile-dense",
        "percentile over 30 d, thousands of events in a window",
        Events(),
        CROWDED,
        views=(Windows(PERCENTILE),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=DENSE[:-1],
    ),
    Shape(
        "distinct",
        "distinct count over 30 d, few events in a window",
        Events(columns=1),
        SIZES,
        views=(Windows(DISTINCT),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=("join and group", "join and group, streaming", "rolling"),
    ),
    Shape(
        "distinct-dense",
        "distinct count over 30 d, thousands of events in a window",
        Events(columns=1),
        CROWDED,
        views=(Windows(DISTINCT),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=("rolling", "join and group"),
    ),
    Shape(
        "ten-windows",
        "the sum of one column over ten windows",
        Events(),
        SIZES,
        views=(Windows(TEN),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=SPARSE,
    ),
    Shape(
        "twenty-sums",
        "the sum of one column over twenty windows",
        Events(),
        SIZES,
        views=(Windows(TWENTY),),
        sql=(BUCKETED, RANGE_JOIN),
        polars=SPARSE,
    ),
)

"""Several views of one request."""

from __future__ import annotations

from ..data import DAY, Events, Size
from ..shape import Latest, Shape
from .latest import BUCKETED, BY_NUMBER, COLUMNS, PACKED, POLARS

SQL = (PACKED, BUCKETED)
TTLS = (1, 3, 7, 14, 30)


def on_own_sources(count: int) -> tuple[Latest, ...]:
    return tuple(Latest(events=f"events_{number}", name=f"view_{number}") for number in range(count))


SHAPES = (
    Shape(
        "views-12",
        "12 views, a source each, ttl 7 d",
        Events(sources=12),
        {"S": Size(10_000, 70_000, 1_000), "M": Size(100_000, 700_000, 10_000), "L": Size(400_000, 2_800_000, 40_000)},
        views=on_own_sources(12),
        sql=SQL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "views-20-on-4",
        "20 views on 4 sources, ttl of 1 to 30 d",
        Events(sources=4, columns=5),
        {"S": Size(10_000, 70_000, 1_000), "M": Size(100_000, 700_000, 10_000), "L": Size(400_000, 2_800_000, 40_000)},
        views=tuple(
            Latest((f"c{number // 4}",), TTLS[number // 4] * DAY, events=f"events_{number % 4}", name=f"view_{number}")
            for number in range(20)
        ),
        sql=SQL,
        polars=POLARS,
        pandas=True,
    ),
    Shape(
        "views-4-equal",
        "4 views, a source each, as many rows as events",
        Events(sources=4),
        {"S": Size(80_000, 80_000, 1_000), "M": Size(800_000, 800_000, 10_000)},
        views=on_own_sources(4),
        sql=SQL,
        polars=POLARS,
        pandas=True,
    ),
    Shape(
        "views-10-equal",
        "10 views, a source each, as many rows as events, under 2 GB",
        Events(sources=10),
        {"S": Size(100_000, 100_000, 1_000), "L": Size(1_000_000, 1_000_000, 10_000)},
        views=on_own_sources(10),
        sql=SQL,
        polars=POLARS,
        engine={"memory_limit": "2GB"},
    ),
    Shape(
        "views-12-strings",
        "12 views, a source each, ttl 7 d, keys are texts",
        Events(keys="string", sources=12),
        {"S": Size(10_000, 70_000, 1_000), "M": Size(100_000, 700_000, 10_000)},
        views=on_own_sources(12),
        sql=SQL,
        polars=BY_NUMBER,
        pandas=True,
    ),
    Shape(
        "columns-1000",
        "1,000 columns: 20 views of 50, a source each",
        Events(sources=20, columns=50),
        {"S": Size(2_000, 2_000, 100), "M": Size(20_000, 20_000, 1_000), "L": Size(40_000, 80_000, 4_000)},
        views=tuple(
            Latest(COLUMNS, 30 * DAY, events=f"events_{number}", name=f"view_{number}") for number in range(20)
        ),
        sql=SQL,
        polars=POLARS,
    ),
)

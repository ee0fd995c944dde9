"""Latest values of one view."""

from __future__ import annotations

from ..data import Events, Size
from ..shape import Latest, Shape, Sql

BUCKETED = Sql("bucketed range join", "latest_bucketed")
IN_ONE_STEP = Sql("bucketed range join, one step", "latest_bucketed_in_one_step")
ASOF = Sql("ASOF, then fetch", "latest_asof")
PACKED = Sql("packed ASOF", "latest_packed", once="latest_packed_once")
TEXTBOOK = Sql("range join, row_number", "latest_textbook", textbook=True)
ALL = (BUCKETED, IN_ONE_STEP, ASOF, PACKED, TEXTBOOK)
POLARS = ("join_asof", "join_asof, lazy", "join_asof, streaming", "join_asof by number")

SIZES = {
    "S": Size(10_000, 100_000, 1_000),
    "M": Size(100_000, 1_000_000, 10_000),
    "L": Size(1_000_000, 10_000_000, 100_000),
}

SHAPES = (
    Shape(
        "latest",
        "latest value, ttl 7 d",
        Events(),
        SIZES,
        views=(Latest(),),
        sql=ALL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-strings",
        "latest value, ttl 7 d, keys are texts",
        Events(keys="string"),
        SIZES,
        views=(Latest(),),
        sql=ALL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
)

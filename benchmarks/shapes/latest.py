"""Latest values of one view."""

from __future__ import annotations

from ..data import DAY, Events, Size
from ..shape import Latest, Shape, Sql

PACKED = Sql("packed ASOF", "latest_packed", once="latest_packed_once")
BUCKETED = Sql("bucketed range join", "latest_bucketed")
IN_ONE_STEP = Sql("bucketed range join, one step", "latest_bucketed_in_one_step")
NARROW = Sql("ASOF, then fetch", "latest_asof")
ASOF = Sql("ASOF join", "latest_asof_unpruned", textbook=True)
NUMBERED = Sql("range join, row_number", "latest_textbook", textbook=True)

SQL = (PACKED, BUCKETED, IN_ONE_STEP, NARROW, ASOF, NUMBERED)
POLARS = ("join_asof", "join_asof, lazy", "join_asof, streaming", "join_asof by number")
BY_NUMBER = ("join_asof by number", "join_asof", "join_asof, lazy", "join_asof, streaming")

SIZES = {
    "S": Size(10_000, 100_000, 1_000),
    "M": Size(100_000, 1_000_000, 10_000),
    "L": Size(1_000_000, 10_000_000, 100_000),
}
EQUAL = {
    "S": Size(100_000, 100_000, 1_000),
    "M": Size(1_000_000, 1_000_000, 10_000),
    "L": Size(4_000_000, 4_000_000, 40_000),
}
COLUMNS = tuple(f"c{number}" for number in range(50))

SHAPES = (
    Shape(
        "latest",
        "latest value, ttl 7 d",
        Events(),
        SIZES,
        views=(Latest(),),
        sql=SQL,
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
        sql=SQL,
        polars=BY_NUMBER,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-composite",
        "latest value, ttl 7 d, a key of a text and an integer",
        Events(keys="composite"),
        SIZES,
        views=(Latest(keys=("region", "key")),),
        sql=SQL,
        polars=BY_NUMBER,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-equal",
        "latest value, ttl 7 d, as many rows as events",
        Events(),
        EQUAL,
        views=(Latest(),),
        sql=SQL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-equal-strings",
        "latest value, ttl 7 d, as many rows as events, keys are texts",
        Events(keys="string"),
        EQUAL,
        views=(Latest(),),
        sql=SQL,
        polars=BY_NUMBER,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-large",
        "latest value, ttl 6 d, many events",
        Events(),
        {
            "S": Size(12_000, 800_000, 1_000),
            "M": Size(120_000, 8_000_000, 10_000),
            "L": Size(240_000, 32_000_000, 40_000),
        },
        views=(Latest(ttl=6 * DAY),),
        sql=(BUCKETED, PACKED, IN_ONE_STEP, NARROW, ASOF, NUMBERED),
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-any-age",
        "latest value, of any age",
        Events(),
        SIZES,
        views=(Latest(ttl=None),),
        sql=(Sql("packed ASOF", "latest_packed_any_age", once="latest_packed_once"), ASOF),
        polars=POLARS,
        pandas=True,
    ),
    Shape(
        "latest-zipf",
        "latest value, ttl 7 d, few keys have most of the events",
        Events(zipf=1.1),
        SIZES,
        views=(Latest(),),
        sql=SQL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "latest-many-keys",
        "latest value, ttl 7 d, ten events of each key in five years",
        Events(span=5 * 365 * DAY),
        {
            "S": Size(10_000, 100_000, 10_000),
            "M": Size(100_000, 4_000_000, 400_000),
            "L": Size(100_000, 10_000_000, 1_000_000),
        },
        views=(Latest(),),
        sql=(BUCKETED, IN_ONE_STEP, NARROW, ASOF, NUMBERED),
        polars=POLARS,
        pandas=True,
    ),
    Shape(
        "latest-ordered",
        "latest value, ttl 7 d, the file is in order of time",
        Events(ordered=True),
        SIZES,
        views=(Latest(),),
        sql=SQL,
        polars=POLARS,
        pandas=True,
    ),
    Shape(
        "narrow",
        "latest value, ttl 7 d, the rows ask for one of a hundred keys",
        Events(spine_keys=1),
        {"S": Size(1_000, 800_000, 1_000), "M": Size(2_000, 8_000_000, 10_000), "L": Size(2_000, 32_000_000, 40_000)},
        views=(Latest(),),
        sql=(BUCKETED, PACKED, IN_ONE_STEP, NARROW, ASOF, NUMBERED),
        polars=(*BY_NUMBER,),
        pandas=True,
        feast=True,
    ),
    Shape(
        "wide",
        "latest value of 50 columns, ttl 7 d",
        Events(columns=50),
        {"S": Size(10_000, 50_000, 1_000), "M": Size(100_000, 500_000, 10_000), "L": Size(500_000, 2_000_000, 40_000)},
        views=(Latest(features=COLUMNS),),
        sql=SQL,
        polars=POLARS,
        pandas=True,
        feast=True,
    ),
    Shape(
        "growth",
        "latest value, ttl 7 d: ten times the rows, at most eleven times the time",
        Events(),
        {"x1": SIZES["S"], "x10": SIZES["M"], "x100": SIZES["L"]},
        views=(Latest(),),
        sql=(PACKED,),
        polars=("join_asof",),
    ),
    Shape(
        "memory",
        "latest value, ttl 7 d, under a memory limit of 1 GB (Polars knows no limit)",
        Events(),
        {
            "S": Size(10_000, 500_000, 1_000),
            "M": Size(100_000, 5_000_000, 10_000),
            "L": Size(500_000, 50_000_000, 100_000),
        },
        views=(Latest(),),
        sql=(BUCKETED, NARROW),
        polars=("join_asof, streaming",),
        engine={"memory_limit": "1GB"},
    ),
)

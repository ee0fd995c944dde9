"""What runs on Spark, with ``--spark``: few rows of each key, many rows of each key, and windows."""

from __future__ import annotations

from ..data import DAY, Events, Size
from ..shape import Latest, Shape, Sql, Windows
from .windows import SUMS

LATEST = (
    Sql("range join, greatest struct", "spark_latest_range"),
    Sql("bucketed, greatest struct", "spark_latest_bucketed"),
    Sql("union and last", "spark_latest_union"),
)
WINDOWS = (
    Sql("tiles", "spark_sums_tiles"),
    Sql("range join", "spark_windows_range"),
    Sql("bucketed range join", "spark_windows_bucketed"),
)

SHAPES = (
    Shape(
        "spark-latest",
        "on Spark: latest value, ttl 7 d, three rows of a key",
        Events(),
        {"S": Size(3_000, 300_000, 1_000), "M": Size(30_000, 3_000_000, 10_000)},
        views=(Latest(),),
        spark=LATEST,
    ),
    Shape(
        "spark-latest-many",
        "on Spark: latest value, ttl 1 d, a hundred rows of a key",
        Events(),
        {"S": Size(10_000, 100_000, 100), "M": Size(100_000, 1_000_000, 1_000)},
        views=(Latest(ttl=DAY),),
        spark=LATEST,
    ),
    Shape(
        "spark-sums",
        "on Spark: sum and count over 7 d and 30 d, hundreds of events in a window",
        Events(),
        {"S": Size(3_000, 300_000, 100), "M": Size(30_000, 3_000_000, 10_000)},
        views=(Windows(SUMS),),
        spark=WINDOWS,
    ),
)

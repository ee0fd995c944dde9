"""Who takes part: hitherto, and what people would use instead."""

from __future__ import annotations

from ..shape import Contender, Shape
from . import by_hand, on_spark, ours, with_feast, with_pandas, with_polars

PEERS = (
    "hitherto",
    "hitherto without statistics",
    "Polars",
    "Polars by prefix sums",
    "SQL by hand",
    "textbook SQL",
    "pandas",
    "Feast",
)
ON_SPARK = ("hitherto on Spark", "hitherto on Spark without statistics", "Spark SQL by hand")


def contenders(shape: Shape, forms: tuple[str, ...] = ()) -> tuple[Contender, ...]:
    """All that can answer a shape, hitherto first; ``forms`` are physical forms to force, each a contender."""
    return (
        *ours.contenders(shape, forms),
        *with_polars.contenders(shape),
        *by_hand.contenders(shape),
        *with_pandas.contenders(shape),
        *with_feast.contenders(shape),
        *on_spark.contenders(shape, forms),
        *shape.extra,
    )

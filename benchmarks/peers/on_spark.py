"""Spark on this machine: hitherto against the SQL that an expert writes for it, in one kind of session.

The rows come in as Arrow and go out as Arrow for both; the files of events are read by Spark.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..shape import Contender, Inputs, Run, Shape
from . import by_hand, ours

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS = {
    "spark.driver.memory": "4g",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.log.level": "ERROR",
}


def contenders(shape: Shape, forms: tuple[str, ...]) -> tuple[Contender, ...]:
    if not shape.spark:
        return ()
    return (
        Contender("hitherto on Spark", "", partial(prepared, shape)),
        Contender("hitherto on Spark without statistics", "", partial(prepared, shape, statistics="off")),
        *(Contender("hitherto on Spark", form, partial(prepared, shape, form=form)) for form in forms),
        *(Contender("Spark SQL by hand", sql.form, partial(written, shape, sql.view)) for sql in shape.spark),
    )


def session() -> Any:
    """A local session, or the one that this process has."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def prepared(shape: Shape, inputs: Inputs, **how: Any) -> Run:
    """``how`` is a form that is forced, or ``statistics``."""
    import hitherto as ht

    return ours.prepared(shape, inputs, engine=ht.SparkComputeEngine(session()), **how)


def written(shape: Shape, text: str, inputs: Inputs) -> Run:
    """A text of ``sql/`` for Spark, over the views ``spine`` (with row numbers) and ``events``."""
    import pyarrow as pa

    spark = session()
    (view,) = shape.views
    spark.read.parquet(inputs.path(view.events)).createOrReplaceTempView("events")
    query = by_hand.filled(text, view, inputs, events="events")

    def run() -> pa.Table:
        numbered = inputs.spine.append_column("r", pa.array(range(inputs.spine.num_rows)))
        spark.createDataFrame(numbered).createOrReplaceTempView("spine")
        return spark.sql(query).toArrow().sort_by("r").select(list(view.columns))

    return run

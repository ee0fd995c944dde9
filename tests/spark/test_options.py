"""Each physical form of Spark on every legal combination of options, to the microsecond, by the reference."""

from __future__ import annotations

from typing import Any

import hitherto as ht
import pytest
from hitherto.planner.ir.logical import Relation
from hitherto.planner.ir.physical import RangeMax, RunningMaximum, UnionLastValue

from tests.options import latest_grid, windows_grid
from tests.spark.engines import spark_with

LEGAL = [(RangeMax, False), (RangeMax, True), (UnionLastValue, False), (RunningMaximum, True)]


@pytest.mark.parametrize(("form", "known"), LEGAL)
def test_latest_values(spark: Any, form: type[Relation], known: bool) -> None:
    assert latest_grid(keys=(0, 2), uniques=(False,)).differences(spark_with(spark, form), known=known) == []


@pytest.mark.parametrize("known", [pytest.param(False, marks=pytest.mark.deep), True])
def test_windows(spark: Any, known: bool) -> None:
    assert windows_grid(keys=(0, 2)).differences(ht.SparkComputeEngine(spark), known=known) == []

"""Each physical form of Spark on every legal combination of options, to the microsecond, by the reference."""

from __future__ import annotations

from typing import Any

import hitherto as ht
import pytest

from tests.engines import with_form
from tests.options import latest_grid, windows_grid

LEGAL = [
    pytest.param("RangeMax", False, marks=pytest.mark.deep),
    pytest.param("RangeMax", True, marks=pytest.mark.deep),
    ("UnionLast", False),
    ("RunningMaximumStream", True),
]


@pytest.mark.parametrize(("form", "known"), LEGAL)
def test_latest_values(spark: Any, form: str, known: bool) -> None:
    engine = with_form(ht.SparkComputeEngine(spark), form)
    assert latest_grid(keys=(0, 2), uniques=(False,)).differences(engine, known=known) == []


@pytest.mark.deep
@pytest.mark.parametrize("known", [False, True])
def test_windows(spark: Any, known: bool) -> None:
    assert windows_grid(keys=(0, 2)).differences(ht.SparkComputeEngine(spark), known=known) == []

"""Each physical form of DuckDB on every legal combination of options, to the microsecond, by the reference."""

from __future__ import annotations

import hitherto as ht
import pytest
from hitherto.planner.rules import RULE_NAMES

from tests.options import latest_grid, windows_grid

PLANS = {
    "fused": ht.PlannerOptions(verify_each=True),
    "unfused": ht.PlannerOptions(unfused=True),
    "without rules": ht.PlannerOptions(disabled_rules=RULE_NAMES),
}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "plan", ["fused", *(pytest.param(plan, marks=pytest.mark.deep) for plan in PLANS if plan != "fused")]
)
def test_latest_values(plan: str, known: bool) -> None:
    assert latest_grid().differences(ht.LocalComputeEngine(), PLANS[plan], known=known) == []


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "plan", ["fused", *(pytest.param(plan, marks=pytest.mark.deep) for plan in PLANS if plan != "fused")]
)
def test_windows(plan: str, known: bool) -> None:
    assert windows_grid().differences(ht.LocalComputeEngine(), PLANS[plan], known=known) == []

"""Every combination of options without some rules, to the microsecond, by the reference; with all: ``test_forms``."""

from __future__ import annotations

from collections.abc import Callable

import hitherto as ht
import pytest
from hitherto.planner.rules import RULE_NAMES

from tests.options import GRIDS, Grid

PLANS = {
    "unfused": ht.PlannerOptions(unfused=True),
    "without rules": ht.PlannerOptions(disabled_rules=RULE_NAMES),
}


@pytest.mark.deep
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("grid", GRIDS.values())
def test_the_answer_needs_no_rules(grid: Callable[[], Grid], plan: str, known: bool) -> None:
    assert grid().differences(ht.LocalComputeEngine(), PLANS[plan], known=known) == []

"""Everything that the optimizer does, in order."""

from __future__ import annotations

from .physical.choose import choose_asof_form, choose_window_form
from .physical.reach import bound_sorted_rows
from .physical.sharing import share_sorted_rows
from .physical.split import split_windows
from .rules import LOGICAL_PHASES
from .rules.driver import Phase, Rule
from .rules.temporary_results import materialize_numbered_rows, materialize_view_groups, split_wide_joins

PHYSICAL = (
    Phase(
        "results",
        (materialize_numbered_rows, split_windows, materialize_view_groups, split_wide_joins),
        is_physical=True,
    ),
    # Nothing is rewritten any more below what a form was given.
    Phase("physical", (choose_asof_form, choose_window_form), is_physical=True),
    Phase("index", (share_sorted_rows,), is_physical=True),
    Phase("reach", (bound_sorted_rows,), is_physical=True),
)
PHASES = (*LOGICAL_PHASES, *PHYSICAL)

RULES: dict[str, Rule] = {rule.name: rule for phase in PHASES for rule in phase.rules}

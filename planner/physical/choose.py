"""Which form carries out a point-in-time join or a windowed aggregate."""

from __future__ import annotations

from typing import Any

from ..ir.logical import AsofJoin, Relation, WindowAggregate
from ..rules.driver import RuleContext, rule
from . import FORMS
from .form import Form

FEW_ROWS_PER_KEY = 2
"""An event is in the range of at most so many spine rows: then a range join makes no more pairs than two per event."""


@rule(on=AsofJoin)
def choose_asof_form(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin -> the operators of the cheapest form that gives its answer.

    Not a form that only orders by time: with a created filter the latest event may not be visible yet. Not a range join
    where a key has many spine rows, or where that is not known: with 1,000 rows for each of 1,000 events of a key it
    makes a million pairs.
    """
    rows_per_key = context.statistics.rows_per_key
    is_sparse = rows_per_key is not None and rows_per_key <= FEW_ROWS_PER_KEY
    offered = _offered(node, context)
    cheap = [form for form in offered if is_sparse or form.name != "RangeMax"]
    return next((form.of(node) for form in cheap or offered), None)


@rule(on=WindowAggregate)
def choose_window_form(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate -> the operators of the cheapest form that gives its answer.

    Not a form that merges partial states for every function: distinct counts cannot be added up.
    """
    return next((form.of(node) for form in _offered(node, context)), None)


def _offered(node: Relation, context: RuleContext) -> list[Form[Any]]:
    return [form for form in FORMS if form.on is type(node) and context.offers(form.name) and form.applies_to(node)]

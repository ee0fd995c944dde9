"""The physical form of windowed aggregates. A form is chosen among those that apply; there is one for now."""

from __future__ import annotations

from ..ir.logical import Relation, WindowAggregate
from ..ir.physical import BucketedRangeJoinAggregate
from .driver import RuleContext, rule

WINDOW_FORMS = (BucketedRangeJoinAggregate,)


@rule(on=WindowAggregate)
def choose_window_form(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate -> the cheapest physical form that gives its answer.

    Not a form that merges partial states for every function: distinct counts cannot be added up.
    """
    offered = (form for form in WINDOW_FORMS if context.offers(form))
    return next((form.of(node) for form in offered if form.applies_to(node)), None)

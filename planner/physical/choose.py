"""Which form carries out a point-in-time join or a windowed aggregate."""

from __future__ import annotations

from ..ir.logical import AsofJoin, Relation, WindowAggregate
from ..rules.driver import RuleContext, rule
from ..statistics import Asked, Choice
from . import FORMS
from .form import PointInTime


@rule(on=AsofJoin)
def choose_asof_form(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin -> the operators of the cheapest form that gives its answer.

    Not a form that only orders by time: with a created filter the latest event may not be visible yet.
    """
    return _carried_out(node, context)


@rule(on=WindowAggregate)
def choose_window_form(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate -> the operators of the cheapest form that gives its answer.

    Not a form that merges partial states for every function: distinct counts cannot be added up.
    """
    return _carried_out(node, context)


def _carried_out(node: PointInTime, context: RuleContext) -> Relation | None:
    """The node in the first form without a drawback, of those that give its answer; the last of them is never asked."""
    forms = [form for form in FORMS if form.on is type(node) and context.offers(form.name) and form.applies_to(node)]
    asked = Asked(context.statistics)
    beaten: list[tuple[str, float | None, str]] = []
    for number, form in enumerate(forms, 1):
        drawback = form.drawback(node, asked) if number < len(forms) else None
        if drawback is None:
            beaten += [(other.name, None, f"where {form.name} is dear") for other in forms[number:]]
            choice = Choice(node.label, form.name, beaten=tuple(beaten), facts=tuple(asked.facts))
            return form.of(node, choice)
        beaten.append((form.name, None, drawback))
    return None

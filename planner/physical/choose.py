"""Which form carries out a point-in-time join or a windowed aggregate."""

from __future__ import annotations

from typing import Any

from ..errors import DefinitionError, unknown_name
from ..ir.logical import AsofJoin, Relation, WindowAggregate, topological
from ..rules.driver import RuleContext, rule
from ..statistics import Asked, Choice
from . import FORMS
from .form import Form, PointInTime


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


def forced(node: PointInTime, lacks: frozenset[type[Relation]]) -> Form[Any]:
    """The form that is asked for. Raises a DefinitionError where it doesn't give the node's answer on this engine."""
    forms = {form.name: form for form in FORMS if form.on is type(node) and form.applies_to(node)}
    can_run = {name: form for name, form in forms.items() if not lacks & set(map(type, topological(form.of(node))))}
    wanted = node.form or ""
    if wanted not in can_run:
        view = node.label.replace("+", ", ")
        what = f"planner_options: forms: feature view {view!r} is answered here by no form"
        raise DefinitionError(unknown_name(what, wanted, can_run, listed_as="forms that apply"))
    return can_run[wanted]


def _carried_out(node: PointInTime, context: RuleContext) -> Relation | None:
    """The node in the first form without a drawback, of those that give its answer; the last of them is never asked."""
    if node.form is not None:
        form = forced(node, context.lacks)
        return form.of(node, Choice(node.label, form.name, is_forced=True))
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

"""Which form carries out a point-in-time join or a windowed aggregate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DefinitionError, unknown_name
from ..ir.logical import AsofJoin, Relation, WindowAggregate, topological
from ..rules.driver import RuleContext, rule
from ..statistics import Asked, Beaten, Choice, Cost, Rates
from . import FORMS
from .form import Form, PointInTime
from .sizes import Sizes

_NOTHING = 0.005
"""Seconds of CPU that decide nothing: to find out more would take as long."""
_ENGINES_SHARE = 3
"""What is held beside the engine gets a part of the memory, and the engine the other two."""
_WORTH_COUNTING = 1.0
"""Seconds of CPU: to count the pairs of a million rows takes about 0.1."""
_MOST_PARTS = 64
"""Each part reads the events again."""
_CLOSE = 1.1
"""Costs are no better known than that: of forms so close to the least, the first is taken."""


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
        raise DefinitionError(unknown_name(what, wanted, sorted(can_run), listed_as="forms that apply"))
    return can_run[wanted]


def _carried_out(node: PointInTime, context: RuleContext) -> Relation | None:
    """The node in the form that takes least, of those that give its answer.

    Where it hardly matters, it is the first of them, so that small requests are planned alike. Where nothing is known,
    it is the first that doesn't make pairs, of which there may be any number: the form with the best worst case.
    """
    if node.form is not None:
        form = forced(node, context.lacks)
        if context.rates is not None:
            form = _in_parts(form, node, Sizes(node, Asked(context.statistics)), context.rates, context.memory)
        return form.of(node, Choice(node.label, form.name, is_forced=True))
    forms = [
        form
        for form in FORMS
        if form.on is type(node)
        and context.offers(form.name)
        and not form.needs & context.lacks
        and form.applies_to(node)
    ]
    if not forms:
        return None
    asked = Asked(context.statistics)
    sizes = Sizes(node, asked)
    costs: dict[str, Cost | None] = {}
    if len(forms) > 1 and context.rates is not None:
        forms = [_in_parts(form, node, sizes, context.rates, context.memory) for form in forms]
        costs = _costs(node, forms, sizes, context.rates, context.memory)
    form = _cheapest(forms, costs, context.memory)
    beaten = tuple(_beaten(other, form, costs, context.memory) for other in forms if other is not form)
    events = sizes.events if costs else None
    return form.of(node, Choice(node.label, form.name, costs.get(form.name), events, beaten, asked.facts))


def _in_parts(form: Form[Any], node: PointInTime, sizes: Sizes, rates: Rates, memory: int | None) -> Form[Any]:
    """The form in as many parts as the memory needs, where it can be done in parts."""
    if memory is None or form.in_parts(2) is None:
        return form
    whole = form.cost(node, sizes, rates)
    parts = 1 if whole is None else max(1, min(_MOST_PARTS, -(-whole.memory * _ENGINES_SHARE // memory)))
    return form.in_parts(parts) or form


def _costs(
    node: PointInTime, forms: Sequence[Form[Any]], sizes: Sizes, rates: Rates, memory: int | None
) -> dict[str, Cost | None]:
    """The cost of each form, as far as it matters: behind one that takes next to nothing, nobody is asked.

    Of a form that would lose without a single pair of a row and an event, that is the cost: none are counted for it.
    Nor are they for a request that is over before it would pay to have counted.
    """
    costs: dict[str, Cost | None] = {}
    for form in forms:
        least = dataclasses.replace(sizes, has_pairs=False)
        at_best = form.cost(node, least, rates)
        known = [cost.cpu for cost in costs.values() if cost is not None and (memory is None or cost.memory <= memory)]
        if at_best is not None and known and at_best.cpu > _CLOSE * min(known) + _NOTHING:
            costs[form.name] = at_best
            continue
        if known and min(known) < _WORTH_COUNTING and least.are_pairs_needed:
            costs[form.name] = None
            continue
        costs[form.name] = found = form.cost(node, sizes, rates)
        if found is not None and found.cpu <= _NOTHING:
            break
    return costs


def _cheapest(forms: Sequence[Form[Any]], costs: Mapping[str, Cost | None], memory: int | None) -> Form[Any]:
    known = [(form, cost) for form in forms if (cost := costs.get(form.name)) is not None]
    fitting = [(form, cost) for form, cost in known if memory is None or cost.memory <= memory]
    if not fitting:
        if known:
            return min(known, key=lambda each: each[1].memory)[0]
        return next((form for form in forms if not form.makes_pairs), forms[0])
    least = min(cost.cpu for _, cost in fitting)
    return next(form for form, cost in fitting if cost.cpu <= _CLOSE * least + _NOTHING)


def _beaten(other: Form[Any], taken: Form[Any], costs: Mapping[str, Cost | None], memory: int | None) -> Beaten:
    own, cost = costs.get(taken.name), costs.get(other.name)
    if own is None or cost is None:
        return Beaten(other.name, cost, "cost unknown" if own is None or own.cpu > _WORTH_COUNTING else "not weighed")
    if memory is not None and cost.memory > memory:
        return Beaten(other.name, cost, f"needs {cost.memory / 2**20:,.0f} MiB")
    if cost.cpu <= own.cpu + _NOTHING or cost.cpu <= _CLOSE * own.cpu:
        return Beaten(other.name, cost, "about the same")
    return Beaten(other.name, cost, f"{cost.cpu / own.cpu:,.1f}x dearer")

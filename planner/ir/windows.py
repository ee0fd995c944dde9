"""Windowed aggregates that are written with others."""

from __future__ import annotations

import dataclasses

from ..expr.aggregates import AGGREGATES, Expansion
from ..expr.nodes import Column, Expr
from ..types import folded, unused_name
from .logical import Project, Relation, WindowAggregate, WindowMeasure, identity_columns


def expanded(node: WindowAggregate) -> Relation:
    """WindowAggregate(s, e, stddev_pop) -> Project(WindowAggregate(s, e, var_pop), sqrt(var_pop)).

    A part is one that is asked for anyway where there is one: the same aggregate of the same column and rows.
    """
    expansions = {each.name: AGGREGATES[each.function].expansion for each in node.aggregates}
    if not any(expansions.values()):
        return node
    taken = {folded(name) for name in node.schema.names}
    kept = [each for each in node.aggregates if expansions[each.name] is None]
    known = {dataclasses.replace(each, name=""): each for each in kept}

    def part(each: WindowMeasure, function: str) -> Column:
        entry = AGGREGATES[function]
        assert each.operand is not None
        wanted = dataclasses.replace(
            each, name="", function=function, type=entry.type_rule(node.events.schema[each.operand]),
            order=each.order if entry.is_ordered else (),
        )  # fmt: skip
        if wanted not in known:
            name = unused_name(f"{function}_{each.name.removeprefix(f'{each.function}_')}", taken)
            taken.add(folded(name))
            known[wanted] = dataclasses.replace(wanted, name=name)
            kept.append(known[wanted])
        return Column(known[wanted].name, wanted.type)

    def value(each: WindowMeasure, expansion: Expansion | None) -> Expr:
        if expansion is None:
            return Column(each.name, each.type)
        return expansion.value(*(part(each, function) for function in expansion.parts))

    values = tuple((each.name, value(each, expansions[each.name])) for each in node.aggregates)
    parts = dataclasses.replace(node, aggregates=tuple(kept))
    return Project(parts, (*identity_columns(node.spine.schema), *values))

"""Windows of which an index answers some aggregates, and SQL the others."""

from __future__ import annotations

import dataclasses

from ..expr.nodes import Column
from ..ir.logical import Join, Project, Relation, WindowAggregate, identity_columns
from ..rules.driver import RuleContext, rule
from .event_index import EventIndexWindows, is_indexed


@rule(on=WindowAggregate)
def split_windows(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate(s, sum, mode) -> Join(WindowAggregate(sum), WindowAggregate(mode), s): the index has no mode.

    Not where a form is asked for: it is to answer all of them. Not where the index can't answer the rows at all.
    """
    answered = [is_indexed(each, node) for each in node.aggregates]
    indexed, rest = (
        tuple(each for each, is_one in zip(node.aggregates, answered, strict=True) if is_one == wanted)
        for wanted in (True, False)
    )
    if not indexed or not rest or node.form is not None:
        return None
    parts = [dataclasses.replace(node, aggregates=each) for each in (indexed, rest)]
    has_index = context.offers(EventIndexWindows.name) and not EventIndexWindows.needs & context.lacks
    if not has_index or not EventIndexWindows().applies_to(parts[0]):
        return None
    joined = Join((*map(_answers, parts), node.spine), (node.row,))
    return Project(joined, identity_columns(node.schema))


def _answers(node: WindowAggregate) -> Relation:
    """The aggregates of every row, without the spine's other columns."""
    names = (node.row, *(each.name for each in node.aggregates))
    return Project(node, tuple((name, Column(name, node.schema[name])) for name in names))

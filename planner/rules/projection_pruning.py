"""Columns nobody reads are not read: every node asks its inputs for what it uses, down to the scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Set as AbstractSet

from ..expr.nodes import Column
from ..ir.columns import columns_read
from ..ir.logical import Aggregate, AsofJoin, Filter, Join, Project, Relation, Scan, WindowAggregate
from .driver import RuleContext, rule


@rule(on=Project)
def narrow_scan(node: Project, context: RuleContext) -> Relation | None:
    """Project a (Scan a, b) -> Project a (Scan a).

    Not the columns of the scan's own predicate: it reads them from the table, whether they are given on or not.
    """
    del context
    scan = node.input
    if not isinstance(scan, Scan):
        return None
    read = _read_by(node)
    columns = tuple(name for name in scan.columns if name in read)
    if columns == scan.columns or not columns:
        return None
    return Project(Scan(scan.table, columns, scan.predicate), node.columns)


@rule(on=Project)
def push_project_through_filter(node: Project, context: RuleContext) -> Relation | None:
    """Project a (Filter b (x)) -> Project a (Filter b (Project a, b (x))).

    Not to below the filter alone: the predicate's own columns must still be there.
    """
    del context
    inner = node.input
    if not isinstance(inner, Filter):
        return None
    narrowed = _narrow(inner.input, columns_read(inner, _read_by(node))[0])
    return None if narrowed is None else Project(Filter(narrowed, inner.predicate), node.columns)


@rule(on=Project)
def drop_unused_features(node: Project, context: RuleContext) -> Relation | None:
    """Project a (AsofJoin a, b) -> Project a (AsofJoin a).

    Not from the order of ties, which keeps reading every declared feature: asking for less would change the winner.
    With (ts 5, a=1, b=2) and (ts 5, a=2, b=1), ``b`` alone must still be 1.
    """
    del context
    join = node.input
    if not isinstance(join, AsofJoin):
        return None
    read = _read_by(node)
    picks = tuple(
        dataclasses.replace(pick, features=tuple(pair for pair in pick.features if pair[0] in read))
        for pick in join.picks
    )
    kept = tuple(pick for pick in picks if pick.features)
    if kept == join.picks or not kept:
        return None
    return Project(dataclasses.replace(join, picks=kept), node.columns)


@rule(on=Project)
def drop_unused_aggregates(node: Project, context: RuleContext) -> Relation | None:
    """Project a (WindowAggregate a, b) -> Project a (WindowAggregate a).

    Not where ``a`` is computed from ``b`` above, as a post-aggregation is: the projection reads both.
    """
    del context
    window = node.input
    if not isinstance(window, WindowAggregate):
        return None
    read = _read_by(node)
    kept = tuple(aggregate for aggregate in window.aggregates if aggregate.name in read)
    if kept == window.aggregates or not kept:
        return None
    return Project(dataclasses.replace(window, aggregates=kept), node.columns)


@rule(on=Project)
def narrow_join_inputs(node: Project, context: RuleContext) -> Relation | None:
    """Project a (Join(x, y)) -> Project a (Join(Project a (x), Project a (y))), with the join's keys.

    Not by dropping an input whose columns are unread: an inner join also decides which rows there are.
    """
    del context
    join = node.input
    if not isinstance(join, Join):
        return None
    narrowed = [_narrow(*each) for each in zip(join.relations, columns_read(join, _read_by(node)), strict=True)]
    if not any(narrowed):
        return None
    inputs = (new or old for new, old in zip(narrowed, join.relations, strict=True))
    return Project(join.with_inputs(*inputs), node.columns)


@rule(on=AsofJoin)
def narrow_asof_events(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin(l, r) -> AsofJoin(l, Project(r)): keys, time, the order of ties and the features.

    Not without the order's columns, even where no feature of theirs is asked for: they decide who wins a tie.
    """
    del context
    if any(pick.unique for pick in node.picks):
        picks = tuple(dataclasses.replace(pick, order=()) if pick.unique else pick for pick in node.picks)
        node = dataclasses.replace(node, picks=picks)
    narrowed = _narrow(node.events, _read_by(node, 1))
    return node.with_inputs(node.spine, narrowed) if narrowed is not None else node


@rule(on=WindowAggregate)
def narrow_window_events(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate(l, r) -> WindowAggregate(l, Project(r)): keys, time, operands and what ``where`` reads.

    Not without the order's columns where a ``first`` or ``last`` is among the aggregates.
    """
    del context
    narrowed = _narrow(node.events, _read_by(node, 1))
    return None if narrowed is None else node.with_inputs(node.spine, narrowed)


@rule(on=Aggregate)
def narrow_aggregate_input(node: Aggregate, context: RuleContext) -> Relation | None:
    """Aggregate(x) -> Aggregate(Project(x)): the grouping keys and what the measures read.

    Not to nothing: a count of rows without keys still needs rows, so one column stays.
    """
    del context
    narrowed = _narrow(node.input, _read_by(node))
    return None if narrowed is None else node.with_inputs(narrowed)


def _read_by(node: Relation, number: int = 0) -> AbstractSet[str]:
    """The columns of one of its inputs that a node reads."""
    return columns_read(node, frozenset(node.schema.names))[number]


def _narrow(relation: Relation, wanted: AbstractSet[str]) -> Relation | None:
    """A projection to the columns wanted, in the relation's order; None where it has no others."""
    kept = tuple((field.name, Column(field.name, field.type)) for field in relation.schema if field.name in wanted)
    return Project(relation, kept) if kept and len(kept) < len(relation.schema) else None

"""Views over the same rows and keys share one scan and one match.

Rows are the same where the relations under the projections are: the same table with the same predicates. The views may
project and compute other columns; the fused relation has them all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeGuard

from ..expr.nodes import Call, Column, Expr, Literal, conjunction, conjuncts, replace_columns
from ..ir.logical import (
    AsofJoin,
    Filter,
    Join,
    Pick,
    Project,
    Relation,
    Scan,
    WindowAggregate,
    WindowMeasure,
    identity_columns,
)
from ..ir.properties import identifies_rows
from ..types import folded, unused_name
from .driver import RuleContext, rule

PointInTime = AsofJoin | WindowAggregate
Renaming = Mapping[str, str]


@rule(on=Join)
def fuse_latest_over_same_rows(node: Join, context: RuleContext) -> Relation | None:
    """Join(AsofJoin(s, r, a), AsofJoin(s, r, b)) -> Join(AsofJoin(s, r, a and b)): one match, a pick per view.

    Not where the upper bounds differ: with ``allow_exact_matches=False`` and an event at t, the other view's match is
    a later row. Not where different forms are asked for. The ttl may differ, since the latest event does not depend
    on it: each pick has its own.
    """
    del context
    return _fuse_inputs(node, AsofJoin, _fuse_latest)


@rule(on=Join)
def fuse_windows_over_same_rows(node: Join, context: RuleContext) -> Relation | None:
    """Join(WindowAggregate(s, r, a), WindowAggregate(s, r, b)) -> Join(WindowAggregate(s, r, a and b)).

    Not over other rows: a view's filter belongs to its rows, and the windows of the other view must see what it
    drops; ``where`` is what differs by aggregate. Not a lifetime window with bounded ones: it would take their bucket.
    """
    del context
    return _fuse_inputs(node, WindowAggregate, _fuse_windows)


@dataclasses.dataclass
class _Group:
    """Inputs of a join that became one: the columns that they give, over one relation that adds ``names`` to the spine.

    ``is_open`` where its rows are identified by the join's column, so that others may be fused with it.
    """

    columns: list[tuple[str, Expr]]
    relation: Relation
    is_open: bool
    names: set[str] = dataclasses.field(default_factory=set[str])
    inputs: list[Relation] = dataclasses.field(default_factory=list[Relation])

    def as_relation(self) -> Relation:
        return self.inputs[0] if len(self.inputs) == 1 else Project(self.relation, tuple(self.columns))


Fuse = Callable[[_Group, Relation], tuple[Relation, Renaming] | None]


def _fuse_inputs(node: Join, kind: type[AsofJoin | WindowAggregate], fuse: Fuse) -> Relation | None:
    """Fuse inputs of a join by row, each into the first group that takes it. The columns of the join stay.

    Only by row: on a column with repetitions a join multiplies, and one fused input does not.
    """
    if len(node.on) != 1:
        return None
    groups: list[_Group] = []
    for child in node.relations:
        columns, relation = _split(child)
        is_open = isinstance(relation, kind) and identifies_rows(child, node.on[0]) and _keeps(columns, node.on)
        if not (is_open and _joins_one(groups, columns, relation, child, node.on, fuse)):
            names = _names(relation) if is_open and isinstance(relation, kind) else set[str]()
            groups.append(_Group(list(columns), relation, is_open, names, [child]))
    if len(groups) == len(node.relations):
        return None
    inputs = tuple(group.as_relation() for group in groups)
    joined = inputs[0] if len(inputs) == 1 else Join(inputs, node.on, node.how)
    return Project(joined, identity_columns(node.schema))


def _joins_one(
    groups: list[_Group],
    columns: tuple[tuple[str, Expr], ...],
    relation: Relation,
    child: Relation,
    on: tuple[str, ...],
    fuse: Fuse,
) -> bool:
    """Whether one of the groups took the relation."""
    for group in groups:
        fused = fuse(group, relation) if group.is_open else None
        if fused is not None:
            group.relation, renaming = fused
            group.columns += ((name, renamed(expr, renaming)) for name, expr in columns if name not in on)
            group.inputs.append(child)
            if isinstance(relation, AsofJoin | WindowAggregate):
                group.names |= _names(relation)
            return True
    return False


def _split(relation: Relation) -> tuple[tuple[tuple[str, Expr], ...], Relation]:
    if isinstance(relation, Project):
        return relation.columns, relation.input
    return identity_columns(relation.schema), relation


def _keeps(columns: tuple[tuple[str, Expr], ...], names: tuple[str, ...]) -> bool:
    defined = dict(columns)
    return all(isinstance(expr := defined[name], Column) and expr.name == name for name in names)


def _fuse_latest(group: _Group, right: Relation) -> tuple[Relation, Renaming] | None:
    left = group.relation
    if not (isinstance(left, AsofJoin) and isinstance(right, AsofJoin)):
        return None
    if left.form != right.form or left.picks[0].interval.upper != right.picks[0].interval.upper:
        return None
    if len(left.picks) == len(right.picks) and left == right:
        return left, {}
    if group.names & _names(right):
        return None
    merged = _merge_events(left, right)
    if merged is None:
        return None
    events, renaming = merged
    moved = tuple(renamed_pick(pick, renaming) for pick in right.picks)
    return dataclasses.replace(left, events=events, picks=left.picks + moved, label=f"{left.label}+{right.label}"), {}


def _fuse_windows(group: _Group, right: Relation) -> tuple[Relation, Renaming] | None:
    left = group.relation
    if not (isinstance(left, WindowAggregate) and isinstance(right, WindowAggregate)):
        return None
    if left.form != right.form or left.row != right.row:
        return None
    if len(left.aggregates) == len(right.aggregates) and left == right:
        return left, {}
    if group.names & _names(right) or _is_bounded(left) != _is_bounded(right):
        return None
    merged = _merge_events(left, right)
    if merged is None:
        return None
    events, renaming = merged
    moved = tuple(renamed_measure(aggregate, renaming) for aggregate in right.aggregates)
    aggregates = left.aggregates + moved
    return dataclasses.replace(left, events=events, aggregates=aggregates, label=f"{left.label}+{right.label}"), {}


def _names(relation: PointInTime) -> set[str]:
    """The columns that the node adds to its spine's, as an engine compares names."""
    return {folded(name) for name in relation.schema.names} - {folded(name) for name in relation.spine.schema.names}


def _is_bounded(window: WindowAggregate) -> bool:
    return all(aggregate.interval.lower is not None for aggregate in window.aggregates)


def _merge_events(left: PointInTime, right: PointInTime) -> tuple[Relation, Renaming] | None:
    """One relation with the events of both, where spine, keys and rows are the same."""
    if left.spine != right.spine or left.time != right.time:
        return None
    merged = merge_rows(left.events, right.events)
    if merged is None:
        return None
    _, renaming = merged
    keys = tuple((spine_key, renaming[event_key]) for spine_key, event_key in right.keys)
    created = None if right.created is None else renaming[right.created]
    same = keys == left.keys and renaming[right.event_time] == left.event_time and created == left.created
    return merged if same else None


def merge_rows(left: Relation, right: Relation) -> tuple[Relation, Renaming] | None:
    """A relation of the same rows with the columns of both, and the right one's names in it; None for other rows.

    Where scans are within other bounds of time, the rows are those within either.
    """
    if left == right:
        return left, {name: name for name in left.schema.names}
    match left, right:
        case Scan(), Scan() if left.table == right.table:
            within = _within_either(left.predicate, right.predicate)
            if within is None:
                return None
            more = tuple(name for name in right.columns if name not in left.columns)
            predicate = conjunction(within) if within else None
            merged = dataclasses.replace(left, columns=left.columns + more, predicate=predicate)
            return merged, {name: name for name in right.columns}
        case Filter(), Filter():
            below = merge_rows(left.input, right.input)
            if below is None or renamed(right.predicate, below[1]) != left.predicate:
                return None
            return Filter(below[0], left.predicate), below[1]
        case Project(), Project():
            below = merge_rows(left.input, right.input)
            return None if below is None else _merge_columns(left, right, *below)
        case _:
            return None


def _within_either(left: Expr | None, right: Expr | None) -> tuple[Expr, ...] | None:
    """What holds of the rows of both predicates, where they differ in bounds of time alone; None where in more.

    Only the planner's own bounds are in microseconds that are rounded up: no filter of a view's is.
    """
    one, other = (() if each is None else conjuncts(each) for each in (left, right))
    if [each for each in one if not is_bound(each)] != [each for each in other if not is_bound(each)]:
        return None
    kept = [each for each in one if not is_bound(each)]
    for function, weakest in (("ge", min), ("lt", max)):
        bounds = [[each for each in part if is_bound(each) and each.function == function] for part in (one, other)]
        times = {each.args[0] for part in bounds for each in part}
        if all(len(part) == 1 for part in bounds) and len(times) == 1:
            kept.append(weakest((part[0] for part in bounds), key=_bound_of))
        elif any(len(part) > 1 for part in bounds) or len(times) > 1:
            return None
    return tuple(kept)


def _bound_of(expr: Call) -> int:
    bound = expr.args[1]
    assert isinstance(bound, Literal)
    assert isinstance(bound.value, int)
    return bound.value


def is_bound(expr: Expr) -> TypeGuard[Call]:
    """Whether a predicate is a bound of time that the planner made: it compares a time that is rounded up."""
    match expr:
        case Call("ge" | "lt", (Call("micros_up", (Column(),)), Literal(int()))):
            return True
        case _:
            return False


def _merge_columns(left: Project, right: Project, below: Relation, renaming: Renaming) -> tuple[Relation, Renaming]:
    columns = dict(left.columns)
    taken = {folded(name) for name in columns}
    names: dict[str, str] = {}
    for name, original in right.columns:
        expr = renamed(original, renaming)
        if columns.get(name) == expr:
            names[name] = name
            continue
        fresh = unused_name(name, taken)
        taken.add(folded(fresh))
        columns[fresh] = expr
        names[name] = fresh
    return Project(below, tuple(columns.items())), names


def renamed(expr: Expr, renaming: Renaming) -> Expr:
    """The expression over columns with other names."""
    return replace_columns(expr, lambda column: Column(renaming.get(column.name, column.name), column.type))


def renamed_pick(pick: Pick, renaming: Renaming) -> Pick:
    """The pick from events whose columns have other names."""
    order = tuple(renaming[name] for name in pick.order)
    features = tuple((name, renaming[column]) for name, column in pick.features)
    return dataclasses.replace(pick, order=order, features=features)


def renamed_measure(measure: WindowMeasure, renaming: Renaming) -> WindowMeasure:
    """The measure over events whose columns have other names."""
    operand = None if measure.operand is None else renaming[measure.operand]
    where = None if measure.where is None else renamed(measure.where, renaming)
    order = tuple(renaming[name] for name in measure.order)
    return dataclasses.replace(measure, operand=operand, where=where, order=order)

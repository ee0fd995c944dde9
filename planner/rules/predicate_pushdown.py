"""Predicates move to where the rows come from, as far as ``ir.properties.may_cross`` lets them."""

from __future__ import annotations

from collections.abc import Sequence

from ..expr.functions import call
from ..expr.nodes import MOST_LEVELS, Column, Expr, Literal, columns_of, conjunction, conjuncts, replace_columns
from ..ir.logical import Aggregate, AsofJoin, Filter, Interval, Join, Project, Relation, Scan, Union, WindowAggregate
from ..ir.properties import implies, is_over, is_total, may_cross, substitution, time_bounds
from ..types import INT64
from .driver import RuleContext, rule


@rule(on=Filter)
def push_filter_through_project(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(Project(x)) -> Project(Filter(x)), with the projected expressions in place of the columns.

    Not without the substitution: with ``a = b + 1`` projected, ``a > 1`` is ``b + 1 > 1`` below, and not ``a > 1`` of
    an ``a`` that x may have too. Not a predicate that would write a computed column twice: ``a = a`` stays above; nor
    one that would be nested deeper than engines can parse.
    """
    del context
    project = node.input
    if not isinstance(project, Project):
        return None
    computed = {name for name, expr in project.columns if not isinstance(expr, Column | Literal)}
    below = substitution(project)
    pushed: list[Expr] = []
    kept: list[Expr] = []
    for part in conjuncts(node.predicate):
        reads = [name for name in columns_of(part) if name in computed]
        moved_part = below(part) if len(reads) == len(set(reads)) else None
        if moved_part is None or moved_part.levels > MOST_LEVELS:
            kept.append(part)
        else:
            pushed.append(moved_part)
    if not pushed:
        return None
    moved = Project(Filter(project.input, conjunction(tuple(pushed))), project.columns)
    return Filter(moved, conjunction(tuple(kept))) if kept else moved


@rule(on=Filter)
def push_filter_through_join(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(Join(a, b)) -> Join(Filter(a), Filter(b)), each conjunct to every input whose columns it reads alone.

    Not into the second input of a left join: with a = {1}, b = {(1, v=5)}, ``v = 7`` drops the row; below, it would
    turn it into (1, v=null).
    """
    del context
    join = node.input
    if not isinstance(join, Join):
        return None
    return _distribute(node, join, range(len(join.relations)))


@rule(on=Filter)
def push_filter_through_union(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(Union(a, b)) -> Union(Filter(a), Filter(b)).

    Not into one branch alone: the rows of the other would come back unfiltered.
    """
    del context
    union = node.input
    if not isinstance(union, Union):
        return None
    return union.with_inputs(*(Filter(child, node.predicate) for child in union.relations))


@rule(on=Filter)
def push_filter_through_aggregate(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(Aggregate(x)) -> Aggregate(Filter(x)), for predicates over the grouping keys alone.

    Not over a measure: ``count > 1`` is a fact of the group, not of its rows. Not without keys either: an aggregate
    over no rows still gives one row.
    """
    del context
    aggregate = node.input
    if not isinstance(aggregate, Aggregate):
        return None
    return _distribute(node, aggregate, [0])


@rule(on=Filter)
def push_filter_into_scan(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(Scan) -> Scan with the predicate, which then reads only what it needs.

    Not by dropping the filter where the scan has a predicate already: both must hold.
    """
    del context
    scan = node.input
    if not isinstance(scan, Scan):
        return None
    had = conjuncts(scan.predicate) if scan.predicate is not None else ()
    parts = tuple(dict.fromkeys((*had, *conjuncts(node.predicate))))
    return Scan(scan.table, scan.columns, conjunction(parts))


@rule(on=Filter)
def push_filter_into_asof_left(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(AsofJoin(l, r)) -> AsofJoin(Filter(l), r), for predicates over ``l`` alone.

    Not for ``r``: with events (5, v=20), (15, v=10) and t=20, ``v > 15`` must drop the row; pushed right, the join
    would match the stale event at 5.
    """
    del context
    join = node.input
    return _distribute(node, join, [0]) if isinstance(join, AsofJoin) else None


@rule(on=Filter)
def push_filter_into_window_left(node: Filter, context: RuleContext) -> Relation | None:
    """Filter(WindowAggregate(l, r)) -> WindowAggregate(Filter(l), r), for predicates over ``l`` alone.

    Not for ``r`` and not over an aggregate: ``count_1h > 1`` decides on the row after its events were counted.
    """
    del context
    aggregate = node.input
    return _distribute(node, aggregate, [0]) if isinstance(aggregate, WindowAggregate) else None


@rule(on=AsofJoin)
def push_key_filter_into_asof_right(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin(Filter k (l), r) -> AsofJoin(Filter k (l), Filter k (r)), for predicates over the join keys alone.

    Not over time or any other column: with ``t > 10`` on the left, an event at 5 is still the latest for t = 11. Not a
    predicate that can fail: ``cast(k as bigint) > 0`` would raise for an event with k = 'none', which matches no row.
    """
    del context
    filtered = _filter_events_by_keys(node)
    return None if filtered is None else node.with_inputs(node.spine, filtered)


@rule(on=WindowAggregate)
def push_key_filter_into_window_right(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate(Filter k (l), r) -> WindowAggregate(Filter k (l), Filter k (r)), over the join keys alone.

    Not over time: with ``t > 10`` on the left, the event at 5 still counts in a window of t = 11.
    """
    del context
    filtered = _filter_events_by_keys(node)
    return None if filtered is None else node.with_inputs(node.spine, filtered)


@rule(on=AsofJoin)
def bound_asof_events_by_spine(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin(l, r) -> AsofJoin(l, Filter(r)), with the literal time range that no match can leave.

    The range is [min(t) - longest lookback, max(t)]. Not [min(t), max(t)]: with t = 10 alone and ttl 5, the event at 6
    is the answer. No lower end where a view has no ttl. Where only what was known counts, nothing created after max(t).
    """
    del context
    bounded = _bound_events(node, [pick.interval for pick in node.picks])
    return None if bounded is None else node.with_inputs(node.spine, bounded)


@rule(on=WindowAggregate)
def bound_window_events_by_spine(node: WindowAggregate, context: RuleContext) -> Relation | None:
    """WindowAggregate(l, r) -> WindowAggregate(l, Filter(r)), with the time range that no window can leave.

    Not the range of one window of several: with windows 1h and 7d, events six days back still count. No lower end for
    a lifetime window.
    """
    del context
    bounded = _bound_events(node, [aggregate.interval for aggregate in node.aggregates])
    return None if bounded is None else node.with_inputs(node.spine, bounded)


def _distribute(node: Filter, below: Relation, targets: Sequence[int]) -> Relation | None:
    """Move each conjunct onto every target input that it may cross to; what cannot move stays above."""
    pushed: dict[int, list[Expr]] = {index: [] for index in targets}
    kept: list[Expr] = []
    for part in conjuncts(node.predicate):
        homes = [index for index in targets if is_over(part, may_cross(below, index))]
        for index in homes:
            pushed[index].append(part)
        if not homes:
            kept.append(part)
    if not any(pushed.values()):
        return None
    inputs = list(below.inputs)
    for index, parts in pushed.items():
        if parts:
            inputs[index] = Filter(inputs[index], conjunction(tuple(parts)))
    moved = below.with_inputs(*inputs)
    return Filter(moved, conjunction(tuple(kept))) if kept else moved


def _filter_events_by_keys(node: AsofJoin | WindowAggregate) -> Relation | None:
    if not isinstance(node.spine, Filter):
        return None
    to_event = dict(node.keys)
    events = node.events.schema
    missing: list[Expr] = []
    for part in conjuncts(node.spine.predicate):
        if is_over(part, frozenset(to_event)) and is_total(part):
            there = replace_columns(part, lambda column: Column(to_event[column.name], events[to_event[column.name]]))
            if not implies(node.events, there):
                missing.append(there)
    return Filter(node.events, conjunction(tuple(missing))) if missing else None


def _bound_events(node: AsofJoin | WindowAggregate, intervals: list[Interval]) -> Relation | None:
    times = time_bounds(node.spine, node.time)
    if times is None:
        return None
    first, last = times
    ts = Column(node.event_time, INT64)
    bounds = [call("lt", ts, Literal(last + max(interval.latest for interval in intervals), INT64))]
    starts = [interval.earliest for interval in intervals if interval.earliest is not None]
    if len(starts) == len(intervals):
        bounds.insert(0, call("ge", ts, Literal(first + min(starts), INT64)))
    if node.created is not None:
        bounds.append(call("le", Column(node.created, INT64), Literal(last, INT64)))
    missing = tuple(bound for bound in bounds if not implies(node.events, bound))
    return Filter(node.events, conjunction(missing)) if missing else None

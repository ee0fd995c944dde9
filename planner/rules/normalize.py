"""Normalization: the one shape that the other rules expect. Neighbouring projections and filters become one."""

from __future__ import annotations

from collections import Counter

from ..expr.nodes import MOST_LEVELS, Column, Expr, Literal, columns_of, conjunction, conjuncts
from ..ir.logical import Filter, Join, Project, Relation
from ..ir.properties import is_narrowing, substitution
from .driver import RuleContext, rule


@rule(on=Project)
def merge_projects(node: Project, context: RuleContext) -> Relation | None:
    """Project(Project(x)) -> Project(x), with the inner expressions in place of the outer columns.

    Not where a computed column is read more than once: with ``b = a * a`` inside and ``b + b`` outside, the product
    would be computed twice, and in a longer chain exponentially often. Not beyond the depth that engines can parse.
    """
    del context
    inner = node.input
    if not isinstance(inner, Project):
        return None
    reads = Counter(name for _, expr in node.columns for name in columns_of(expr))
    if any(reads[name] > 1 and not _is_cheap(expr) for name, expr in inner.columns):
        return None
    below = substitution(inner)
    columns = tuple((name, below(expr)) for name, expr in node.columns)
    return None if any(expr.levels > MOST_LEVELS for _, expr in columns) else Project(inner.input, columns)


@rule(on=Project)
def drop_identity_project(node: Project, context: RuleContext) -> Relation | None:
    """Project(x) -> x, where it keeps every column under its name and in order.

    Not where only the order differs: with columns (a, b), ``Project b, a`` changes what the reader sees.
    """
    del context
    return node.input if is_narrowing(node) and node.schema == node.input.schema else None


@rule(on=Filter)
def merge_filters(node: Filter, context: RuleContext) -> Relation | None:
    """Filter p (Filter q (x)) -> Filter q and p (x).

    Not ``q or p``, and not with nulls folded away: where q is null the row is already gone, as ``null and p`` says.
    """
    del context
    inner = node.input
    if not isinstance(inner, Filter):
        return None
    parts = dict.fromkeys((*conjuncts(inner.predicate), *conjuncts(node.predicate)))
    return Filter(inner.input, conjunction(tuple(parts)))


@rule(on=Filter)
def drop_true_filter(node: Filter, context: RuleContext) -> Relation | None:
    """Filter true (x) -> x.

    Not for a predicate that is only never false: ``a = a`` is null where a is, and drops that row.
    """
    del context
    kept = tuple(part for part in conjuncts(node.predicate) if not (isinstance(part, Literal) and part.value is True))
    if len(kept) == len(conjuncts(node.predicate)):
        return None
    return Filter(node.input, conjunction(kept)) if kept else node.input


@rule(on=Join)
def flatten_inner_joins(node: Join, context: RuleContext) -> Relation | None:
    """Join(Join(a, b), c) -> Join(a, b, c), where both are inner joins on the same columns.

    Not under a left join: in ``(a left join b) inner join c`` with c lacking b's key, flattened to one left join the
    rows of a that c does not have would come back.
    """
    del context
    if node.how != "inner":
        return None
    flat: list[Relation] = []
    for child in node.relations:
        inner = isinstance(child, Join) and child.how == "inner" and child.on == node.on
        flat.extend(child.relations if inner and isinstance(child, Join) else (child,))
    return Join(tuple(flat), node.on) if len(flat) > len(node.relations) else None


def _is_cheap(expr: Expr) -> bool:
    return isinstance(expr, Column | Literal)

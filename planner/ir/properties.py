"""What is known of a relation without running it: the facts that rules rest on.

``may_cross`` is the one table of what a predicate may mention to move below a node. Into the right side of an as-of
join goes nothing that stands above it: the match must see every event that could win. Only what no match can leave may
be added there, which is a predicate on the join keys (an event with other keys matches no remaining spine row) and the
time range of all spine rows.
"""

from __future__ import annotations

from ..expr.nodes import Column, Expr, columns_of, conjuncts, replace_columns
from .logical import Aggregate, AsofJoin, Filter, Join, NumberRows, Project, Relation, Scan, Union, WindowAggregate


def may_cross(node: Relation, index: int) -> frozenset[str]:
    """The output columns that a predicate above ``node`` may mention to be moved onto its input number ``index``.

    ========================  ==========================================================
    Filter, Union             every column
    Join inner                the input's columns
    Join left                 the first input's columns; nothing for the others
    AsofJoin, WindowAggregate the spine's columns; nothing for the events
    Aggregate                 the grouping keys
    NumberRows                nothing: a row's number counts the rows before it
    ========================  ==========================================================
    """
    match node:
        case Filter() | Union():
            return frozenset(node.schema.names)
        case Join():
            kept = node.how == "inner" or index == 0
            return frozenset(node.relations[index].schema.names) if kept else frozenset()
        case AsofJoin() | WindowAggregate():
            return frozenset(node.spine.schema.names) if index == 0 else frozenset()
        case Aggregate():
            return frozenset(node.keys)
        case _:
            return frozenset()


def is_over(predicate: Expr, columns: frozenset[str]) -> bool:
    """Whether the predicate reads these columns only, and at least one of them."""
    read = set(columns_of(predicate))
    return bool(read) and read <= columns


def substitute(expr: Expr, project: Project) -> Expr:
    """The expression over a projection's output, as one over its input."""
    defined = dict(project.columns)
    return replace_columns(expr, lambda column: defined[column.name])


def implies(relation: Relation, predicate: Expr) -> bool:
    """Whether the predicate is known to hold for every row, because it was already filtered for."""
    match relation:
        case Filter():
            return predicate in conjuncts(relation.predicate) or implies(relation.input, predicate)
        case Project():
            return implies(relation.input, substitute(predicate, relation))
        case Scan():
            return relation.predicate is not None and predicate in conjuncts(relation.predicate)
        case Union():
            return all(implies(child, predicate) for child in relation.relations)
        case AsofJoin() | WindowAggregate():
            return is_over(predicate, may_cross(relation, 0)) and implies(relation.spine, predicate)
        case _:
            return False


def is_narrowing(project: Project) -> bool:
    """Whether a projection only drops or reorders columns."""
    return all(isinstance(expr, Column) and expr.name == name for name, expr in project.columns)


def is_numbering(relation: Relation) -> bool:
    """Whether rows get their identity here, so that it must be run exactly once."""
    return isinstance(relation, NumberRows)

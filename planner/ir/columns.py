"""Which columns a relation reads from its inputs. No step of a plan has to have any other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from ..expr.nodes import Column, Expr, columns_of
from .logical import Aggregate, AsofJoin, Filter, Join, Measure, Project, Relation, Union, WindowAggregate
from .operators import AsofMatch, Carried, Explode, KeyedJoin, Materialize, Named, Window


def columns_wanted(relations: Sequence[Relation]) -> dict[str, set[str]]:
    """The columns that others read of each relation, by fingerprint; of the last one, the result, all of them.

    ``relations`` are in topological order.
    """
    wanted = {relation.fingerprint: set[str]() for relation in relations}
    wanted[relations[-1].fingerprint].update(relations[-1].schema.names)
    for relation in reversed(relations):
        # Rows that are only counted still need a column.
        own = wanted[relation.fingerprint] = wanted[relation.fingerprint] or {*relation.schema.names[:1]}
        for child, read in zip(relation.inputs, columns_read(relation, own), strict=True):
            wanted[child.fingerprint] |= read
    return wanted


def columns_read(node: Relation, wanted: AbstractSet[str]) -> tuple[AbstractSet[str], ...]:
    """The columns of each input that a node reads, when its own readers want these of its columns.

    What decides which rows there are is always read: keys, times, conditions, and the order of ties.
    """
    match node:
        case Project():
            return (_columns(expr for name, expr in node.columns if name in wanted),)
        case Filter():
            return (wanted | _columns([node.predicate]),)
        case Aggregate():
            return (_measured(node.measures, wanted).union(node.keys),)
        case Window():
            own = {measure.name for measure in node.measures}
            return ((wanted - own) | _measured(node.measures, wanted).union(node.partition),)
        case Explode():
            return ((wanted - {node.column}) | _columns(node.values),)
        case KeyedJoin() | AsofMatch():
            if isinstance(node, AsofMatch):
                wanted = wanted | _columns([node.at]) | {node.ts}
            elif node.condition is not None:
                wanted = wanted | _columns([node.condition])
            left, right = zip(*node.keys, strict=True) if node.keys else ((), ())
            return wanted & {*node.left.schema.names} | {*left}, wanted & {*node.right.schema.names} | {*right}
        case Join():
            return tuple(wanted & {*child.schema.names} | {*node.on} for child in node.relations)
        case AsofJoin() | WindowAggregate():
            read = {*(right for _, right in node.keys), node.event_time, *filter(None, (node.created,))}
            if isinstance(node, AsofJoin):
                for pick in node.picks:
                    read.update(() if pick.unique else pick.order)
                    read.update(column for name, column in pick.features if name in wanted)
            else:
                for each in node.aggregates:
                    read.update(filter(None, (each.operand,)), each.order)
                    read |= _columns(filter(None, (each.where,)))
            return {*node.spine.schema.names}, read
        case Union() | Named() | Carried() | Materialize():
            return (wanted,) * len(node.inputs)
        case _:
            return tuple({*child.schema.names} for child in node.inputs)


def _columns(expressions: Iterable[Expr]) -> set[str]:
    """The columns that expressions read; one that many measures have is looked through once."""
    read: set[str] = set()
    for expr in {id(each): each for each in expressions}.values():
        if isinstance(expr, Column):
            read.add(expr.name)
        else:
            read.update(columns_of(expr))
    return read


def _measured(measures: Iterable[Measure], wanted: AbstractSet[str]) -> set[str]:
    return _columns(expr for each in measures if each.name in wanted for expr in each.expressions)

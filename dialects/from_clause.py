"""FROM clauses of several tables: joins by keys and by time, each column read from the table that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from ..planner.expr.nodes import Column, Expr, conjuncts
from ..planner.ir.logical import Relation
from ..planner.ir.operators import AsofMatch, Carried, KeyedJoin
from ..planner.types import free_name
from . import syntax as sql
from .base import Dialect
from .block import Block
from .syntax import Sql

Value = Callable[[], Sql]


class Writer(Protocol):
    """What a FROM clause needs of the statement that it is in."""

    dialect: Dialect

    def block(self, relation: Relation) -> Block:
        """A relation as a block."""
        ...

    def write(self, block: Block, names: Sequence[str]) -> exp.Select:
        """A block as a SELECT of these columns."""
        ...

    def wanted(self, relation: Relation, block: Block, columns: Iterable[tuple[str, Expr]]) -> list[tuple[str, Expr]]:
        """Those of a relation's columns that are read."""
        ...

    def initial(self, table: str) -> str:
        """The letter by which a table or CTE goes in a FROM clause."""
        ...

    def is_shared(self, relation: Relation) -> bool:
        """Whether a relation is read more than once, so that it is a CTE."""
        ...


@dataclass(frozen=True)
class FromClause:
    """Tables in a FROM clause: the first, the joins behind it, and each column's value by its alias."""

    source: Value
    joins: tuple[Callable[[], exp.Join], ...]
    values: Mapping[str, Value]
    aliases: frozenset[str]

    def block(self, relation: Relation) -> Block:
        """The clause as a block with the relation's columns."""
        return Block(
            source=self.source,
            joins=lambda: [join() for join in self.joins],
            base=lambda name: self.values[name](),
            columns={field.name: Column(field.name, field.type) for field in relation.schema},
        )


@dataclass(frozen=True)
class _Side:
    """One table of a FROM clause."""

    item: Value
    alias: str
    values: Mapping[str, Value]


def joined(to: Writer, node: KeyedJoin | AsofMatch) -> FromClause:
    """The FROM clause of a join; that of a join on its left goes before it."""
    left = _left(to, node.left)
    is_asof = isinstance(node, AsofMatch)
    inlines = isinstance(node, KeyedJoin) and node.how == "inner"
    right = _side(to, node.right, left.aliases, computed=inlines, whole=is_asof)
    dropped = {name for _, name in node.keys}
    values = {**left.values, **{name: value for name, value in right.values.items() if name not in dropped}}

    def over(expr: Expr, known: Mapping[str, Value]) -> Sql:
        return to.dialect.expressions.compile(expr, lambda name: known[name]())

    def join() -> exp.Join:
        on: list[Sql] = [exp.EQ(this=left.values[one](), expression=right.values[other]()) for one, other in node.keys]
        if isinstance(node, AsofMatch):
            on.append(exp.GTE(this=over(node.at, left.values), expression=right.values[node.ts]()))
            return sql.join(right.item(), on, side="LEFT", method="ASOF")
        on += [over(part, values) for part in (() if node.condition is None else conjuncts(node.condition))]
        return sql.join(right.item(), on, side="LEFT" if node.how == "left" else None)

    return FromClause(left.source, (*left.joins, join), values, left.aliases | {right.alias})


def _left(to: Writer, relation: Relation) -> FromClause:
    while isinstance(relation, Carried):
        relation = relation.input
    if isinstance(relation, KeyedJoin | AsofMatch) and not to.is_shared(relation):
        return joined(to, relation)
    side = _side(to, relation, frozenset(), computed=True, whole=False)
    return FromClause(side.item, (), side.values, frozenset({side.alias}))


def _side(to: Writer, relation: Relation, taken: frozenset[str], *, computed: bool, whole: bool) -> _Side:
    """A table or CTE by name, or a subquery.

    Only with ``computed`` an expression may stand for a column: behind a left join it would have a value where there is
    no row. With ``whole`` a table of which some columns are not read is a subquery without them: an as-of join keeps
    all that it is given.
    """
    block = to.block(relation)
    columns = dict(to.wanted(relation, block, block.columns.items()))
    is_bare = block.table is not None and not block.where and (computed or block.is_plain)
    if block.table is not None and is_bare and not (whole and len(columns) < len(block.table[1])):
        table = block.table[0]
        alias = free_name(to.initial(table), taken)

        def value(expr: Expr) -> Value:
            return lambda: to.dialect.expressions.compile(expr, lambda name: sql.column(name, alias))

        values = {name: value(expr) for name, expr in columns.items()}
        return _Side(lambda: sql.table(table, alias), alias, values)
    alias = free_name(to.initial(block.source().name), taken)
    return _Side(
        lambda: exp.Subquery(this=to.write(block, list(columns)), alias=exp.TableAlias(this=sql.name(alias))),
        alias,
        {name: _column(name, alias) for name in columns},
    )


def _column(name: str, alias: str) -> Value:
    return lambda: sql.column(name, alias)

"""A SELECT in the making."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from ..planner.expr.nodes import Call, Column, Expr, Literal, conjuncts, replace_columns
from .syntax import Sql


@dataclass(frozen=True)
class Block:
    """A SELECT in the making: a FROM clause, what its columns are called, and expressions and predicates over them.

    ``table`` is the name of the table or CTE that the FROM clause is, with its columns, where it is no more than that.
    A ``listed`` block has columns that stand in its SELECT list alone, as those of GROUP BY, windows and DISTINCT do:
    all that can be done with it is to choose among them, and ``kept`` must stay, since the rows depend on them.
    """

    source: Callable[[], Sql]
    joins: Callable[[], Sequence[exp.Join]]
    base: Callable[[str], Sql]
    columns: Mapping[str, Expr]
    where: tuple[Expr, ...] = ()
    predicate: Callable[[Expr], Sql | None] = lambda _: None
    table: tuple[str, frozenset[str]] | None = None
    listed: bool = False
    kept: frozenset[str] = frozenset()
    conditions: Callable[[], Sql | None] = lambda: None
    group: Callable[[], Sequence[Sql]] = tuple
    distinct: bool = False

    def project(self, columns: Sequence[tuple[str, Expr]]) -> Block:
        """The block with other columns, in place of the ones they are computed from."""
        return replace(self, columns={name: self.over_base(expr) for name, expr in columns})

    def filter(self, predicate: Expr) -> Block:
        """The block with one more predicate."""
        more = tuple(self.over_base(part) for part in conjuncts(predicate))
        return replace(self, where=(*self.where, *more))

    def over_base(self, expr: Expr) -> Expr:
        """An expression over the block's columns, as one over its FROM clause."""
        return replace_columns(expr, lambda column: self.columns[column.name])

    @property
    def is_plain(self) -> bool:
        """Whether every column is one of the FROM clause."""
        return all(isinstance(expr, Column) for expr in self.columns.values())

    def can_choose(self, columns: Sequence[tuple[str, Expr]]) -> bool:
        """Whether a projection does no more than what a listed block allows."""
        chosen = {expr.name for _, expr in columns if isinstance(expr, Column)}
        return len(chosen) == len(columns) and self.kept <= chosen


def keeps_names(block: Block) -> bool:
    """Whether every column is the table's column of that name."""
    return all(isinstance(expr, Column) and expr.name == name for name, expr in block.columns.items())


def _is_whole(block: Block) -> bool:
    """Whether the block is all columns of its table under their names."""
    return block.table is not None and keeps_names(block) and frozenset(block.columns) == block.table[1]


def is_light(block: Block) -> bool:
    """Whether reading the block twice is no more than reading its table twice."""
    return not block.where and _is_whole(block)


def is_cheap(expr: Expr) -> bool:
    """Whether an expression may be written more than once."""
    match expr:
        case Column() | Literal():
            return True
        case Call("coalesce" | "field_of"):
            return all(map(is_cheap, expr.args))
        case Call("case", (Call("ge", (value, _)), *values)):
            return all(map(is_cheap, (value, *values)))
        case _:
            return False

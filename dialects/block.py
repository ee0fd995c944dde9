"""A SELECT in the making."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ..planner.expr.nodes import Expr, conjuncts, replace_columns
from .syntax import Sql


@dataclass(frozen=True)
class Block:
    """A SELECT in the making: a FROM clause, what its columns are called, and expressions and predicates over them."""

    source: Callable[[], Sql]
    joins: Callable[[], Sequence[exp.Join]]
    base: Callable[[str], Sql]
    columns: Mapping[str, Expr]
    where: tuple[Expr, ...] = ()
    predicate: Callable[[Expr], Sql | None] = lambda _: None

    def project(self, columns: Sequence[tuple[str, Expr]]) -> Block:
        """The block with other columns, in place of the ones they are computed from."""
        return Block(
            self.source,
            self.joins,
            self.base,
            {name: self.over_base(expr) for name, expr in columns},
            self.where,
            self.predicate,
        )

    def filter(self, predicate: Expr) -> Block:
        """The block with one more predicate."""
        more = tuple(self.over_base(part) for part in conjuncts(predicate))
        return Block(self.source, self.joins, self.base, self.columns, (*self.where, *more), self.predicate)

    def over_base(self, expr: Expr) -> Expr:
        """An expression over the block's columns, as one over its FROM clause."""
        return replace_columns(expr, lambda column: self.columns[column.name])

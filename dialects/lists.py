"""Operations on lists inside an expression, in the SQL of one engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from . import syntax as sql
from .syntax import Sql


@dataclass(frozen=True)
class Lists:
    """An engine's functions of lists; its indexes are of a type of their own, and begin at ``origin``."""

    collected: str
    ordered: str
    mapped: str
    kept: str
    cut: str
    reverse: str
    size: str
    element: str
    origin: int
    index: str
    struct: Callable[[Mapping[str, Sql]], Sql]
    field: Callable[[Sql, str], Sql]

    def each(self, values: Sql, names: Sequence[str], body: Sql) -> Sql:
        """The body for every element: the first name is the element, the second its index."""
        return sql.function(self.mapped, values, sql.lambda_function(names, body))

    def let(self, name: str, value: Sql, body: Sql) -> Sql:
        """The body, in which the name is the value: computed once, however often it is read."""
        one = self.each(exp.Array(expressions=[value]), [name], body)
        return sql.function(self.element, one, sql.number(self.origin))

    def at(self, values: Sql, place: Sql) -> Sql:
        """The element at a place, which is a whole number from 0 on, of whatever type."""
        index: Sql = sql.cast(place, self.index)
        if self.origin:
            index = sql.binary(exp.Add, index, sql.number(self.origin))
        return sql.function(self.element, values, index)

    def values(self, structs: Sql) -> Sql:
        """The fields ``v`` of structs."""
        return self.each(structs, ["e"], self.field(sql.column("e"), "v"))

    def first(self, values: Sql, n: Sql) -> Sql:
        """The first n elements, or all."""
        return sql.function(self.cut, values, sql.number(1), n)

    def reversed(self, values: Sql) -> Sql:
        """The elements in the opposite order."""
        return sql.function(self.reverse, values)

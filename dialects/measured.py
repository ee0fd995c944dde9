"""What an aggregate's form is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from ..planner.expr.nodes import Call, Column
from ..planner.types import BINARY, INT64, DataType
from . import syntax as sql
from .expressions import Operand
from .syntax import Sql

if TYPE_CHECKING:
    from .base import Dialect


@dataclass(frozen=True)
class Measured:
    """The operand and its type (None for whole rows), the condition on rows, and the function's parameter.

    ``order`` are the values by which rows are ordered before the operand decides.
    """

    operand: Operand
    type: DataType | None
    within: Callable[[], Sql | None]
    order: Callable[[], list[Sql]]
    parameter: int | float | None
    dialect: Dialect

    def key(self) -> Sql:
        """One value that orders as ``order`` and then the operand do."""
        return self.dialect.sort_key([*self.order(), self.operand()])

    def place_key(self) -> Sql:
        """One value that orders as ``order`` does."""
        return self.dialect.sort_key(self.order())

    def struct_key(self) -> Sql:
        """One value that orders as the fields of the operand, a struct, do in turn."""
        assert self.type is not None
        ordered = Call("sort_key", (Column("", self.type),), BINARY)
        return self.dialect.expressions.forms["sort_key"](ordered, [self.operand])

    def number(self) -> Sql:
        """The operand to compute with: an unsigned value beyond 64 signed bits is an error."""
        is_wide = self.type is not None and self.type.kind == "uint64"
        return sql.cast(self.operand(), self.dialect.expressions.type_name(INT64)) if is_wide else self.operand()

    def folded(self) -> Sql:
        """The operand, where -0.0 is 0.0: equal values are one."""
        if self.type is None or not self.type.is_float:
            return self.operand()
        zero: Sql = sql.double(0.0)
        if self.type.kind == "float32":
            zero = sql.cast(zero, self.dialect.expressions.type_name(self.type))
        return sql.binary(exp.Add, self.operand(), zero)

    @property
    def fraction(self) -> float:
        """The share of the values that lie below a percentile; without a parameter, that of the median."""
        return 0.5 if self.parameter is None else self.parameter

    def place(self, count: Sql) -> Sql:
        """Where among so many ordered values the percentile is, from 0."""
        last = exp.Paren(this=sql.binary(exp.Sub, count, sql.number(1)))
        return exp.Mul(this=sql.double(self.fraction), expression=last)

    def limit(self) -> Sql:
        """How many values a list has at most."""
        assert isinstance(self.parameter, int)
        return sql.number(self.parameter)

    def valued(self) -> Sql:
        """Within the condition, and not null."""
        present = exp.Is(this=self.operand(), expression=exp.Not(this=exp.Null()))
        within = self.within()
        return present if within is None else exp.And(this=within, expression=present)

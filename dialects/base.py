"""What a dialect has to say: everything of SQL that engines spell or mean in their own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ..planner.expr.nodes import Expr
from ..planner.ir.logical import Scan, WindowedAggregate
from .expressions import ExpressionCompiler, Operand
from .syntax import Sql


class Dialect(ABC):
    """One engine's SQL. A method for each thing that differs; the rest is in the statement compiler."""

    name: str
    """sqlglot's name of the dialect."""
    expressions: ExpressionCompiler
    session: Mapping[str, str]
    """Settings that the answer rests on: an engine sets them and reads them back, a script begins with them."""

    @abstractmethod
    def scan(self, scan: Scan) -> Sql:
        """The FROM item of a table."""

    @abstractmethod
    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A column of a table; a timestamp in UTC without zone, whatever the table has."""

    @abstractmethod
    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A form of a predicate that the engine can use to skip files and row groups, or None for the usual one."""

    @abstractmethod
    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        """One value that orders as the columns do in turn: null lowest, NaN highest, strings by bytes."""

    @abstractmethod
    def greatest_row(self, fields: Sequence[tuple[str, Sql]], key: Sql | None) -> Sql:
        """Aggregate: the fields, as a struct, of the row with the greatest key; of any row without one."""

    @abstractmethod
    def struct_field(self, struct: Sql, field: str) -> Sql:
        """A field of a struct."""

    @abstractmethod
    def unnest(self, values: Sequence[Sql]) -> Sql:
        """One row for each value."""

    @abstractmethod
    def windowed(self, aggregate: WindowedAggregate, operand: Operand | None, within: Operand, key: Operand) -> Sql:
        """An aggregate over the rows that are ``within``; ``key`` orders them."""

    @abstractmethod
    def measure(self, function: str, operand: Sql | None) -> Sql:
        """A plain aggregate of a group."""

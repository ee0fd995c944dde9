"""The interface of a dialect: everything of SQL that engines spell or mean in their own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ..planner.expr.nodes import Call, Column, Expr
from ..planner.ir.data import CatalogTable, EngineQuery, EngineTable
from ..planner.ir.logical import NumberRows, Relation, Scan, Table
from ..planner.types import BINARY, INT64, DataType
from . import syntax as sql
from .expressions import ExpressionCompiler, Operand
from .lists import Lists
from .syntax import Sql


class Dialect(ABC):
    """One engine's SQL. A method for each thing that differs; the rest is in the statement compiler."""

    name: str
    """sqlglot's name of the dialect."""
    expressions: ExpressionCompiler
    aggregates: Mapping[str, AggregateForm]
    lists: Lists
    session: Mapping[str, str]
    """Settings that the answer rests on: an engine sets them and reads them back, a script begins with them."""
    keeps_ctes = False
    """Whether a CTE that is read twice is kept, unless it is said not to be."""

    def setting(self, name: str, value: str) -> str:
        """A statement that sets what the session needs."""
        return f"SET {name} = '{value}'"

    def define_table(self, table: Table) -> Sql | None:
        """A statement that a script needs before it can read a table by name; None where it can already."""
        return self.define_view(table.name, table.data.sql) if isinstance(table.data, EngineQuery) else None

    def define_view(self, name: str, query: str) -> Sql:
        """A statement that gives a query of the user's own a name, for as long as the session lasts."""
        # The line's end keeps a comment at the end of the query from what follows it.
        made = f"TEMPORARY VIEW {sql.table(name).sql(self.name)} AS (\n{query}\n)"
        return exp.Command(this="CREATE OR REPLACE", expression=made)

    def is_kept(self, relation: Relation) -> bool:
        """Whether a relation's rows are the same, and as cheap, each time they are read: then they need no table."""
        del relation
        return False

    def name_query(self, name: str, query: exp.Query) -> exp.Create:
        """A statement that gives a query a name, and runs nothing."""
        temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
        return exp.Create(this=sql.table(name), kind="VIEW", expression=query, properties=temporary)

    def create_table(self, name: str, query: exp.Query, *, is_lazy: bool = False) -> Sql:
        """A statement that fills a temporary table: at once, or with ``is_lazy`` when it is read, as the engine can."""
        temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
        return exp.Create(this=sql.table(name), kind="TABLE", expression=query, properties=temporary)

    def replace_table(self, name: str, query: exp.Query) -> list[Sql]:
        """Statements that fill a temporary table, also where there is one of the name."""
        made = self.create_table(name, query)
        made.set("replace", True)
        return [made]

    def zoned_type(self, type_: DataType) -> str:
        """The engine's type of instants with a zone, in microseconds, and of lists of them; empty for other types."""
        if type_.kind == "list" and type_.element is not None:
            element = self.zoned_type(type_.element)
            return self.expressions.list_name.format(element) if element else ""
        is_zoned = type_.kind == "timestamp" and type_.zone is not None and type_.unit != "ns"
        return self.expressions.zoned if is_zoned else ""

    def drop_table(self, name: str) -> Sql:
        """A statement that drops a temporary table."""
        return exp.Drop(tables=[sql.table(name)], kind="TABLE", exists=True)

    @abstractmethod
    def row_number(self, node: NumberRows) -> Sql:
        """The position of a row, from 0, over the FROM clause of the numbered relation."""

    def scan(self, scan: Scan) -> Sql:
        """The FROM item of a table."""
        data = scan.table.data
        if isinstance(data, CatalogTable):
            return sql.qualified(data.parts)
        return sql.table(data.name if isinstance(data, EngineTable) else scan.table.name)

    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A column of a table; a timestamp in UTC without zone, whatever the table has.

        Temporary tables of ours hold no others.
        """
        type_, value = scan.table.schema[column], sql.column(column)
        if not self.zoned_type(type_) or type_.kind == "list" or isinstance(scan.table.data, EngineTable):
            return value
        return sql.cast(value, self.expressions.type_name(type_))

    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A form of a predicate that the engine can use to skip files and row groups, or None for the usual one."""
        del scan, predicate
        return None

    @abstractmethod
    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        """One value that orders as the columns do in turn: null lowest, NaN highest, strings by bytes."""

    def explode(self, values: Sequence[Sql]) -> Sql:
        """One row for each value."""
        return sql.function("unnest", exp.Array(expressions=list(values)))

    def aggregate(self, function: str, measured: Measured, result: DataType) -> Sql:
        """An aggregate of the rows of a group or window."""
        return self.aggregates[function](measured, self.expressions.result_name(result))


@dataclass(frozen=True)
class Measured:
    """What an aggregate is of: operand and type (None for whole rows), condition on rows, and the function's parameter.

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
        """The operand with 0.0 for -0.0, so that equal values are the same value."""
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


AggregateForm = Callable[[Measured, str], Sql]
"""The SQL of an aggregate, from what is measured and the engine's name of the result's type."""

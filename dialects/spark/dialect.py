"""Spark SQL: what it spells in its own way, and where its default meaning is not the canonical one.

The session is in UTC, with ANSI mode on and ``TIMESTAMP_NTZ`` as the timestamp type (``SESSION``), so an instant with
a zone is spelled ``TIMESTAMP_LTZ``: a plain ``TIMESTAMP`` would drop the offset of a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from ...planner.expr.nodes import Call, Column, Expr, Literal
from ...planner.ir.data import ArrowData, CatalogTable, EngineData, EngineQuery, EngineTable, ParquetFiles
from ...planner.ir.logical import NumberRows, Project, Relation, Scan, Table
from .. import syntax as sql
from ..base import Dialect
from ..syntax import Sql
from .aggregates import AGGREGATE_FORMS, LISTS
from .expressions import SparkExpressions
from .files import file_columns, literal_path, read_options

SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    # A product of decimals with more than 38 digits is an error, and does not lose places.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # The statistics of cached tables leave NaN out, the greatest number, and would skip rows.
    "spark.sql.inMemoryColumnarStorage.partitionPruning": "false",
    # Nanoseconds of files come as integers; what is written has plain microseconds.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}

POSITION = "hitherto_position"
"""The column with which in-memory rows are numbered before they are handed over."""


class SparkDialect(Dialect):
    """Relations in Spark SQL. Sources are read by name: the connection registers files and Arrow data alike."""

    name = "spark"
    expressions = SparkExpressions()
    aggregates = AGGREGATE_FORMS
    lists = LISTS
    session = SESSION

    def setting(self, name: str, value: str) -> str:
        return f"SET {name}={value}"

    def define_table(self, table: Table) -> Sql | None:
        """Files are read by name, and the name is a view of them; all of them are one path with alternatives."""
        if isinstance(table.data, CatalogTable) and table.data.parts != (table.name,):
            return self.define_view(table.name, f"TABLE {sql.qualified(table.data.parts).sql(self.name)}")
        if not isinstance(table.data, ParquetFiles) or table.data.are_shipped:
            return super().define_table(table)
        paths = [literal_path(path) for path in table.data.paths]
        one = paths[0] if len(paths) == 1 else "/{" + ",".join(path.removeprefix("/") for path in paths) + "}"
        options = {"path": f"file://{one}", **read_options(table.data)}
        listed = ", ".join(f"{name} {sql.text(value).sql(self.name)}" for name, value in options.items())
        columns = "" if table.data.schema is None else f" ({file_columns(table.data.schema, table.data.uuids)})"
        named = sql.table(table.name).sql(self.name)
        return exp.Command(
            this="CREATE OR REPLACE", expression=f"TEMPORARY VIEW {named}{columns} USING parquet OPTIONS ({listed})"
        )

    def create_table(self, name: str, query: exp.Query, *, is_lazy: bool = False) -> Sql:
        """Spark has no temporary tables; a cached view is run once."""
        return exp.Cache(this=sql.table(name), lazy=is_lazy, expression=query)

    def replace_table(self, name: str, query: exp.Query) -> list[Sql]:
        """A view can be replaced, and is cached then; what was cached under its name goes."""
        made = self.name_query(name, query)
        made.set("replace", True)
        return [made, exp.Cache(this=sql.table(name))]

    def is_kept(self, relation: Relation) -> bool:
        """Rows that came with numbers: they are in memory, or in Spark's own storage."""
        below = _unprojected(relation)
        return isinstance(below, NumberRows) and _is_numbered(_unprojected(below.input))

    def drop_table(self, name: str) -> Sql:
        """The rows go; the view stays as long as the session, since later ones are made from it by name."""
        return exp.Uncache(this=sql.table(name), exists=True)

    def row_number(self, node: NumberRows) -> Sql:
        """The number that rows came with; for others their place in the order of all columns, the same in every run."""
        below = _unprojected(node.input)
        if _is_numbered(below):
            return sql.column(POSITION)
        order = exp.Order(expressions=[exp.Ordered(this=sql.column(name), desc=False) for name in below.schema.names])
        return sql.binary(exp.Sub, exp.Window(this=exp.RowNumber(), order=order), sql.number(1))

    def scan(self, scan: Scan) -> Sql:
        data = scan.table.data
        return sql.table(data.name if isinstance(data, EngineTable) else scan.table.name)

    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A float of a file is hidden from the file's statistics, which leave NaN out, though it is the greatest."""
        type_, data, value = scan.table.schema[column], scan.table.data, sql.column(column)
        if isinstance(data, ParquetFiles) and column in data.uuids and not data.are_shipped:
            digits = sql.function("lower", sql.function("hex", value))
            groups = [sql.text(text) for text in ("(.{8})(.{4})(.{4})(.{4})(.{12})", "$1-$2-$3-$4-$5")]
            return sql.function("regexp_replace", digits, *groups)
        if type_.is_float and isinstance(data, ParquetFiles | CatalogTable | EngineQuery):
            nan = sql.cast(sql.text("nan"), self.expressions.type_name(type_))
            return sql.case([(sql.function("isnan", value), nan)], sql.column(column))
        return super().scanned_column(scan, column)

    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A bound on a time, compared on the stored value itself, so that row groups can be skipped."""
        match predicate:
            case Call("lt" | "ge" as comparison, (Call("micros_up", (Column() as time,)), Literal(int(bound)))):
                stored = sql.column(time.name)
                if time.type.kind != "timestamp":
                    return None
                if time.type.unit == "ns":
                    kind: type[exp.Binary] = exp.LTE if comparison == "lt" else exp.GT
                    return kind(this=stored, expression=sql.number((bound - 1) * 1000))
                instant = self.expressions.instant(bound)
                if time.type.zone is not None:
                    instant = sql.cast(instant, "TIMESTAMP_LTZ")
                return (exp.LT if comparison == "lt" else exp.GTE)(this=stored, expression=instant)
            case _:
                return None

    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        """Spark's own order of structs: null lowest, NaN highest, strings by bytes."""
        return sql.function("struct", *columns)

    def explode(self, values: Sequence[Sql]) -> Sql:
        return sql.function("explode", sql.function("array", *values))


def _unprojected(relation: Relation) -> Relation:
    """What the columns of a relation are computed from."""
    while isinstance(relation, Project):
        relation = relation.input
    return relation


def _is_numbered(relation: Relation) -> bool:
    """Whether rows came with numbers."""
    data = relation.table.data if isinstance(relation, Scan) else None
    return isinstance(data, EngineData) or (isinstance(data, ArrowData) and data.numbered)

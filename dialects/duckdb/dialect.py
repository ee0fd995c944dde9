"""DuckDB's SQL: what it spells in its own way, and where its default meaning is not the canonical one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp

from ...planner.expr.nodes import Call, Column, Expr, Literal
from ...planner.ir.data import CatalogTable, EngineQuery, EngineTable, ParquetFiles
from ...planner.ir.logical import NumberRows, Scan
from .. import syntax as sql
from ..base import Dialect
from ..syntax import Sql
from .aggregates import AGGREGATE_FORMS, LISTS
from .expressions import DuckDBExpressions, sort_key


def _as_glob(path: str) -> str:
    """A path whose own wildcards are taken literally: read_parquet reads every path as a glob."""
    return re.sub(r"[*?\[]", lambda wildcard: f"[{wildcard[0]}]", path)


def _option(name: str, value: Sql) -> Sql:
    return exp.EQ(this=exp.Var(this=name), expression=value)


class DuckDBDialect(Dialect):
    """Relations in DuckDB."""

    name = "duckdb"
    expressions = DuckDBExpressions()
    keeps_ctes = True
    aggregates = AGGREGATE_FORMS
    lists = LISTS
    session: Mapping[str, str] = {
        "TimeZone": "UTC",
        "integer_division": "false",
        "ieee_floating_point_ops": "true",
        "default_collation": "",
        "default_order": "asc",
        "preserve_insertion_order": "true",
    }

    def row_number(self, node: NumberRows) -> Sql:
        """In the order in which the rows are read, which the session keeps."""
        return sql.binary(exp.Sub, exp.Window(this=exp.RowNumber()), sql.number(1))

    def scan(self, scan: Scan) -> Sql:
        files = scan.table.data
        if not isinstance(files, ParquetFiles):
            return super().scan(scan)
        parts = [self._as_nanoseconds(self._read_parquet(files, paths), dict(units)) for paths, units in files.groups]
        return self._united(parts) if parts else exp.Table(this=self._read_parquet(files, files.paths))

    def _united(self, parts: Sequence[exp.Query]) -> Sql:
        """The rows of all parts; DuckDB finds the common types of the columns that are not timestamps."""
        united = parts[0]
        for part in parts[1:]:
            united = exp.Union(this=united, expression=part, distinct=False, by_name=True)
        return exp.Subquery(this=united)

    def _as_nanoseconds(self, files: Sql, units: Mapping[str, str]) -> exp.Query:
        """Files whose timestamps become nanoseconds of 128 bits, by the unit that each column has there."""
        replaced = []
        for name, unit in units.items():
            # As a timestamp without a zone, which is in UTC.
            stored = sql.cast(sql.column(name), "TIMESTAMP_NS" if unit == "ns" else "TIMESTAMP")
            count = sql.cast(sql.function(f"epoch_{unit}", stored), "HUGEINT")
            nanos = count if unit == "ns" else sql.binary(exp.Mul, count, sql.number(1000))
            replaced.append(exp.Alias(this=nanos, alias=sql.name(name)))
        star = exp.Star(**({"replace": replaced} if replaced else {}))
        return exp.Select(expressions=[star]).from_(exp.Table(this=files))

    def _read_parquet(self, files: ParquetFiles, chosen: Sequence[str]) -> Sql:
        """Columns are found by name and read as their common type; values of folders have types of their own."""
        paths: Sql = exp.Array(expressions=[sql.text(_as_glob(path)) for path in chosen])
        options = [_option("hive_partitioning", exp.Boolean(this=bool(files.partitions)))]
        if files.schema is not None:
            options.append(_option("union_by_name", exp.Boolean(this=True)))
        if files.schema is not None and files.partitions:
            types = {name: self.expressions.type_name(files.schema[name]) for name in files.partitions}
            options.append(
                _option("hive_types", sql.struct([(name, sql.text(type_)) for name, type_ in types.items()]))
            )
        return sql.function("read_parquet", paths, *options)

    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """Some columns are read otherwise than they stand in a table.

        A float of a file is hidden from the file's statistics, which leave NaN out: with values 0 and NaN the maximum
        is 0, and DuckDB would take ``x > 1`` to be false for every row, though NaN is the greatest number. Texts and
        decimals of a table or query of the user's may be of a type that only DuckDB has, such as ENUM or HUGEINT.
        """
        type_ = scan.table.schema[column]
        value = sql.column(column)
        is_users = isinstance(scan.table.data, CatalogTable | EngineQuery)
        if isinstance(scan.table.data, ParquetFiles) and column in scan.table.data.uuids:
            return sql.cast(value, "VARCHAR")
        if type_.kind in ("string", "decimal") and is_users and not getattr(scan.table.data, "is_plain", False):
            return sql.cast(value, self.expressions.type_name(type_))
        if type_.is_float and (is_users or isinstance(scan.table.data, ParquetFiles)):
            nan = sql.cast(sql.text("nan"), self.expressions.type_name(type_))
            return sql.case([(sql.function("isnan", value), nan)], sql.column(column))
        is_zoned_nanos = type_.unit == "ns" and type_.zone is not None and not type_.precision
        if is_zoned_nanos and not isinstance(scan.table.data, EngineTable):
            return sql.cast(value, "TIMESTAMP_NS")
        return super().scanned_column(scan, column)

    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A bound on a time, compared on the stored timestamp itself, so that row groups can be skipped."""
        match predicate:
            case Call("lt" | "ge" as comparison, (Call("micros_up", (Column() as time,)), Literal(int(bound)))):
                if time.type.kind != "timestamp" or time.type.unit == "ns":
                    return None
                zone = "TIMESTAMPTZ" if time.type.zone is not None else "TIMESTAMP"
                instant = self.expressions.instant(bound)
                if not isinstance(instant, exp.Cast):
                    return None
                literal = sql.cast(sql.text(instant.this.name + ("+00" if time.type.zone else "")), zone)
                kind: type[exp.Binary] = exp.LT if comparison == "lt" else exp.GTE
                return kind(this=sql.column(time.name), expression=literal)
            case _:
                return None

    def sort_key(self, columns: Sequence[Sql]) -> Sql:
        return sort_key(columns)

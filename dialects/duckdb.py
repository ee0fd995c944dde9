"""DuckDB's SQL: what it spells in its own way, and where its default meaning is not the canonical one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlglot import exp

from ..planner.expr.nodes import Call, Column, Expr, Literal
from ..planner.ir.logical import (
    ArrowData,
    CatalogTable,
    EngineData,
    EngineTable,
    NumberRows,
    ParquetFiles,
    Relation,
    Scan,
    WindowedAggregate,
)
from ..planner.ir.physical import BucketedRangeJoinAggregate, NarrowAsofThenFetch
from ..planner.types import DataType
from . import syntax as sql
from .base import Dialect
from .block import Block
from .expressions import FORMS, ExpressionCompiler, Form, Operand, ascii_case, named
from .forms import bucketed_range_join_aggregate, narrow_asof_then_fetch
from .patterns import DATE, FLOAT, INTEGER, TIMESTAMP
from .syntax import Sql
from .windowed import Windowed


def _like(call: Call, args: list[Operand]) -> Sql:
    return exp.Like(this=sql.wrapped(args[0]()), expression=args[1]())


def _date_part(call: Call, args: list[Operand]) -> Sql:
    part = sql.function("date_part", args[0](), args[1]())
    is_null = isinstance(call.args[1], Literal) and call.args[1].value is None
    return sql.cast(part, "BIGINT") if is_null else part


def _shift(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Add, args[0](), sql.function("to_microseconds", args[1]()))


def _micros(rounding: str) -> Form:
    """Microseconds of a timestamp; nanoseconds are rounded up or down, also before 1970, where // truncates."""

    def form(call: Call, args: list[Operand]) -> Sql:
        (operand,) = args
        if call.args[0].type.unit != "ns":
            return sql.function("epoch_us", operand())

        def nanos() -> Sql:
            return sql.function("epoch_ns", operand())

        up = rounding == "up"
        away: type[exp.Binary] = exp.Add if up else exp.Sub
        beyond = (
            exp.GT(this=nanos(), expression=sql.number(0)) if up else exp.LT(this=nanos(), expression=sql.number(0))
        )
        moved = sql.binary(exp.IntDiv, sql.binary(away, nanos(), sql.number(999)), sql.number(1000))
        return sql.case([(beyond, moved)], sql.binary(exp.IntDiv, nanos(), sql.number(1000)))

    return form


class DuckDBExpressions(ExpressionCompiler):
    """Expressions in DuckDB. The session is in UTC (``LocalComputeEngine`` sets and checks it)."""

    forms: Mapping[str, Form] = {
        **FORMS,
        "lower": ascii_case("lower"),
        "upper": ascii_case("upper"),
        "like": _like,
        "date_trunc": named("date_trunc"),
        "extract": _date_part,
        "shift": _shift,
        "micros_up": _micros("up"),
        "micros_down": _micros("down"),
    }
    type_names: Mapping[str, str] = {
        "bool": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "uint8": "UTINYINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "uint64": "UBIGINT",
        "float32": "REAL",
        "float64": "DOUBLE",
        "string": "VARCHAR",
        "binary": "BLOB",
        "date": "DATE",
        "timestamp": "TIMESTAMP",
    }

    def instant_of_micros(self, micros: Sql) -> Sql:
        return sql.function("make_timestamp", micros)

    def cast(self, value: Operand, source: DataType, target: DataType) -> Sql:
        name = self.type_name(target)
        if source.kind == "string":
            return self._from_text(value, target, name)
        if target.is_integer and (source.is_float or source.kind == "decimal"):
            return sql.cast(sql.function("trunc", value()), name)
        if source.kind == "timestamp" and source.unit == "ns" and target.kind == "timestamp":
            micros = Call("micros_down", (Column("", source),), target)
            return self.instant_of_micros(self.forms["micros_down"](micros, [value]))
        if source.kind == "timestamp" and target.kind == "timestamp" and source.unit == "us":
            return value()
        return sql.cast(value(), name)

    def _from_text(self, value: Operand, target: DataType, name: str) -> Sql:
        """Text that has another form than the canonical one is an error, and not what DuckDB would make of it."""
        if target.kind == "timestamp":
            valid = sql.function("regexp_full_match", value(), sql.text(TIMESTAMP))
            return sql.cast(self._guarded(valid, value, "TIMESTAMPTZ"), name)
        if target.kind == "bool":
            lowered = exp.In(this=sql.function("lower", value()), expressions=[sql.text("true"), sql.text("false")])
            return self._guarded(lowered, value, name)
        pattern = INTEGER if target.is_integer else DATE if target.kind == "date" else FLOAT
        return self._guarded(sql.function("regexp_full_match", value(), sql.text(pattern)), value, name)

    def _guarded(self, valid: Sql, value: Operand, name: str) -> Sql:
        message = exp.DPipe(
            this=exp.DPipe(this=sql.text("cast: not a " + name + ": '"), expression=value()), expression=sql.text("'")
        )
        present = exp.Is(this=sql.wrapped(value()), expression=exp.Not(this=exp.Null()))
        return sql.case([(valid, sql.cast(value(), name)), (present, sql.function("error", message))])


def _as_glob(path: str) -> str:
    """A path whose own wildcards are taken literally: read_parquet reads every path as a glob."""
    return re.sub(r"[*?\[]", lambda wildcard: f"[{wildcard[0]}]", path)


class DuckDBDialect(Dialect):
    """Relations in DuckDB."""

    name = "duckdb"
    expressions = DuckDBExpressions()
    session: Mapping[str, str] = {
        "TimeZone": "UTC",
        "integer_division": "false",
        "ieee_floating_point_ops": "true",
        "default_collation": "",
        "default_order": "asc",
        "preserve_insertion_order": "true",
    }

    @property
    def forms(self) -> Mapping[type[Relation], Callable[[Any, Any], Block]]:
        return {
            NarrowAsofThenFetch: narrow_asof_then_fetch,
            BucketedRangeJoinAggregate: bucketed_range_join_aggregate,
        }

    def row_number(self, node: NumberRows) -> Sql:
        """In the order in which the rows are read, which the session keeps."""
        return sql.binary(exp.Sub, exp.Window(this=exp.RowNumber()), sql.number(1))

    def scan(self, scan: Scan) -> Sql:
        match scan.table.data:
            case ParquetFiles(paths):
                files: Sql = exp.Array(expressions=[sql.text(_as_glob(path)) for path in paths])
                no_hive = exp.EQ(this=exp.Var(this="hive_partitioning"), expression=exp.Boolean(this=False))
                return exp.Table(this=sql.function("read_parquet", files, no_hive))
            case CatalogTable(parts):
                return sql.qualified(parts)
            case ArrowData() | EngineData():
                return sql.table(scan.table.name)
            case EngineTable(name):
                return sql.table(name)

    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A timestamp with a zone becomes one without, in UTC. Temporary tables of ours hold no others.

        A float of a file is hidden from the file's statistics, which leave NaN out: with values 0 and NaN the maximum
        is 0, and DuckDB would take ``x > 1`` to be false for every row, though NaN is the greatest number.
        """
        type_ = scan.table.schema[column]
        value = sql.column(column)
        if type_.is_float and isinstance(scan.table.data, ParquetFiles | CatalogTable):
            nan = sql.cast(sql.text("nan"), self.expressions.type_name(type_))
            return sql.case([(sql.function("isnan", value), nan)], sql.column(column))
        ours = isinstance(scan.table.data, EngineTable)
        if type_.kind != "timestamp" or type_.zone is None or ours:
            return value
        return sql.cast(value, "TIMESTAMP_NS" if type_.unit == "ns" else "TIMESTAMP")

    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A bound on an event time, compared on the stored timestamp itself, so that row groups can be skipped."""
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
        parts = (part for value in columns for part in (value, sql.text("ASC NULLS FIRST")))
        return sql.function("create_sort_key", *parts)

    def greatest_row(self, fields: Sequence[tuple[str, Sql]], key: Sql | None) -> Sql:
        row = self.struct(fields)
        return sql.function("any_value", row) if key is None else sql.function("arg_max", row, key)

    def struct(self, fields: Sequence[tuple[str, Sql]]) -> Sql:
        named = [exp.PropertyEQ(this=sql.name(name), expression=value) for name, value in fields]
        return exp.Struct(expressions=named)

    def struct_field(self, struct: Sql, field: str) -> Sql:
        return sql.function("struct_extract", struct, sql.text(field))

    def unnest(self, values: Sequence[Sql]) -> Sql:
        return sql.function("unnest", exp.Array(expressions=list(values)))

    def measure(self, function: str, operand: Sql | None) -> Sql:
        return sql.function(function, operand if operand is not None else exp.Star())

    def windowed(self, aggregate: WindowedAggregate, window: Windowed) -> Sql:
        return AGGREGATE_FORMS[aggregate.function](window, self.expressions.type_name(aggregate.type))


AggregateForm = Callable[[Windowed, str], Sql]


def _plain(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, w.operand()), w.within())


def _count(w: Windowed, result: str) -> Sql:
    return sql.filtered(sql.function("count", w.operand() if w.type is not None else exp.Star()), w.within())


def _summed(w: Windowed, result: str) -> Sql:
    """DuckDB sums integers to 128 bits and small floats to double: the planned type, or an error where it overflows."""
    return sql.cast(sql.filtered(sql.function("sum", w.operand()), w.within()), result)


def _mean(w: Windowed, result: str) -> Sql:
    return sql.filtered(sql.function("avg", sql.cast(w.operand(), result)), w.within())


def _variance(function: str, least: int) -> AggregateForm:
    """DuckDB gives 0 for the variance of a lone infinity or NaN; the canonical value is NaN."""

    def form(w: Windowed, result: str) -> Sql:
        def is_finite() -> Sql:
            return sql.function("isfinite", sql.cast(w.operand(), result))

        count = sql.filtered(sql.function("count", w.operand()), w.within())
        infinite = sql.filtered(sql.function("bool_or", exp.Not(this=is_finite())), w.within())
        enough = exp.GTE(this=count, expression=sql.number(least))
        finite = exp.And(this=w.valued(), expression=is_finite())
        variance = sql.filtered(sql.function(function, sql.cast(w.operand(), result)), finite)
        nan = sql.cast(sql.text("nan"), result)
        return sql.case([(exp.And(this=enough, expression=infinite), nan)], variance)

    return form


def _count_distinct(w: Windowed, result: str) -> Sql:
    return sql.filtered(exp.Count(this=exp.Distinct(expressions=[w.operand()])), w.within())


def _ordered(function: str) -> AggregateForm:
    """The operand's value at the least or greatest key, among the values that are not null."""
    return lambda w, result: sql.filtered(sql.function(function, w.operand(), w.key()), w.valued())


AGGREGATE_FORMS: Mapping[str, AggregateForm] = {
    "count": _count,
    "sum": _summed,
    "mean": _mean,
    "min": _plain("min"),
    "max": _plain("max"),
    "var_samp": _variance("var_samp", 2),
    "var_pop": _variance("var_pop", 1),
    "stddev_samp": _variance("stddev_samp", 2),
    "stddev_pop": _variance("stddev_pop", 1),
    "count_distinct": _count_distinct,
    "first": _ordered("arg_min"),
    "last": _ordered("arg_max"),
}

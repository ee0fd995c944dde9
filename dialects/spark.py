"""Spark SQL: what it spells in its own way, and where its default meaning is not the canonical one.

The session is in UTC, with ANSI mode on and ``TIMESTAMP_NTZ`` as the timestamp type (``SESSION``), so an instant with
a zone is spelled ``TIMESTAMP_LTZ``: a plain ``TIMESTAMP`` would drop the offset of a text.
"""

from __future__ import annotations

import re
import sys
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
    Project,
    Relation,
    Scan,
    Table,
    WindowedAggregate,
)
from ..planner.ir.physical import BucketedRangeJoinAggregate, RangeMax, UnionLastValue
from ..planner.types import FLOAT64, INT64, DataType
from . import syntax as sql
from .base import Dialect
from .block import Block
from .expressions import FORMS, ExpressionCompiler, Form, Operand, ascii_case
from .forms import bucketed_range_join_aggregate, range_max, union_last_value
from .patterns import DATE, FLOAT, TIMESTAMP
from .syntax import Sql
from .windowed import Windowed

SESSION: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    # The statistics of cached tables leave NaN out, the greatest number, and would skip rows.
    "spark.sql.inMemoryColumnarStorage.partitionPruning": "false",
    # Nanoseconds of files come as integers; what is written has plain microseconds.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}

POSITION = "hitherto_position"
"""The column with which in-memory rows are numbered before they are handed over."""

_WHOLE = 2.0**53
_BEYOND_FLOAT32 = float(2**128 - 2**103)
_PARTS = {"isodow": "DAYOFWEEK_ISO"}


def _rounded(function: str) -> Form:
    """Spark rounds a double to a long, which loses NaN, infinities and what is too large; those are whole already."""

    def form(call: Call, args: list[Operand]) -> Sql:
        if call.type.is_integer:
            return args[0]()
        limit = exp.Literal(this=f"{_WHOLE!r}e0", is_string=False)
        is_small = exp.LT(this=sql.function("abs", args[0]()), expression=limit)
        return sql.case([(is_small, sql.cast(sql.function(function, args[0]()), "DOUBLE"))], args[0]())

    return form


def _like(call: Call, args: list[Operand]) -> Sql:
    """No character escapes in a pattern: a '$', which does here, is doubled."""
    pattern = call.args[1]
    if isinstance(pattern, Literal) and isinstance(pattern.value, str):
        doubled: Sql = sql.text(pattern.value.replace("$", "$$"))
    else:
        doubled = sql.function("replace", args[1](), sql.text("$"), sql.text("$$"))
    return exp.Escape(this=exp.Like(this=sql.wrapped(args[0]()), expression=doubled), expression=sql.text("$"))


def _date_trunc(call: Call, args: list[Operand]) -> Sql:
    return sql.cast(sql.function("date_trunc", args[0](), args[1]()), "TIMESTAMP_NTZ")


def _extract(call: Call, args: list[Operand]) -> Sql:
    """The second is whole, as every part is: Spark's has a fraction."""
    part = call.args[0]
    assert isinstance(part, Literal)
    name = sql.text(_PARTS.get(str(part.value), str(part.value)))
    return sql.cast(sql.function("date_part", name, args[1]()), "BIGINT")


def _micros(rounding: str) -> Form:
    """Microseconds of a timestamp; nanoseconds come as integers, and are rounded up or down."""

    def form(call: Call, args: list[Operand]) -> Sql:
        if call.args[0].type.unit != "ns":
            return sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))
        above = sql.function("pmod", args[0](), sql.number(1000))
        down = sql.binary(exp.IntDiv, sql.binary(exp.Sub, args[0](), above), sql.number(1000))
        if rounding == "down":
            return down
        rest = exp.GT(this=sql.function("pmod", args[0](), sql.number(1000)), expression=sql.number(0))
        return sql.binary(exp.Add, down, sql.case([(rest, sql.number(1))], sql.number(0)))

    return form


def _shift(call: Call, args: list[Operand]) -> Sql:
    micros = sql.function("unix_micros", sql.cast(args[0](), "TIMESTAMP_LTZ"))
    return _instant(sql.binary(exp.Add, micros, args[1]()))


def _instant(micros: Sql) -> Sql:
    return sql.cast(sql.function("timestamp_micros", micros), "TIMESTAMP_NTZ")


def _floor_to(call: Call, args: list[Operand]) -> Sql:
    return sql.binary(exp.Sub, args[0](), sql.function("pmod", args[0](), args[1]()))


class SparkExpressions(ExpressionCompiler):
    """Expressions in Spark SQL."""

    forms: Mapping[str, Form] = {
        **FORMS,
        "floor": _rounded("floor"),
        "ceil": _rounded("ceil"),
        "lower": ascii_case("lower"),
        "upper": ascii_case("upper"),
        "like": _like,
        "date_trunc": _date_trunc,
        "extract": _extract,
        "shift": _shift,
        "micros_up": _micros("up"),
        "micros_down": _micros("down"),
        "floor_to": _floor_to,
    }
    type_names: Mapping[str, str] = {
        "bool": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INT",
        "int64": "BIGINT",
        "uint8": "SMALLINT",
        "uint16": "INT",
        "uint32": "BIGINT",
        "uint64": "DECIMAL(20, 0)",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "string": "STRING",
        "binary": "BINARY",
        "date": "DATE",
        "timestamp": "TIMESTAMP_NTZ",
    }

    def instant_of_micros(self, micros: Sql) -> Sql:
        return _instant(micros)

    def cast(self, value: Operand, source: DataType, target: DataType) -> Sql:
        name = self.type_name(target)
        if source.kind != "string":
            if source.kind == "timestamp" and source.unit == "ns" and target.kind == "timestamp":
                micros = Call("micros_down", (Literal(None, source),), target)
                return _instant(self.forms["micros_down"](micros, [value]))
            same_instant = source.kind == "timestamp" and target.kind == "timestamp"
            cast = value() if same_instant else sql.cast(value(), name)
            lost = self._is_lost(value, source, target)
            failed = sql.function("raise_error", sql.text(f"cast: out of range of {name}"))
            return cast if lost is None else sql.case([(lost, failed)], cast)
        if target.is_integer:
            return sql.cast(value(), name)
        if target.kind == "bool":
            lowered = exp.In(this=sql.function("lower", value()), expressions=[sql.text("true"), sql.text("false")])
            return self._guarded(lowered, value, name)
        if target.kind == "timestamp":
            return sql.cast(self._guarded(self._matches(value, TIMESTAMP), value, "TIMESTAMP_LTZ"), name)
        return self._guarded(self._matches(value, DATE if target.kind == "date" else FLOAT), value, name)

    def _is_lost(self, value: Operand, source: DataType, target: DataType) -> Sql | None:
        """The floats for which Spark gives the greatest integer or an infinity where others have no value."""
        if source.is_float and target == INT64:
            return exp.EQ(this=sql.wrapped(value()), expression=self.literal(Literal(2.0**63, FLOAT64)))
        if source == FLOAT64 and target.kind == "float32":
            low, high = (self.literal(Literal(bound, FLOAT64)) for bound in (_BEYOND_FLOAT32, sys.float_info.max))
            return exp.Between(this=sql.function("abs", value()), low=low, high=high)
        return None

    def _matches(self, value: Operand, pattern: str) -> Sql:
        return sql.function("regexp_like", value(), sql.text(f"^({pattern})$"))

    def _guarded(self, valid: Sql, value: Operand, name: str) -> Sql:
        message = sql.function("concat", sql.text(f"cast: not a {name}: '"), value(), sql.text("'"))
        present = exp.Is(this=sql.wrapped(value()), expression=exp.Not(this=exp.Null()))
        return sql.case([(valid, sql.cast(value(), name)), (present, sql.function("raise_error", message))])


class SparkDialect(Dialect):
    """Relations in Spark SQL. Sources are read by name: the connection registers files and Arrow data alike."""

    name = "spark"
    expressions = SparkExpressions()
    session = SESSION

    @property
    def forms(self) -> Mapping[type[Relation], Callable[[Any, Any], Block]]:
        return {
            RangeMax: range_max,
            UnionLastValue: union_last_value,
            BucketedRangeJoinAggregate: bucketed_range_join_aggregate,
        }

    def setting(self, name: str, value: str) -> str:
        return f"SET {name}={value}"

    def define_table(self, table: Table) -> Sql | None:
        """Files are read by name, and the name is a view of them; all of them are one path with alternatives."""
        if not isinstance(table.data, ParquetFiles):
            return None
        paths = [literal_path(path) for path in table.data.paths]
        one = paths[0] if len(paths) == 1 else "/{" + ",".join(path.removeprefix("/") for path in paths) + "}"
        path = sql.text(f"file://{one}")
        options = f"USING parquet OPTIONS (path {path.sql(self.name)})"
        return exp.Command(this="CREATE", expression=f"TEMPORARY VIEW {sql.table(table.name).sql(self.name)} {options}")

    def create_table(self, name: str, query: exp.Query, *, is_lazy: bool = False) -> Sql:
        """Spark has no temporary tables; a cached view is run once."""
        return exp.Cache(this=sql.table(name), lazy=is_lazy, expression=query)

    def drop_table(self, name: str) -> Sql:
        """The rows go; the view stays as long as the session, since later ones are made from it by name."""
        return exp.Uncache(this=sql.table(name), exists=True)

    def row_number(self, node: NumberRows) -> Sql:
        """The number that rows came with; for others their place in the order of all columns, the same in every run."""
        below: Relation = node.input
        while isinstance(below, Project):
            below = below.input
        if isinstance(below, Scan) and isinstance(below.table.data, ArrowData | EngineData):
            return sql.column(POSITION)
        order = exp.Order(expressions=[exp.Ordered(this=sql.column(name), desc=False) for name in below.schema.names])
        return sql.binary(exp.Sub, exp.Window(this=exp.RowNumber(), order=order), sql.number(1))

    def scan(self, scan: Scan) -> Sql:
        data = scan.table.data
        return sql.table(data.name if isinstance(data, EngineTable) else scan.table.name)

    def scanned_column(self, scan: Scan, column: str) -> Sql:
        """A timestamp with a zone becomes one without, in UTC. Temporary tables of ours hold no others.

        A float of a file is hidden from the file's statistics, which leave NaN out, though it is the greatest number.
        """
        type_, data, value = scan.table.schema[column], scan.table.data, sql.column(column)
        if type_.is_float and isinstance(data, ParquetFiles | CatalogTable):
            nan = sql.cast(sql.text("nan"), self.expressions.type_name(type_))
            return sql.case([(sql.function("isnan", value), nan)], sql.column(column))
        is_zoned = type_.kind == "timestamp" and type_.zone is not None and type_.unit != "ns"
        return sql.cast(value, "TIMESTAMP_NTZ") if is_zoned and not isinstance(data, EngineTable) else value

    def scan_predicate(self, scan: Scan, predicate: Expr) -> Sql | None:
        """A bound on an event time, compared on the stored value itself, so that row groups can be skipped."""
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

    def struct(self, fields: Sequence[tuple[str, Sql]]) -> Sql:
        return sql.function("named_struct", *(part for name, value in fields for part in (sql.text(name), value)))

    def greatest_row(self, fields: Sequence[tuple[str, Sql]], key: Sql | None) -> Sql:
        row = self.struct(fields)
        return sql.function("any_value", row) if key is None else sql.function("max_by", row, key)

    def struct_field(self, struct: Sql, field: str) -> Sql:
        return exp.Dot(this=struct, expression=sql.name(field))

    def unnest(self, values: Sequence[Sql]) -> Sql:
        return sql.function("explode", sql.function("array", *values))

    def measure(self, function: str, operand: Sql | None) -> Sql:
        return sql.function(function, operand if operand is not None else exp.Star())

    def windowed(self, aggregate: WindowedAggregate, window: Windowed) -> Sql:
        return AGGREGATE_FORMS[aggregate.function](window, self.expressions.type_name(aggregate.type))


def literal_path(path: str) -> str:
    """A path whose own wildcards are taken literally: Spark reads every path as a glob."""
    return re.sub(r"[*?\[\]{},\\]", lambda wildcard: f"\\{wildcard[0]}", path)


AggregateForm = Callable[[Windowed, str], Sql]


def _plain(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, w.operand()), w.within())


def _count(w: Windowed, result: str) -> Sql:
    return sql.filtered(sql.function("count", w.operand() if w.type is not None else exp.Star()), w.within())


def _summed(w: Windowed, result: str) -> Sql:
    """A plain sum of integers fails on an intermediate overflow, by the order of rows: through decimals."""
    operand = w.operand()
    if w.type is not None and w.type.is_integer:
        operand = sql.cast(operand, "DECIMAL(19, 0)")
    return sql.cast(sql.filtered(sql.function("sum", operand), w.within()), result)


def _of_double(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, sql.cast(w.operand(), "DOUBLE")), w.within())


def _count_distinct(w: Windowed, result: str) -> Sql:
    operand = w.operand()
    if w.type is not None and w.type.is_float:
        operand = sql.binary(exp.Add, sql.cast(operand, "DOUBLE"), exp.Literal(this="0e0", is_string=False))
    distinct = sql.filtered(sql.function("collect_set", operand), w.within())
    return sql.cast(sql.function("size", distinct), result)


def _ordered(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, w.operand(), w.key()), w.valued())


AGGREGATE_FORMS: Mapping[str, AggregateForm] = {
    "count": _count,
    "sum": _summed,
    "mean": _of_double("avg"),
    "min": _plain("min"),
    "max": _plain("max"),
    "var_samp": _of_double("var_samp"),
    "var_pop": _of_double("var_pop"),
    "stddev_samp": _of_double("stddev_samp"),
    "stddev_pop": _of_double("stddev_pop"),
    "count_distinct": _count_distinct,
    "first": _ordered("min_by"),
    "last": _ordered("max_by"),
}

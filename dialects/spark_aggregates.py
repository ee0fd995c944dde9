"""Spark SQL's forms of the windowed aggregates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from . import syntax as sql
from .syntax import Sql
from .windowed import Windowed

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

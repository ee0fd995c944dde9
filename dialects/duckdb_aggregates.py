"""DuckDB's forms of the windowed aggregates."""

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

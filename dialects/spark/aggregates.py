"""Spark SQL's forms of the windowed aggregates.

Spark 4.0 runs them all: ``min_by`` of n values came later, and its own percentile interpolates in another way there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from .. import syntax as sql
from ..measured import Measured, interpolated
from ..syntax import Sql

AggregateForm = Callable[[Measured, str], Sql]


def _plain(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, w.operand()), w.within())


def _count(w: Measured, result: str) -> Sql:
    return sql.filtered(sql.function("count", w.operand() if w.type is not None else exp.Star()), w.within())


def _summed(w: Measured, result: str) -> Sql:
    """A plain sum of integers fails on an intermediate overflow, by the order of rows: through decimals."""
    operand = w.number()
    if w.type is not None and w.type.is_integer:
        operand = sql.cast(operand, "DECIMAL(19, 0)")
    return sql.cast(sql.filtered(sql.function("sum", operand), w.within()), result)


def _of_double(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, sql.cast(w.number(), "DOUBLE")), w.within())


def _count_distinct(w: Measured, result: str) -> Sql:
    distinct = sql.filtered(sql.function("collect_set", w.folded()), w.within())
    return sql.cast(sql.function("size", distinct), result)


def _ordered(function: str) -> AggregateForm:
    return lambda w, result: sql.filtered(sql.function(function, w.operand(), w.key()), w.valued())


def _by_age(w: Measured, *, newest_first: bool) -> Sql:
    """The events of the window in their order: structs of the columns of the order, and of the value ``v``."""
    age = sql.function("struct", *w.order())
    event = sql.function("named_struct", sql.text("age"), age, sql.text("v"), w.folded())
    collected = sql.filtered(sql.function("collect_list", event), w.valued())
    return sql.function("sort_array", collected, exp.Boolean(this=not newest_first))


def _first_n(w: Measured, result: str) -> Sql:
    return _values(_slice(_by_age(w, newest_first=False), w))


def _last_n(w: Measured, result: str) -> Sql:
    return sql.function("reverse", _values(_slice(_by_age(w, newest_first=True), w)))


def _first_distinct_n(w: Measured, result: str) -> Sql:
    return _slice(sql.function("array_distinct", _values(_by_age(w, newest_first=False))), w)


def _last_distinct_n(w: Measured, result: str) -> Sql:
    distinct = sql.function("array_distinct", _values(_by_age(w, newest_first=True)))
    return sql.function("reverse", _slice(distinct, w))


def _mode(w: Measured, result: str) -> Sql:
    """The least of the most frequent values."""
    return _field(sql.function("get", _ranked(w), sql.number(0)), "v")


def _top_k(w: Measured, result: str) -> Sql:
    return _values(_slice(_ranked(w), w))


def _ranked(w: Measured) -> Sql:
    """Structs of the negated count and the value ``v`` of each distinct value, the most frequent and least first.

    The values in their order are runs of equal ones: ``b`` are the places where a run begins.
    """
    ordered = sql.function("sort_array", sql.filtered(sql.function("collect_list", w.folded()), w.valued()))
    before = sql.function("get", sql.column("s"), sql.binary(exp.Sub, sql.column("i"), sql.number(1)))
    same = exp.NullSafeEQ(this=before, expression=sql.function("get", sql.column("s"), sql.column("i")))
    places = _each(sql.column("s"), ["v", "i"], sql.column("i"))
    begins = sql.function("filter", places, sql.lambda_function(["i"], exp.Not(this=exp.Paren(this=same))))
    after = sql.function("get", sql.column("b"), sql.binary(exp.Add, sql.column("j"), sql.number(1)))
    end = sql.function("coalesce", after, sql.function("size", sql.column("s")))
    run = sql.function(
        "named_struct",
        *(sql.text("c"), exp.Sub(this=sql.column("i"), expression=end)),
        *(sql.text("v"), sql.function("get", sql.column("s"), sql.column("i"))),
    )
    ranked = sql.function("sort_array", _each(sql.column("b"), ["i", "j"], run))
    return _let("s", ordered, _let("b", begins, ranked))


def _percentile(w: Measured, result: str) -> Sql:
    """``lo + (hi - lo) * f`` over the ordered values."""

    def place() -> Sql:
        return w.place(sql.function("size", sql.column("l")))

    def value(rounding: str) -> Sql:
        index = sql.cast(sql.function(rounding, place()), "INT")
        return sql.cast(sql.function("get", sql.column("l"), index), result)

    ordered = sql.function("sort_array", sql.filtered(sql.function("collect_list", w.number()), w.valued()))
    return _let("l", ordered, interpolated(value, place))


def _let(name: str, value: Sql, body: Sql) -> Sql:
    """The body, in which the name is the value: computed once, however often it is read."""
    return sql.function("get", _each(sql.function("array", value), [name], body), sql.number(0))


def _each(values: Sql, names: list[str], body: Sql) -> Sql:
    return sql.function("transform", values, sql.lambda_function(names, body))


def _slice(values: Sql, w: Measured) -> Sql:
    return sql.function("slice", values, sql.number(1), w.limit())


def _values(structs: Sql) -> Sql:
    return _each(structs, ["e"], _field(sql.column("e"), "v"))


def _field(struct: Sql, field: str) -> Sql:
    return exp.Dot(this=struct, expression=sql.name(field))


def _any(w: Measured, result: str) -> Sql:
    return sql.function("any_value", w.operand())


def _max_by(w: Measured, result: str) -> Sql:
    return sql.function("max_by", w.operand(), w.place_key())


def _last_present(w: Measured, result: str) -> Sql:
    return sql.function("last", w.operand(), exp.Boolean(this=True))


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
    "median": _percentile,
    "percentile": _percentile,
    "first_n": _first_n,
    "last_n": _last_n,
    "first_distinct_n": _first_distinct_n,
    "last_distinct_n": _last_distinct_n,
    "mode": _mode,
    "top_k": _top_k,
    "bool_and": _plain("bool_and"),
    "bool_or": _plain("bool_or"),
    "any": _any,
    "max_by": _max_by,
    # Spark's own order of structs is the one that is meant.
    "newest": _plain("max"),
    "last_present": _last_present,
}

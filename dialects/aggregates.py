"""Aggregates to SQL: one form for each of the planner's table, but for those that are written with others.

A dialect takes ``FORMS``, whose functions most engines have, and puts its own entry over those that it spells or means
in another way. A form gets what is measured, and the engine's name of the result's type.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from . import syntax as sql
from .base import AggregateForm, Measured
from .syntax import Sql


def plain(function: str) -> AggregateForm:
    """A function of that name over the operand."""
    return lambda w, result: sql.filtered(sql.function(function, w.operand()), w.within())


def of_floats(function: str) -> AggregateForm:
    """A function of that name over the operand as a float, as its result is."""
    return lambda w, result: sql.filtered(sql.function(function, sql.cast(w.number(), result)), w.within())


def _count(w: Measured, result: str) -> Sql:
    return sql.filtered(sql.function("count", w.operand() if w.type is not None else exp.Star()), w.within())


def _summed(w: Measured, result: str) -> Sql:
    """Engines sum to a type of their own: the planned one, or an error where the sum is beyond it."""
    return sql.cast(sql.filtered(sql.function("sum", w.number()), w.within()), result)


def _count_distinct(w: Measured, result: str) -> Sql:
    return sql.filtered(exp.Count(this=exp.Distinct(expressions=[w.operand()])), w.within())


def _first(w: Measured, result: str) -> Sql:
    """The operand's value at the least key, among the values that are not null."""
    return sql.filtered(exp.ArgMin(this=w.operand(), expression=w.key()), w.valued())


def _last(w: Measured, result: str) -> Sql:
    """The operand's value at the greatest key, among the values that are not null."""
    return sql.filtered(exp.ArgMax(this=w.operand(), expression=w.key()), w.valued())


def _max_by(w: Measured, result: str) -> Sql:
    return exp.ArgMax(this=w.operand(), expression=w.place_key())


def _any(w: Measured, result: str) -> Sql:
    return sql.function("any_value", w.operand())


def _last_present(w: Measured, result: str) -> Sql:
    return exp.IgnoreNulls(this=exp.LastValue(this=w.operand()))


def percentile(w: Measured, result: str) -> Sql:
    """``lo + (hi - lo) * f`` over the ordered values, lo where both are equal; engines' own have another last bit."""
    lists = w.dialect.lists

    def place() -> Sql:
        return w.place(sql.function(lists.size, sql.column("l")))

    def value(rounding: str) -> Sql:
        return sql.cast(lists.at(sql.column("l"), sql.function(rounding, place())), result)

    fraction = exp.Paren(this=sql.binary(exp.Sub, place(), sql.function("floor", place())))
    between = exp.Paren(this=sql.binary(exp.Sub, value("ceil"), value("floor")))
    moved = exp.Add(this=value("floor"), expression=exp.Mul(this=between, expression=fraction))
    is_one = exp.EQ(this=value("floor"), expression=value("ceil"))
    collected = sql.filtered(sql.function(lists.collected, w.number()), w.valued())
    return lists.let("l", sql.function(lists.ordered, collected), sql.case([(is_one, value("floor"))], moved))


def first_of(values: AggregateForm) -> AggregateForm:
    """The first values of a list, as many as the parameter says."""
    return lambda w, result: w.dialect.lists.first(values(w, result), w.limit())


def values_of(structs: AggregateForm) -> AggregateForm:
    """The fields ``v`` of a list of structs."""
    return lambda w, result: w.dialect.lists.values(structs(w, result))


def reverse_of(values: AggregateForm) -> AggregateForm:
    """A list in the opposite order."""
    return lambda w, result: w.dialect.lists.reversed(values(w, result))


FORMS: Mapping[str, AggregateForm] = {
    "count": _count,
    "sum": _summed,
    "mean": of_floats("avg"),
    "min": plain("min"),
    "max": plain("max"),
    "var_samp": of_floats("var_samp"),
    "var_pop": of_floats("var_pop"),
    "count_distinct": _count_distinct,
    "first": _first,
    "last": _last,
    "median": percentile,
    "percentile": percentile,
    "bool_and": plain("bool_and"),
    "bool_or": plain("bool_or"),
    "any": _any,
    "max_by": _max_by,
    "newest": plain("max"),
    "last_present": _last_present,
}

"""Spark SQL's forms of the aggregates, where they differ.

Spark 4.0 runs them all: ``min_by`` of n values came later, and its own percentile interpolates in another way there.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from .. import syntax as sql
from ..aggregates import FORMS, first_of, reverse_of, values_of
from ..base import AggregateForm, Measured
from ..lists import Lists
from ..syntax import Sql
from .expressions import named_struct

LISTS = Lists(
    collected="collect_list",
    ordered="sort_array",
    mapped="transform",
    kept="filter",
    cut="slice",
    reverse="reverse",
    size="size",
    element="get",
    origin=0,
    index="INT",
    struct=lambda fields: named_struct(fields.items()),
    field=lambda struct, name: exp.Dot(this=struct, expression=sql.name(name)),
)


def _summed(w: Measured, result: str) -> Sql:
    """A plain sum of integers fails on an intermediate overflow, by the order of rows: through decimals."""
    if w.type is None or not w.type.is_integer:
        return FORMS["sum"](w, result)
    wide = sql.cast(w.number(), "DECIMAL(19, 0)")
    return sql.cast(sql.filtered(sql.function("sum", wide), w.within()), result)


def _count_distinct(w: Measured, result: str) -> Sql:
    distinct = sql.filtered(sql.function("collect_set", w.folded()), w.within())
    return sql.cast(sql.function("size", distinct), result)


def _by_age(*, newest_first: bool) -> AggregateForm:
    """The rows in their order: structs of the columns of the order, and of the value ``v``."""

    def form(w: Measured, result: str) -> Sql:
        row = LISTS.struct({"age": sql.function("struct", *w.order()), "v": w.folded()})
        collected = sql.filtered(sql.function(LISTS.collected, row), w.valued())
        return sql.function(LISTS.ordered, collected, exp.Boolean(this=not newest_first))

    return form


def _distinct(values: AggregateForm) -> AggregateForm:
    return lambda w, result: sql.function("array_distinct", values(w, result))


def _ranked(w: Measured, result: str) -> Sql:
    """Structs of the negated count and the value ``v`` of each distinct value, the most frequent and least first.

    The values in their order are runs of equal ones: ``b`` are the places where a run begins.
    """
    collected = sql.filtered(sql.function(LISTS.collected, w.folded()), w.valued())
    before = sql.function("get", sql.column("s"), sql.binary(exp.Sub, sql.column("i"), sql.number(1)))
    same = exp.NullSafeEQ(this=before, expression=sql.function("get", sql.column("s"), sql.column("i")))
    places = LISTS.each(sql.column("s"), ["v", "i"], sql.column("i"))
    begins = sql.function(LISTS.kept, places, sql.lambda_function(["i"], exp.Not(this=exp.Paren(this=same))))
    after = sql.function("get", sql.column("b"), sql.binary(exp.Add, sql.column("j"), sql.number(1)))
    end = sql.function("coalesce", after, sql.function(LISTS.size, sql.column("s")))
    value = sql.function("get", sql.column("s"), sql.column("i"))
    run = LISTS.struct({"c": exp.Sub(this=sql.column("i"), expression=end), "v": value})
    ranked = sql.function(LISTS.ordered, LISTS.each(sql.column("b"), ["i", "j"], run))
    return LISTS.let("s", sql.function(LISTS.ordered, collected), LISTS.let("b", begins, ranked))


def _mode(w: Measured, result: str) -> Sql:
    """The least of the most frequent values."""
    return LISTS.field(sql.function("get", _ranked(w, result), sql.number(0)), "v")


_OLDEST, _NEWEST = _by_age(newest_first=False), _by_age(newest_first=True)

AGGREGATE_FORMS: Mapping[str, AggregateForm] = {
    **FORMS,
    "sum": _summed,
    "count_distinct": _count_distinct,
    "first_n": values_of(first_of(_OLDEST)),
    "last_n": reverse_of(values_of(first_of(_NEWEST))),
    "first_distinct_n": first_of(_distinct(values_of(_OLDEST))),
    "last_distinct_n": reverse_of(first_of(_distinct(values_of(_NEWEST)))),
    "mode": _mode,
    "top_k": values_of(first_of(_ranked)),
}

"""DuckDB's forms of the aggregates, where they differ."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from .. import syntax as sql
from ..aggregates import FORMS, first_of, reverse_of, values_of
from ..base import AggregateForm, Measured
from ..lists import Lists
from ..syntax import Sql

LISTS = Lists(
    collected="list",
    ordered="list_sort",
    mapped="list_transform",
    kept="list_filter",
    cut="list_slice",
    reverse="list_reverse",
    size="len",
    element="list_extract",
    origin=1,
    index="BIGINT",
    struct=lambda fields: sql.struct(fields.items()),
    field=lambda struct, name: sql.function("struct_extract", struct, sql.text(name)),
)


def _variance(function: str, least: int) -> AggregateForm:
    """DuckDB gives 0 for the variance of a lone infinity or NaN; the canonical value is NaN."""

    def form(w: Measured, result: str) -> Sql:
        def is_finite() -> Sql:
            return sql.function("isfinite", sql.cast(w.number(), result))

        count = sql.filtered(sql.function("count", w.operand()), w.within())
        infinite = sql.filtered(sql.function("bool_or", exp.Not(this=is_finite())), w.within())
        enough = exp.GTE(this=count, expression=sql.number(least))
        finite = exp.And(this=w.valued(), expression=is_finite())
        variance = sql.filtered(sql.function(function, sql.cast(w.number(), result)), finite)
        nan = sql.cast(sql.text("nan"), result)
        return sql.case([(exp.And(this=enough, expression=infinite), nan)], variance)

    return form


def _some(function: str) -> AggregateForm:
    """So many of the values at the least or greatest keys."""
    return lambda w, result: sql.filtered(sql.function(function, w.operand(), w.key(), w.limit()), w.valued())


def _distinct(*, newest_first: bool) -> AggregateForm:
    """The distinct values of the ordered list, as fields ``v`` of structs.

    Each is beside its place, sorted by value, so that of equal values the first is the one without an equal before it.
    Looking every value up in the list would be quadratic.
    """

    def form(w: Measured, result: str) -> Sql:
        order = [
            exp.Ordered(this=column, desc=newest_first, nulls_first=not newest_first)
            for column in (*w.order(), w.operand())
        ]
        values = sql.filtered(sql.function("list", exp.Order(this=w.folded(), expressions=order)), w.valued())
        pair = LISTS.struct({"v": sql.column("v"), "i": sql.column("i")})
        placed = sql.function(LISTS.ordered, LISTS.each(values, ["v", "i"], pair))
        before = sql.function(LISTS.element, sql.column("p"), sql.binary(exp.Sub, sql.column("j"), sql.number(1)))
        is_other = exp.NullSafeNEQ(this=LISTS.field(before, "v"), expression=LISTS.field(sql.column("e"), "v"))
        is_first = exp.Or(this=exp.EQ(this=sql.column("j"), expression=sql.number(1)), expression=is_other)
        distinct = sql.function(LISTS.kept, sql.column("p"), sql.lambda_function(["e", "j"], is_first))
        swapped = LISTS.struct({field: LISTS.field(sql.column("e"), field) for field in ("i", "v")})
        by_place = sql.function(LISTS.ordered, LISTS.each(distinct, ["e"], swapped))
        return LISTS.let("p", placed, LISTS.values(LISTS.first(by_place, w.limit())))

    return form


def _mode(w: Measured, result: str) -> Sql:
    """The first of the most frequent values, in the order of values."""
    least_first = exp.Ordered(this=w.operand(), desc=False, nulls_first=True)
    return sql.filtered(sql.function("mode", exp.Order(this=w.folded(), expressions=[least_first])), w.valued())


def _ranked(w: Measured, result: str) -> Sql:
    """Structs of the negated count and the value ``v`` of each distinct value, the most frequent and least first."""
    counts = sql.function("map_entries", sql.filtered(sql.function("histogram", w.folded()), w.valued()))
    count = exp.Neg(this=sql.cast(LISTS.field(sql.column("e"), "value"), "BIGINT"))
    entry = LISTS.struct({"c": count, "v": LISTS.field(sql.column("e"), "key")})
    return sql.function(LISTS.ordered, LISTS.each(counts, ["e"], entry))


def _newest(w: Measured, result: str) -> Sql:
    """DuckDB's own order of structs has null highest."""
    return sql.filtered(exp.ArgMax(this=w.operand(), expression=w.struct_key()), w.within())


AGGREGATE_FORMS: Mapping[str, AggregateForm] = {
    **FORMS,
    "var_samp": _variance("var_samp", 2),
    "var_pop": _variance("var_pop", 1),
    "first_n": _some("arg_min"),
    "last_n": reverse_of(_some("arg_max")),
    "first_distinct_n": _distinct(newest_first=False),
    "last_distinct_n": reverse_of(_distinct(newest_first=True)),
    "mode": _mode,
    "top_k": values_of(first_of(_ranked)),
    "newest": _newest,
}

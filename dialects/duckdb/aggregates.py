"""DuckDB's forms of the windowed aggregates."""

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
    """DuckDB sums integers to 128 bits and small floats to double: the planned type, or an error where it overflows."""
    return sql.cast(sql.filtered(sql.function("sum", w.number()), w.within()), result)


def _mean(w: Measured, result: str) -> Sql:
    return sql.filtered(sql.function("avg", sql.cast(w.number(), result)), w.within())


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


def _count_distinct(w: Measured, result: str) -> Sql:
    return sql.filtered(exp.Count(this=exp.Distinct(expressions=[w.operand()])), w.within())


def _ordered(function: str) -> AggregateForm:
    """The operand's value at the least or greatest key, among the values that are not null."""
    return lambda w, result: sql.filtered(sql.function(function, w.operand(), w.key()), w.valued())


def _first_n(w: Measured, result: str) -> Sql:
    return sql.filtered(sql.function("arg_min", w.operand(), w.key(), w.limit()), w.valued())


def _last_n(w: Measured, result: str) -> Sql:
    newest_first = sql.filtered(sql.function("arg_max", w.operand(), w.key(), w.limit()), w.valued())
    return sql.function("list_reverse", newest_first)


def _distinct_n(w: Measured, *, newest_first: bool) -> Sql:
    """The first n distinct values of the ordered list: each beside its place, sorted by value, so that of equal values
    the first is the one without an equal before it. Looking every value up in the list would be quadratic.
    """
    order = [
        exp.Ordered(this=column, desc=newest_first, nulls_first=not newest_first)
        for column in (*w.order(), w.operand())
    ]
    values = sql.filtered(sql.function("list", exp.Order(this=w.folded(), expressions=order)), w.valued())
    placed = sql.function("list_sort", _each(values, ["v", "i"], _struct(v=sql.column("v"), i=sql.column("i"))))
    before = sql.function("list_extract", sql.column("p"), sql.binary(exp.Sub, sql.column("j"), sql.number(1)))
    is_other = exp.NullSafeNEQ(this=_field(before, "v"), expression=_field(sql.column("e"), "v"))
    is_first = exp.Or(this=exp.EQ(this=sql.column("j"), expression=sql.number(1)), expression=is_other)
    distinct = sql.function("list_filter", sql.column("p"), sql.lambda_function(["e", "j"], is_first))
    swapped = _struct(i=_field(sql.column("e"), "i"), v=_field(sql.column("e"), "v"))
    by_place = sql.function("list_sort", _each(distinct, ["e"], swapped))
    return _let("p", placed, _values(_slice(by_place, w)))


def _first_distinct_n(w: Measured, result: str) -> Sql:
    return _distinct_n(w, newest_first=False)


def _last_distinct_n(w: Measured, result: str) -> Sql:
    return sql.function("list_reverse", _distinct_n(w, newest_first=True))


def _mode(w: Measured, result: str) -> Sql:
    """The first of the most frequent values, in the order of values."""
    least_first = exp.Ordered(this=w.operand(), desc=False, nulls_first=True)
    return sql.filtered(sql.function("mode", exp.Order(this=w.folded(), expressions=[least_first])), w.valued())


def _top_k(w: Measured, result: str) -> Sql:
    counts = sql.function("map_entries", sql.filtered(sql.function("histogram", w.folded()), w.valued()))
    count = exp.Neg(this=sql.cast(_field(sql.column("e"), "value"), "BIGINT"))
    ranked = sql.function("list_sort", _each(counts, ["e"], _struct(c=count, v=_field(sql.column("e"), "key"))))
    return _values(_slice(ranked, w))


def _percentile(w: Measured, result: str) -> Sql:
    """``lo + (hi - lo) * f`` over the ordered values; ``quantile_cont`` has another last bit."""

    def place() -> Sql:
        return w.place(sql.function("len", sql.column("l")))

    def value(rounding: str) -> Sql:
        index = sql.binary(exp.Add, sql.cast(sql.function(rounding, place()), "BIGINT"), sql.number(1))
        return sql.cast(sql.function("list_extract", sql.column("l"), index), result)

    ordered = sql.function("list_sort", sql.filtered(sql.function("list", w.number()), w.valued()))
    return _let("l", ordered, interpolated(value, place))


def _let(name: str, value: Sql, body: Sql) -> Sql:
    """The body, in which the name is the value: computed once, however often it is read."""
    return sql.function("list_extract", _each(exp.Array(expressions=[value]), [name], body), sql.number(1))


def _each(values: Sql, names: list[str], body: Sql) -> Sql:
    return sql.function("list_transform", values, sql.lambda_function(names, body))


def _slice(values: Sql, w: Measured) -> Sql:
    return sql.function("list_slice", values, sql.number(1), w.limit())


def _values(structs: Sql) -> Sql:
    return _each(structs, ["e"], _field(sql.column("e"), "v"))


def _field(struct: Sql, field: str) -> Sql:
    return sql.function("struct_extract", struct, sql.text(field))


def _struct(**fields: Sql) -> Sql:
    return exp.Struct(expressions=[exp.PropertyEQ(this=sql.name(name), expression=fields[name]) for name in fields])


def _any(w: Measured, result: str) -> Sql:
    return sql.function("any_value", w.operand())


def _max_by(w: Measured, result: str) -> Sql:
    return sql.function("arg_max", w.operand(), w.place_key())


def _newest(w: Measured, result: str) -> Sql:
    """DuckDB's own order of structs has null highest."""
    return sql.filtered(sql.function("arg_max", w.operand(), w.dialect.struct_key(w.operand, w.type)), w.within())


def last_present(w: Measured, result: str) -> Sql:
    """The last value that is not null, as every engine says it."""
    return exp.IgnoreNulls(this=exp.LastValue(this=w.operand()))


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
    "newest": _newest,
    "last_present": last_present,
}

"""Words of other tools and of Python, and what to write here in their place."""

from __future__ import annotations

_AGGREGATE = "is an aggregate, and an expression sees one row: declare ht.Aggregation(column, '{}', time_window)"
_NULL_TEST = "is written as a test: x is null, x is not null"
_NOT_DETERMINISTIC = "would give another value at each run, so it is not allowed"

FUNCTIONS_OF_OTHERS: dict[str, str] = {
    **{name: _AGGREGATE.format(name) for name in ("sum", "count", "median", "mode", "first", "last", "bool_and")},
    **dict.fromkeys(("avg", "average", "mean"), _AGGREGATE.format("mean")),
    **dict.fromkeys(("std", "stddev", "stddev_samp", "stdev"), _AGGREGATE.format("stddev_samp")),
    **dict.fromkeys(("var", "variance", "var_samp"), _AGGREGATE.format("var_samp")),
    **dict.fromkeys(("nunique", "count_distinct", "approx_count_distinct"), _AGGREGATE.format("count_distinct")),
    "min": _AGGREGATE.format("min") + "; the smaller of two values is least(x, y)",
    "max": _AGGREGATE.format("max") + "; the greater of two values is greatest(x, y)",
    **dict.fromkeys(("if", "iff", "ifelse", "where", "np.where"), "is written case when … then … else … end"),
    **dict.fromkeys(("is_null", "isnull", "isna", "is_not_null", "isnotnull", "notnull", "notna"), _NULL_TEST),
    **dict.fromkeys(("rand", "random", "uuid", "gen_random_uuid", "now", "today"), _NOT_DETERMINISTIC),
    **dict.fromkeys(("current_date", "current_time", "current_timestamp"), _NOT_DETERMINISTIC),
    "log": "has another base on each engine: write ln(x) or log10(x)",
}
COLUMNS_OF_OTHERS = {
    "none": "null is written null, and asked for with x is null",
    "nan": "write cast('nan' as double), and ask for it with isnan(x)",
}


def pointed(text: str, start: int, end: int) -> str:
    """The line of the text with carets under the place; a long line is cut around it.

    >>> print(pointed("a > 1 and b", 10, 10))
      a > 1 and b
                ^
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    at, width = start - first, max(1, min(end, first + len(line) - 1) - start + 1)
    cut = max(0, at - 60)
    shown = ("…" if cut else "") + line[cut : cut + 110] + ("…" if len(line) > cut + 110 else "")
    at = at - cut + (1 if cut else 0)
    return f"  {shown}\n  {' ' * at}{'^' * min(width, max(1, len(shown) - at))}"

"""Windowed aggregations, as people declare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, SupportsIndex, cast, get_args

from ..calls import checked_call
from ..durations import Duration, format_duration
from ..errors import DefinitionError, Problems, shown, unknown_name
from ..expr.aggregates import AGGREGATES, AggregateName
from ..ir.intervals import window_bound
from .checks import Definition, check_column, check_duration, check_expression, check_list, check_name, check_text

Closed = Literal["left", "right", "both", "neither"]

# What other tools call an aggregate.
_OF_OTHER_TOOLS: Mapping[str, AggregateName] = {
    "avg": "mean", "average": "mean", "std": "stddev_samp", "stddev": "stddev_samp", "var": "var_samp",
    "variance": "var_samp", "nunique": "count_distinct", "n_unique": "count_distinct", "distinct": "count_distinct",
    "unique_count": "count_distinct", "quantile": "percentile", "percentile_cont": "percentile", "len": "count",
    "size": "count", "any": "bool_or", "all": "bool_and", "first_value": "first", "last_value": "last",
    "latest": "last", "total": "sum", "head": "first_n", "tail": "last_n",
}  # fmt: skip


class Aggregation(Definition):
    """One windowed aggregate of a view: ``function`` of ``column`` over the events in ``[t - time_window, t)``.

    ``time_window=None`` is a lifetime window, without a lower bound. ``offset`` moves the window into the past;
    ``slide_interval`` moves its end back to a multiple of that duration since 1970. ``closed`` says which ends belong
    to it: "left" [t-w, t), "right" (t-w, t], "both", "neither". ``where`` is an SQL predicate that keeps only some
    events, for this aggregation alone. Nulls in the column are ignored; ``count`` of ``"*"`` counts rows. Where no
    event is left, counts are 0, lists are empty and everything else is null. Some functions need a parameter: ``p`` of
    ``percentile``, ``k`` of ``top_k``, and ``n`` of ``first_n``, ``last_n`` and their distinct forms.

    >>> Aggregation("usd", "sum", "7d")
    Aggregation('usd', 'sum', [t-7d, t)) -> sum_usd_7d
    >>> Aggregation("usd", "percentile", "30d", p=0.9, name="p90_usd_30d")
    Aggregation('usd', 'percentile', [t-30d, t), p=0.9) -> p90_usd_30d
    """

    column: str
    function: AggregateName
    time_window: int | None
    offset: int
    slide_interval: int | None
    closed: Closed
    where: str | None
    params: Mapping[str, int | float]
    name: str

    @checked_call
    def __init__(
        self,
        column: str,
        function: AggregateName,
        time_window: Duration | None = None,
        *,
        offset: Duration | None = None,
        slide_interval: Duration | None = None,
        closed: Closed = "left",
        where: str | None = None,
        name: str | None = None,
        p: float | None = None,
        n: SupportsIndex | None = None,
        k: SupportsIndex | None = None,
    ) -> None:
        problems = Problems()
        is_word = isinstance(function, str) and function.isidentifier() and len(function) < 100
        where_it_is = f"aggregation {function if is_word else shown(function)}({shown(column)})"
        if not isinstance(column, str):
            raise DefinitionError(f"{where_it_is}: the column is a {type(column).__name__}, not a name")
        if not isinstance(function, str):
            raise DefinitionError(f"{where_it_is}: the function is a {type(function).__name__}, not the name of one")
        check_column(where_it_is, column, problems)
        check_text(f"{where_it_is}: where", where, problems)
        check_expression(f"{where_it_is}, where", where, problems)
        window = check_duration(where_it_is, "time_window", time_window, problems)
        shift = check_duration(where_it_is, "offset", offset, problems)
        slide = check_duration(where_it_is, "slide_interval", slide_interval, problems)
        if window == 0:
            problems.add(f"{where_it_is}: time_window is zero; give a positive one, or None for a lifetime window")
        if slide == 0:
            problems.add(f"{where_it_is}: slide_interval is zero; give a positive one, or None for exact windows")
        ours = _OF_OTHER_TOOLS.get(function.lower())
        if function not in AGGREGATES and ours is not None:
            problems.add(f"{where_it_is}: no aggregate {shown(function)}; it is called {ours} here")
        elif function not in AGGREGATES:
            problems.add(unknown_name(f"{where_it_is}: no aggregate", function, AGGREGATES, listed_as="aggregates"))
        elif column == "*" and function != "count":
            problems.add(f"{where_it_is}: only count takes '*'; name a column")
        params = {role: value for role, value in (("p", p), ("n", n), ("k", k)) if value is not None}
        checked = _check_params(where_it_is, function, params, problems) if function in AGGREGATES else {}
        if not isinstance(closed, str) or closed not in get_args(Closed):
            problems.add(f"{where_it_is}: closed={shown(closed)} is none of {', '.join(map(repr, get_args(Closed)))}")
        if name is not None:
            check_name(where_it_is, name, problems)
        problems.raise_if_any()
        super().__init__(
            column=column,
            function=function,
            time_window=window,
            offset=shift or 0,
            slide_interval=slide,
            closed=closed,
            where=where,
            params=MappingProxyType(checked),
            name=name or _default_name(column, function, window, shift or 0),
        )

    @classmethod
    @checked_call
    def cross(
        cls,
        columns: Sequence[str],
        functions: Sequence[AggregateName],
        time_windows: Sequence[Duration | None],
        *,
        offset: Duration | None = None,
        slide_interval: Duration | None = None,
        closed: Closed = "left",
        where: str | None = None,
        p: float | None = None,
        n: SupportsIndex | None = None,
        k: SupportsIndex | None = None,
    ) -> list[Aggregation]:
        """Every function of every column over every window, columns outermost, with default names.

        A parameter is given to every function, so each has to take it.

        >>> [a.name for a in Aggregation.cross(["usd"], ["mean", "max"], ["1d", "7d"])]
        ['mean_usd_1d', 'mean_usd_7d', 'max_usd_1d', 'max_usd_7d']
        """
        problems = Problems()
        columns = cast("Sequence[str]", check_list(columns, "Aggregation.cross: columns", problems))
        functions = cast("Sequence[AggregateName]", check_list(functions, "Aggregation.cross: functions", problems))
        windows = cast(
            "Sequence[Duration | None]", check_list(time_windows, "Aggregation.cross: time_windows", problems)
        )
        problems.raise_if_any()
        return [
            cls(
                column, function, window,
                offset=offset, slide_interval=slide_interval, closed=closed, where=where, p=p, n=n, k=k,
            )
            for column in columns
            for function in functions
            for window in windows
        ]  # fmt: skip

    @property
    def parameter(self) -> int | float | None:
        """The value of the function's parameter; None where it takes none."""
        return next(iter(self.params.values()), None)

    @property
    def call(self) -> str:
        """The function with its parameter: ``percentile(p=0.9)``."""
        return f"{self.function}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"

    @property
    def bound(self) -> str:
        """The window as an interval around the query time ``t``."""
        return self.bound_with(0)

    @checked_call
    def bound_with(self, data_delay: int) -> str:
        """``bound`` over a source whose rows are visible so many microseconds after their time."""
        return window_bound(
            window=self.time_window, offset=self.offset, slide=self.slide_interval, closed=self.closed,
            data_delay=data_delay,
        )  # fmt: skip

    def __repr__(self) -> str:
        where = f", where={self.where!r}" if self.where else ""
        params = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"Aggregation({self.column!r}, {self.function!r}, {self.bound}{params}{where}) -> {self.name}"


def _check_params(
    where: str, function: str, params: Mapping[str, object], problems: Problems
) -> dict[str, int | float]:
    """The function's parameter with its value; one that is missing, unknown or not a wanted value is noted."""
    wanted = AGGREGATES[function].parameter
    for name in params:
        if wanted is None:
            problems.add(f"{where}: {function} takes no parameter {name!r}")
        elif name != wanted.name:
            problems.add(f"{where}: {function} takes no parameter {name!r}, but {wanted.name}, {wanted.wanted}")
    if wanted is None:
        return {}
    if wanted.name not in params:
        problems.add(f"{where}: {function} needs {wanted.name}=, {wanted.wanted}")
        return {}
    value = wanted.accept(params[wanted.name])
    if value is None:
        problems.add(f"{where}: {wanted.name}={params[wanted.name]!r}; give {wanted.wanted}")
        return {}
    return {wanted.name: value}


def _default_name(column: str, function: str, window: int | None, offset: int) -> str:
    parts = [function]
    if column != "*":
        parts.append(column)
    if window is not None:
        parts.append(format_duration(window))
    if offset:
        parts.append(f"offset_{format_duration(offset)}")
    return "_".join(parts)

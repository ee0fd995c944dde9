"""Polars in the forms that an expert would try; the fastest counts.

Latest values: ``join_asof`` by key with a tolerance, eager and lazy, and on keys turned into numbers first. Windows:
join and group (bucketed, so that only near events meet), and ``rolling`` over the events with the spine mixed in.
Prefix sums with two as-of joins are a peer of their own: they are right where nothing is NaN, infinite or much larger
than the rest, which a library can't know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..shape import Contender, Inputs, Latest, Measure, Run, Shape, View, Windows

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Answer = Callable[[Any, View, Inputs], "pl.DataFrame"]


def contenders(shape: Shape) -> tuple[Contender, ...]:
    return tuple(
        Contender("Polars by prefix sums", "", partial(prepared, shape, form))
        if form == "prefix sums"
        else Contender("Polars", form, partial(prepared, shape, form))
        for form in shape.polars
    )


def prepared(shape: Shape, form: str, inputs: Inputs) -> Run:
    """A form answers view after view over the numbered spine; their columns are put side by side."""
    import polars as pl

    names = [name for _, name in shape.named_columns()]
    latest, _, windows = form.partition(" + ")
    forms = {Latest: FORMS[latest], Windows: FORMS[windows or latest]}

    def run() -> pa.Table:
        numbered = pl.from_arrow(inputs.spine).with_row_index("r")  # type: ignore[union-attr]
        spine = numbered.sort("event_timestamp")
        columns: list[pl.Series] = []
        for view in shape.views:
            answer = forms[type(view)](spine, view, inputs)
            columns += answer.select(view.columns).get_columns()
        return pl.DataFrame([column.alias(name) for column, name in zip(columns, names, strict=True)]).to_arrow()

    return run


def asof(spine: pl.DataFrame, view: Latest, inputs: Inputs) -> pl.DataFrame:
    import polars as pl

    events = pl.read_parquet(inputs.path(view.events), columns=[*view.keys, "ts", *view.features]).sort("ts")
    return _asof(spine, events, view, view.keys).sort("r")


def asof_lazy(spine: pl.DataFrame, view: Latest, inputs: Inputs, engine: Any = "auto") -> pl.DataFrame:
    import polars as pl

    events = pl.scan_parquet(inputs.path(view.events)).select(*view.keys, "ts", *view.features).sort("ts")
    return _asof(spine.lazy(), events, view, view.keys).sort("r").collect(engine=engine)


def asof_by_number(spine: pl.DataFrame, view: Latest, inputs: Inputs) -> pl.DataFrame:
    """Texts and several keys become one number by a join first; events of other keys are left behind by it."""
    import polars as pl

    ids = spine.lazy().select(view.keys).unique().with_row_index("id")
    events = pl.scan_parquet(inputs.path(view.events)).select(*view.keys, "ts", *view.features)
    left = spine.lazy().join(ids, on=view.keys, maintain_order="left")
    right = events.join(ids, on=view.keys).select("id", "ts", *view.features).sort("ts")
    return _asof(left, right, view, ("id",)).sort("r").collect()


def _asof(spine: Any, events: Any, view: Latest, keys: tuple[str, ...]) -> Any:
    return spine.join_asof(
        events,
        left_on="event_timestamp",
        right_on="ts",
        by=list(keys),
        tolerance=None if view.ttl is None else f"{view.ttl}us",
        check_sortedness=False,
    )


def join_and_group(spine: pl.DataFrame, view: Windows, inputs: Inputs, engine: Any = "auto") -> pl.DataFrame:
    """Each row meets the events of the two buckets, of the longest window's length, that can hold its own."""
    import polars as pl

    t = pl.col("event_timestamp").dt.epoch("us")
    last = 1 if view.closed == "left" else 0
    numbered = spine.lazy().select("r", *view.keys, t.alias("t"))
    buckets = [numbered.with_columns(bucket=(pl.col("t") - last) // view.longest - back) for back in (0, 1)]
    operands = dict.fromkeys(each.column for each in view.measures if each.column != "*")
    events = (
        pl.scan_parquet(inputs.path(view.events))
        .select(*view.keys, pl.col("ts").dt.epoch("us"), *operands)
        .with_columns(bucket=pl.col("ts") // view.longest)
    )
    age = pl.col("t") - pl.col("ts")
    grouped = (
        pl.concat(buckets)
        .join(events, on=[*view.keys, "bucket"])
        .filter(age >= last, age <= view.longest)
        .with_columns(age=age)
        .group_by("r")
        .agg(_filtered(each).alias(each.name) for each in view.measures)
    )
    counts = [each.name for each in view.measures if each.function.startswith("count")]
    answers = numbered.select("r").join(grouped, on="r", how="left").with_columns(pl.col(counts).fill_null(0))
    return answers.sort("r").collect(engine=engine)


def _filtered(measure: Measure) -> pl.Expr:
    import polars as pl

    inside = pl.col("age") <= measure.window
    if measure.column == "*":
        return inside.sum()
    column = pl.col(measure.column).filter(inside)
    if measure.function == "sum":
        return pl.when(column.len() > 0).then(column.sum())
    return _called(column, measure)


def _called(column: pl.Expr, measure: Measure) -> pl.Expr:
    simple = {"count": "count", "mean": "mean", "min": "min", "max": "max", "count_distinct": "n_unique"}
    if measure.function in simple:
        return getattr(column, simple[measure.function])()
    if measure.function == "percentile":
        return column.quantile(measure.p, interpolation="linear")
    function, _, population = measure.function.partition("_")
    return getattr(column, {"stddev": "std", "var": "var"}[function])(ddof=1 if population == "samp" else 0)


def rolling(spine: pl.DataFrame, view: Windows, inputs: Inputs) -> pl.DataFrame:
    """``rolling`` over the events with the spine's rows among them, one pass for each window."""
    import polars as pl

    mixed = _mixed(spine, view, inputs)
    found = spine.select("r").sort("r")
    for window in dict.fromkeys(each.window for each in view.measures):
        measures = [each for each in view.measures if each.window == window]
        grouped = mixed.rolling("ts", period=f"{window}us", closed=view.closed, group_by=view.keys)  # type: ignore[arg-type]
        calls = [_of_events(each).alias(each.name) for each in measures]
        answers = grouped.agg(pl.col("r").last().alias("last"), *calls)
        answers = answers.with_columns(r=mixed.sort(*view.keys, "ts", maintain_order=True)["r"])
        found = found.join(answers.filter(pl.col("r").is_not_null()).drop(*view.keys, "ts", "last"), on="r", how="left")
    return found


def rolling_by(spine: pl.DataFrame, view: Windows, inputs: Inputs) -> pl.DataFrame:
    """The rolling expressions over each key: they exist for sums, means, extremes, deviations and quantiles alone."""
    import polars as pl

    mixed = _mixed(spine, view, inputs).with_columns(is_event=pl.col("r").is_null().cast(pl.Int64))
    calls = []
    for each in view.measures:
        given: dict[str, Any] = {"by": "ts", "window_size": f"{each.window}us", "closed": view.closed}
        if each.column == "*":
            call = pl.col("is_event").rolling_sum_by(**given)
        elif each.function == "percentile":
            call = pl.col(each.column).rolling_quantile_by(quantile=each.p, interpolation="linear", **given)  # type: ignore[arg-type]
        else:
            call = getattr(pl.col(each.column), f"rolling_{each.function}_by")(**given)
        if each.function == "sum":  # of no event it is 0
            call = pl.when(pl.col("is_event").rolling_sum_by(**given) > 0).then(call)
        calls.append(call.over(view.keys).alias(each.name))
    answers = mixed.select("r", *calls).filter(pl.col("r").is_not_null()).sort("r")
    return answers.with_columns(pl.col(each.name).fill_null(0) for each in view.measures if each.column == "*")


def _mixed(spine: pl.DataFrame, view: Windows, inputs: Inputs) -> pl.DataFrame:
    """Events, and the rows of the spine without values, in order of time."""
    import polars as pl

    operands = dict.fromkeys(each.column for each in view.measures if each.column != "*")
    events = pl.scan_parquet(inputs.path(view.events)).select(*view.keys, "ts", *operands)
    events = events.join(spine.lazy().select(view.keys).unique(), on=view.keys, how="semi")
    rows = spine.lazy().select("r", *view.keys, pl.col("event_timestamp").alias("ts"))
    return pl.concat([events, rows], how="diagonal").sort("ts").collect()


def _of_events(measure: Measure) -> pl.Expr:
    import polars as pl

    if measure.column == "*":
        return pl.col("r").is_null().sum()
    column = pl.col(measure.column)
    if measure.function == "sum":
        return pl.when(column.count() > 0).then(column.sum())
    return _called(column.drop_nulls() if measure.function == "count_distinct" else column, measure)


def prefix_sums(spine: pl.DataFrame, view: Windows, inputs: Inputs) -> pl.DataFrame:
    """Sums and counts as differences of running ones, found by an as-of join at each end of the window."""
    import polars as pl

    operands = list(dict.fromkeys(each.column for each in view.measures if each.column != "*"))
    events = pl.read_parquet(inputs.path(view.events), columns=[*view.keys, "ts", *operands]).sort("ts")
    running = events.select(
        *view.keys,
        "ts",
        *(pl.col(column).cum_sum().over(view.keys).alias(f"sum {column}") for column in operands),
        pl.int_range(1, pl.len() + 1).over(view.keys).alias("n"),
    )
    values = [name for name in running.columns if name not in (*view.keys, "ts")]
    found = spine
    ends = {0, *(each.window for each in view.measures)}
    for end in ends:
        at = found.with_columns(at=pl.col("event_timestamp") - pl.duration(microseconds=end))
        renamed = running.rename({name: f"{name} {end}" for name in values})
        found = at.join_asof(
            renamed, left_on="at", right_on="ts", by=list(view.keys), allow_exact_matches=False, check_sortedness=False
        ).drop("at", "ts", strict=False)
    found = found.with_columns(pl.col(f"{name} {end}").fill_null(0) for name in values for end in ends)
    count = {each.window: pl.col("n 0") - pl.col(f"n {each.window}") for each in view.measures}
    calls = []
    for each in view.measures:
        total = (
            pl.col(f"sum {each.column} 0") - pl.col(f"sum {each.column} {each.window}") if each.column != "*" else None
        )
        if each.function == "count":
            calls.append(count[each.window].alias(each.name))
        elif each.function == "mean":
            calls.append(pl.when(count[each.window] > 0).then(total / count[each.window]).alias(each.name))
        else:
            calls.append(pl.when(count[each.window] > 0).then(total).alias(each.name))
    return found.select("r", *calls).sort("r")


FORMS: dict[str, Any] = {
    "join_asof": asof,
    "join_asof, lazy": asof_lazy,
    "join_asof, streaming": partial(asof_lazy, engine="streaming"),
    "join_asof by number": asof_by_number,
    "join and group": join_and_group,
    "join and group, streaming": partial(join_and_group, engine="streaming"),
    "rolling": rolling,
    "rolling_by": rolling_by,
    "prefix sums": prefix_sums,
}

"""hitherto: as it chooses by itself, without statistics, and in forms that are forced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..shape import Contender, Inputs, Latest, Run, Shape, View, duration

if TYPE_CHECKING:
    import pyarrow as pa


def contenders(shape: Shape, forms: tuple[str, ...]) -> tuple[Contender, ...]:
    if not shape.views or shape.spark:
        return ()
    forced = (Contender("hitherto", form, partial(prepared, shape, form=form)) for form in forms)
    return (
        Contender("hitherto", "", partial(prepared, shape)),
        Contender("hitherto without statistics", "", partial(prepared, shape, statistics="off")),
        *forced,
    )


def prepared(
    shape: Shape, inputs: Inputs, *, form: str | None = None, statistics: Any = "full", engine: Any = None
) -> Run:
    import duckdb  # noqa: F401
    import hitherto as ht

    views = [declared(view, inputs) for view in shape.views]
    forms = {} if form is None else {view.name: form for view in views}
    options = ht.PlannerOptions(forms=forms, statistics=statistics)
    if shape.engine:
        engine = ht.LocalComputeEngine(**shape.engine)
    store = ht.FeatureStore(views, engine=engine, planner_options=options, progress=False)
    names = [name for _, name in shape.named_columns()]

    def run() -> pa.Table:
        job = store.get_historical_features(inputs.spine, views, full_feature_names=len(views) > 1)
        return job.to_arrow().select(names)

    return run


def declared(view: View, inputs: Inputs) -> Any:
    """The feature view that a benchmark's view stands for."""
    import hitherto as ht

    source = ht.FileSource(inputs.path(view.events), timestamp_field="ts")
    if isinstance(view, Latest):
        ttl = None if view.ttl is None else duration(view.ttl)
        return ht.FeatureView(view.name, entities=[*view.keys], source=source, features=[*view.features], ttl=ttl)
    aggregations = [
        ht.Aggregation(
            each.column,
            each.function,
            duration(each.window),
            closed=view.closed,
            name=each.name,
            **({} if each.p is None else {"p": each.p}),
        )
        for each in view.measures
    ]
    return ht.FeatureView(view.name, entities=[*view.keys], source=source, aggregations=aggregations)

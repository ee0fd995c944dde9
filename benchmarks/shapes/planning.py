"""Planning alone: from the request to SQL, over files that are almost empty; nothing is run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..data import DAY, Events, Size
from ..shape import Contender, Inputs, Latest, Measure, Run, Shape, View, Windows

if TYPE_CHECKING:
    import pyarrow as pa

FEW = {"S": Size(10, 1_000, 10), "M": Size(10, 1_000, 10)}
WINDOWS = tuple(Measure("sum", f"c{number % 10}", (number + 1) * DAY) for number in range(20))


def planned(views: tuple[View, ...], asked: int, inputs: Inputs) -> Run:
    """The SQL of a request for the first ``asked`` features of each view, from a store that stays, as in a service."""
    import hitherto as ht
    import pyarrow as pa

    from ..peers.ours import declared

    store = ht.FeatureStore([declared(view, inputs) for view in views], progress=False)
    features = [f"{view.name}:{column}" for view in views for column in view.columns[:asked]]

    def run() -> pa.Table:
        job = store.get_historical_features(inputs.spine, features, full_feature_names=True)
        assert job.to_sql()
        return pa.table({"features": [len(features)]})

    return run


def of(views: tuple[View, ...], asked: int) -> tuple[Contender, ...]:
    return (Contender("hitherto", "", partial(planned, views, asked)),)


SHAPES = (
    Shape("planning-one", "planning alone: one view of two features", Events(), FEW, extra=of((Latest(),), 2)),
    Shape(
        "planning-20-views",
        "planning alone: one feature of 20 views of 200 columns",
        Events(sources=20, columns=200),
        FEW,
        extra=of(
            tuple(
                Latest(tuple(f"c{column}" for column in range(200)), events=f"events_{number}", name=f"view_{number}")
                for number in range(20)
            ),
            1,
        ),
    ),
    Shape(
        "planning-100-views",
        "planning alone: 100 views of 20 windows over one source",
        Events(columns=10),
        FEW,
        extra=of(tuple(Windows(WINDOWS, name=f"view_{number}") for number in range(100)), 20),
    ),
)

"""pandas: ``merge_asof`` by key with a tolerance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..shape import Contender, Inputs, Latest, Run, Shape

if TYPE_CHECKING:
    import pyarrow as pa


def contenders(shape: Shape) -> tuple[Contender, ...]:
    return (Contender("pandas", "merge_asof", partial(prepared, shape)),) if shape.pandas else ()


def prepared(shape: Shape, inputs: Inputs) -> Run:
    import pandas as pd
    import pyarrow as pa

    names = [name for _, name in shape.named_columns()]
    views = [view for view in shape.views if isinstance(view, Latest)]
    frame = inputs.spine.to_pandas()  # what a user of pandas has

    def run() -> pa.Table:
        spine = frame.sort_values("event_timestamp")
        columns = []
        for view in views:
            events = pd.read_parquet(inputs.path(view.events), columns=[*view.keys, "ts", *view.features])
            tolerance = None if view.ttl is None else pd.Timedelta(view.ttl, "us")
            joined = pd.merge_asof(
                spine.reset_index(names="r"),
                events.sort_values("ts"),
                left_on="event_timestamp",
                right_on="ts",
                by=[*view.keys],
                tolerance=tolerance,
            ).sort_values("r")
            columns += [pa.array(joined[feature], from_pandas=True) for feature in view.features]
        return pa.table(columns, names=names)

    return run

"""Feast with its duckdb store, in the process. It gives no order back: a column of row numbers restores it.

It needs the extra ``bench``; ``HITHERTO_BENCHMARKS_FEAST`` may name the Python of an environment that has it.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..shape import Contender, Inputs, Latest, Run, Shape

if TYPE_CHECKING:
    import pyarrow as pa

PYTHON = os.environ.get("HITHERTO_BENCHMARKS_FEAST")


def contenders(shape: Shape) -> tuple[Contender, ...]:
    if not shape.feast or (PYTHON is None and find_spec("feast") is None):
        return ()
    return (Contender("Feast", "duckdb store", partial(prepared, shape), python=PYTHON),)


def prepared(shape: Shape, inputs: Inputs) -> Run:
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float64, Int64

    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(inputs.scratch / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(inputs.scratch / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    views = [view for view in shape.views if isinstance(view, Latest)]
    entities = {key: Entity(name=key, join_keys=[key]) for view in views for key in view.keys}
    declared: list[Any] = [*entities.values()]
    for view in views:
        source = FileSource(name=f"{view.name}_source", path=inputs.path(view.events), timestamp_field="ts")
        fields = [Field(name=name, dtype=Int64 if name == "items" else Float64) for name in view.features]
        keys = [entities[key] for key in view.keys]
        ttl = timedelta(microseconds=view.ttl or 0)
        declared.append(FeatureView(name=view.name, entities=keys, schema=fields, source=source, ttl=ttl))
    store.apply(declared)
    rows = inputs.spine.to_pandas().assign(row=range(inputs.spine.num_rows))
    asked = [f"{view.name}:{feature}" for view in views for feature in view.features]
    names = [name for _, name in shape.named_columns()]

    def run() -> pa.Table:
        job = store.get_historical_features(entity_df=rows, features=asked, full_feature_names=len(views) > 1)
        return job.to_arrow().sort_by("row").select(names)

    return run

"""How the planner's work grows: with what is declared, and never with its square. Calls are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from types import FrameType

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.features.definitions import Feature

NOON = datetime(2024, 1, 1, 12)
MOST = 2.5
"""Twice as much may take a little more than twice the calls; the square takes four times."""


def source(columns: int) -> ht.ArrowSource:
    values = {f"c{number}": [1.0] for number in range(columns)}
    return ht.ArrowSource(pa.table({"k": [1], "ts": [NOON], **values}), timestamp_field="ts")


def calls(views: Sequence[ht.FeatureView], features: Sequence[Feature]) -> int:
    """How many Python functions are called to plan a retrieval, to explain it and to write its SQL."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    store = ht.FeatureStore(views, engine=ht.LocalComputeEngine())
    rows = pa.table({"k": [1], "event_timestamp": [NOON]})
    sys.setprofile(called)
    try:
        str(store.get_historical_features(rows, features, full_feature_names=True).explain())
    finally:
        sys.setprofile(None)
    return count


def unasked_columns(size: int) -> int:
    views = [ht.FeatureView(f"v{number}", entities=["k"], source=source(20 * size)) for number in range(5)]
    return calls(views, [f"v{number}:c{number}" for number in range(5)])


def views_without_columns_in_common(size: int) -> int:
    views = [ht.FeatureView(f"v{number}", entities=["k"], source=source(10)) for number in range(5 * size)]
    return calls(views, [f"v{number}:c{number % 10}" for number in range(5 * size)])


def windows_over_one_source(size: int) -> int:
    shared = source(5)
    views = [
        ht.FeatureView(
            f"v{number}",
            entities=["k"],
            source=shared,
            filter="c0 > 0",
            columns={"x": f"c1 + {number}"},
            aggregations=[ht.Aggregation("x", "sum", f"{hours}h", name=f"f{number}_{hours}") for hours in (1, 2, 3)],
        )
        for number in range(5 * size)
    ]
    return calls(views, views)


def latest_over_one_source(size: int) -> int:
    shared = source(5)
    views = [
        ht.FeatureView(f"v{number}", entities=["k"], source=shared, ttl=f"{number + 1}d") for number in range(5 * size)
    ]
    return calls(views, views)


def expressions_of_one_view(size: int) -> int:
    view = ht.FeatureView(
        "v",
        entities=["k"],
        source=source(10 * size),
        columns={f"x{number}": f"c{number} + {number}" for number in range(10 * size)},
        aggregations=[
            ht.Aggregation(f"x{number}", "sum", "1h", where=f"c{number} > 1", name=f"a{number}")
            for number in range(10 * size)
        ],
        post_aggregation={f"p{number}": f"a{number} * 2" for number in range(10 * size)},
    )
    return calls([view], [view])


@pytest.mark.parametrize(
    "effort",
    [
        unasked_columns, views_without_columns_in_common, windows_over_one_source, latest_over_one_source,
        expressions_of_one_view,
    ],
)  # fmt: skip
def test_twice_as_much_takes_twice_the_work(effort: Callable[[int], int]) -> None:
    assert effort(8) / effort(4) < MOST


def test_all_views_over_the_same_rows_are_fused_by_one_firing() -> None:
    shared = source(3)
    views = [
        ht.FeatureView(
            f"v{number}", entities=["k"], source=shared,
            aggregations=[ht.Aggregation("c0", "sum", "1h", name=f"f{number}")],
        )
        for number in range(6)
    ]  # fmt: skip
    store = ht.FeatureStore(views, engine=ht.LocalComputeEngine())
    rows = pa.table({"k": [1], "event_timestamp": [NOON]})
    rules = str(store.get_historical_features(rows, views).explain(level="optimized"))
    assert rules.count("fuse_windows_over_same_rows") == 1
    assert "times)" not in next(line for line in rules.splitlines() if "fuse_windows_over_same_rows" in line)

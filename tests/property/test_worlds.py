"""The random worlds reach what they are for: what is never drawn is never tested."""

from __future__ import annotations

from hitherto.planner.expr.aggregates import AGGREGATES

from tests.worlds import seeded_world

DRAWN = [seeded_world(f"drawn {number}") for number in range(150)]


def test_every_aggregate_of_the_table_is_drawn() -> None:
    functions = {item.function for world in DRAWN for view in world.bases for item in view.aggregations}
    assert functions == set(AGGREGATES)

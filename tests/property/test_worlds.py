"""The random worlds reach what they are for: what is never drawn is never tested."""

from __future__ import annotations

from functools import cache

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
from hitherto.planner.expr.aggregates import AGGREGATES

from tests.worlds import World, seeded_world


@cache
def drawn() -> list[World]:
    return [seeded_world(f"drawn {number}") for number in range(300)]


def windows(world: World) -> list[tuple[tuple[int | None, str], ...]]:
    """Width and closed ends of each view's windows."""
    return [tuple((item.time_window, item.closed) for item in view.aggregations) for view in world.bases]


def test_views_are_drawn_whose_windows_hold_no_instant() -> None:
    assert any(set(view) == {(1, "neither")} for world in drawn() for view in windows(world))


def test_files_of_one_source_are_drawn_whose_instants_differ_in_unit() -> None:
    sources = [source for world in drawn() for source in world.tables if isinstance(source, ht.FileSource)]
    schemas = [{str(pq.read_schema(path)) for path in source.paths} for source in sources]
    assert any(len(each) > 1 for each in schemas)


def test_entity_rows_are_drawn_that_have_neither_rows_nor_types() -> None:
    frames = [type(world.entity_df) for world in drawn() if set(world.spine.schema.types) == {pa.null()}]
    assert {frame.__module__.split(".")[0] for frame in frames} >= {"pyarrow", "pandas"}


def test_every_aggregate_of_the_table_is_drawn() -> None:
    functions = {item.function for world in drawn() for view in world.bases for item in view.aggregations}
    assert functions == set(AGGREGATES)

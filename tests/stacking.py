"""Many small worlds in one job: the same definitions over other rows, told apart by one more join key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.compute as pc
from hitherto.planner.features.definitions import Source

from tests.worlds import Seeded, World, differences, filled_spine, roles, seeded_world, with_sources, write_files

WORLD = "world number"
"""The join key that tells the worlds apart; no generated name is like it."""


@dataclass(frozen=True)
class Stack:
    """One world of all rows, and the worlds that are in it, each with its part of the spine in the stack's order."""

    whole: World
    parts: tuple[World, ...]

    def differences(self, answer: pa.Table) -> dict[int, list[str]]:
        """How each part of an answer differs from what the reference gives for that world alone."""
        found: dict[int, list[str]] = {}
        for number, part in enumerate(self.parts):
            own = answer.filter(pc.equal(answer[WORLD], number)).drop_columns(WORLD)
            problems = differences(part, part.expected(), own)
            if problems:
                found[number] = problems
        return found


def stacked(seed: str, count: int, files: int | None) -> Stack:
    """``count`` worlds of the definitions that the seed gives, in so many parquet files or in memory, shuffled."""
    world = seeded_world(seed)
    choices = [Seeded(f"{seed}, {number}") for number in range(count)]
    tables = {source: [table.filled(each).data for each in choices] for source, table in world.drawn.items()}
    spines = [filled_spine(world.spine_columns, each) for each in choices]
    spine = _marked(spines)
    order = list(range(spine.num_rows))
    Random(seed).shuffle(order)
    spine = spine.take(pa.array(order, pa.int64()))
    sources: dict[Source, Source] = {source: _source(source, _marked(data), files) for source, data in tables.items()}
    whole = replace(with_sources(world, sources, WORLD), entity_df=spine, spine=spine)
    parts = []
    for number in range(count):
        own = spine.filter(pc.equal(spine[WORLD], number)).drop_columns(WORLD)
        parts.append(alone(world, {source: data[number] for source, data in tables.items()}, own))
    return Stack(whole, tuple(parts))


def alone(world: World, tables: dict[Source, pa.Table], spine: pa.Table) -> World:
    """The world with other rows, in memory."""
    sources: dict[Source, Source] = {source: _source(source, table, None) for source, table in tables.items()}
    return with_sources(replace(world, tables=tables, entity_df=spine, spine=spine), sources)


def _marked(tables: Sequence[pa.Table]) -> pa.Table:
    marked = [table.append_column(WORLD, pa.array([n] * table.num_rows, pa.int64())) for n, table in enumerate(tables)]
    return pa.concat_tables(marked)


def _source(source: Source, table: pa.Table, files: int | None) -> Source:
    if files is None:
        return ht.ArrowSource(table, **roles(source))
    return ht.FileSource(write_files(table, files, Random(files)), **roles(source))


def shrunk(world: World, fails: Callable[[World], bool], most: int = 60) -> World:
    """A smaller world that still fails: fewer features, then fewer rows, halves before single ones."""
    runs = 0
    while True:
        for smaller in _smaller(world):
            runs += 1
            if runs > most:
                return world
            if fails(smaller):
                world = smaller
                break
        else:
            return world


def _smaller(world: World) -> Iterator[World]:
    """Worlds with less in them, the smallest first."""
    for features in _without(world.features):
        if features:
            yield replace(world, features=features)
    for kept in _without(range(world.spine.num_rows)):
        yield alone(world, world.tables, world.spine.take(pa.array(kept, pa.int64())))
    for source, table in world.tables.items():
        for kept in _without(range(table.num_rows)):
            yield alone(world, {**world.tables, source: table.take(pa.array(kept, pa.int64()))}, world.spine)


def _without(items: Sequence[Any]) -> Iterator[list[Any]]:
    """The items without a half of them, a quarter, …, one."""
    size = (len(items) + 1) // 2
    while size:
        for start in range(0, len(items), size):
            yield [*items[:start], *items[start + size :]]
        size //= 2

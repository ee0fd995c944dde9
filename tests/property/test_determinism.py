"""One answer, whatever the threads, the order of the rows, the files they lie in, and the order of the spine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.features.definitions import Source
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.reference import Approximate, Row, agrees
from tests.tiers import WORLDS, seed_of, shards
from tests.worlds import World, plain_rows, roles, with_sources, worlds, write_files

_WITHOUT_VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}


@pytest.fixture(scope="module")
def engines() -> tuple[ht.LocalComputeEngine, ht.LocalComputeEngine]:
    return ht.LocalComputeEngine(threads=1), ht.LocalComputeEngine(threads=2)


@shards(fast=0, deep=7)
def test_the_answer_does_not_depend_on_threads_files_or_order(
    shard: int, engines: tuple[ht.LocalComputeEngine, ht.LocalComputeEngine]
) -> None:
    one, two = engines

    @seed(seed_of(shard))
    @settings(max_examples=WORLDS // 5)
    @given(worlds(), st.integers(0, 2**32))
    def check(world: World, order: int) -> None:
        shuffle = Random(order)
        first = world.job(one).to_arrow()
        wanted = _within_tolerance(world, first)
        assert not _unlike(wanted, world, world.job(two).to_arrow()), "two threads"
        unaware = ht.PlannerOptions(statistics="off")
        assert not _unlike(wanted, world, world.job(two, unaware).to_arrow()), "no statistics"

        shuffled = {source: _shuffled(table, shuffle) for source, table in world.tables.items()}
        in_memory = with_sources(world, {source: _arrow_source(source, table) for source, table in shuffled.items()})
        assert not _unlike(wanted, world, in_memory.job(one).to_arrow()), "shuffled rows"
        in_files = with_sources(
            world, {source: _file_source(source, table, shuffle) for source, table in shuffled.items()}
        )
        assert not _unlike(wanted, world, in_files.job(two).to_arrow()), "split files"

        rows = _shuffled_numbers(world.spine, shuffle)
        spine = _taken(world.spine, rows)
        answer = world.job(two, entity_df=spine).to_arrow()
        assert answer.select(spine.column_names).equals(spine)
        assert not _unlike([wanted[row] for row in rows.to_pylist()], world, answer), "shuffled spine"

    check()


def _within_tolerance(world: World, answer: pa.Table) -> list[dict[str, Any]]:
    """The answer's features, with the reference's tolerance for those floats that the order of summation moves."""
    rows = plain_rows(answer.select([output.name for output in world.outputs]))
    return [
        {name: _tolerant(value, wanted[name]) for name, value in row.items()}
        for row, wanted in zip(rows, world.expected(), strict=True)
    ]


def _tolerant(value: Any, wanted: Any) -> Any:
    if not isinstance(wanted, Approximate) or not isinstance(value, float) or not math.isfinite(value):
        return value
    return Approximate(value, 2 * wanted.tolerance)


def _unlike(wanted: Sequence[Row], world: World, answer: pa.Table) -> list[tuple[Any, ...]]:
    got = plain_rows(answer.select([output.name for output in world.outputs]))
    return [
        (number, name, value, row[name])
        for number, (row, first) in enumerate(zip(got, wanted, strict=True))
        for name, value in first.items()
        if not agrees(value, row[name])
    ]


def _shuffled(table: pa.Table, shuffle: Random) -> pa.Table:
    return table.take(_shuffled_numbers(table, shuffle))


def _taken(table: pa.Table, rows: pa.Array) -> pa.Table:
    """Rows by number, of any type: Arrow has no ``take`` of views."""
    plain = pa.schema([each.with_type(_WITHOUT_VIEWS.get(each.type, each.type)) for each in table.schema])
    return table.cast(plain).take(rows).cast(table.schema)


def _shuffled_numbers(table: pa.Table, shuffle: Random) -> pa.Array:
    rows = list(range(table.num_rows))
    shuffle.shuffle(rows)
    return pa.array(rows, pa.int64())


def _arrow_source(source: Source, table: pa.Table) -> Source:
    half = table.num_rows // 2
    return ht.ArrowSource(pa.concat_tables([table.slice(0, half), table.slice(half)]), **roles(source))


def _file_source(source: Source, table: pa.Table, shuffle: Random) -> Source:
    return ht.FileSource(write_files(table, 3, shuffle), **roles(source))

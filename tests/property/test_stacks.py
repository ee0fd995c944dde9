"""The same answer in plain Python and on every engine, on random worlds, twelve to a job: Spark is slow for each.

What each runs with goes round: the plan's options, the form of the latest value, files or memory.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import hitherto as ht
import pyarrow as pa
from hitherto.planner.rules import RULE_NAMES
from hitherto.runtime.engine import SqlComputeEngine

from tests.engines import ENGINES, with_form
from tests.online import online_differences
from tests.stacking import Stack, shrunk, stacked
from tests.tiers import SEED, shards
from tests.worlds import World, differences, seeded_world

IN_ONE = 12
FILES = (None, 1, 3, 16)


def options_of(number: int) -> ht.PlannerOptions:
    """Rules on, each node alone, rules off, and a random half of the rules off."""
    half = tuple(Random(number).sample(RULE_NAMES, len(RULE_NAMES) // 2))
    return (
        ht.PlannerOptions(verify_each=True),
        ht.PlannerOptions(unfused=True),
        ht.PlannerOptions(disabled_rules=RULE_NAMES),
        ht.PlannerOptions(disabled_rules=half, verify_each=True),
    )[number % 4]


def problems_of(world: World, engine: ht.ComputeEngine, options: ht.PlannerOptions) -> list[str]:
    """How a world's answer differs from the reference's; an error is a difference too."""
    try:
        return differences(world, world.expected(), world.job(engine, options).to_arrow())
    except ht.HithertoError as error:
        return [f"{type(error).__name__}: {error}"]


def report(stack: Stack, found: dict[int, list[str]], engine: ht.ComputeEngine, options: ht.PlannerOptions) -> str:
    """The first world that differs, alone and made small."""
    number, problems = next(iter(found.items()))
    world = stack.parts[number]
    lines = [f"worlds {list(found)} differ; world {number}: {problems[:3]}", f"options {options}"]
    if not problems_of(world, engine, options):
        return "\n".join([*lines, "alone it does not differ: look at what the worlds of the stack share", repr(world)])
    small = shrunk(world, lambda smaller: bool(problems_of(smaller, engine, options)))
    lines += [f"alone and small: {problems_of(small, engine, options)[:3]}"]
    lines += [f"on DuckDB: {problems_of(small, ht.LocalComputeEngine(), options)[:3]}", repr(small)]
    return "\n".join(lines)


@shards(fast=1, deep=34)
def test_worlds_have_one_answer_in_plain_python_and_on_every_engine(engine: SqlComputeEngine, shard: int) -> None:
    stack = stacked(f"{SEED}.{shard}", IN_ONE, FILES[shard // 4 % 4])
    options = options_of(shard)
    forms = (None, *ENGINES[engine.compiler.dialect.name].choices)
    form = forms[shard % len(forms)]
    # A node that runs alone reads its rows from a table, of which nothing says that they are numbered.
    if form is not None and not options.unfused:
        engine = with_form(engine, form)
    answer: pa.Table = stack.whole.job(engine, options).to_arrow()
    found = stack.differences(answer)
    assert not found, report(stack, found, engine, options)


@shards(fast=0, deep=6)
def test_the_online_store_that_an_engine_fills_answers_as_a_retrieval_at_its_end(
    engine: SqlComputeEngine, shard: int, tmp_path: Path
) -> None:
    world = seeded_world(f"{SEED}.{shard} online")
    assert not online_differences(world, engine, tmp_path / "online.db")


def test_a_failing_world_is_shrunk_to_the_rows_that_fail() -> None:
    world = next(part for part in stacked("shrink", IN_ONE, None).parts if part.spine.num_rows > 20)

    def fails(smaller: World) -> bool:
        return 2 in smaller.spine["row number"].to_pylist() and any(t.num_rows for t in smaller.tables.values())

    small = shrunk(world, fails, most=2_000)
    assert small.spine["row number"].to_pylist() == [2]
    assert sum(table.num_rows for table in small.tables.values()) == 1
    assert len(small.features) == 1
    assert not problems_of(small, ht.LocalComputeEngine(), ht.PlannerOptions())

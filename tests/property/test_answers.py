"""Every plan of every world gives the answer of the reference: fused or not, with any of the rules switched off."""

from __future__ import annotations

from pathlib import Path
from random import Random

import hitherto as ht
import pytest
from hitherto.planner.rules import RULE_NAMES
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.online import online_differences
from tests.tiers import WORLDS, seed_of, shards
from tests.worlds import World, differences, worlds


@pytest.fixture(scope="module")
def engine() -> ht.LocalComputeEngine:
    return ht.LocalComputeEngine(threads=1)


@shards(fast=2, deep=40)
def test_every_plan_gives_the_reference_answer(shard: int, engine: ht.LocalComputeEngine) -> None:
    @seed(seed_of(shard))
    @settings(max_examples=WORLDS)
    @given(worlds(), st.integers(0, 2**32))
    def check(world: World, half: int) -> None:
        plans = {
            "fused": ht.PlannerOptions(verify_each=True),
            "without rules": ht.PlannerOptions(disabled_rules=RULE_NAMES),
            "without half the rules": _without_half_the_rules(Random(half)),
        }
        expected = world.expected()
        for name, options in plans.items():
            job = world.job(engine, options)
            assert job.schema == world.schema, name
            assert not differences(world, expected, job.to_arrow()), (name, options)

    check()


@shards(fast=1, deep=6)
def test_the_online_store_answers_as_a_retrieval_at_its_end(
    shard: int, engine: ht.LocalComputeEngine, tmp_path: Path
) -> None:
    paths = (tmp_path / f"{number}.db" for number in range(10**9))

    @seed(seed_of(shard))
    @settings(max_examples=WORLDS // 2)
    @given(worlds())
    def check(world: World) -> None:
        assert not online_differences(world, engine, next(paths))

    check()


def _without_half_the_rules(random: Random) -> ht.PlannerOptions:
    """A random half of the rules off, and in half of all worlds each node alone."""
    half = tuple(random.sample(RULE_NAMES, len(RULE_NAMES) // 2))
    return ht.PlannerOptions(disabled_rules=half, unfused=random.random() < 0.5)

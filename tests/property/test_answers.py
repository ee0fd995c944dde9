"""Every plan of every world gives the reference's answer: fused or not, with any of the optimizer's rules switched off.

``HITHERTO_WORLDS`` is the number of worlds (2,000 by default), ``HITHERTO_SEED`` moves to other ones. Each shard has a
seed of its own, so a run is repeatable and its shards share no world.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import hitherto as ht
import pytest
from hitherto.planner.rules import RULE_NAMES
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.online import online_differences
from tests.worlds import World, differences, worlds

WORLDS = int(os.environ.get("HITHERTO_WORLDS", "2000"))
SEED = int(os.environ.get("HITHERTO_SEED", "0"))
SHARDS = 8


@pytest.fixture(scope="module")
def engine() -> ht.LocalComputeEngine:
    return ht.LocalComputeEngine(threads=1)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_plan_gives_the_reference_answer(shard: int, engine: ht.LocalComputeEngine) -> None:
    @seed(SEED * SHARDS + shard)
    @settings(max_examples=-(-WORLDS // SHARDS))
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


@pytest.mark.parametrize("shard", range(2))
def test_the_online_store_answers_as_a_retrieval_at_its_end(
    shard: int, engine: ht.LocalComputeEngine, tmp_path: Path
) -> None:
    paths = (tmp_path / f"{number}.db" for number in range(10**9))

    @seed(SEED * 2 + shard)
    @settings(max_examples=-(-WORLDS * 15 // 200))
    @given(worlds())
    def check(world: World) -> None:
        assert not online_differences(world, engine, next(paths))

    check()


def _without_half_the_rules(random: Random) -> ht.PlannerOptions:
    """A random half of the rules off, and in half of all worlds each node alone."""
    half = tuple(random.sample(RULE_NAMES, len(RULE_NAMES) // 2))
    return ht.PlannerOptions(disabled_rules=half, unfused=random.random() < 0.5)

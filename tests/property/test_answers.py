"""Every plan of every world gives the reference's answer: fused or not, with any of the optimizer's rules switched off.

``HITHERTO_WORLDS`` is the number of worlds (1,000 by default), ``HITHERTO_SEED`` moves to other ones. Each shard has a
seed of its own, so a run is repeatable and its shards share no world.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import hitherto as ht
import pytest
from hitherto.planner.rules import RULE_NAMES
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.reference import Reference, Row, agrees
from tests.worlds import World, differences, worlds

WORLDS = int(os.environ.get("HITHERTO_WORLDS", "1000"))
SEED = int(os.environ.get("HITHERTO_SEED", "0"))
SHARDS = 8
EPOCH = datetime(1970, 1, 1)


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
            "unfused": ht.PlannerOptions(unfused=True),
            "without rules": ht.PlannerOptions(disabled_rules=RULE_NAMES),
            "without half the rules": _without_half_the_rules(half),
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
        path = next(paths)
        store = ht.FeatureStore(world.views, engine=engine, online_store=ht.SqliteOnlineStore(path))
        try:
            store.materialize(EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=world.end))
            rows = _entity_rows(world)
            response = store.get_online_features(world.features, rows, full_feature_names=world.full_feature_names)
            answers = response.to_dict()
        finally:
            path.unlink(missing_ok=True)
        keys = [{**row, world.timestamp: world.end} for row in map(_plain, rows)]
        expected = Reference(world.relations, world.expressions).answers(world.outputs, keys, world.timestamp)
        assert not [
            (rows[number], name, answers[name][number], value)
            for number, wanted in enumerate(expected)
            for name, value in wanted.items()
            if not agrees(value, _plain_value(answers[name][number]))
        ]

    check()


def _without_half_the_rules(half: int) -> ht.PlannerOptions:
    return ht.PlannerOptions(disabled_rules=tuple(Random(half).sample(RULE_NAMES, len(RULE_NAMES) // 2)))


def _entity_rows(world: World) -> list[dict[str, Any]]:
    """Every combination of the first keys' values, known, unknown and null, as a caller would give them."""
    rows: list[dict[str, Any]] = [{}]
    for key in world.key_columns:
        values = [_as_given(value, str(key.type)) for value in dict.fromkeys(key.pool)]
        copy = world.key_copies[key.name]
        rows = [{**row, key.name: value, copy: value} for row in rows for value in values]
    return rows


def _as_given(value: Any, type_: str) -> Any:
    is_time = type_.startswith("timestamp") and value is not None
    return EPOCH + timedelta(microseconds=value) if is_time else value


def _plain(row: Row) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return (value.replace(tzinfo=value.tzinfo or UTC) - EPOCH.replace(tzinfo=UTC)) // timedelta(microseconds=1)

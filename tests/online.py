"""What is read online after a materialization, against the reference's retrieval at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hitherto as ht

from tests.reference import Reference, Row, agrees
from tests.worlds import World

EPOCH = datetime(1970, 1, 1)


def online_differences(world: World, engine: ht.ComputeEngine, path: Path) -> list[tuple[Any, ...]]:
    """Entity, feature, what was read and what is expected, for every key of the world, known or not."""
    store = ht.FeatureStore(world.views, engine=engine, online_store=ht.SqliteOnlineStore(path))
    try:
        end = EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=world.end)
        store.materialize(end, filter_by_created_timestamp=world.filter_by_created)
        rows = _entity_rows(world)
        response = store.get_online_features(world.features, rows, full_feature_names=world.full_feature_names)
        answers = response.to_dict()
    finally:
        path.unlink(missing_ok=True)
    keys = [{**row, world.timestamp: world.end} for row in map(_plain, rows)]
    reference = Reference(world.relations, world.expressions, filter_by_created=world.filter_by_created)
    expected = reference.answers(world.outputs, keys, world.timestamp)
    return [
        (rows[number], name, answers[name][number], value)
        for number, wanted in enumerate(expected)
        for name, value in wanted.items()
        if not agrees(value, _plain_value(answers[name][number]))
    ]


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
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if not isinstance(value, datetime):
        return value
    return (value.replace(tzinfo=value.tzinfo or UTC) - EPOCH.replace(tzinfo=UTC)) // timedelta(microseconds=1)

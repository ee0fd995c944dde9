"""Hostile names of columns, keys, features, views and files, through whole retrievals on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import retrieved

NAMES = [
    "select", 'a"b', "a`b", "a b", "a.b", "ü", ";--", "*/", "/*", "${x}", "x" * 200, "trailing ",
    "it's", "a\\", "new\nline", "{{x}}", "%s", "count", "null", "1", "row_id", "s", "e", "🦆", "?", "(",
]  # fmt: skip
VIEWS = ["select", 'a"b', "a`b", "a.b", "ü", ";--", "*/", "${x}", "x" * 200, "trailing ", "it's"]
FILES = ['a"b', "a`b", "a b", "ü", "*", "${x}", "[a]", "x" * 200, "trailing ", "it's", "a\\", "?", "new\nline"]
TIMES = pa.array([1, 2], pa.timestamp("us"))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def at(times: int, **columns: Any) -> pa.Table:
    return pa.table({**columns, "event_timestamp": pa.array([times] * 3, pa.timestamp("us"))})


@pytest.mark.deep("spark")
def test_columns_and_features_may_have_any_name(engine: SqlComputeEngine) -> None:
    rows = pa.table({"k": ["u", "u"], "ts": TIMES, **{name: [number, -number] for number, name in enumerate(NAMES)}})
    source = ht.ArrowSource(rows, timestamp_field="ts")
    latest = ht.FeatureView("latest", entities=["k"], source=source, features=NAMES)
    windows = ht.FeatureView(
        "windows",
        entities=["k"],
        source=source,
        filter=" and ".join(f"{quoted(name)} < 99" for name in NAMES),
        columns={f"{name} made": f"{quoted(name)} * 10" for name in NAMES},
        aggregations=[
            *(ht.Aggregation(f"{name} made", "min", "1h", name=f"{name} min") for name in NAMES),
            *(ht.Aggregation(name, "count", "1h", where=f"{quoted(name)} > 0", name=f"{name} n") for name in NAMES),
        ],
        post_aggregation={f"{name} post": f"{quoted(f'{name} min')} - 1" for name in NAMES},
    )
    answer = retrieved(engine, [latest, windows], at(9, k=["u", "z", None])).to_pydict()
    for number, name in enumerate(NAMES):
        assert answer[name] == [-number, None, None]
        assert answer[f"{name} min"] == [-10 * number, None, None]
        assert answer[f"{name} n"] == [min(number, 1), 0, 0]
        assert answer[f"{name} post"] == [-10 * number - 1, None, None]


@pytest.mark.deep("spark")
def test_views_keys_and_times_may_have_any_name(engine: SqlComputeEngine) -> None:
    views, keys = [], {}
    for number, name in enumerate(VIEWS):
        key, time = f"{name} key", f"{name} time"
        source = ht.ArrowSource(pa.table({key: ["u", "u"], time: TIMES, "v": [0, number]}), timestamp_field=time)
        views.append(ht.FeatureView(name, entities=[key], source=source, features=["v"]))
        keys[key] = ["u", "z", None]
    answer = retrieved(engine, views, at(9, **keys), full_feature_names=True).to_pydict()
    assert answer == {f"{name}__v": [number, None, None] for number, name in enumerate(VIEWS)}


@pytest.mark.deep("spark")
def test_a_file_may_have_any_name(engine: SqlComputeEngine, tmp_path: Path) -> None:
    views = []
    for number, name in enumerate(FILES):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"k": ["u", "u"], "ts": TIMES, "v": [0, number]}), path)
        views.append(ht.FeatureView(f"v{number}", entities=["k"], source=ht.FileSource(path, timestamp_field="ts")))
    answer = retrieved(engine, views, at(9, k=["u", "z", None]), full_feature_names=True).to_pydict()
    assert answer == {f"v{number}__v": [number, None, None] for number, _ in enumerate(FILES)}

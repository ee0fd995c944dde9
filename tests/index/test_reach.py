"""Events are left out only where no row can use them, whatever form keys and times have."""

from __future__ import annotations

from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
import pytest
from hitherto.planner.dag.index import SortNode
from hitherto.runtime.index import reach as reach_of_rows
from hitherto.runtime.index.reach import Reach
from hitherto.runtime.index.words import sorted_rows

NOON = 1_704_110_400_000_000


@pytest.fixture(autouse=True)
def whatever_it_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows reach much of what little there is."""
    monkeypatch.setattr(reach_of_rows, "MOST_USED", 1e9)


def rows(keys: list[int], times: list[int]) -> Any:
    return sorted_rows([(np.array(keys, np.int64), np.array(times, np.int64))])


@pytest.mark.parametrize("cells", [2**25, 5], ids=["a cell for each", "shared cells"])
@pytest.mark.parametrize(("earliest", "latest"), [(-5, 0), (-5, 1), (-1, 0), (-8, 0), (-9, -2), (-1_000, 1), (3, 7)])
def test_what_a_row_reaches_is_kept(earliest: int, latest: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach_of_rows, "MOST_CELLS", cells)
    monkeypatch.setattr(reach_of_rows, "_CELLS_FOR_EACH", 2**25 if cells > 5 else 1)
    random = np.random.default_rng(latest - earliest)
    for start in (0, -50, NOON, -NOON):
        keys, times = np.array([0, 1, 2, 2, 0, 2]), start + random.integers(0, 60, 6)
        reach = Reach.of(rows(list(keys), list(times)), earliest, latest)
        assert reach is not None
        asked = [(key, start + at) for key in range(3) for at in range(-1_100, 130)]
        found = reach.mask(*(pa.array([pair[index] for pair in asked]) for index in (0, 1))).to_pylist()
        needed = {
            (key, at)
            for key, at in asked
            if any(key == own and time + earliest <= at < time + latest for own, time in zip(keys, times, strict=True))
        }
        kept = {pair for pair, is_kept in zip(asked, found, strict=True) if is_kept}
        assert needed <= kept
        if cells > 5:
            assert len(kept) <= len(keys) * 2 * (latest - earliest)


def test_rows_that_reach_much_are_no_reason_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach_of_rows, "MOST_USED", 0.25)
    few = rows([0, 99], [NOON, NOON + 1_000_000])
    assert Reach.of(few, -10, 0) is not None
    assert Reach.of(few, -10_000_000, 0) is not None
    assert Reach.of(rows([0, 1], [NOON, NOON + 1]), -10, 0) is None
    assert Reach.of(rows([0] * 1_000, [NOON + each for each in range(1_000)]), -10, 0) is None
    assert Reach.of(rows([], []), -10, 0) is None
    year = rows([0, 99], [NOON, NOON + 365 * 86_400_000_000])
    found = Reach.of(year, -1_000_000, 0)
    assert found is not None
    assert len(found.cells) < 1_000


@pytest.mark.parametrize("filter_", [None, "v <> 3"], ids=["events that Arrow reads", "events that SQL reads"])
@pytest.mark.parametrize("seed", range(4))
def test_the_answer_is_that_of_all_events(seed: int, filter_: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)

    def table(count: int, name: str) -> pa.Table:
        codes = [None if code == 4 else int(code) for code in random.integers(0, 5, count)]
        times = pa.array([int(NOON + each) for each in random.integers(-40, 41, count)], pa.timestamp("us"))
        return pa.table({"k": pa.array(codes, pa.int64()), name: times, "v": pa.array(random.integers(0, 9, count))})

    source = ht.ArrowSource(table(300, "ts"), timestamp_field="ts", data_delay=f"{seed}us")
    asked = table(40, "event_timestamp").drop_columns(["v"])
    sums = [ht.Aggregation("v", each, "4us", name=each) for each in ("sum", "last", "median", "count_distinct")]
    sums += [ht.Aggregation("*", "count", "6us", offset="3us", closed="both", name="before")]
    sums += [ht.Aggregation("v", "max", "4us", slide_interval="2us", name="slid")]
    given = [
        ht.FeatureView("last", entities=["k"], source=source, filter=filter_, features=["v"], ttl="3us"),
        ht.FeatureView("sums", entities=["k"], source=source, filter=filter_, aggregations=sums),
    ]
    indexed = ht.PlannerOptions(forms={"last": "EventIndexLatest", "sums": "EventIndexWindows"})
    in_parts = ht.PlannerOptions(forms={"last": "EventIndexThenFetch", "sums": "EventIndexWindows"})
    answers = []
    for used, options in ((1e9, indexed), (-1, indexed), (1e9, in_parts)):
        monkeypatch.setattr(reach_of_rows, "MOST_USED", used)
        store = ht.FeatureStore(given, planner_options=options)
        job = store.get_historical_features(asked, given, full_feature_names=True)
        assert any(isinstance(node, SortNode) and node.sorting.reach is not None for node in job._planned.pieces.nodes)
        answers.append(job.to_arrow())
    assert answers[0].equals(answers[1])
    assert answers[2].equals(answers[1])


def test_a_view_without_a_bound_reaches_everything() -> None:
    events = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "v": [1]})
    source = ht.ArrowSource(events, timestamp_field="ts")
    near = ht.FeatureView("near", entities=["k"], source=source, features=["v"], ttl="3us")
    ever = ht.FeatureView("ever", entities=["k"], source=source, features=["v"])
    asked = pa.table({"k": [1], "event_timestamp": pa.array([NOON + 9], pa.timestamp("us"))})
    indexed = ht.PlannerOptions(forms={"near": "EventIndexLatest", "ever": "EventIndexLatest"})
    job = ht.FeatureStore([near, ever], planner_options=indexed).get_historical_features(
        asked, [near, ever], full_feature_names=True
    )
    assert all(node.sorting.reach is None for node in job._planned.pieces.nodes if isinstance(node, SortNode))
    assert job.to_arrow().select(["near__v", "ever__v"]).to_pylist() == [{"near__v": None, "ever__v": 1}]

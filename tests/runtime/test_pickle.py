"""Pickles and copies of what was used already: they work, or say what to do instead."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

EVENTS = pa.table({"k": [1, 1, 2], "ts": pa.array([10, 50, 10], pa.timestamp("us")), "v": [1.0, 2.0, 3.0]})
SPINE = pa.table({"k": [1, 2], "t": pa.array([60, 60], pa.timestamp("us"))})
HOW: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.fixture(params=HOW)
def copied(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return HOW[request.param]


def used(source: ht.Source, online: Path, **options: Any) -> tuple[ht.FeatureStore, ht.RetrievalJob]:
    """A store and a job that were used in every way."""
    last = ht.FeatureView("last", entities=["k"], source=source, description="newest", tags={"team": "risk"})
    windows = [ht.Aggregation("v", "sum", "30us"), ht.Aggregation("v", "percentile", "30us", p=0.5)]
    sums = ht.FeatureView(
        "sums", entities=[ht.Entity("user", ["k"])], source=source, aggregations=windows,
        post_aggregation={"twice": "2 * sum_v_30us"},
    )  # fmt: skip
    views = [last, sums.with_name("paid")[[{"sum_v_30us": "total"}, "twice"]]]
    services = [ht.FeatureService("fraud", ["last", "paid:total"])]
    store = ht.FeatureStore(views, services=services, online_store=ht.SqliteOnlineStore(online), **options)
    store.materialize("1970-01-02")
    store.get_online_features("last", [{"k": 1}])
    job = store.get_historical_features(SPINE, ["fraud", "paid"])
    job.to_arrow()
    job.explain(analyze=True)
    return store, job


def parquet(folder: Path) -> ht.FileSource:
    pq.write_table(EVENTS, folder / "events.parquet")
    return ht.FileSource(folder / "events.parquet", timestamp_field="ts")


def test_a_store_that_was_used_answers_as_before(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    store, job = used(parquet(tmp_path), tmp_path / "online.db")
    other = copied(store)
    assert other.get_historical_features(SPINE, ["fraud", "paid"]).to_arrow() == job.to_arrow()
    assert dict(other.views) == dict(store.views)
    assert dict(other.services) == dict(store.services)
    other.materialize("1970-01-03")
    row = [{"k": 1}]
    assert other.get_online_features("fraud", row).to_dict() == store.get_online_features("fraud", row).to_dict()


def test_a_job_that_was_used_gives_the_same_answer(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    for source in (parquet(tmp_path), ht.ArrowSource(EVENTS, timestamp_field="ts")):
        _, job = used(source, tmp_path / "online.db")
        other = copied(job)
        assert other.to_arrow() == job.to_arrow()
        assert other.to_sql() == job.to_sql()
        assert str(other.explain()) == str(job.explain())


def test_a_closed_copy_closes_nothing_of_the_job(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    _, job = used(parquet(tmp_path), tmp_path / "online.db")
    closed: list[str] = []
    job._held.callback(closed.append, "frame")
    copied(job).close()
    assert closed == []
    job.close()
    assert closed == ["frame"]


def test_what_a_store_returns_is_the_same(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    store, job = used(parquet(tmp_path), tmp_path / "online.db")
    for explanation in (job.explain(), job.explain(analyze=True), job.explain(format="json", level="physical")):
        assert repr(copied(explanation)) == repr(explanation)
    made = store.materialize("1970-01-03")
    assert repr(copied(made)) == repr(made)
    response = store.get_online_features("fraud", [{"k": 1}])
    assert copied(response).to_dict() == response.to_dict()
    assert copied(response).as_of == response.as_of
    assert copied(store.features()) == store.features()


def test_definitions_are_equal_to_their_copies(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    store, _ = used(parquet(tmp_path), tmp_path / "online.db")
    options = ht.PlannerOptions(disabled_rules=("merge_filters",))
    others = [
        ht.TableSource("a.b", timestamp_field="ts"),
        ht.QuerySource("SELECT 1 AS k", timestamp_field="ts"),
        options,
    ]
    for value in (*store.views.values(), *store.services.values(), *others):
        assert copied(value) == value
        assert hash(copied(value)) == hash(value)
        assert repr(copied(value)) == repr(value)


def test_data_in_memory_is_copied_as_one(tmp_path: Path) -> None:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    assert copy.deepcopy(source) is source
    assert pickle.loads(pickle.dumps(source)).table == EVENTS
    store, job = used(source, tmp_path / "online.db")
    for how in HOW.values():
        other = how(store)
        assert other.views["last"].source is other.views["paid"].view.source
        assert other.get_historical_features(SPINE, ["fraud", "paid"]).to_arrow() == job.to_arrow()


def test_errors_keep_what_they_say(copied: Callable[[Any], Any]) -> None:
    with pytest.raises(ht.DefinitionError) as wrong:
        ht.FeatureView("", entities=[], source=None)  # type: ignore[arg-type]
    failed = ht.EngineError("no", view="v", node="Scan", condition="c", sql="SELECT", transient=True)
    for error in (wrong.value, failed):
        assert vars(copied(error)) == vars(error)
        assert str(copied(error)) == str(error)


def test_a_job_over_rows_that_this_process_reads_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text('{"k": 1, "ts": "1970-01-01", "v": 1.5}\n')
    source = ht.FileSource(tmp_path / "events.json", timestamp_field="ts")
    store, job = used(source, tmp_path / "online.db")
    assert copy.deepcopy(job).to_arrow() == job.to_arrow()
    other = pickle.loads(pickle.dumps(store))
    assert other.get_historical_features(SPINE, ["fraud", "paid"]).to_arrow() == job.to_arrow()
    with pytest.raises(ht.UnsupportedError, match="and so a job that has them; make the job where it is used"):
        pickle.dumps(job)

"""What a run tells of itself: every statement begins and ends, the last one as well, with what is known of it."""

from __future__ import annotations

from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.engine import SqlComputeEngine

EVENTS = pa.table({"k": [1, 1, 2], "ts": pa.array([10, 50, 10], pa.timestamp("us")), "v": ["1", "2", "x"]})
SPINE = pa.table({"k": [1, 2, 3], "event_timestamp": pa.array([60, 60, 60], pa.timestamp("us"))})


def views() -> list[ht.FeatureView]:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    last = ht.FeatureView("last", entities=["k"], source=source)
    counts = ht.FeatureView("counts", entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count", "1h")])
    return [last, counts]


def told(given: list[ht.FeatureView]) -> list[ht.Event]:
    engine = ht.LocalComputeEngine()
    task = ht.FeatureStore(given, engine=engine).get_historical_features(SPINE, given)._task
    events: list[ht.Event] = []
    with engine.stream(task, observer=events.append) as reader:
        reader.read_all()
    return events


def test_every_statement_begins_and_ends_and_the_result_says_its_rows() -> None:
    planned, *others = told(views())
    assert isinstance(planned, ht.Planned)
    assert [type(each) for each in others] == [ht.Started, ht.Finished] * planned.statements
    names = [each.statement.name for each in others if isinstance(each, ht.Finished)]
    assert names[-1] == "counts"
    last = others[-1]
    assert isinstance(last, ht.Finished)
    assert (last.rows, last.seconds > 0) == (3, True)
    assert last.bytes is not None
    assert last.bytes > 0


def test_a_statement_that_fails_is_told_with_its_error() -> None:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    bad = ht.FeatureView("bad", entities=["k"], source=source, columns={"n": "cast(v as bigint)"}, features=["n"])
    engine = ht.LocalComputeEngine()
    task = ht.FeatureStore([bad], engine=engine).get_historical_features(SPINE, bad)._task
    events: list[ht.Event] = []
    with pytest.raises(ht.EngineError), engine.stream(task, observer=events.append) as reader:
        reader.read_all()
    *_, started, failed = events
    assert isinstance(started, ht.Started)
    assert isinstance(failed, ht.Failed)
    assert failed.statement == started.statement
    assert "x" in str(failed.error)


def test_what_is_analyzed_is_what_runs_with_its_last_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ht.LocalComputeEngine, "append", ht.LocalComputeEngine.append.__class__(groups=0, columns=0))
    given = views()
    job = ht.FeatureStore(given).get_historical_features(SPINE, given)
    analysis = job.explain(analyze=True).analysis
    assert analysis is not None
    run = [each.statement.name for each in told(given) if isinstance(each, ht.Finished)]
    assert [each.name for each in analysis.statements] == run
    assert len(run) == len(given)
    shown: list[Any] = job.explain("sql").to_dict()["statements"]
    assert sorted(each["name"] for each in shown if "appended by" not in each["sql"]) == sorted(run)
    assert analysis.rows == 3


def test_explain_shows_the_statements_that_run_to_the_letter(engine: SqlComputeEngine) -> None:
    given = views()
    job = ht.FeatureStore(given, engine=engine).get_historical_features(SPINE, given)
    events: list[ht.Event] = []
    with engine.stream(job._task, observer=events.append) as reader:
        reader.read_all()
    run = [(each.statement.name, each.statement.sql) for each in events if isinstance(each, ht.Finished)]
    shown = [(each["name"], each["sql"]) for each in job.explain("sql").to_dict()["statements"]]
    assert sorted(each for each in shown if "appended by" not in each[1]) == sorted(run)

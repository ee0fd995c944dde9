"""Windows that hold no instant, ``[t - 1us, t)`` without its start: legal, and always empty."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.engines import retrieved

MICROSECOND = timedelta(microseconds=1)
# Events at the row's time, one microsecond before and after it, and so around the ends that the options move.
MOMENTS = [-3_600_000_002, -3_600_000_001, -3_600_000_000, -7_200_000_001, -2, -1, 0, 1, 2, 3_600_000_000]
EVENTS = pa.table({
    "k": ["a"] * len(MOMENTS),
    "ts": pa.array(MOMENTS, pa.timestamp("us")),
    "created": pa.array(MOMENTS, pa.timestamp("us")),
    "x": pa.array(range(len(MOMENTS)), pa.int64()),
})  # fmt: skip
ROWS = pa.table({
    "k": ["a", "a", "b", None],
    "event_timestamp": pa.array([0, -3_600_000_000, 0, 0], pa.timestamp("us")),
})  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "offset": {"offset": "1h"},
    "slide": {"slide_interval": MICROSECOND},
    "slide and offset": {"slide_interval": MICROSECOND, "offset": "1h"},
    "where": {"where": "x > 0"},
}


def source(**options: Any) -> ht.ArrowSource:
    return ht.ArrowSource(EVENTS, timestamp_field="ts", created_timestamp_column="created", **options)


def empty(**options: Any) -> list[ht.Aggregation]:
    """Aggregates of each kind of empty value over a window without an instant."""
    given: dict[str, Any] = {"time_window": MICROSECOND, "closed": "neither", **options}
    return [
        ht.Aggregation("*", "count", name="rows", **given),
        ht.Aggregation("x", "sum", name="total", **given),
        ht.Aggregation("x", "last_n", n=2, name="latest", **given),
    ]


def views() -> list[ht.FeatureView]:
    """One view for each option, so that each has its window alone, and one beside windows that hold something."""
    made = [
        ht.FeatureView(
            f"only {name}",
            entities=["k"],
            source=source(data_delay="1h") if name == "offset" else source(),
            filter="x >= 0" if name == "where" else None,
            aggregations=empty(**options),
        )
        for name, options in OPTIONS.items()
    ]
    beside = [ht.Aggregation("*", "count", "1h", name="hour"), ht.Aggregation("*", "count", name="ever")]
    for name, others in (("beside an hour", beside[:1]), ("beside a lifetime", beside[1:])):
        made.append(ht.FeatureView(name, entities=["k"], source=source(), aggregations=[*empty(), *others]))
    return made


def check_empty(answer: pa.Table) -> None:
    values = {"rows": {0}, "total": {None}, "latest": {()}}
    for name in answer.column_names:
        found = {tuple(each) if isinstance(each, list) else each for each in answer[name].to_pylist()}
        if name.split("__")[-1] in values:
            assert found == values[name.split("__")[-1]], name


@pytest.mark.deep("spark")
@pytest.mark.parametrize("known", [False, True])
def test_a_window_without_an_instant_is_empty(engine: SqlComputeEngine, known: bool) -> None:
    answer = retrieved(engine, views(), ROWS, full_feature_names=True, filter_by_created_timestamp=known)
    check_empty(answer)
    assert answer["beside an hour__hour"].to_pylist() == [3, 2, 0, 0]
    assert answer["beside a lifetime__ever"].to_pylist() == [6, 3, 0, 0]


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
def test_a_window_without_an_instant_is_empty_however_it_is_asked_for(view: ht.FeatureView, tmp_path: Path) -> None:
    """Alone, without the optimizer, observed, and from the online store."""
    store = ht.FeatureStore([view], online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    job = store.get_historical_features(ROWS, [view])
    check_empty(job.to_arrow())
    analysis = job.explain(analyze=True).analysis
    assert analysis is not None
    assert analysis.coverage[0].future == 0
    plain = ht.PlannerOptions(unfused=True)
    check_empty(ht.FeatureStore([view], planner_options=plain).get_historical_features(ROWS, [view]).to_arrow())
    store.materialize("1970-01-01")
    check_empty(pa.table(store.get_online_features([view], [{"k": "a"}, {"k": "b"}]).to_dict()))


def test_no_form_divides_by_the_width_of_a_window_without_an_instant() -> None:
    """Spark refuses to divide by zero, where DuckDB's answer is null."""
    (view, *_) = views()
    assert "// 0" not in ht.FeatureStore([view]).get_historical_features(ROWS, [view]).to_sql()

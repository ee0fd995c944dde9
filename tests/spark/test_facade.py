"""What people see of Spark: names that are given, the log, progress, pickles and copies."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
from pathlib import Path
from typing import Any

import hitherto as ht
import hitherto.runtime.progress as shown
import pyarrow as pa
import pytest
from hitherto.runtime.session import SqlConnection

from tests.runtime.test_progress import Stream

EVENTS = pa.table({"k": [1, 1, 2], "ts": pa.array([10, 50, 10], pa.timestamp("us")), "v": [1.0, 2.0, 3.0]})
SPINE = pa.table({"k": [1, 2], "event_timestamp": pa.array([60, 60], pa.timestamp("us"))})

pytestmark = pytest.mark.of_one_session


class Patient(ht.SparkComputeEngine):
    """Spark, whose sessions come when something was shown: a job that takes long, without a clock."""

    screen: Stream | None = None

    def connect(self) -> SqlConnection:
        if self.screen is not None:
            assert self.screen.written.wait(60), "nothing was shown"
        return super().connect()


def store(spark: Any, **options: Any) -> ht.FeatureStore:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    last = ht.FeatureView("last", entities=["k"], source=source)
    sums = ht.FeatureView("sums", entities=["k"], source=source, aggregations=[ht.Aggregation("v", "sum", "30us")])
    return ht.FeatureStore([last, sums], engine=Patient(spark), **options)


@pytest.mark.deep
def test_a_feature_has_the_name_that_it_is_given(spark: Any) -> None:
    features = ["last:v as newest", "sums:sum_v_30us as total", "last:v as again"]
    with store(spark).get_historical_features(SPINE, features, full_feature_names=True) as job:
        expected = {"newest": [2.0, 3.0], "total": [2.0, None], "again": [2.0, 3.0]}
        for found in (job.to_arrow(), job.to_spark().toArrow().sort_by("k")):
            assert found.select(list(expected)).to_pydict() == expected


@pytest.mark.deep
def test_statements_are_logged_and_progress_is_shown(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shown, "AFTER", 0.0)
    made = store(spark, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"), progress=True)
    job = made.get_historical_features(SPINE, ["last", "sums"])
    for run in (job.to_arrow, lambda: job.to_parquet(tmp_path / "answer"), lambda: made.materialize("1970-01-02")):
        stream = Stream(terminal=False)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(Patient, "screen", stream)
        with caplog.at_level(logging.INFO, logger="hitherto"):
            run()
        assert stream.getvalue().startswith("hitherto: ")
    names = {record.getMessage().partition(":")[0] for record in caplog.records}
    assert {"last", "sums"} <= names


@pytest.mark.deep
def test_an_engine_belongs_to_its_process_and_a_copied_store_shares_it(spark: Any) -> None:
    made = store(spark)
    job = made.get_historical_features(SPINE, "last")
    rows = made.get_historical_features(spark.createDataFrame(SPINE.to_pandas()), "last")
    for value in (made, made.engine, job, rows):
        with pytest.raises(ht.UnsupportedError, match="cannot be pickled"):
            pickle.dumps(value)
    assert copy.deepcopy(made).engine is made.engine
    for twin in (copy.deepcopy(made).get_historical_features(SPINE, "last"), copy.deepcopy(job), copy.copy(job)):
        assert twin.to_arrow() == job.to_arrow()
    assert copy.deepcopy(rows).to_arrow().num_rows == 2
    assert str(copy.deepcopy(rows.explain())) == str(rows.explain())

"""Events that a statement reads twice: twice from their source where that is cheap, and once where it is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import hitherto as ht
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

EVENTS = pa.table({"k": [1, 2], "ts": [datetime(2024, 1, 1)] * 2, "v": [1, 2]})
ROWS = pa.table({"k": [1, 2] * 50, "event_timestamp": [datetime(2024, 1, 2)] * 100})
ANEW = "SELECT k, TIMESTAMP '2024-01-01' - INTERVAL 1 SECOND * random() AS ts, k AS v FROM range(1, 3) r(k)"
"""Events that are at other times whenever they are read."""


def arrow(folder: Path) -> ht.ArrowSource:
    return ht.ArrowSource(EVENTS, timestamp_field="ts")


def parquet(folder: Path) -> ht.FileSource:
    pa.parquet.write_table(EVENTS, folder / "events.parquet")
    return ht.FileSource(str(folder / "events.parquet"), timestamp_field="ts")


def csv(folder: Path) -> ht.FileSource:
    pa.csv.write_csv(EVENTS, folder / "events.csv")
    return ht.FileSource(str(folder / "events.csv"), timestamp_field="ts")


def query(folder: Path) -> ht.QuerySource:
    return ht.QuerySource(ANEW, timestamp_field="ts")


def view(folder: Path) -> ht.TableSource:
    return ht.TableSource("anew", timestamp_field="ts")


def job_over(source: Callable[[Path], ht.Source], folder: Path, **options: object) -> ht.RetrievalJob:
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW anew AS {ANEW}")
    of_events = ht.FeatureView("v", entities=["k"], source=source(folder), **options)  # type: ignore[arg-type]
    store = ht.FeatureStore([of_events], engine=ht.LocalComputeEngine(connection=connection))
    return store.get_historical_features(ROWS, [of_events])


@pytest.mark.parametrize("source", [arrow, parquet])
@pytest.mark.parametrize("filter_", [None, "v > 0 and k is not null"])
def test_rows_that_are_at_hand_are_not_kept(
    source: Callable[[Path], ht.Source], filter_: str | None, tmp_path: Path
) -> None:
    job = job_over(source, tmp_path, filter=filter_)
    assert '"v_events" AS NOT MATERIALIZED (' in job.to_sql()
    assert job.to_arrow()["v"].to_pylist() == [1, 2] * 50


@pytest.mark.parametrize("source", [csv, query, view])
def test_rows_that_are_made_anew_are_read_once(source: Callable[[Path], ht.Source], tmp_path: Path) -> None:
    """Read twice, a match would have a time that no event has when its features are fetched."""
    job = job_over(source, tmp_path)
    assert '"v_events" AS (' in job.to_sql()
    assert job.to_arrow()["v"].to_pylist() == [1, 2] * 50


@pytest.mark.parametrize("options", [{"columns": {"w": "v * 2"}}, {"filter": "v * 2 > 1"}])
def test_what_is_computed_is_computed_once(options: dict[str, object], tmp_path: Path) -> None:
    job = job_over(arrow, tmp_path, **options)
    assert '"v_events" AS (' in job.to_sql()
    assert job.to_arrow()["v"].to_pylist() == [1, 2] * 50


def test_a_step_with_one_reader_says_nothing(tmp_path: Path) -> None:
    job = job_over(arrow, tmp_path, aggregations=[ht.Aggregation("v", "sum", "7d")])
    assert "MATERIALIZED" not in job.to_sql()

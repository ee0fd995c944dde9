"""The engine's whole path on a real local Spark: files, the online store, the user's session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
from hitherto.runtime.engines.spark import SparkComputeEngine


def example(folder: Path, engine: ht.ComputeEngine) -> tuple[ht.FeatureStore, pa.Table]:
    """A latest view and a windowed one over parquet with nanoseconds, and rows that ask for them."""
    import pyarrow.parquet as pq

    moments = pa.array([1_000_000_001, 2_000_000_000, 3_000_000_000, None], pa.timestamp("ns"))
    data = pa.table({"k": ["a", "a", "b", "b"], "ts": moments, "x": pa.array([1, 2, 3, 4], pa.int64())})
    pq.write_table(data, folder / "events.parquet")
    source = ht.FileSource(folder / "events.parquet", timestamp_field="ts")
    latest = ht.FeatureView("latest", entities=["k"], source=source, features=["x"], ttl="2s")
    sums = ht.FeatureView("sums", entities=["k"], source=source, aggregations=[ht.Aggregation("x", "sum", "2s")])
    store = ht.FeatureStore(
        [latest, sums], engine=engine, online_store=ht.SqliteOnlineStore(folder / f"{type(engine).__name__}.db")
    )
    times = pa.array([1_000_000, 1_000_001, 4_000_000, 4_000_000, 9_000_000], pa.timestamp("us"))
    return store, pa.table(
        {"k": ["a", "a", "a", None, "b"], "event_timestamp": times, "note": ["é", "", "x", None, "y"]}
    )


def test_nanoseconds_in_parquet_are_rounded_up_on_spark_as_on_duckdb(spark: Any, tmp_path: Path) -> None:
    answers = []
    for engine in (ht.LocalComputeEngine(), SparkComputeEngine(spark)):
        store, rows = example(tmp_path, engine)
        answers.append(store.get_historical_features(rows, ["latest", "sums"]).to_arrow())
    assert answers[0]["x"].to_pylist() == [None, 1, 2, None, None]
    assert answers[1].equals(answers[0])


def test_spark_fills_the_online_store_as_duckdb_does(spark: Any, tmp_path: Path) -> None:
    read = []
    for engine in (ht.LocalComputeEngine(), SparkComputeEngine(spark)):
        store, _ = example(tmp_path, engine)
        assert {name: view.rows for name, view in store.materialize("1970-01-01T00:00:04").views.items()} == {
            "latest": 2, "sums": 2,
        }  # fmt: skip
        keys = [{"k": key} for key in ("a", "b", "c")]
        read.append(store.get_online_features(["latest", "sums"], keys).to_dict())
    assert read[1] == read[0]


def test_the_users_session_stays_as_it_was(spark: Any, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    spark.sql("SELECT 1 AS one").createOrReplaceTempView("spine_rows")
    try:
        store, rows = example(tmp_path, SparkComputeEngine(spark))
        assert store.get_historical_features(rows, "latest").to_arrow()["x"].to_pylist() == [None, 1, 2, None, None]
        assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
        assert [row.one for row in spark.table("spine_rows").collect()] == [1]
        assert [table.name for table in spark.catalog.listTables()] == ["spine_rows"]
    finally:
        spark.catalog.dropTempView("spine_rows")
        spark.conf.unset("spark.sql.session.timeZone")

"""What Spark alone can't do, and how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.planner.ir.data import EngineTable

ROWS = pa.table({"k": ["u"], "ts": pa.array([1], pa.timestamp("us")), "x": [1]})
SPINE = pa.table({"k": ["u"], "event_timestamp": pa.array([9], pa.timestamp("us"))})


def job(spark: Any, source: ht.Source, spine: Any = SPINE) -> ht.RetrievalJob:
    view = ht.FeatureView("v", entities=["k"], source=source)
    return ht.FeatureStore([view], engine=ht.SparkComputeEngine(spark)).get_historical_features(spine, view)


def test_a_file_that_spark_leaves_out_is_told(spark: Any, tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "_x.parquet")
    with pytest.raises(ht.UnsupportedError, match=r"Spark leaves out files such as .*_x\.parquet, whose name begins"):
        job(spark, ht.FileSource(tmp_path / "_x.parquet", timestamp_field="ts")).to_arrow()


def test_a_frame_with_repeated_columns_is_told(spark: Any) -> None:
    frame = spark.sql("SELECT 'u' AS k, 1 AS a, 2 AS a, TIMESTAMP '2024-01-01' AS event_timestamp")
    with pytest.raises(ht.SpineError, match="entity rows: repeated column names: a"):
        job(spark, ht.ArrowSource(ROWS, timestamp_field="ts"), frame)


def test_spark_does_not_describe_what_it_does_not_know(spark: Any) -> None:
    with pytest.raises(ht.SourceError, match="Spark reads no EngineTable"):
        ht.SparkComputeEngine(spark).arrow_columns(EngineTable("x"))


def test_a_folder_that_spark_did_not_finish_is_told(spark: Any, tmp_path: Path) -> None:
    """As where Spark's workers write to disks of their own: the mark of success is not seen here."""
    if not hasattr(spark, "_jsc"):
        pytest.skip("Spark Connect has no Hadoop configuration to change")
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    mark = "mapreduce.fileoutputcommitter.marksuccessfuljobs"
    hadoop.set(mark, "false")
    try:
        with pytest.raises(ht.EngineError, match="to_parquet: Spark wrote to another machine's"):
            job(spark, ht.ArrowSource(ROWS, timestamp_field="ts")).to_parquet(tmp_path / "answer")
    finally:
        hadoop.unset(mark)
    assert list(tmp_path.iterdir()) == []

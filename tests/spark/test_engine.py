"""The Spark engine at its edges: frames, tables, what is left behind, errors, sessions. Also run on Spark Connect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines import with_form, with_forms

DAY = 86_400_000_000


def times(*micros: int | None, zone: str | None = None) -> pa.Array:
    return pa.array(micros, pa.timestamp("us", zone))


EVENTS = pa.table({
    "k": pa.array([1, 1, 1, 2, 2, None, 3], pa.int64()),
    "ts": times(0, DAY, DAY, DAY - 1, 2 * DAY, 5, None, zone="UTC"),
    "v": pa.array([1.0, 2.0, float("nan"), 4.0, None, 6.0, 7.0]),
    "name": ["a", "b", None, "ü", "", "f", "g"],
    "seen": times(1, 2, 3, 4, 5, 6, 7, zone="America/New_York"),
})  # fmt: skip
ROWS = pa.table({
    "k": pa.array([1, 2, 1, None, 1, 9, 2], pa.int64()),
    "event_timestamp": times(DAY, DAY - 1, DAY - 1, DAY, DAY, DAY, 9 * DAY),
    "note": ["first", "second", "third", "null key", "first again", "unknown", "late"],
})  # fmt: skip


def views(source: ht.Source | None = None) -> list[ht.FeatureView]:
    source = source or ht.ArrowSource(EVENTS, timestamp_field="ts")
    latest = ht.FeatureView("latest", entities=["k"], source=source, features=["v", "name", "seen"], ttl="3d")
    sums = ht.FeatureView(
        "sums",
        entities=["k"],
        source=source,
        filter="v > 0",
        aggregations=[ht.Aggregation("v", "sum", "1d"), ht.Aggregation("*", "count", "2d")],
    )
    return [latest, sums]


def forms(job: ht.RetrievalJob) -> dict[str, str]:
    """The physical form of each view."""
    return {each["view"]: each["form"] for each in job.explain("physical").to_dict()["choices"]}


def answer(engine: ht.ComputeEngine | None, rows: Any, uses: list[ht.FeatureView] | None = None) -> pa.Table:
    uses = uses or views()
    return ht.FeatureStore(uses, engine=engine).get_historical_features(rows, uses).to_arrow()


def as_set(table: pa.Table) -> list[str]:
    """Rows as texts, sorted: what a frame gives has no order. Instants as such, whatever their zone."""
    columns = {
        name: column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return sorted(map(str, pa.table(columns).to_pylist()))


def same(found: pa.Table, expected: pa.Table) -> bool:
    """Equal types and values, where NaN is itself."""
    return found.schema.equals(expected.schema) and str(found.to_pylist()) == str(expected.to_pylist())


def is_classic(spark: Any) -> bool:
    return ".connect." not in type(spark).__module__


def left_behind(spark: Any) -> list[str]:
    """Views of the user's session and global ones, and in a classic session what Spark keeps in its storage."""
    found = [row.name for row in spark.catalog.listTables()]
    found += [row["viewName"] for row in spark.sql("SHOW VIEWS IN global_temp").toArrow().to_pylist()]
    if is_classic(spark):
        found += [str(number) for number in spark.sparkContext._jsc.getPersistentRDDs()]
        found += [] if spark._jsparkSession.sharedState().cacheManager().isEmpty() else ["cached tables"]
    return found


@pytest.fixture(params=[pytest.param("UTC", marks=pytest.mark.deep), "America/New_York", "Asia/Tokyo"])
def zoned(spark: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The user's session, in one zone after the other."""
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield spark
    assert spark.conf.get("spark.sql.session.timeZone") == request.param
    spark.conf.unset("spark.sql.session.timeZone")


@pytest.mark.deep
def test_the_answer_is_duckdbs_in_every_zone_of_the_session(zoned: Any) -> None:
    assert same(answer(ht.SparkComputeEngine(zoned), ROWS), answer(None, ROWS))


@pytest.mark.deep
def test_a_frames_rows_are_answered_as_a_multiset_in_every_zone(zoned: Any) -> None:
    utc = ROWS.set_column(1, "event_timestamp", ROWS["event_timestamp"].cast(pa.timestamp("us", "UTC")))
    frame = zoned.createDataFrame(utc)
    found = answer(ht.SparkComputeEngine(zoned), frame)
    assert as_set(found) == as_set(answer(None, utc))
    assert found.schema.field("event_timestamp").type == pa.timestamp("us", "UTC")
    assert found.schema.field("seen").type == pa.timestamp("us", "America/New_York")


@pytest.mark.of_one_session
@pytest.mark.parametrize(
    "partitions", [pytest.param(1, marks=pytest.mark.deep), 3, pytest.param(16, marks=pytest.mark.deep)]
)
@pytest.mark.deep
def test_partitions_and_the_order_of_rows_change_nothing(spark: Any, tmp_path: Path, partitions: int) -> None:
    engine, expected = ht.SparkComputeEngine(spark), as_set(answer(None, ROWS))
    shuffled = spark.createDataFrame(EVENTS).repartition(partitions)
    shuffled.createOrReplaceTempView("`shuffled events`")
    try:
        table = views(ht.TableSource('"shuffled events"', timestamp_field="ts"))
        files = [tmp_path / f"{number}.parquet" for number in range(partitions)]
        size = -(-EVENTS.num_rows // partitions)
        for number, file in enumerate(files):
            pq.write_table(EVENTS.slice(number * size, size), file)
        stored = views(ht.FileSource(files, timestamp_field="ts"))
        rows = spark.createDataFrame(ROWS).repartition(partitions)
        assert as_set(answer(engine, rows, stored)) == expected
        in_order = answer(engine, ROWS, table)
        assert as_set(in_order) == expected
        assert in_order["note"].equals(ROWS["note"])
    finally:
        spark.sql("DROP VIEW `shuffled events`")


@pytest.mark.deep
def test_a_row_keeps_its_identity_where_its_frame_gives_others_at_every_evaluation(spark: Any) -> None:
    random = "CAST(timestamp_micros(CAST(rand() * 1000000 AS BIGINT)) AS TIMESTAMP_NTZ) AS event_timestamp"
    frame = spark.range(3000).repartition(7).selectExpr("CAST(rand() * 40 AS BIGINT) AS k", random, "uuid() AS token")
    frame = frame.repartition(5)
    count = 2_000
    data = {"k": [number % 40 for number in range(count)], "v": list(range(count))}
    events = pa.table({**data, "ts": times(*(number * 499 for number in range(count)))})
    source = ht.ArrowSource(events, timestamp_field="ts")
    uses = [
        ht.FeatureView("last", entities=["k"], source=source, features=["v"]),
        ht.FeatureView("sums", entities=["k"], source=source, aggregations=[ht.Aggregation("v", "sum", "200ms")]),
        ht.FeatureView("all", entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count")]),
    ]
    engine = ht.SparkComputeEngine(spark)
    with ht.FeatureStore(uses, engine=engine).get_historical_features(frame, uses) as job:
        for found in (job.to_arrow(), job.to_spark().toArrow()):
            own = found.select(["k", "event_timestamp", "token"])
            assert own.num_rows == len(set(own["token"].to_pylist())) == 3000
            assert same(found, answer(None, own, uses).cast(found.schema))


def test_a_null_time_in_a_frame_is_an_error_before_any_source_is_read(spark: Any, tmp_path: Path) -> None:
    rows = pa.table({"k": pa.array([1, 2], pa.int64()), "event_timestamp": times(None, DAY)})
    pq.write_table(EVENTS, tmp_path / "events.parquet")
    uses = views(ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts"))
    store = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark))
    job = store.get_historical_features(spark.createDataFrame(rows), uses)
    (tmp_path / "events.parquet").unlink()
    with pytest.raises(ht.SpineError, match=r"'event_timestamp' is null in 1 of 2 rows"):
        job.to_arrow()


def test_a_frames_columns_are_checked_when_the_job_is_made(spark: Any) -> None:
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark))
    frame = spark.createDataFrame(pa.table({"k": ["1"], "event_timestamp": times(1), "name": ["x"]}))
    with pytest.raises(ht.SpineError) as error:
        store.get_historical_features(frame, ["latest"])
    assert "key 'k' is string, but int64 in 'arrow'" in str(error.value)
    assert "column 'name' and feature latest:name have one name" in str(error.value)


@pytest.mark.deep
@pytest.mark.of_one_session
def test_nan_is_not_lost_to_the_statistics_of_files_and_cached_tables(spark: Any, tmp_path: Path) -> None:
    nan = float("nan")
    data = pa.table({"k": [1, 1], "ts": times(1, 2), "x": [0.0, nan], "y": pa.array([0.0, nan], pa.float32())})
    pq.write_table(data, tmp_path / "events.parquet")
    spark.read.parquet(f"file://{tmp_path}/events.parquet").createOrReplaceTempView("nan_events")
    rows = pa.table({"k": [1], "event_timestamp": times(9)})
    sources = (
        ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts"),
        ht.TableSource("nan_events", timestamp_field="ts"),
        ht.ArrowSource(data, timestamp_field="ts"),
    )
    try:
        for source in sources:
            count = [ht.Aggregation("*", "count")]
            view = ht.FeatureView("v", entities=["k"], source=source, filter="x > 1 and y > 1", aggregations=count)
            for options in (ht.PlannerOptions(), ht.PlannerOptions(unfused=True)):
                store = ht.FeatureStore([view], engine=ht.SparkComputeEngine(spark), planner_options=options)
                assert store.get_historical_features(rows, view).to_arrow()["count"].to_pylist() == [1]
    finally:
        spark.catalog.dropTempView("nan_events")


def test_an_empty_chunk_is_not_the_end_of_the_data(spark: Any) -> None:
    chunked = pa.concat_tables([EVENTS.slice(0, 1), EVENTS.slice(1, 0), EVENTS.slice(1)])
    rows = pa.concat_tables([ROWS.slice(0, 2), ROWS.slice(2, 0), ROWS.slice(2)])
    found = answer(ht.SparkComputeEngine(spark), rows, views(ht.ArrowSource(chunked, timestamp_field="ts")))
    assert same(found, answer(None, ROWS))


def test_columns_of_any_type_come_back_with_a_frames_rows(spark: Any) -> None:
    frame = spark.createDataFrame(ROWS).selectExpr(
        "k", "event_timestamp", "array(note) AS `a.b`", "named_struct('x', k) AS s", "CAST(k AS DECIMAL(9, 2)) AS d"
    )
    found = answer(ht.SparkComputeEngine(spark), frame)
    assert sorted(map(str, found["a.b"].to_pylist())) == sorted(f"['{note}']" for note in ROWS["note"].to_pylist())
    assert all(row["s"] == {"x": row["k"]} for row in found.select(["k", "s"]).to_pylist())


def test_the_name_of_the_rows_number_is_not_taken_from_a_user(spark: Any) -> None:
    rows = ROWS.rename_columns(["k", "event_timestamp", "Hitherto_Position"])
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark))
    with pytest.raises(ht.SpineError, match="'hitherto_position' has the name of the number that rows are given"):
        store.get_historical_features(spark.createDataFrame(rows), "latest")
    job = store.get_historical_features(rows, "latest")
    assert same(job.to_arrow().select(["v", "name"]), answer(None, ROWS).select(["v", "name"]))
    with pytest.raises(ht.SpineError, match="'hitherto_position' has the name of the number that rows are given"), job:
        job.to_spark()


IN_MEMORY: dict[str, pa.Array] = {
    "uint8": pa.array([1, 255, None, 0], pa.uint8()),
    "uint16": pa.array([1, 2**16 - 1, None, 0], pa.uint16()),
    "uint32": pa.array([1, 2**32 - 1, None, 0], pa.uint32()),
    "uint64": pa.array([1, 2**63 - 1, None, 0], pa.uint64()),
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "large": pa.array(["a", "b", None, "c"], pa.large_string()),
    "view": pa.array(["a", "b", None, "c"], pa.string_view()),
    "fixed": pa.array([b"ab", b"cd", None, b"ef"], pa.binary(2)),
    "date64": pa.array([0, 86_400_000, None, -86_400_000], pa.date64()),
    "decimal": pa.array([1, 2, None, 3], pa.decimal128(38, 10)),
}


@pytest.mark.deep
@pytest.mark.of_one_session
def test_in_memory_columns_of_every_type_have_duckdbs_answer(spark: Any) -> None:
    data = pa.table({"k": [1] * 4, "ts": times(1, 2, 3, 4), **IN_MEMORY})
    source = ht.ArrowSource(data, timestamp_field="ts")
    last = ht.FeatureView("last", entities=["k"], source=source, features=list(IN_MEMORY))
    aggregations = [ht.Aggregation(name, function) for name in IN_MEMORY for function in ("max", "count_distinct")]
    whole = ht.FeatureView("whole", entities=["k"], source=source, aggregations=aggregations)
    for keys in (pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()):
        rows = pa.table({"k": pa.array([1, None, 2], keys), "event_timestamp": times(3, 4, 5)})
        assert same(answer(ht.SparkComputeEngine(spark), rows, [last, whole]), answer(None, rows, [last, whole]))


@pytest.mark.of_one_session
def test_columns_that_spark_has_no_type_for_do_no_harm_where_nothing_reads_them(spark: Any) -> None:
    odd = {
        "month": pa.array([(1, 2, 3)] * 7, pa.month_day_nano_interval()),
        "half": pa.array(np.ones(7, np.float16)),
        "time": pa.array([1] * 7, pa.time64("ns")),
    }
    data = EVENTS
    for name, column in odd.items():
        data = data.append_column(name, column)
    found = answer(ht.SparkComputeEngine(spark), ROWS, views(ht.ArrowSource(data, timestamp_field="ts")))
    assert same(found, answer(None, ROWS))


@pytest.mark.deep
def test_nanoseconds_of_a_rows_own_columns_are_rounded_down_in_a_frame(spark: Any) -> None:
    own = pa.array([-1, 1_999, None], pa.timestamp("ns", "UTC"))
    rows = pa.table({"k": pa.array([1, 2, 9], pa.int64()), "event_timestamp": times(DAY, DAY, DAY), "own": own})
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark))
    with store.get_historical_features(rows, "latest") as job:
        found = job.to_spark().toArrow().sort_by("k")["own"]
        assert found.type == pa.timestamp("us", "UTC")
        assert found.cast(pa.int64()).to_pylist() == [-1, 1, None]
        assert job.to_arrow()["own"].combine_chunks().equals(own)  # collected rows keep their own columns untouched


def test_a_lazy_frame_runs_nothing_until_it_is_used(spark: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"k": [1], "ts": times(1), "text": ["no number"]}), tmp_path / "events.parquet")
    source = ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts")
    columns = {"number": "cast(text as bigint)"}
    view = ht.FeatureView("broken", entities=["k"], source=source, columns=columns, features=["number"])
    other = ht.FeatureView("whole", entities=["k"], source=source, features=["text"])
    store = ht.FeatureStore([view, other], engine=ht.SparkComputeEngine(spark))
    rows = pa.table({"k": [1], "event_timestamp": times(2)})
    with store.get_historical_features(rows, [view, other]) as job:
        frame = job.to_spark()
        assert frame.columns == ["k", "event_timestamp", "number", "text"]
        with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
            frame.toArrow()


@pytest.mark.parametrize(
    "options", [ht.PlannerOptions(), pytest.param(ht.PlannerOptions(unfused=True), marks=pytest.mark.deep)]
)
def test_a_lazy_frame_gives_the_same_rows_and_types(spark: Any, options: ht.PlannerOptions) -> None:
    expected = answer(None, ROWS)
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark), planner_options=options)
    with store.get_historical_features(ROWS, views()) as job:
        frame = job.to_spark()
        assert as_set(frame.toArrow()) == as_set(expected)
        assert frame.selectExpr("typeof(event_timestamp) AS own", "typeof(seen) AS seen").first().asDict() == {
            "own": "timestamp_ntz", "seen": "timestamp",
        }  # fmt: skip
        assert as_set(frame.toArrow()) == as_set(expected)


@pytest.mark.deep
def test_nothing_is_left_behind(spark: Any, tmp_path: Path) -> None:
    before = left_behind(spark)
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark))
    job = store.get_historical_features(spark.createDataFrame(ROWS), views())
    job.to_arrow()
    job.to_parquet(tmp_path / "answer")
    str(job.explain())
    assert left_behind(spark) == before
    with job:
        job.to_spark().toArrow()
        assert left_behind(spark) != before
    assert left_behind(spark) == before


@pytest.mark.deep
def test_parquet_is_a_folder_that_appears_whole_and_replaces_one(spark: Any, tmp_path: Path) -> None:
    store = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark))
    for rows in (ROWS, ROWS.slice(0, 3), spark.createDataFrame(ROWS)):
        job = store.get_historical_features(rows, views())
        assert job.to_parquet(tmp_path / "a b%20") == tmp_path / "a b%20"
        written = pq.read_table(tmp_path / "a b%20")
        assert as_set(written) == as_set(job.to_arrow())
        assert written.schema.field("seen").type == pa.timestamp("us", "UTC")
        assert [path.name for path in tmp_path.iterdir()] == ["a b%20"]


@pytest.mark.of_one_session
@pytest.mark.deep
def test_parquet_replaces_no_folder_with_other_files(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    job = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, views())
    with pytest.raises(ht.HithertoError, match="holds other files than parquet"):
        job.to_parquet(tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ht.HithertoError, match="is a file; on Spark give a folder's path"):
        job.to_parquet(tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


@pytest.mark.of_one_session
@pytest.mark.deep
def test_a_failed_write_leaves_the_old_folder(spark: Any, tmp_path: Path) -> None:
    good = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, views())
    good.to_parquet(tmp_path / "answer")
    bad = ht.FeatureView(
        "bad", entities=["k"], source=ht.ArrowSource(EVENTS, timestamp_field="ts"), features=["n"],
        columns={"n": "cast(name as bigint)"},
    )  # fmt: skip
    job = ht.FeatureStore([bad], engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, [bad])
    with pytest.raises(ht.EngineError, match="CAST_INVALID_INPUT"):
        job.to_parquet(tmp_path / "answer")
    assert as_set(pq.read_table(tmp_path / "answer")) == as_set(answer(None, ROWS))
    assert [path.name for path in tmp_path.iterdir()] == ["answer"]


@pytest.mark.deep
@pytest.mark.of_one_session
def test_a_folder_that_does_not_get_its_name_leaves_the_old_one(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ht.FeatureStore(views(), engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, views())
    job.to_parquet(tmp_path / "answer.parquet")
    rename, names = os.replace, []

    def fails_for_new_data(source: Path, target: Path) -> None:
        names.append(Path(source).name)
        if names[-1].endswith(".part"):
            raise OSError("no space left on device")
        rename(source, target)

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", fails_for_new_data)
            with pytest.raises(ht.HithertoError, match="no space left"):
                job.to_parquet(tmp_path / "answer.parquet")
    assert as_set(pq.read_table(tmp_path / "answer.parquet")) == as_set(answer(None, ROWS))
    assert [path.name for path in tmp_path.iterdir()] == ["answer.parquet"]
    written = [name for name in names if name.endswith(".part")]
    assert len(written) == len(set(written)) == 2  # two writers never share a name


@pytest.mark.deep
def test_tables_are_looked_up_where_the_user_stands(spark: Any, tmp_path: Path) -> None:
    spark.sql("CREATE DATABASE IF NOT EXISTS sales LOCATION '" + (tmp_path / "sales").as_uri() + "'")
    try:
        spark.sql("USE sales")
        spark.createDataFrame(EVENTS).write.saveAsTable("events_2024")
        spark.createDataFrame(EVENTS).createOrReplaceTempView("temporary")
        expected = answer(None, ROWS)
        for name in ("events_2024", 'sales."events_2024"', "temporary", "spark_catalog.sales.events_2024"):
            uses = views(ht.TableSource(name, timestamp_field="ts"))
            found = answer(ht.SparkComputeEngine(spark), ROWS, uses)
            assert as_set(found) == as_set(expected)
            assert found.schema.field("seen").type == pa.timestamp("us", "UTC")
        assert spark.catalog.currentDatabase() == "sales"
    finally:
        spark.sql("USE default")
        spark.catalog.dropTempView("temporary")
        spark.sql("DROP DATABASE IF EXISTS sales CASCADE")


def test_a_missing_table_is_a_source_error_without_a_stack(spark: Any) -> None:
    uses = views(ht.TableSource("nowhere.events", timestamp_field="ts"))
    with pytest.raises(ht.SourceError) as error:
        ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark)).features()
    assert "source 'nowhere.events'" in str(error.value)
    assert "TABLE_OR_VIEW_NOT_FOUND" in str(error.value)
    assert "\n\tat " not in str(error.value)


def test_an_error_names_view_node_condition_and_sql_and_has_no_stack(spark: Any) -> None:
    data = pa.table({"k": [1, 1], "ts": times(1, 2), "big": pa.array([2**62, 2**62], pa.int64())})
    source = ht.ArrowSource(data, timestamp_field="ts")
    big = ht.FeatureView("big", entities=["k"], source=source, aggregations=[ht.Aggregation("big", "sum", "1d")])
    with pytest.raises(ht.EngineError) as caught:
        answer(ht.SparkComputeEngine(spark), ROWS, [big])
    error = caught.value
    assert (error.view, error.node) == ("big", "BucketedWindows")
    assert error.condition in (
        "CAST_OVERFLOW",
        "NUMERIC_VALUE_OUT_OF_RANGE",
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
    )
    assert "`big_windows`" in (error.sql or "")
    assert str(error).startswith("feature view 'big', BucketedWindows: ")
    assert len(str(error).splitlines()) <= 3
    assert "java" not in str(error)
    assert not error.transient


@pytest.mark.of_one_session
@pytest.mark.parametrize("form", ["RangeMax", "UnionLast"])
def test_every_form_of_the_latest_value_gives_the_answer(spark: Any, form: str) -> None:
    engine = with_form(ht.SparkComputeEngine(spark), form)
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    strict = ht.FeatureView("strict", entities=["k"], source=source, features=["v"], allow_exact_matches=False)
    short = ht.FeatureView("short", entities=["k"], source=source, features=["name"], ttl="1us")
    uses = [*views(), short.with_name("brief"), strict.with_name("before")]
    store = ht.FeatureStore(uses, engine=engine)
    job = store.get_historical_features(ROWS, uses, full_feature_names=True)
    assert form in str(job.explain(level="physical"))
    duckdb = ht.FeatureStore(uses).get_historical_features(ROWS, uses, full_feature_names=True)
    assert same(job.to_arrow(), duckdb.to_arrow())


@pytest.mark.of_one_session
@pytest.mark.deep
def test_few_rows_per_key_are_matched_by_a_range_join(spark: Any) -> None:
    def engine() -> ht.ComputeEngine:
        return with_forms(ht.SparkComputeEngine(spark), "RangeMax", "UnionLast", "BucketedWindows")

    store = ht.FeatureStore(views(), engine=engine())
    for rows, form in ((ROWS.slice(0, 3), "RangeMax"), (pa.concat_tables([ROWS] * 10), "UnionLast")):
        numbered = rows.append_column("number", pa.array(range(rows.num_rows)))
        here = store.get_historical_features(numbered, "latest")
        frame = store.get_historical_features(spark.createDataFrame(numbered), "latest")
        assert [forms(here), forms(frame)] == [{"latest": form}] * 2
        found, wanted = (job.to_arrow().sort_by("number").select(["number", "v", "name"]) for job in (frame, here))
        assert same(found, wanted)
    by_name = ht.FeatureView(
        "by_name", entities=["name"], source=ht.ArrowSource(EVENTS, timestamp_field="ts"), features=["v"]
    )
    two = ht.FeatureStore([*views(), by_name], engine=engine())
    named = numbered.append_column("name", pa.array(["a"] * numbered.num_rows))
    uses = ["latest", "sums", "by_name"]
    both = two.get_historical_features(spark.createDataFrame(named), uses, full_feature_names=True)
    facts = {each["view"]: each["facts"] for each in both.explain("physical").to_dict()["choices"]}
    assert {"fact": "different k of spine_rows", "value": 3} in facts["latest"]
    assert {"fact": "different name of spine_rows", "value": 1} in facts["by_name"]
    unaware = ht.FeatureStore(views(), engine=engine(), planner_options=ht.PlannerOptions(statistics="off"))
    unknown = unaware.get_historical_features(spark.createDataFrame(ROWS), "latest")
    assert forms(unknown) == {"latest": "UnionLast"}


@pytest.mark.of_one_session
@pytest.mark.deep
def test_a_time_bound_reaches_the_files(spark: Any, tmp_path: Path) -> None:
    from hitherto.planner.ir.data import ParquetFiles

    for type_ in (pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ns")):
        pq.write_table(EVENTS.set_column(1, "ts", EVENTS["ts"].cast(type_)), tmp_path / "events.parquet")
        uses = views(ht.FileSource(tmp_path / "events.parquet", timestamp_field="ts"))
        engine = ht.SparkComputeEngine(spark)
        job = ht.FeatureStore(uses, engine=engine).get_historical_features(ROWS, "latest")
        wanted = next(part for part in job.to_sql().split(";\n\n") if "`latest_events`" in part)
        connection = engine.connect()
        try:
            connection.register("events", ParquetFiles((str(tmp_path / "events.parquet"),)))
            events = wanted.split("`latest_events` AS (")[1].split("\n), ")[0]
            plan = connection.read(f"EXPLAIN FORMATTED {events}").read_all()["plan"][0].as_py()
        finally:
            connection.close()
        pushed = next(line for line in plan.splitlines() if "PushedFilters" in line)
        assert "GreaterThan" in pushed, plan
        assert "LessThan" in pushed, plan
        assert same(answer(engine, ROWS, uses), answer(None, ROWS, uses))


@pytest.mark.of_one_session
def test_files_with_any_name_are_read_and_hidden_ones_are_refused(spark: Any, tmp_path: Path) -> None:
    folder = tmp_path / "[a] {b,c} 100%25 ü"
    folder.mkdir()
    pq.write_table(EVENTS, folder / "what? *.parquet")
    pq.write_table(EVENTS.slice(0, 0), folder / "whatx y.parquet")
    found = views(ht.FileSource(folder / "what? *.parquet", timestamp_field="ts"))
    assert same(answer(ht.SparkComputeEngine(spark), ROWS, found), answer(None, ROWS, found))
    pq.write_table(EVENTS, folder / "_hidden.parquet")
    hidden = views(ht.FileSource(folder / "_hidden.parquet", timestamp_field="ts"))
    with pytest.raises(ht.UnsupportedError, match=r"_hidden.parquet, whose name begins with '_'"):
        answer(ht.SparkComputeEngine(spark), ROWS, hidden)


@pytest.mark.of_one_session
@pytest.mark.deep
def test_the_script_runs_by_hand(spark: Any, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.parquet" for number in range(3)]
    for number, file in enumerate(files):
        pq.write_table(EVENTS.slice(number * 3, 3), file)
    uses = views(ht.FileSource(files, timestamp_field="ts"))
    job = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, uses)
    by_hand = ht.SparkComputeEngine(spark).connect()
    session = by_hand._session
    try:
        session.createDataFrame(ROWS).createOrReplaceTempView("spine")
        *statements, last = [part for part in job.to_sql().split(";") if part.strip()]
        for statement in statements:
            session.sql(statement)
        assert as_set(session.sql(last).toArrow()) == as_set(job.to_arrow())
    finally:
        by_hand.close()


def wide_views(number_of_views: int) -> tuple[list[ht.FeatureView], pa.Table]:
    """Views of twenty features, each with a filter of its own, and two thousand rows."""
    count, width = 400, 20
    base = {"k": [number % 7 for number in range(count)], "ts": times(*(number * 1_000 for number in range(count)))}
    data = pa.table({**base, **{f"f{column}": [row * column for row in range(count)] for column in range(width)}})
    source = ht.ArrowSource(data, timestamp_field="ts")
    uses = [
        ht.FeatureView(
            f"v{number}", entities=["k"], source=source, filter=f"f1 % {number + 2} <> 1", ttl=f"{number + 1}ms",
            features=[f"f{column}" for column in range(width)],
        )
        for number in range(number_of_views)
    ]  # fmt: skip
    keys = [number % 9 for number in range(2_000)]
    return uses, pa.table({"k": keys, "event_timestamp": times(*(number * 311 for number in range(2_000)))})


@pytest.mark.deep
@pytest.mark.of_one_session
def test_a_hundred_views_of_twenty_features_run_on_two_thousand_rows(spark: Any) -> None:
    uses, rows = wide_views(100)
    answers = []
    for engine in (ht.SparkComputeEngine(spark), ht.LocalComputeEngine()):
        store = ht.FeatureStore(uses, engine=engine)
        answers.append(store.get_historical_features(rows, uses, full_feature_names=True).to_arrow())
    assert answers[0].num_columns == 2 + 100 * 20
    assert answers[0].equals(answers[1])


@pytest.mark.deep
@pytest.mark.of_one_session
def test_twenty_views_of_twenty_features_stay_distributed(spark: Any) -> None:
    uses, rows = wide_views(20)
    expected = ht.FeatureStore(uses).get_historical_features(rows, uses, full_feature_names=True).to_arrow()
    store = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark))
    with store.get_historical_features(rows, uses, full_feature_names=True) as job:
        frame = job.to_spark().toArrow()
    assert frame.sort_by([("event_timestamp", "ascending")]).equals(expected)


@pytest.mark.deep
@pytest.mark.of_one_session
def test_a_wide_frame_is_joined_by_tens(spark: Any) -> None:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    uses = [
        ht.FeatureView(f"v{number}", entities=["k"], source=source, filter=f"v > {number} - 12", features=["v", "name"])
        for number in range(23)
    ]
    store = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark))
    with store.get_historical_features(ROWS, uses, full_feature_names=True) as job:
        assert "v0_and_9_more" in str(job.explain(level="physical"))
        found = job.to_spark().toArrow()
    expected = ht.FeatureStore(uses).get_historical_features(ROWS, uses, full_feature_names=True).to_arrow()
    assert as_set(found) == as_set(expected)


@pytest.mark.of_one_session
def test_dates_of_another_zone_are_not_todays(spark: Any) -> None:
    rows = pa.table({"k": pa.array([1], pa.int64()), "event_timestamp": pa.array([datetime(1970, 1, 2)], pa.date32())})
    assert same(answer(ht.SparkComputeEngine(spark), rows), answer(None, rows))


A_SPARK = """
    import os, time
    import hitherto as ht, pyarrow as pa
    from pyspark.sql import SparkSession
    remote = os.environ.get("HITHERTO_SPARK_REMOTE")
    builder = SparkSession.builder.config("spark.ui.enabled", "false")
    # The server that this test's own session started is the one to connect to.
    builder = builder.remote("sc://localhost") if remote else builder.master("local[2]")
    spark = builder.getOrCreate()
"""
A_LONG_QUERY = """
    count = 100_000
    data = pa.table({"k": [1] * count, "ts": pa.array(range(count), pa.timestamp("us")), "x": [1.0] * count})
    source = ht.ArrowSource(data, timestamp_field="ts")
    view = ht.FeatureView("slow", entities=["k"], source=source, aggregations=[ht.Aggregation("x", "stddev_pop")])
    rows = pa.table({"k": [1] * count, "event_timestamp": pa.array([10**9] * count, pa.timestamp("us"))})
    job = ht.FeatureStore([view], engine=ht.SparkComputeEngine(spark)).get_historical_features(rows, view)
    def run():
        print("running", flush=True)
        job.to_arrow()
"""
A_JOB_TO_COME = """
    from hitherto.runtime.engines.spark_session import interruptible
    def start():
        print("running", flush=True)
        time.sleep(3)
        spark.range(10**13).selectExpr("sum(hash(id))").toArrow()
    def run():
        interruptible(spark, start)
"""
INTERRUPTED = """
    try:
        run()
    except KeyboardInterrupt:
        print("interrupted", spark.sql("SELECT 1 AS one").toArrow().to_pylist(), flush=True)
        if not remote:
            # The end of a job, also of this SELECT, is known a moment after it.
            tracker, until = spark.sparkContext.statusTracker(), time.monotonic() + 10
            while tracker.getActiveJobsIds() and time.monotonic() < until:
                time.sleep(0.1)
            print("active", len(tracker.getActiveJobsIds()), flush=True)
    os._exit(0)
"""


@pytest.mark.deep
@pytest.mark.parametrize(("work", "seconds"), [(A_LONG_QUERY, 10), (A_JOB_TO_COME, 1)], ids=["running", "to come"])
def test_ctrl_c_cancels_the_jobs(work: str, seconds: int, spark: Any) -> None:
    if work == A_JOB_TO_COME and not is_classic(spark):
        pytest.skip("a Connect server interrupts a query once, and one that is still being planned may take no notice")
    command = [sys.executable, "-c", textwrap.dedent(A_SPARK + work + INTERRUPTED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=120)
            assert output.splitlines() == ["interrupted [{'one': 1}]", *(["active 0"] if is_classic(spark) else [])]
        finally:
            process.kill()


@pytest.mark.of_one_session
@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        ("sys.modules['pyspark'] = None", "pip install 'hitherto[spark]'"),
        ("os.environ['PATH'] = ''; os.environ.pop('JAVA_HOME', None)", "Java 17 or later"),
    ],
)
def test_what_is_missing_is_named(prepare: str, expected: str) -> None:
    code = f"""
        import os, sys
        {prepare}
        import hitherto as ht
        try:
            ht.SparkComputeEngine().description
        except ht.UnsupportedError as error:
            print(error)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )
    assert expected in done.stdout, done.stderr

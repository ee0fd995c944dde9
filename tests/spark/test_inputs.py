"""Inputs on Spark: queries, csv, json, partitions and types of memory, each with DuckDB's answer."""

from __future__ import annotations

import json
from datetime import time
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest

from tests.runtime.test_files import ROWS as FILE_ROWS
from tests.runtime.test_files import differing, events, write
from tests.spark.test_engine import EVENTS, ROWS, answer, as_set, left_behind, same, views


def forget(session: Any) -> None:
    """Drop what a script left in a session, the last of it first: it belongs to who ran the script."""
    for name in reversed([row.name for row in session.catalog.listTables() if row.isTemporary]):
        session.sql(f"DROP VIEW IF EXISTS `{name}`")


def test_a_query_is_a_source_in_the_users_own_session(spark: Any) -> None:
    spark.createDataFrame(EVENTS).createOrReplaceTempView("temporary")
    try:
        for query in ("SELECT * FROM temporary -- all", "WITH e AS (TABLE temporary) SELECT * FROM e;"):
            uses = views(ht.QuerySource(query, timestamp_field="ts"))
            found = answer(ht.SparkComputeEngine(spark), ROWS, uses)
            assert as_set(found) == as_set(answer(None, ROWS))
            assert found.schema.field("seen").type == pa.timestamp("us", "UTC")
        job = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, uses)
        assert "CREATE OR REPLACE TEMPORARY VIEW `query` AS (\nWITH e AS (TABLE temporary)" in job.to_sql()
        for query, error, message in (
            ("SELECT * FROM nowhere", ht.SourceError, "TABLE_OR_VIEW_NOT_FOUND"),
            ("SELECT amount FROM temporary", ht.SourceError, "UNRESOLVED_COLUMN"),
            ("CREATE TABLE x AS SELECT 1", ht.DefinitionError, "begins with SELECT, WITH or FROM"),
            ("SELECT 1; SELECT 2", ht.DefinitionError, "2 statements"),
        ):
            with pytest.raises(error, match=message) as raised:
                answer(ht.SparkComputeEngine(spark), ROWS, views(ht.QuerySource(query, timestamp_field="ts")))
            assert "\n\tat " not in str(raised.value)
    finally:
        spark.catalog.dropTempView("temporary")
    assert left_behind(spark) == []


@pytest.mark.deep
def test_names_of_a_job_stand_for_none_of_the_users(spark: Any) -> None:
    spark.createDataFrame(EVENTS).createOrReplaceTempView("events")
    spark.createDataFrame(EVENTS.slice(0, 1)).createOrReplaceTempView("spine")
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW behind AS SELECT * FROM events WHERE k IN (SELECT k FROM spine)")
    sources = {
        "events": ht.QuerySource("SELECT * FROM events WHERE k IN (SELECT k FROM spine)", timestamp_field="ts"),
        "query": ht.TableSource("behind", timestamp_field="ts"),
        "spine_rows": ht.TableSource("spine", timestamp_field="ts"),
    }
    uses = [
        ht.FeatureView(
            name, entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count", name=f"n_{name}")]
        )
        for name, source in sources.items()
    ]
    first = EVENTS["k"][0].as_py()
    own = sum(key == first for key in EVENTS["k"].to_pylist())
    rows = pa.table({"k": [first], "event_timestamp": pa.array([2**50], pa.timestamp("us"))})
    try:
        for order in (uses, uses[::-1]):
            job = ht.FeatureStore(order, engine=ht.SparkComputeEngine(spark)).get_historical_features(rows, order)
            assert job.to_arrow().select([f"n_{name}" for name in sources]).to_pylist() == [
                {"n_events": own, "n_query": own, "n_spine_rows": 1}
            ]
        assert job.to_sql().startswith("-- The entity rows are expected as a table or view `spine_2`.\n")
        spark.createDataFrame(rows).createOrReplaceTempView("spine_2")
        connection = ht.SparkComputeEngine(spark).connect()
        session = connection._session  # type: ignore[attr-defined]
        try:
            for table in ("events", "spine", "spine_2"):
                session.createDataFrame(spark.table(table).toArrow()).createOrReplaceTempView(table)
            session.sql("CREATE TEMPORARY VIEW behind AS SELECT * FROM events WHERE k IN (SELECT k FROM spine)")
            *statements, last = [part for part in job.to_sql().split(";\n") if part.strip()]
            for _ in range(2):
                for statement in statements:
                    session.sql(statement)
            by_hand = session.sql(last.removesuffix(";")).toArrow()
        finally:
            forget(session)
            connection.close()
        assert by_hand.select([f"n_{name}" for name in sources]).to_pylist() == [
            {"n_events": own, "n_query": own, "n_spine_rows": 1}
        ]
    finally:
        for table in ("events", "spine", "spine_2", "behind"):
            spark.catalog.dropTempView(table)
    assert left_behind(spark) == []


@pytest.mark.deep
def test_a_session_that_looks_elsewhere_than_when_the_job_was_made_is_told(spark: Any) -> None:
    spark.sql("CREATE DATABASE IF NOT EXISTS elsewhere")
    spark.sql(
        "CREATE TABLE elsewhere.moved USING parquet AS SELECT 1L AS k, TIMESTAMP '1970-01-01' AS ts, 2.0D AS amount"
    )
    made = []
    try:
        spark.sql("USE elsewhere")
        for source in (
            ht.TableSource("moved", timestamp_field="ts"),
            ht.QuerySource("SELECT * FROM moved", timestamp_field="ts"),
            ht.TableSource("spark_catalog.elsewhere.moved", timestamp_field="ts"),
        ):
            view = ht.FeatureView("v", entities=["k"], source=source, features=["amount"])
            store = ht.FeatureStore([view], engine=ht.SparkComputeEngine(spark))
            made.append(store.get_historical_features(ROWS, view))
        expected = made[0].to_arrow()
        spark.sql("USE default")
        for job in made[:2]:
            with pytest.raises(
                ht.EngineError, match=r"looked names up in `spark_catalog`.`elsewhere` when the job was"
            ):
                job.to_arrow()
        assert as_set(made[2].to_arrow()) == as_set(expected)
        assert (
            "CREATE OR REPLACE TEMPORARY VIEW `moved` AS (\nTABLE `spark_catalog`.`elsewhere`.`moved`"
            in made[2].to_sql()
        )
    finally:
        spark.sql("USE default")
        spark.sql("DROP DATABASE elsewhere CASCADE")


def test_entity_rows_are_a_query_that_is_not_collected(spark: Any) -> None:
    spark.createDataFrame(ROWS).createOrReplaceTempView("asked")
    try:
        found = answer(ht.SparkComputeEngine(spark), "/* all */ SELECT * FROM asked")
        assert as_set(found) == as_set(answer(None, ROWS))
        in_parentheses = answer(ht.SparkComputeEngine(spark), "( -- all\n SELECT * FROM asked)")
        assert as_set(in_parentheses) == as_set(found)
        for query, message in (
            ("VALUES (1, TIMESTAMP '2024-01-01')", "columns: col1, col2\n  VALUES names no column; write SELECT"),
            ("SELECT * FROM nowhere", "entity rows: spark .* cannot run the query: .*TABLE_OR_VIEW_NOT_FOUND"),
            ("SELECT 1; SELECT 2", "entity rows: 2 statements; give one query"),
            ("SELECT 1 AS k", "entity rows: no timestamp column"),
        ):
            with pytest.raises(ht.SpineError, match=message):
                answer(ht.SparkComputeEngine(spark), query)
    finally:
        spark.catalog.dropTempView("asked")
    assert left_behind(spark) == []


@pytest.mark.deep
def test_a_script_with_a_query_runs_by_hand(spark: Any) -> None:
    spark.createDataFrame(EVENTS).createOrReplaceGlobalTempView("by_hand")
    uses = views(ht.QuerySource("SELECT * FROM global_temp.by_hand -- all", timestamp_field="ts"))
    job = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, uses)
    connection = ht.SparkComputeEngine(spark).connect()
    session = connection._session
    try:
        session.createDataFrame(ROWS).createOrReplaceTempView("spine")
        *statements, last = [part for part in job.to_sql().split(";\n") if part.strip()]
        for _ in range(2):
            for statement in statements:
                session.sql(statement)
        by_hand = session.sql(last.removesuffix(";")).toArrow()
    finally:
        forget(session)
        connection.close()
        spark.catalog.dropGlobalTempView("by_hand")
    assert job.to_sql().startswith("-- The entity rows are expected as a table or view `spine`.\n")
    assert by_hand.schema.field("seen").type == job.schema.field("seen").type
    assert by_hand.column_names == job.schema.names
    assert as_set(by_hand) == as_set(answer(None, ROWS))


@pytest.mark.deep
def test_csv_and_json_mean_the_same_on_spark(spark: Any, tmp_path: Any) -> None:
    texts = ["k,ts,v,name,seen,zip", '1,1970-01-01T00:00:00Z,1.0,"a ""b"",\nc",1970-01-01,007', "1,1970-01-02,nan,,,",
             '2,1970-01-01T23:59:59.999999Z,,"",1970-01-01 02:00+02:00,01', ",,6.0,f,,"]  # fmt: skip
    (tmp_path / "e.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(texts).encode())
    rows: list[dict[str, Any]] = [
        {"k": 1, "ts": "1970-01-01T00:00:00Z", "v": 1, "name": "ü", "seen": "1970-01-01", "zip": "007"},
        {"k": 2, "ts": "1970-01-01", "v": float("nan"), "seen": "1970-01-01T10:00:00.123456-05:00", "zip": ""},
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for file in ("e.csv", "e.jsonl"):
        source = ht.FileSource(tmp_path / file, timestamp_field="ts", schema={"v": "float64"})
        latest = ht.FeatureView("latest", entities=["k"], source=source, features=["v", "name", "seen", "zip"])
        uses = [latest, views(source)[1]]
        expected = answer(None, ROWS, uses)
        assert expected.schema.field("zip").type == pa.string()
        assert same(answer(ht.SparkComputeEngine(spark), ROWS, uses), expected)
    (tmp_path / "rows.csv").write_text("k,event_timestamp\n1,1970-01-02\n2,1970-01-03\n")
    assert same(
        answer(ht.SparkComputeEngine(spark), tmp_path / "rows.csv", uses), answer(None, tmp_path / "rows.csv", uses)
    )
    (tmp_path / "e.jsonl").write_text(
        '{"k": 1, "ts": "1970-01-01T00:00:00Z", "v": "x", "name": "", "seen": "1970-01-01"}'
    )
    with pytest.raises(ht.SourceError, match=r'e.jsonl: column .v.: "x" is no float64; give another type with schema='):
        answer(ht.SparkComputeEngine(spark), ROWS, views(source))


def test_what_is_wrong_with_a_file_is_told_on_spark(spark: Any, tmp_path: Any) -> None:
    path = tmp_path / "e.json"
    spine = pa.table({"k": [1], "event_timestamp": pa.array([0], pa.timestamp("us"))})
    store = ht.FeatureStore(
        [ht.FeatureView("v", entities=["k"], source=ht.FileSource(path, timestamp_field="ts"))],
        engine=ht.SparkComputeEngine(spark),
    )
    path.write_text('{"k": 1, "ts": "1970-01-01", "x": 5}')
    job = store.get_historical_features(spine, "v")
    assert job.to_arrow()["x"].to_pylist() == [5]
    path.write_text('{"k": 1, "ts": "1970-01-01", "x": "a"}')
    with pytest.raises(ht.SourceError, match=r"e\.json was written anew after the job was made, and column 'x' is"):
        job.to_arrow()
    path.write_text('{"k": 1, "ts": "1970-01-01", "x": "\\ud800"}')
    with pytest.raises(ht.SourceError, match=r"e\.json, line 1: column 'x' holds half a surrogate pair"):
        store.get_historical_features(spine, "v")


@pytest.mark.deep
def test_folders_and_wider_columns_mean_the_same_on_spark(spark: Any, tmp_path: Any) -> None:
    for number, (year, month) in enumerate([("2023", "12"), ("2024", "01"), ("__HIVE_DEFAULT_PARTITION__", "01")], 1):
        for part in (0, 1):
            folder = tmp_path / "hive" / f"year={year}/a month={month}/at=1970-01-0{number}"
            write(folder / f"{part}.parquet", events([number], x=pa.array([number], (pa.int32(), pa.int64())[part])))
    hive = ht.FileSource(tmp_path / "hive/**/*.parquet", timestamp_field="ts", schema={"year": "int16"})
    wide = differing(tmp_path / "wide")
    nested = events([1], n=pa.array([[1, 2]]), s=pa.array([{"a b": 1}]), t=pa.array([time(1)]))
    write(tmp_path / "nested/1.parquet", nested)
    write(
        tmp_path / "nested/2.parquet", nested.set_column(0, "k", [pa.array([2])]).append_column("more", pa.array([1.5]))
    )
    extra = ht.FileSource(tmp_path / "nested/*.parquet", timestamp_field="ts", unique=True)
    for source, options in ((hive, {}), (wide, {}), (extra, {"features": ["more"]})):
        latest = ht.FeatureView("v", entities=["k"], source=source, **options)
        expected = answer(None, FILE_ROWS, [latest])
        assert same(answer(ht.SparkComputeEngine(spark), FILE_ROWS, [latest]), expected)
    latest = ht.FeatureView("v", entities=["k"], source=hive, filter="year = 2024 and \"a month\" = '01'")
    job = ht.FeatureStore([latest], engine=ht.SparkComputeEngine(spark)).get_historical_features(FILE_ROWS, latest)
    connection = ht.SparkComputeEngine(spark).connect()
    session = connection._session
    try:
        session.createDataFrame(FILE_ROWS).createOrReplaceTempView("spine")
        *statements, last = [part for part in job.to_sql().split(";\n") if part.strip()]
        for statement in statements:
            session.sql(statement)
        by_hand = session.sql(last.removesuffix(";")).toArrow()
    finally:
        forget(session)
        connection.close()
    assert sorted(map(str, by_hand.to_pylist())) == sorted(map(str, job.to_arrow().to_pylist()))
    assert same(job.to_arrow(), answer(None, FILE_ROWS, [latest]))

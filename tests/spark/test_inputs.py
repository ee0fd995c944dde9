"""Inputs on Spark: queries, csv, json, partitions and types of memory, each with DuckDB's answer."""

from __future__ import annotations

from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest

from tests.spark.test_engine import EVENTS, ROWS, answer, as_set, left_behind, views


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


def test_entity_rows_are_a_query_that_is_not_collected(spark: Any) -> None:
    spark.createDataFrame(ROWS).createOrReplaceTempView("asked")
    try:
        found = answer(ht.SparkComputeEngine(spark), "/* all */ SELECT * FROM asked")
        assert as_set(found) == as_set(answer(None, ROWS))
        for query, message in (
            ("SELECT * FROM nowhere", "entity rows: spark .* cannot run the query: .*TABLE_OR_VIEW_NOT_FOUND"),
            ("SELECT 1; SELECT 2", "entity rows: 2 statements; give one query"),
            ("SELECT 1 AS k", "entity rows: no timestamp column"),
        ):
            with pytest.raises(ht.SpineError, match=message):
                answer(ht.SparkComputeEngine(spark), query)
    finally:
        spark.catalog.dropTempView("asked")
    assert left_behind(spark) == []


def test_a_script_with_a_query_runs_by_hand(spark: Any) -> None:
    spark.createDataFrame(EVENTS).createOrReplaceGlobalTempView("by_hand")
    uses = views(ht.QuerySource("SELECT * FROM global_temp.by_hand -- all", timestamp_field="ts"))
    job = ht.FeatureStore(uses, engine=ht.SparkComputeEngine(spark)).get_historical_features(ROWS, uses)
    connection = ht.SparkComputeEngine(spark).connect()
    session = connection._session
    try:
        session.createDataFrame(ROWS).createOrReplaceTempView("spine")
        *statements, last = [part for part in job.to_sql().split(";\n") if part.strip()]
        for statement in statements:
            session.sql(statement)
        by_hand = session.sql(last.removesuffix(";")).toArrow()
    finally:
        connection.close()
        spark.catalog.dropGlobalTempView("by_hand")
    assert by_hand.column_names == job.schema.names
    assert as_set(by_hand) == as_set(answer(None, ROWS))

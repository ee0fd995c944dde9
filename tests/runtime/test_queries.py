"""Queries in DuckDB's own SQL: as sources, and as entity rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.rows.entity import is_query

NOON, LATER = datetime(2024, 1, 1, 12), datetime(2024, 1, 2)
ROWS = pa.table({"k": [1, 2], "event_timestamp": pa.array([LATER, LATER], pa.timestamp("us"))})


def view(source: ht.Source | str, **options: object) -> ht.FeatureView:
    source = ht.QuerySource(source, timestamp_field="ts") if isinstance(source, str) else source
    return ht.FeatureView("v", entities=["k"], source=source, **options)  # type: ignore[arg-type]


def store(connection: duckdb.DuckDBPyConnection, *views: ht.FeatureView) -> ht.FeatureStore:
    return ht.FeatureStore(list(views), engine=ht.LocalComputeEngine(connection=connection))


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE events AS SELECT k, TIMESTAMP '2024-01-01 12:00' AS ts, k * 10 AS x "
        "FROM (VALUES (1), (2), (3)) AS t(k)"
    )
    return connection


@pytest.mark.parametrize(
    "query",
    [
        "SELECT k, ts, x FROM events",
        "FROM events",
        "WITH e AS (FROM events) SELECT * FROM e;",
        "-- of today\nSELECT * FROM events -- all of them",
        "/* ; */ (SELECT * FROM events)",
        "SELECT * FROM events UNION ALL SELECT 9, ts, 0 FROM events WHERE 'a;b' <> '\n'",
        "SELECT e.k, e.ts, e.x FROM events AS e JOIN events USING (k)",
    ],
)
def test_a_query_is_a_source(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    found = store(connection, view(query)).get_historical_features(ROWS, "v:x").to_arrow()
    assert found["x"].to_pylist() == [10, 20]


def test_a_query_may_read_a_table_of_the_name_that_queries_get(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE query AS FROM events")
    job = store(connection, view("SELECT k, ts, x + 1 AS x FROM query")).get_historical_features(ROWS, "v:x")
    assert 'FROM "query_2"' in job.to_sql()
    assert job.to_arrow()["x"].to_pylist() == [11, 21]


def test_types_that_only_duckdb_has_come_out_as_planned(connection: duckdb.DuckDBPyConnection) -> None:
    query = """
        SELECT k, ts, k::HUGEINT AS huge, (CASE k WHEN 1 THEN 'b' ELSE 'a' END)::ENUM('b', 'a') AS one,
               '{}'::JSON AS json, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID AS id, TIME '10:00' AS at FROM events
    """
    features = ["huge", "one", "json", "id"]
    latest = view(query, features=features)
    job = store(connection, latest).get_historical_features(ROWS, latest)
    found = job.to_arrow()
    assert [str(job.schema.field(name).type) for name in features] == ["decimal128(38, 0)", *["string"] * 3]
    assert found.schema.equals(job.schema)
    # Enums order by their place in the type, and texts by their bytes.
    greatest = view(query, aggregations=[ht.Aggregation("one", "max", name="one")]).with_name("w")
    everything = view(
        "SELECT 1 AS k, ts, one FROM (" + query + ")", aggregations=[ht.Aggregation("one", "max", name="m")]
    )
    assert found["one"].to_pylist() == ["b", "a"]
    assert store(connection, greatest).get_historical_features(ROWS, "w:one").to_arrow()["one"].to_pylist() == [
        "b",
        "a",
    ]
    assert store(connection, everything).get_historical_features(ROWS, "v:m").to_arrow()["m"].to_pylist() == ["b", None]


def test_the_script_of_a_query_runs_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    latest = view("SELECT * FROM events -- all")
    job = store(connection, latest).get_historical_features(ROWS, latest)
    connection.register("spine", ROWS)
    *statements, last = [part for part in job.to_sql().split(";\n") if part.strip()]
    for statement in statements:
        connection.execute(statement)
    assert connection.sql(last).to_arrow_table().equals(job.to_arrow())


def test_a_query_leaves_no_view_behind(connection: duckdb.DuckDBPyConnection) -> None:
    latest = view("FROM events")
    store(connection, latest).get_historical_features(ROWS, latest).to_arrow()
    assert connection.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []


WRONG = [
    ("SELECT 1; SELECT 2", "2 statements; give one query"),
    ("DROP TABLE events", "begins with SELECT, WITH or FROM, and this with 'DROP': 'DROP TABLE events'"),
    ("EXPLAIN SELECT 1", "and this with 'EXPLAIN'"),
    ("WITH a AS (SELECT 1) DELETE FROM events", r"the statement is not a query \(DELETE\); give a SELECT"),
    ("SELECT * FROM events WHERE", "is not a query in duckdb's SQL"),
    ("SELECT (" * 3000, "is not a query in duckdb's SQL|nested too deeply"),
    ("-- nothing", "the query is empty"),
]


@pytest.mark.parametrize(("query", "message"), WRONG)
def test_what_is_not_one_query_is_refused(connection: duckdb.DuckDBPyConnection, query: str, message: str) -> None:
    with pytest.raises(ht.DefinitionError, match=f"QuerySource: .*(?:{message})"):
        store(connection, view(query)).features()
    assert connection.sql("SELECT count(*) FROM events").fetchall() == [(3,)]


@pytest.mark.parametrize("given", ["", "  ", None, 5])
def test_what_is_no_text_is_refused_at_once(given: object) -> None:
    with pytest.raises(ht.DefinitionError, match=f"QuerySource: {given!r} is not a query"):
        ht.QuerySource(given, timestamp_field="ts")  # type: ignore[arg-type]


def test_an_error_of_the_query_is_a_source_error_without_its_lines(connection: duckdb.DuckDBPyConnection) -> None:
    for query, message in [
        ("SELECT * FROM nowhere", "source 'query': duckdb .* cannot read it: Catalog Error: .*nowhere does not exist"),
        ("SELECT amount FROM events", 'Binder Error: Referenced column "amount" not found'),
        ("SELECT k, k FROM (SELECT 1 AS k) WHERE nothing(k)", "Catalog Error"),
    ]:
        with pytest.raises(ht.SourceError, match=message) as error:
            store(connection, view(query)).features()
        assert "LINE" not in str(error.value)


def test_an_error_while_the_query_runs_is_an_engine_error(connection: duckdb.DuckDBPyConnection) -> None:
    latest = view("SELECT k, ts, error('no ' || k)::INT AS x FROM events")
    job = store(connection, latest).get_historical_features(ROWS, latest)
    with pytest.raises(ht.EngineError, match=r"feature view 'v'.*no 1"):
        job.to_arrow()


def test_a_query_is_equal_by_its_text_and_says_what_it_is() -> None:
    source = ht.QuerySource("SELECT\n  1", timestamp_field="ts")
    assert source == ht.QuerySource("SELECT\n  1", timestamp_field="ts")
    assert source != ht.QuerySource("SELECT 1", timestamp_field="ts")
    assert repr(source) == "QuerySource(SELECT 1; by ts)"
    with pytest.raises(ht.SourceError, match=r"only an engine knows a query's columns"):
        _ = view(source).schema


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "SELECT*FROM t",
        "from t",
        "FROM't.csv'",
        "with a as (select 1) from a",
        "\n-- x\n /* y */Select(1)",
        "values (1)",
        "VALUES(1)",
        "(select 1)",
        "( (\n-- x\nFROM t))",
        "/* x */ (VALUES (1))",
    ],
)
def test_a_text_that_begins_like_a_query_is_one(text: str) -> None:
    assert is_query(text)


@pytest.mark.parametrize(
    "text",
    [
        "rows.parquet",
        "select.csv",
        "from/rows.csv",
        "with-keys.parquet",
        "selected",
        "-- x",
        "",
        "values.csv",
        "(old) rows.csv",
        "(select).csv",
        "(",
        "valuesets/(1).csv",
    ],
)
def test_a_path_is_no_query(text: str) -> None:
    assert not is_query(text)


def test_a_file_whose_name_begins_like_a_query_is_no_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    latest = view(ht.ArrowSource(pa.table({"k": [1], "ts": [NOON], "x": [5]}), timestamp_field="ts"))
    for name in ("from last year.csv", "values (1).csv", "select * .csv"):
        Path(name).write_text("k,event_timestamp\n1,2024-01-02\n")
        assert ht.FeatureStore([latest]).get_historical_features(name, latest).to_arrow()["x"].to_pylist() == [5]


@pytest.mark.parametrize(
    "query",
    [
        "(SELECT k, TIMESTAMP '2024-01-02' AS event_timestamp FROM events WHERE k < 3)",
        "SELECT * FROM (VALUES (1, TIMESTAMP '2024-01-02'), (2, TIMESTAMP '2024-01-02')) AS t(k, event_timestamp)",
        "(( -- first\n SELECT 1 AS k, TIMESTAMP '2024-01-02' AS event_timestamp)"
        " UNION ALL (SELECT 2, TIMESTAMP '2024-01-02'));",
    ],
)
def test_entity_rows_are_a_query_in_parentheses_or_of_values(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    latest = view("FROM events")
    found = store(connection, latest).get_historical_features(query, latest).to_arrow()
    assert dict(zip(found["k"].to_pylist(), found["x"].to_pylist(), strict=True)) == {1: 10, 2: 20}


def test_entity_rows_are_a_query_that_runs_once_when_the_job_is_made(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SEQUENCE runs")
    latest = view("FROM events")
    job = store(connection, latest).get_historical_features(
        "-- the rows\nSELECT k, TIMESTAMPTZ '2024-01-02 00:00:00+00' AS event_timestamp, nextval('runs') AS run "
        "FROM events ORDER BY k DESC",
        latest,
    )
    for _ in range(2):
        found = job.to_arrow()
        assert (found["k"].to_pylist(), found["x"].to_pylist()) == ([3, 2, 1], [30, 20, 10])
        assert sorted(found["run"].to_pylist()) == [1, 2, 3]
    assert connection.sql("SELECT nextval('runs')").fetchall() == [(4,)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM nowhere", "entity rows: duckdb .* cannot run the query: Catalog Error: .*nowhere"),
        ("SELECT 1; DROP TABLE events", "entity rows: 2 statements"),
        ("WITH a AS (SELECT 1) DELETE FROM events", r"entity rows: the statement is not a query \(DELETE\)"),
        ("SELECT error('no') AS k, now() AS t", "entity rows: .*cannot run the query.*no"),
        ("SELECT 1 AS k", "entity rows: no timestamp column"),
        ("SELECT 'a' AS k, TIMESTAMP '2024-01-01' AS t", "k"),
        (
            "VALUES (1, TIMESTAMP '2024-01-01')",
            r"no key column 'k'\n  columns: col0, col1\n  VALUES names no column; write SELECT \* FROM \(VALUES",
        ),
        ("(VALUES (1, 2))", r"no timestamp column.*\n  columns: col0, col1\n  VALUES names no column"),
        ("VALUES (1", r"entity rows: 'VALUES \(1' is not a query in duckdb's SQL: Expecting \)"),
        ("SELECT 1 AS k, NULL::TIMESTAMP AS t", "timestamp 't' is null in 1 of 1 rows"),
        ("SELECT 1 AS k, 1 AS k, TIMESTAMP '2024-01-01' AS t", "entity rows"),
    ],
)
def test_a_wrong_query_of_entity_rows_is_a_spine_error(
    connection: duckdb.DuckDBPyConnection, query: str, message: str
) -> None:
    latest = view("SELECT * FROM events WHERE error('the source was read')::BOOLEAN")
    with pytest.raises(ht.SpineError, match=message):
        store(connection, latest).get_historical_features(query, latest)


def test_an_engine_without_sql_says_so() -> None:
    class Other(ht.ComputeEngine):
        def get_historical_features(self, task: object) -> pa.Table:
            raise AssertionError("nothing is run")

        def materialize(self, task: object, online_store: object) -> ht.MaterializationJob:
            raise AssertionError("nothing is run")

    data = pa.table({"k": [1], "ts": pa.array([NOON], pa.timestamp("us")), "x": [1]})
    latest = view(ht.ArrowSource(data, timestamp_field="ts"))
    with pytest.raises(ht.UnsupportedError, match="Other runs no SQL of yours; give entity rows as a table"):
        ht.FeatureStore([latest], engine=Other()).get_historical_features("SELECT 1", latest)
    with pytest.raises(ht.UnsupportedError, match="Other runs no SQL of yours; give a FileSource or an ArrowSource"):
        ht.FeatureStore([view("SELECT 1")], engine=Other()).features()


Give = Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyRelation]


@pytest.mark.parametrize("own", [True, False], ids=["of the engine's connection", "of another"])
def test_a_relation_is_taken_in_when_the_job_is_made(connection: duckdb.DuckDBPyConnection, own: bool) -> None:
    theirs = connection if own else duckdb.connect()
    theirs.execute(
        "CREATE TEMPORARY TABLE asked AS SELECT 1 AS k, TIMESTAMP '2024-01-02' AS event_timestamp, 'n' AS note"
    )
    latest = view("FROM events")
    job = store(connection, latest).get_historical_features(theirs.table("asked"), latest)
    theirs.execute("UPDATE asked SET k = 2")
    found = job.to_arrow()
    assert found.to_pylist() == [{"k": 1, "event_timestamp": LATER, "note": "n", "x": 10}]


def test_a_relation_that_fails_is_a_spine_error(connection: duckdb.DuckDBPyConnection) -> None:
    latest = view("FROM events")
    relation = connection.sql("SELECT CAST(note AS INT) AS k, now() AS event_timestamp FROM (VALUES ('q')) AS t(note)")
    with pytest.raises(ht.SpineError, match=r"entity rows: cannot be read as a table: ConversionException: .*'q'"):
        store(connection, latest).get_historical_features(relation, latest)


def test_a_relation_is_a_source_too(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    latest = view(ht.ArrowSource(connection.table("events"), timestamp_field="ts"))
    connection.execute("DROP TABLE events")
    assert ht.FeatureStore([latest]).get_historical_features(ROWS, latest).to_arrow()["x"].to_pylist() == [10, 20]

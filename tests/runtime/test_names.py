"""No name of a job's own stands for one of the user's: on DuckDB, tables, views, macros and queries of any name."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import hitherto as ht
import pyarrow as pa
import pytest

from tests.tiers import few

LATE = datetime(2024, 2, 1)
ROWS = pa.table({"k": [1, 2], "event_timestamp": pa.array([LATE, LATE], pa.timestamp("us"))})
DATABASE = """
CREATE TABLE customers AS SELECT * FROM (VALUES (1, 'a', 'x'), (2, 'b', 'y')) AS t(k, country, name);
ALTER TABLE customers ADD COLUMN ts TIMESTAMP DEFAULT '2024-01-01';
CREATE TABLE orders AS
SELECT 1 AS k, 'a' AS country, TIMESTAMP '2024-01-02' + INTERVAL (i) HOUR AS ts FROM range(11) AS r(i);
CREATE TABLE spine AS FROM orders;
CREATE VIEW at_home AS SELECT o.* FROM orders AS o WHERE o.country IN (SELECT country FROM customers);
CREATE VIEW customer_countries AS SELECT country FROM main.customers;
CREATE VIEW far AS SELECT o.* FROM orders AS o JOIN customer_countries USING (country);
CREATE SCHEMA s; CREATE VIEW s.far AS FROM at_home;
CREATE MACRO countries() AS TABLE SELECT country FROM customers;
CREATE MACRO is_home(c) AS c IN (SELECT country FROM customers);
CREATE VIEW by_macros AS SELECT * FROM orders WHERE is_home(country) AND country IN (FROM countries());
"""
COUNTED = {
    "a query": ht.QuerySource(
        "SELECT o.* FROM orders o WHERE o.country IN (SELECT country FROM customers)", timestamp_field="ts"
    ),
    "a view": ht.TableSource("at_home", timestamp_field="ts"),
    "a view over a view, by USING": ht.TableSource("main.far", timestamp_field="ts"),
    "a view of another schema": ht.TableSource("s.far", timestamp_field="ts"),
    "macros": ht.TableSource("by_macros", timestamp_field="ts"),
    "a macro in a query": ht.QuerySource("SELECT * FROM orders WHERE is_home(country)", timestamp_field="ts"),
    "a name in a string": ht.QuerySource(
        "SELECT * FROM orders WHERE country IN (SELECT country FROM query_table('cust' || 'omers'))",
        timestamp_field="ts",
    ),
    "a query in a string": ht.QuerySource("FROM query('FROM ' || 'at_home')", timestamp_field="ts"),
    "a table called spine": ht.TableSource("spine", timestamp_field="ts"),
}


def counted(name: str, source: ht.Source) -> ht.FeatureView:
    return ht.FeatureView(name, entities=["k"], source=source, aggregations=[ht.Aggregation("*", "count", name="n")])


def customers(name: str = "customers") -> ht.FeatureView:
    source = ht.TableSource("customers", timestamp_field="ts")
    return ht.FeatureView(name, entities=["k"], source=source, filter="country <> 'a'", features=["country", "name"])


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(DATABASE)
    return connection


def made(
    connection: duckdb.DuckDBPyConnection | None, views: Sequence[ht.FeatureView], **options: Any
) -> ht.RetrievalJob:
    engine = None if connection is None else ht.LocalComputeEngine(connection=connection)
    store = ht.FeatureStore(list(views), engine=engine, planner_options=ht.PlannerOptions(**options))
    return store.get_historical_features(ROWS, list(views), full_feature_names=True)


@pytest.mark.parametrize("source", few([*COUNTED], fast=4))
def test_a_view_called_like_a_table_that_another_reads_does_not_stand_for_it(
    connection: duckdb.DuckDBPyConnection, source: str
) -> None:
    views = [customers(), counted("orders", COUNTED[source]), counted("v", COUNTED[source])]
    for order, unfused in ((views, False), (views[::-1], False), (views, True)):
        job = made(connection, order, unfused=unfused)
        found = job.to_arrow()
        assert (found["orders__n"].to_pylist(), found["v__n"].to_pylist()) == ([11, 0], [11, 0])
        assert found["customers__country"].to_pylist() == [None, "b"]
    analysis = job.explain(analyze=True).analysis
    assert analysis is not None
    assert {each.view: each.matched for each in analysis.coverage} == {"orders": 1, "v": 1, "customers": 1}


def test_names_are_the_views_where_nothing_of_the_users_is_called_so(connection: duckdb.DuckDBPyConnection) -> None:
    text = made(connection, [customers(), counted("home", COUNTED["a view"])]).to_sql()
    assert 'TABLE "customers_2"' in text
    assert 'TABLE "home"' in text
    assert 'FROM "spine"' in text
    assert 'FROM "spine_2"' in made(connection, [counted("v", COUNTED["a table called spine"])]).to_sql()


def test_a_script_runs_twice_in_a_connection_whose_tables_are_called_like_views(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    views = [customers(), *(counted(f"v{number}", source) for number, source in enumerate(COUNTED.values()))]
    job = made(connection, [*views, counted("orders", COUNTED["a query"])])
    expected = job.to_arrow()
    assert job.to_sql().startswith('-- The entity rows are expected as a table or view "spine_2".\n')
    connection.register("spine_2", ROWS)
    for _ in range(2):
        *before, last = connection.extract_statements(job.to_sql())
        for statement in before:
            connection.execute(statement)
        assert connection.sql(last.query).to_arrow_table().equals(expected)
    assert connection.sql("SELECT count(*) FROM memory.main.customers").fetchall() == [(2,)]


def test_rows_in_memory_are_not_read_as_a_table_that_is_called_so(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE arrow AS FROM orders LIMIT 4; CREATE TABLE query AS FROM orders LIMIT 3")
    rows = pa.table({"k": [1], "ts": pa.array([LATE.replace(day=1, month=1)], pa.timestamp("us"))})
    views = [
        counted("memory", ht.ArrowSource(rows, timestamp_field="ts")),
        counted("both", ht.QuerySource("FROM arrow UNION ALL FROM query", timestamp_field="ts")),
        counted("table", ht.TableSource("arrow", timestamp_field="ts")),
    ]
    for order in (views, views[::-1]):
        found = made(connection, order).to_arrow()
        assert [found[f"{view.name}__n"][0].as_py() for view in views] == [1, 7, 4]


def test_a_chained_view_and_a_materialization_keep_names_apart(
    connection: duckdb.DuckDBPyConnection, tmp_path: Any
) -> None:
    upstream = ht.FeatureView("customers", entities=["k"], source=COUNTED["a view"])
    chained = ht.FeatureView(
        "orders", entities=["country"], source=upstream, aggregations=[ht.Aggregation("*", "count", name="n")]
    )
    views = [customers("at_home"), chained, counted("spine_rows", COUNTED["a query"])]
    engine = ht.LocalComputeEngine(connection=connection)
    store = ht.FeatureStore(views, engine=engine, online_store=ht.SqliteOnlineStore(tmp_path / "o.db"))
    job = store.materialize(LATE)
    assert [result.status for result in job.views.values()] == ["done"] * 3
    read = store.get_online_features(["orders:n"], [{"country": "a"}]).to_dict()
    assert read["n"] == [11]
    assert store.get_online_features(["spine_rows:n"], [{"k": 1}]).to_dict()["n"] == [11]


def test_what_is_made_after_the_job_is_read_or_refused(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE VIEW later AS FROM orders")
    views = [customers("region"), counted("v", ht.TableSource("later", timestamp_field="ts"))]
    job = made(connection, views, forms={"region": "NarrowAsof", "v": "BucketedWindows"})
    connection.execute("CREATE TABLE region AS SELECT 'b' AS country; CREATE TABLE unread AS SELECT 1 AS x")
    assert job.to_arrow()["v__n"].to_pylist() == [11, 0]
    connection.execute(
        "CREATE OR REPLACE VIEW later AS SELECT * FROM orders WHERE country IN (SELECT country FROM region)"
    )
    with pytest.raises(ht.EngineError, match=r"reads a table 'region' since the job was made, .*make the job again"):
        job.to_arrow()
    again = made(connection, [customers("region"), counted("v", ht.TableSource("later", timestamp_field="ts"))])
    assert again.to_arrow()["v__n"].to_pylist() == [0, 0]


POOL = ["customers", "orders", "spine", "spine_rows", "arrow", "query", "v", "a b", "v_events", "query_2", "Orders_2"]


def quoted(name: str) -> str:
    return f'"{name}"'


def world(random_: random.Random) -> tuple[str, list[ht.Source], list[str]]:
    """A database of tables, views over them and macros, all of names from one pool, and sources that read them."""
    names = random_.sample(POOL, 6)
    tables, views = names[:3], names[3:]
    made = [
        f"CREATE TABLE {quoted(name)} AS SELECT i % 2 + 1 AS k, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS ts, "
        f"i AS x FROM range({7 + 5 * number}) AS r(i)"
        for number, name in enumerate(tables)
    ]
    for number, name in enumerate(views):
        over, beside = random_.sample([*tables, *views[:number]], 2)
        body = random_.choice([
            f"SELECT * FROM {quoted(over)} WHERE x IN (SELECT x + {number} FROM {quoted(beside)})",
            f"FROM main.{quoted(over)} UNION ALL FROM {quoted(beside)}",
            f"WITH {quoted(over)} AS (FROM {quoted(beside)}) FROM {quoted(over)}",
            f"FROM m{number}()",
            f"FROM s.w{number}",
        ])  # fmt: skip
        made.append(f"CREATE MACRO m{number}() AS TABLE SELECT * FROM {quoted(beside)}")
        made.append(f"CREATE VIEW s.w{number} AS SELECT * FROM {quoted(beside)}")
        made.append(f"CREATE VIEW {quoted(name)} AS {body}")
    sources: list[ht.Source] = [ht.TableSource(quoted(name), timestamp_field="ts") for name in names]
    for _ in range(2):
        over, beside = (quoted(name) for name in random_.sample(names, 2))
        sources.append(
            ht.QuerySource(f"SELECT a.* FROM {over} AS a SEMI JOIN {beside} USING (x)", timestamp_field="ts")
        )
    return ";".join(["CREATE SCHEMA s", *made]), random_.sample(sources, 3), random_.sample(POOL, 4)


@pytest.mark.parametrize("seed", few(range(20), fast=1))
def test_the_answer_does_not_depend_on_the_names_of_views(seed: int) -> None:
    random_ = random.Random(seed)
    script, sources, names = world(random_)
    rows = pa.table({"k": [1, 2], "ts": pa.array([LATE] * 2, pa.timestamp("us"))}).slice(0, 1)
    memory = ht.ArrowSource(rows, timestamp_field="ts")
    with duckdb.connect() as connection:
        connection.execute(script)
        expected = [
            made(connection, [counted("harmless", source)]).to_arrow().column(2).to_pylist()
            for source in (memory, *sources)
        ]
        views = [counted(name, source) for name, source in zip(names, (memory, *sources), strict=True)]
        for order in random_.sample(list(itertools.permutations(range(len(views)))), 3):
            job = made(connection, [views[place] for place in order], unfused=random_.random() < 0.3)
            found = job.to_arrow()
            for place in order:
                assert found[f"{names[place]}__n"].to_pylist() == expected[place], (seed, order, names[place])

"""The database of a local engine: the user's connection with all its state, a file, and the end of the engine."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import hitherto as ht
import pyarrow as pa
import pytest

LATE = datetime(2024, 2, 1)
ROWS = pa.table({"k": [1], "event_timestamp": pa.array([LATE], pa.timestamp("us"))})
TABLE = "AS SELECT 1 AS k, TIMESTAMP '2024-01-01' AS ts"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE events {TABLE}, 'main' AS x; CREATE SCHEMA s; CREATE SCHEMA \"a,b\"")
        connection.execute(f"CREATE TABLE s.events {TABLE}, 's' AS x; CREATE TABLE \"a,b\".events {TABLE}, 'ab' AS x")
        connection.execute(f"ATTACH ':memory:' AS other; CREATE TABLE other.events {TABLE}, 'other' AS x")
        connection.execute("CREATE VIEW behind AS FROM events")
        yield connection


def view(source: ht.Source | str) -> ht.FeatureView:
    source = ht.QuerySource(source, timestamp_field="ts") if isinstance(source, str) else source
    return ht.FeatureView("v", entities=["k"], source=source, features=["x"])


def asked(connection: duckdb.DuckDBPyConnection, source: ht.Source | str) -> ht.RetrievalJob:
    store = ht.FeatureStore([view(source)], engine=ht.LocalComputeEngine(connection=connection))
    return store.get_historical_features(ROWS, "v:x")


def value(connection: duckdb.DuckDBPyConnection, source: ht.Source | str) -> object:
    return asked(connection, source).to_arrow()["x"][0].as_py()


EVENTS = ht.TableSource("events", timestamp_field="ts")
PATHS = {
    "USE s": "s",
    "USE other": "other",
    "SET schema = 's'": "s",
    "SET search_path = 's,main'": "s",
    "SET search_path = '\"a,b\",s'": "ab",
    "USE s; RESET search_path": "main",
    "USE memory.main": "main",
}


@pytest.mark.parametrize(("statement", "expected"), PATHS.items(), ids=PATHS)
def test_names_are_looked_up_where_the_connection_looks(
    connection: duckdb.DuckDBPyConnection, statement: str, expected: str
) -> None:
    connection.execute(statement)
    before = connection.sql("SELECT current_setting('search_path'), current_schema()").fetchall()
    for source in (EVENTS, "SELECT * FROM events"):
        assert value(connection, source) == expected
    rows = asked(connection, "FROM events")._rows
    assert rows.count == 1
    store = ht.FeatureStore([view(EVENTS)], engine=ht.LocalComputeEngine(connection=connection))
    query = "SELECT 1 AS k, TIMESTAMP '2024-02-01' AS event_timestamp, x AS note FROM events"
    assert store.get_historical_features(query, "v:x").to_arrow()["note"].to_pylist() == [expected]
    assert connection.sql("SELECT current_setting('search_path'), current_schema()").fetchall() == before


def test_a_job_looks_names_up_where_they_were_when_it_was_made(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("USE s; SET VARIABLE wanted = 's'")
    table, query = asked(connection, EVENTS), asked(connection, "FROM events WHERE x = getvariable('wanted')")
    connection.execute("USE other; SET VARIABLE wanted = 'other'")
    assert table.to_arrow()["x"].to_pylist() == query.to_arrow()["x"].to_pylist() == ["s"]
    assert value(connection, "FROM events WHERE x = getvariable('wanted')") == "other"


VARIABLES = ["5", "NULL", "'it''s'", "[1, NULL]", "{'a': DATE '2024-01-01'}", "1.50::DECIMAL(9, 2)", "170::HUGEINT",
             "'b'::ENUM('a', 'b')", "TIMESTAMPTZ '2024-01-01 00:00:00+02'", "INTERVAL 1 DAY", "MAP {'a': 1}",
             "union_value(k := 1)", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", "'\\xAA'::BLOB", "TIME '10:00'",
             "'NaN'::DOUBLE"]  # fmt: skip


def test_variables_are_those_of_the_connection(connection: duckdb.DuckDBPyConnection) -> None:
    for number, literal in enumerate(VARIABLES):
        connection.execute(f'SET VARIABLE "v {number}" = {literal}')
    columns = [f"getvariable('v {number}')" for number, _ in enumerate(VARIABLES)]
    text = f"SELECT 1 AS k, TIMESTAMP '2024-01-01' AS ts, {{}} AS x FROM (VALUES ({', '.join(columns)})) AS t"
    texts = [f"concat_ws(' ', typeof({column}), {column}::VARCHAR)" for column in columns]
    expected = connection.sql(f"SELECT {', '.join(texts)}").fetchall()[0]
    assert tuple(value(connection, text.format(each)) for each in texts[:3]) == expected[:3]
    assert value(connection, text.format(f"concat_ws(' | ', {', '.join(texts)})")) == " | ".join(expected)


HIDING = {
    "a table": (f"CREATE TEMP TABLE events {TABLE}, 'temporary' AS x", "events", "table"),
    "a view": (f"CREATE TEMP VIEW events {TABLE}, 'temporary' AS x", "events", "view"),
    "a table behind a view": (f"CREATE TEMP TABLE events {TABLE}, 'temporary' AS x", "behind", "table"),
    "a view behind a view": ("CREATE TEMP VIEW events AS FROM s.events", "behind", "view"),
    "a table by main": (f"CREATE TEMP TABLE events {TABLE}, 'temporary' AS x", "main.events", "table"),
}


@pytest.mark.parametrize(("statement", "table", "kind"), HIDING.values(), ids=HIDING)
def test_something_temporary_that_hides_a_table_is_refused(
    connection: duckdb.DuckDBPyConnection, statement: str, table: str, kind: str
) -> None:
    connection.execute(statement)
    message = f"cannot read it: it reads 'events', a temporary {kind} of the connection"
    for source in (ht.TableSource(table, timestamp_field="ts"), f"SELECT * FROM {table} JOIN s.events USING (k, ts)"):
        with pytest.raises(ht.SourceError, match=message):
            asked(connection, source)
    store = ht.FeatureStore([view("FROM s.events")], engine=ht.LocalComputeEngine(connection=connection))
    with pytest.raises(ht.SpineError, match=f"it reads 'events', a temporary {kind}"):
        store.get_historical_features(f"SELECT k, ts AS event_timestamp FROM {table}", "v:x")
    assert value(connection, ht.TableSource("memory.main.events", timestamp_field="ts")) == "main"
    assert value(connection, ht.TableSource("s.events", timestamp_field="ts")) == "s"


def test_registered_objects_and_temporary_macros_and_types_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE MACRO twice(x) AS x || x; CREATE TYPE mood AS ENUM ('a'); CREATE VIEW v2 AS SELECT *,"
                       "twice(x) AS y FROM events")  # fmt: skip
    assert value(connection, "SELECT k, ts, twice(x) AS x FROM events") == "mainmain"
    connection.register("events", ROWS)
    with pytest.raises(ht.SourceError, match="it reads 'events', a temporary view"):
        asked(connection, EVENTS)
    connection.unregister("events")
    connection.execute("CREATE TEMP MACRO twice(x) AS x; CREATE TEMP TYPE mood AS ENUM ('a', 'b')")
    for query, message in (
        ("SELECT k, ts, twice(x) AS x FROM events", "'twice', a temporary macro"),
        ("FROM v2", "'twice', a temporary macro"),
        ("SELECT k, ts, 'a'::mood AS x FROM events", "'mood', a temporary type"),
    ):
        with pytest.raises(ht.SourceError, match=message):
            asked(connection, query)
    assert value(connection, EVENTS) == "main"


def test_temporary_things_that_nothing_reads_are_no_matter(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TEMP TABLE e AS SELECT 1 AS k; CREATE TEMP MACRO other_one() AS 1")
    connection.register("unread", ROWS)
    assert value(connection, "SELECT e.* FROM events AS e") == "main"
    assert value(connection, EVENTS) == "main"


def test_an_open_transaction_is_refused_when_a_job_is_made_and_when_it_runs(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    job = asked(connection, EVENTS)
    connection.execute("BEGIN; UPDATE events SET x = 'new'")
    with pytest.raises(ht.EngineError, match=r"has an open transaction, .*; commit it, or roll it back"):
        job.to_arrow()
    for source in (EVENTS, "FROM events"):
        with pytest.raises(ht.SourceError, match="has an open transaction"):
            asked(connection, source)
    rows = ht.ArrowSource(pa.table({"k": [1], "ts": [datetime(2024, 1, 1)], "x": ["memory"]}), timestamp_field="ts")
    assert value(connection, rows) == "memory"
    assert connection.sql("SELECT x FROM events").fetchall() == [("new",)]
    connection.execute("COMMIT")
    assert job.to_arrow()["x"].to_pylist() == ["new"]
    connection.execute("BEGIN")
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT error('x') FROM events").fetchall()
    with pytest.raises(ht.EngineError, match="transaction is aborted"):
        job.to_arrow()


def test_a_connection_with_an_unfinished_result_says_so_and_keeps_it(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SELECT * FROM range(3)")
    assert connection.fetchone() == (0,)
    with pytest.raises(ht.SourceError, match=r"unfinished result, .* or call complete"):
        asked(connection, EVENTS)
    assert connection.fetchall() == [(1,), (2,)]
    assert value(connection, EVENTS) == "main"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.db"
    with duckdb.connect(path) as connection:
        connection.execute(f"CREATE TABLE events {TABLE}, 'file' AS x")
    return path


def in_file(engine: ht.LocalComputeEngine) -> object:
    store = ht.FeatureStore([view(EVENTS)], engine=engine)
    return store.get_historical_features(ROWS, "v:x").to_arrow()["x"][0].as_py()


def test_the_macros_and_views_of_a_file_are_its_own(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute("CREATE VIEW behind AS SELECT * FROM events WHERE x IN (SELECT x FROM main.events)")
    engine = ht.LocalComputeEngine(file, read_only=True)
    other = ht.FeatureView("other", entities=["k"], source=ht.TableSource("behind", timestamp_field="ts"))
    views = [ht.FeatureView("events", entities=["k"], source=EVENTS, filter="x <> 'file'"), other]
    for order in (views, views[::-1]):
        job = ht.FeatureStore(order, engine=engine).get_historical_features(ROWS, order, full_feature_names=True)
        assert job.to_arrow().select(["events__x", "other__x"]).to_pylist() == [{"events__x": None, "other__x": "file"}]
    engine.close()
    with duckdb.connect(file) as connection:
        connection.execute("CREATE MACRO count(x) AS 0")
    with pytest.raises(ht.SourceError, match="defines count, which hides DuckDB's own; drop or rename it"):
        in_file(ht.LocalComputeEngine(file))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_missing_database_is_an_error_and_no_file_is_made(tmp_path: Path, read_only: bool) -> None:
    engine = ht.LocalComputeEngine(tmp_path / "typo.db", read_only=read_only)
    message = rf"there is no database '{tmp_path}/typo\.db'; hitherto makes none"
    with pytest.raises(ht.SourceError, match=f"source 'events': duckdb .* cannot read it: {message}"):
        ht.FeatureStore([view(EVENTS)], engine=engine).features()
    rows = ht.ArrowSource(pa.table({"k": [1], "ts": [LATE], "x": ["memory"]}), timestamp_field="ts")
    job = ht.FeatureStore([view(rows)], engine=engine).get_historical_features(ROWS, "v:x")
    with pytest.raises(ht.EngineError, match=message):
        job.to_arrow()
    assert list(tmp_path.iterdir()) == []
    duckdb.connect(tmp_path / "typo.db").execute(f"CREATE TABLE events {TABLE}, 'made' AS x").close()
    assert in_file(engine) == "made"


def test_a_relative_path_is_resolved_when_it_is_given(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    engine = ht.LocalComputeEngine("my.db")
    monkeypatch.chdir("/")
    assert in_file(engine) == "file"


def test_a_database_that_another_process_has_is_told_with_the_way_out(file: Path) -> None:
    code = f"import duckdb; c = duckdb.connect({str(file)!r}, read_only={{}}); print(1, flush=True); input()"
    for read_only in (False, True):
        other = subprocess.Popen(
            [sys.executable, "-c", code.format(read_only)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(ht.SourceError, match=r"another process has the database .*read_only=True"):
                in_file(ht.LocalComputeEngine(file))
            if read_only:
                with ht.LocalComputeEngine(file, read_only=True) as engine:
                    assert in_file(engine) == "file"
        finally:
            other.communicate(b"\n")


def test_a_database_that_this_process_has_with_other_settings_is_told(file: Path) -> None:
    with duckdb.connect(file), pytest.raises(ht.SourceError, match="open with other settings; give that connection"):
        in_file(ht.LocalComputeEngine(file))


def test_a_closed_engine_says_so_and_lets_go_of_the_file(file: Path) -> None:
    with ht.LocalComputeEngine(file) as engine:
        store = ht.FeatureStore([view(EVENTS)], engine=engine)
        job = store.get_historical_features(ROWS, "v:x")
        assert job.to_arrow()["x"].to_pylist() == ["file"]
    duckdb.connect(file, config={"threads": 1}).close()
    engine.close()
    with pytest.raises(ht.EngineError, match=r"LocalComputeEngine\('.*my\.db'\) is closed; make another one"):
        job.to_arrow()
    with pytest.raises(ht.SourceError, match="is closed; make another one"):
        store.get_historical_features(ROWS, "v:x")


def test_a_closed_engine_leaves_the_users_connection_open(connection: duckdb.DuckDBPyConnection) -> None:
    engine = ht.LocalComputeEngine(connection=connection)
    assert in_file(engine) == "main"
    engine.close()
    assert connection.sql("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(ht.SourceError, match=r"LocalComputeEngine\(connection=…\) is closed"):
        in_file(engine)


def test_an_answer_is_read_to_its_end_after_the_engine_is_closed() -> None:
    count = 10_000
    rows = ht.ArrowSource(pa.table({"k": [1], "ts": [datetime(2024, 1, 1)], "x": ["memory"]}), timestamp_field="ts")
    engine = ht.LocalComputeEngine()
    entity_df = pa.table({"k": [1] * count, "event_timestamp": [LATE] * count})
    reader = ht.FeatureStore([view(rows)], engine=engine).get_historical_features(entity_df, "v:x").to_batches()
    first = reader.read_next_batch().num_rows
    engine.close()
    assert first + reader.read_all().num_rows == count


@pytest.mark.parametrize("used", [False, True])
def test_an_engine_is_pickled_and_copied_with_its_database(file: Path, used: bool) -> None:
    engine = ht.LocalComputeEngine(file, read_only=True, threads=1)
    if used:
        in_file(engine)
    for twin in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine), copy.copy(engine)):
        assert repr(twin) == repr(engine) == f"LocalComputeEngine({str(file)!r}, read_only=True)"
        assert in_file(twin) == "file"
        twin.close()
    assert in_file(engine) == "file"
    engine.close()
    with pytest.raises(ht.SourceError, match="is closed"):
        in_file(pickle.loads(pickle.dumps(engine)))


def test_an_engine_on_a_connection_is_copied_but_not_pickled(connection: duckdb.DuckDBPyConnection) -> None:
    engine = ht.LocalComputeEngine(connection=connection)
    for twin in (copy.copy(engine), copy.deepcopy(engine)):
        assert in_file(twin) == "main"
    with pytest.raises(ht.UnsupportedError, match="can't be pickled; give database= instead of connection="):
        pickle.dumps(engine)


WRONG = {
    "read_only in memory": ({"read_only": True}, "read_only=True is for a file; give its path as database"),
    "read_only of a connection": (
        {"connection": duckdb.connect(), "read_only": True},
        "read_only cannot be given",
    ),
    "read_only is no flag": ({"database": "x.db", "read_only": "yes"}, "read_only is 'yes'; give True or False"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_read_only_is_a_definition_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(ht.DefinitionError, match=f"LocalComputeEngine: {message}"):
        ht.LocalComputeEngine(**options)  # type: ignore[arg-type]


def in_memory(value: int) -> ht.RetrievalJob:
    """A job on an engine of its own without settings, whose tables are called as those of all others."""
    rows = pa.table({"k": [1] * 70, "event_timestamp": pa.array([LATE] * 70, pa.timestamp("us"))})
    events = pa.table({"k": [1], "ts": pa.array([LATE], pa.timestamp("us")), "x": [value]})
    made = view(ht.ArrowSource(events, timestamp_field="ts", name="events"))
    return ht.FeatureStore([made], engine=ht.LocalComputeEngine()).get_historical_features(rows, made)


def test_engines_in_memory_share_a_database_and_no_table() -> None:
    first, second = (in_memory(value).to_batches() for value in (5, 6))
    begun = [next(first), next(second)]  # both have their temporary tables now
    answers = [pa.Table.from_batches([each, *rest]) for each, rest in zip(begun, (first, second), strict=True)]
    assert [set(each["x"].to_pylist()) for each in answers] == [{5}, {6}]


def test_a_closed_engine_in_memory_leaves_the_others_their_database() -> None:
    with ht.LocalComputeEngine() as engine:
        job = in_memory(5)
        engine.entity_query("SELECT 1")
    assert set(job.to_arrow()["x"].to_pylist()) == {5}


@pytest.mark.parametrize("changed", ["tempfile.tempdir = sys.argv[1]", "if os.fork(): os._exit(os.wait()[1] >> 8)"])
def test_a_process_that_forks_or_moves_its_temporary_folder_answers_on(changed: str, tmp_path: Path) -> None:
    script = f"""
import os, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.runtime.test_connections import in_memory
kept = in_memory(5)
kept.to_arrow()
{changed}
print(set(in_memory(6).to_arrow()["x"].to_pylist()), flush=True)
"""
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("{6}\n", 0), ran.stderr


def test_a_connection_that_is_closed_keeps_no_database_open(tmp_path: Path) -> None:
    """Whoever still refers to it, such as a thread that has just ended its step."""
    path = tmp_path / "my.db"
    duckdb.connect(str(path)).close()
    engine = ht.LocalComputeEngine(path)
    connection = engine.connect()
    connection.execute("SELECT 1")
    connection.close()
    del engine
    with duckdb.connect(str(path)) as other:
        assert other.execute("SELECT 1").fetchone() == (1,)
    del connection

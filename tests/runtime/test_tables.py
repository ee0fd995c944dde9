"""Tables of the engine's own catalog as sources, and answers that are appended instead of joined, on DuckDB."""

from __future__ import annotations

import duckdb
import hitherto as ht
import pyarrow as pa
import pytest

EVENTS = pa.table({
    "k": pa.array([1, 1, 2, None], pa.int64()),
    "ts": pa.array([1, 5, 5, 2], pa.timestamp("us", "UTC")),
    "x": [0.0, float("nan"), 2.0, 3.0],
})  # fmt: skip
ROWS = pa.table({"k": pa.array([2, 1, 1], pa.int64()), "event_timestamp": pa.array([9, 4, 9], pa.timestamp("us"))})


def latest(source: ht.Source, **options: object) -> ht.FeatureView:
    return ht.FeatureView("latest", entities=["k"], source=source, features=["x"], **options)  # type: ignore[arg-type]


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("given", EVENTS)
    connection.execute(
        'CREATE SCHEMA "my schema"; CREATE TABLE "my schema"."a.b" AS FROM given; CREATE VIEW v AS FROM given'
    )
    connection.execute("CREATE TABLE events AS FROM given")
    return connection


@pytest.mark.parametrize("name", ["events", "main.events", '"my schema"."a.b"', "memory.main.events"])
def test_a_table_is_read_where_it_is(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    view = latest(ht.TableSource(name, timestamp_field="ts"))
    store = ht.FeatureStore([view], engine=ht.LocalComputeEngine(connection=connection))
    assert str(store.features()["latest"]) == "Schema(x: float64)"
    found = store.get_historical_features(ROWS, view).to_arrow()
    assert str(found["x"].to_pylist()) == "[2.0, 0.0, nan]"


def test_two_names_of_different_tables_are_two_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA other; CREATE TABLE other.events AS SELECT k, ts, x + 1 AS x FROM events")
    one = latest(ht.TableSource("events", timestamp_field="ts"))
    other = latest(ht.TableSource("other.events", timestamp_field="ts")).with_name("other")
    store = ht.FeatureStore([one, other], engine=ht.LocalComputeEngine(connection=connection))
    found = store.get_historical_features(ROWS, [one, other], full_feature_names=True).to_arrow()
    assert found["latest__x"].to_pylist()[:2] == [2.0, 0.0]
    assert found["other__x"].to_pylist()[:2] == [3.0, 1.0]


def test_a_missing_table_is_a_source_error_and_a_python_variable_is_no_table(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = reader = data = EVENTS  # names that the library's own frames have too
    assert sql is reader is data
    for name in ("nowhere", "sql", "reader", "data", "self"):
        view = latest(ht.TableSource(name, timestamp_field="ts"))
        with pytest.raises(ht.SourceError, match=f"source '{name}': duckdb .* cannot read it"):
            ht.FeatureStore([view], engine=ht.LocalComputeEngine(connection=connection)).features()


def test_a_view_alone_does_not_know_a_tables_columns() -> None:
    with pytest.raises(ht.SourceError, match=r"only an engine knows its columns; ask FeatureStore.features\(\)"):
        _ = latest(ht.TableSource("events", timestamp_field="ts")).schema


@pytest.mark.parametrize("name", ["a; drop table x", "read_csv('x')", "a b", "", "a.b.c.d", "t AS x", 5])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ht.DefinitionError, match="is not a table's name"):
        ht.TableSource(name, timestamp_field="ts")


def test_a_view_over_files_keeps_nan(connection: duckdb.DuckDBPyConnection, tmp_path: object) -> None:
    connection.execute(f"COPY events TO '{tmp_path}/e.parquet'; CREATE VIEW stored AS FROM '{tmp_path}/e.parquet'")
    view = latest(ht.TableSource("stored", timestamp_field="ts"), filter="x > 1")
    store = ht.FeatureStore([view], engine=ht.LocalComputeEngine(connection=connection))
    assert str(store.get_historical_features(ROWS, view).to_arrow()["x"].to_pylist()) == "[2.0, None, nan]"


@pytest.mark.parametrize("options", [ht.PlannerOptions(), ht.PlannerOptions(unfused=True)])
def test_many_answers_are_appended_in_the_order_of_the_rows(options: ht.PlannerOptions) -> None:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    views = [latest(source, filter=f"k < {number} - 40").with_name(f"v{number}") for number in range(45)]
    store = ht.FeatureStore(views, planner_options=options)
    job = store.get_historical_features(ROWS, views, full_feature_names=True)
    assert "collected: 45 answers, appended by row_id without the last join" in str(job.explain(level="physical"))
    assert "JOIN" in job.to_sql().rsplit(";\n\n", 1)[1]
    few = (
        ht.FeatureStore(views).get_historical_features(ROWS, [views[43], views[41]], full_feature_names=True).to_arrow()
    )
    found = job.to_arrow()
    assert found.schema.equals(job.schema)
    assert str(found.select(few.column_names).to_pylist()) == str(few.to_pylist())
    assert str(found["v43__x"].to_pylist()) == "[2.0, 0.0, nan]"
    assert found["v40__x"].null_count == 3


def test_a_frame_of_spark_needs_spark() -> None:
    view = latest(ht.ArrowSource(EVENTS, timestamp_field="ts"))
    with pytest.raises(ht.UnsupportedError, match="to_spark needs a SparkComputeEngine"):
        ht.FeatureStore([view]).get_historical_features(ROWS, view).to_spark()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("CREATE TEMP TABLE hidden", "it reads 'hidden', a temporary table of the connection, .* an ArrowSource"),
        ("CREATE TEMP VIEW hidden", "it reads 'hidden', a temporary view of the connection, .* an ArrowSource"),
        ("BEGIN; CREATE TABLE hidden", "the connection has an open transaction, .*; commit it, or roll it back"),
    ],
)
def test_a_table_that_a_cursor_does_not_see_is_told(made: str, message: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"{made} AS SELECT 1 AS k, TIMESTAMP '2024-01-01' AS ts, 7 AS v")
        engine = ht.LocalComputeEngine(connection=connection)
        for source in (
            ht.TableSource("hidden", timestamp_field="ts"),
            ht.QuerySource("SELECT * FROM hidden", timestamp_field="ts"),
        ):
            view = ht.FeatureView("v", entities=["k"], source=source)
            with pytest.raises(ht.SourceError, match=message):
                ht.FeatureStore([view], engine=engine).features()
        rows = ht.ArrowSource(pa.table({"k": [1], "ts": pa.array([0], pa.timestamp("us"))}), timestamp_field="ts")
        view = ht.FeatureView("v", entities=["k"], source=rows, columns={"one": "1"}, features=["one"])
        with pytest.raises(ht.SpineError, match=message):
            ht.FeatureStore([view], engine=engine).get_historical_features("SELECT k, ts FROM hidden", view)


def test_bits_are_neither_keys_nor_features_and_stop_nobody_else() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TYPE word AS ENUM ('BIT')")
        connection.execute(
            "CREATE TABLE flags AS SELECT 1 AS k, TIMESTAMP '2024-01-01' AS ts, '101'::BIT AS b, {'x': '1'::BIT} AS s, "
            "'BIT'::word AS w"
        )
        engine = ht.LocalComputeEngine(connection=connection)
        source = ht.TableSource("flags", timestamp_field="ts", unique=True)
        view = ht.FeatureView("v", entities=["k"], source=source)
        store = ht.FeatureStore([view], engine=engine)
        rows = pa.table({"k": [1], "event_timestamp": pa.array([2**51], pa.timestamp("us"))})
        assert store.get_historical_features(rows, "v:w").to_arrow()["w"].to_pylist() == ["BIT"]
        for feature in ("b", "s"):
            with pytest.raises(ht.UnsupportedError, match=rf"feature '{feature}' is .*type_name=bit"):
                store.get_historical_features(rows, f"v:{feature}")
        keyed = ht.FeatureView("keyed", entities=["b"], source=source, features=["k"])
        with pytest.raises(ht.PlanTypeError, match=r"key 'b' is .*type_name=bit.*, which cannot be a key"):
            ht.FeatureStore([keyed], engine=engine).features()


@pytest.mark.parametrize("kind", ["table", "query", "view"])
@pytest.mark.parametrize("form", ["EventIndexThenFetch", "NarrowAsof"])
def test_a_table_that_is_written_while_a_job_reads_it_is_read_as_it_was(
    connection: duckdb.DuckDBPyConnection, form: str, kind: str
) -> None:
    """Between the statements of the job somebody else commits: other times, and other values."""
    sources: dict[str, ht.Source] = {
        "table": ht.TableSource("events", timestamp_field="ts"),
        "query": ht.QuerySource("SELECT * FROM events WHERE x >= 0", timestamp_field="ts"),
        "view": ht.TableSource("seen", timestamp_field="ts"),
    }
    connection.execute("CREATE VIEW seen AS FROM events")
    engine = ht.LocalComputeEngine(connection=connection)
    views = [latest(sources[kind]), latest(sources[kind], ttl="1h").with_name("other")]
    forms = ht.PlannerOptions(forms={"latest": form, "other": "RangeMax"})
    store = ht.FeatureStore(views, engine=engine, planner_options=forms)
    job = store.get_historical_features(ROWS, views, full_feature_names=True)
    before = str(job.to_arrow().select(["latest__x", "other__x"]).to_pydict())
    written: list[str] = []

    def write(event: ht.Event) -> None:
        if isinstance(event, ht.Finished) and event.statement.views:
            written.append(event.statement.name)
            connection.cursor().execute("UPDATE events SET ts = ts + INTERVAL '1 microsecond', x = x + 100")

    with engine.stream(job._task, observer=write) as reader:
        assert str(reader.read_all().to_pydict()) == before
    assert len(written) > 1
    assert str(job.to_arrow().select(["latest__x", "other__x"]).to_pydict()) != before

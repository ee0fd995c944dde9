"""Every argument of the calls that make sources, engines and stores, and of a job, as every kind of value."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hitherto.dialects.duckdb import DuckDBDialect
from hitherto.planner.dag.node import DAGValue
from hitherto.planner.expr.functions import call
from hitherto.planner.expr.nodes import Column
from hitherto.planner.expr.parse import parse_expression
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.ir.data import EngineTable
from hitherto.planner.types import FLOAT64, DataType, Field, Schema
from hitherto.runtime.append import AppendedColumns

from tests.mutations import WRONG_KINDS

ROWS = pa.table({"user_id": [1], "ts": pa.array([10], pa.timestamp("us")), "amount": [1.5], "status": ["ok"]})
SPINE = pa.table({"user_id": [1], "event_timestamp": pa.array([15], pa.timestamp("us"))})
COMMON: dict[str, Any] = {
    "timestamp_field": "ts",
    "created_timestamp_column": None,
    "sequence_columns": ["status"],
    "field_mapping": {"amount": "usd"},
    "data_delay": "0s",
    "unique": False,
}


def view(source: ht.Source, **changes: Any) -> ht.FeatureView:
    return ht.FeatureView("spend", **{"entities": ["user_id"], "source": source} | changes)


def asked(source: ht.Source) -> list[str]:
    """The features of a view over the source, on an engine that knows a table of that kind."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE tx (user_id BIGINT, ts TIMESTAMP, amount DOUBLE, status VARCHAR)")
    store = ht.FeatureStore([view(source)], engine=ht.LocalComputeEngine(connection=connection))
    return list(store.features()["spend"].names)


def opened(**given: Any) -> Any:
    """An engine whose database was opened."""
    engine = ht.LocalComputeEngine(**given)
    engine.connect().close()
    return engine


def job() -> ht.RetrievalJob:
    made = view(ht.ArrowSource(ROWS, timestamp_field="ts"))
    return ht.FeatureStore([made]).get_historical_features(SPINE, made)


CALLS: dict[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {
    "FileSource": (lambda path, **given: asked(ht.FileSource(path, **given)), {"path": "tx.parquet", **COMMON}),
    "ArrowSource": (lambda data, **given: asked(ht.ArrowSource(data, **given)), {"data": ROWS, **COMMON}),
    "TableSource": (lambda table, **given: asked(ht.TableSource(table, **given)), {"table": "tx", **COMMON}),
    "LocalComputeEngine": (
        opened,
        {"database": ":memory:", "memory_limit": "1GB", "threads": 1, "temp_directory": "spill"},
    ),
    "LocalComputeEngine of a connection": (opened, {"connection": None}),
    "SparkComputeEngine": (ht.SparkComputeEngine, {"session": None}),
    "SqliteOnlineStore": (ht.SqliteOnlineStore, {"path": "online.db"}),
    "to_parquet": (lambda path: job().to_parquet(path), {"path": "answer.parquet"}),
    "explain": (lambda **given: job().explain(**given), {"level": "dag", "format": "text"}),
}
LEGAL = {
    "created_timestamp_column: None", "sequence_columns: a list", "field_mapping: None", "field_mapping: a dict",
    "unique: a true value", "memory_limit: None", "threads: None", "threads: an int", "temp_directory: None",
    "connection: None", "session: None",
}  # fmt: skip
# A path of any text is one; whether there can be such a file is seen when it is written.
LEGAL_OF = {
    "SqliteOnlineStore": {"path: a million characters"},
    "LocalComputeEngine": {"temp_directory: an empty text", "temp_directory: a million characters"},
}


@pytest.mark.parametrize("name", CALLS)
def test_a_value_of_a_wrong_kind_is_told_as_ours(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(ROWS, "tx.parquet")
    make, good = CALLS[name]
    make(**good)
    before = sorted(os.listdir(tmp_path))
    found: dict[str, str] = {}
    for argument in good:
        for kind, value in WRONG_KINDS.items():
            case = f"{argument}: {kind}"
            is_legal = case in LEGAL or case in LEGAL_OF.get(name, ())
            try:
                make(**{**good, argument: value})
                said = "" if is_legal else "is not refused"
            except ht.HithertoError as error:
                said = f"is refused: {error}" if is_legal else ""
                said = said or ("" if 0 < len(str(error)) < 5_000 else f"{len(str(error))} characters")
            except Exception as error:
                said = f"a bare {type(error).__name__}: {error}"
            if said:
                found[case] = said[:300]
    assert found == {}
    assert sorted(os.listdir(tmp_path)) == before


def test_problems_of_a_definition_come_together() -> None:
    with pytest.raises(ht.DefinitionError) as raised:
        ht.FeatureView(
            "a:b",
            entities=["user_id", "user_id", 5],  # type: ignore[list-item]
            source="tx",  # type: ignore[arg-type]
            filter=5,  # type: ignore[arg-type]
            columns={"": "1", "x": 5},  # type: ignore[dict-item]
            features=["y", "Y", None],  # type: ignore[list-item]
            ttl="1mo",
            allow_exact_matches="no",  # type: ignore[arg-type]
            tags=[],  # type: ignore[arg-type]
        )
    told = "\n".join(raised.value.problems)
    assert len(raised.value.problems) >= 10
    for part in (
        "'a:b' holds a colon", "entities holds 5", "'user_id' is there twice", "source is a str", "filter is 5",
        "'x' is 5", "'y' and 'Y' differ only by case", "features holds None", "months and years",
        "allow_exact_matches is 'no'", "tags is a list",
    ):  # fmt: skip
        assert part in told, part
    assert str(raised.value).splitlines()[0] == f"{len(raised.value.problems)} problems"


def test_problems_with_the_source_come_together() -> None:
    source = ht.ArrowSource(
        ROWS, timestamp_field="status", created_timestamp_column="made", sequence_columns=["seq"],
        field_mapping={"user_id": "payer", "amnt": "usd"},
    )  # fmt: skip
    with pytest.raises(ht.SourceError) as raised:
        _ = view(source).schema
    told = str(raised.value)
    for part in (
        "timestamp_field: column 'status' is string, not a timestamp or date", "created_timestamp_column: no column",
        "sequence_columns: no column 'seq'", "field_mapping: no column 'amnt'", "did you mean 'amount'?",
        "field_mapping: 'user_id' is a key of view 'spend'",
    ):  # fmt: skip
        assert part in told, part


def test_problems_of_several_views_of_a_request_come_together() -> None:
    source = ht.ArrowSource(ROWS, timestamp_field="ts")
    views = [
        view(source, filter="amuont > 1 and lower(amount) = 'a'"),
        ht.FeatureView("other", entities=["usr_id"], source=source, columns={"x": "status + 1"}),
    ]
    with pytest.raises(ht.DefinitionError) as raised:
        ht.FeatureStore(views).get_historical_features(SPINE, [*views, "spend:nothing", "nobody"])
    assert "no feature view 'nobody'" in str(raised.value)
    with pytest.raises(ht.DefinitionError) as raised:
        ht.FeatureStore(views).get_historical_features(SPINE, [*views, "spend:nothing"])
    told = str(raised.value)
    for part in ("no column 'amuont'", "takes strings, not", "'usr_id'", "takes numbers, not string"):
        assert part in told, part


def test_a_problem_of_several_classes_is_a_definition_error_of_them_all() -> None:
    source = ht.ArrowSource(ROWS, timestamp_field="ts")
    with pytest.raises(ht.DefinitionError) as raised:
        _ = view(source, filter="amuont > 1", columns={"x": "status + 1", "y": "status - 1"}).schema
    assert type(raised.value) is ht.DefinitionError
    assert [problem.split(": ")[0] for problem in raised.value.problems] == [
        "feature view 'spend', filter",
        "feature view 'spend', columns 'x'",
        "feature view 'spend', columns 'y'",
    ]


class TablelessEngine(ht.ComputeEngine):
    """An engine without a catalog."""

    def get_historical_features(self, task: ht.HistoricalRetrievalTask) -> pa.Table:
        raise AssertionError("nothing is run")

    def materialize(self, task: ht.MaterializationTask, online_store: Any) -> ht.MaterializationJob:
        raise AssertionError("nothing is run")


def test_an_engine_without_tables_says_so() -> None:
    store = ht.FeatureStore([view(ht.TableSource("tx", timestamp_field="ts"))], engine=TablelessEngine())
    with pytest.raises(ht.UnsupportedError, match="TablelessEngine has no tables of its own; give a FileSource"):
        store.features()


def test_duckdb_does_not_describe_what_it_does_not_know() -> None:
    with pytest.raises(ht.SourceError, match="DuckDB reads no EngineTable"):
        ht.LocalComputeEngine().arrow_columns(EngineTable("x"))


def test_a_setting_that_duckdb_does_not_keep_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DuckDBDialect.session, "default_null_order", "first")
    with pytest.raises(
        ht.EngineError, match=r"DuckDB keeps default_null_order at .*NULLS_FIRST.* answers would differ"
    ):
        ht.LocalComputeEngine(threads=1).connect()


def test_a_key_that_is_no_name_is_told_with_its_view() -> None:
    with pytest.raises(ht.DefinitionError, match="feature view 'spend': entity 'a:b': the name 'a:b' holds a colon"):
        view(ht.ArrowSource(ROWS, timestamp_field="ts"), entities=["a:b"])


@pytest.mark.parametrize("name", ["", "a\0b"], ids=["empty", "NUL"])
def test_a_column_that_no_engine_can_name_is_refused_where_it_is_used(name: str) -> None:
    rows = ROWS.append_column(name, ROWS["amount"])
    source = ht.ArrowSource(rows, timestamp_field="ts")
    with pytest.raises(ht.DefinitionError, match=r"no engine has a name that .*; name the others with features="):
        _ = view(source).schema
    others = view(source, features=["amount"])
    assert ht.FeatureStore([others]).get_historical_features(SPINE, others).to_arrow()["amount"].to_pylist() == [1.5]


def test_a_column_that_no_engine_can_name_is_refused_in_an_expression() -> None:
    schema = Schema([Field("a\0b", FLOAT64)])
    with pytest.raises(ht.DefinitionError, match="no engine has a name that holds a NUL character; rename the column"):
        parse_expression('"a\0b" > 1', schema, "filter")
    with pytest.raises(ht.DefinitionError, match="filter: '\\\\udc80' holds half of a surrogate pair"):
        parse_expression("\udc80", schema, "filter")


def test_decimals_that_need_more_than_38_digits_are_refused() -> None:
    schema = Schema(
        [Field("a", DataType("decimal", precision=38)), Field("b", DataType("decimal", precision=38, scale=10))]
    )
    with pytest.raises(ht.PlanTypeError, match="need more than 38 digits; cast one of them"):
        parse_expression("a = b", schema, "filter")
    with pytest.raises(TypeRuleError, match="takes a timestamp or a date, not float64"):
        call("micros_up", Column("a", FLOAT64))


def test_a_materialization_without_a_store_is_a_store_error() -> None:
    made = view(ht.ArrowSource(ROWS, timestamp_field="ts"))
    with pytest.raises(ht.StoreError, match="materialize needs an online store"):
        ht.FeatureStore([made]).materialize("2024-01-01")


class Given(DAGValue):
    """Rows in memory."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    @property
    def schema(self) -> Schema:
        return Schema([])

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        return self.rows.to_reader()


def test_columns_side_by_side_have_one_order_and_one_length() -> None:
    schema = Schema([Field("row", FLOAT64), Field("a", FLOAT64), Field("b", FLOAT64)])
    values: list[DAGValue] = [Given(pa.table({"a": [1.0]})), Given(pa.table({"b": [1.0, 2.0]}))]
    columns = AppendedColumns(values, "row", schema, [(0, "a"), (1, "b")])
    with pytest.raises(TypeError, match="come in the order of 'row'"):
        columns.to_reader(order_by="other")
    with pytest.raises(ht.EngineError, match=r"view groups have \[1, 2\] answers for the same rows: a bug"):
        columns.to_reader(order_by="row")


def test_a_file_that_cannot_be_written_is_told_as_ours(tmp_path: Path) -> None:
    with pytest.raises(ht.HithertoError, match=r"to_parquet: .* cannot be written: File name too long"):
        job().to_parquet(tmp_path / ("x" * 300))
    assert os.listdir(tmp_path) == []


SPARK_STARTS = {
    "no Java": (
        "",
        {"PATH": "/no/such", "JAVA_HOME": ""},
        "Spark needs Java 17 or later: install it, and put it on the PATH",
    ),
    "no pyspark": ("sys.modules['pyspark'] = None", {}, "Spark needs pyspark: pip install 'hitherto[spark]'"),
    "a wrong JAVA_HOME": ("", {"JAVA_HOME": "/no/such/java"}, "Spark does not start; it needs Java 17 or later"),
}


@pytest.mark.parametrize(("before", "variables", "message"), SPARK_STARTS.values(), ids=SPARK_STARTS)
def test_a_spark_that_cannot_start_says_what_it_needs(before: str, variables: dict[str, str], message: str) -> None:
    pytest.importorskip("pyspark")
    code = f"""
import sys
{before}
import hitherto as ht
try:
    ht.SparkComputeEngine().connect()
except ht.UnsupportedError as error:
    print(error)
"""
    environment = {name: value for name, value in {**os.environ, **variables}.items() if value}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=False)
    assert done.stdout.startswith(message), done.stderr[-500:]

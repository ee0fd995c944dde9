"""Every argument of the calls that make sources, engines and stores, and of a job, as every kind of value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
        view(source, filter="amuont > 1 and lowr(status) = 'a'"),
        ht.FeatureView("other", entities=["usr_id"], source=source, columns={"x": "status + 1"}),
    ]
    with pytest.raises(ht.DefinitionError) as raised:
        ht.FeatureStore(views).get_historical_features(SPINE, [*views, "spend:nothing", "nobody"])
    assert "no feature view 'nobody'" in str(raised.value)
    with pytest.raises(ht.DefinitionError) as raised:
        ht.FeatureStore(views).get_historical_features(SPINE, [*views, "spend:nothing"])
    told = str(raised.value)
    for part in ("no column 'amuont'", "no function 'lowr'", "'usr_id'", "takes numbers, not string"):
        assert part in told, part


def test_a_problem_of_several_classes_is_a_definition_error_of_them_all() -> None:
    source = ht.ArrowSource(ROWS, timestamp_field="ts")
    with pytest.raises(ht.DefinitionError) as raised:
        _ = view(source, filter="amuont > 1", columns={"x": "status + 1", "y": "now()"}).schema
    assert type(raised.value) is ht.DefinitionError
    assert [problem.split(": ")[0] for problem in raised.value.problems] == [
        "feature view 'spend', filter",
        "feature view 'spend', columns 'x'",
        "feature view 'spend', columns 'y'",
    ]

"""The log: one line for each statement, with names and times and without data."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import hitherto as ht
import pyarrow as pa
import pytest

EVENTS = pa.table(
    {"k": ["secret", "secret"], "ts": pa.array([10, 50], pa.timestamp("us")), "v": [1.0, 2.0], "status": ["s"] * 2}
)
SPINE = pa.table({"k": ["secret"], "t": pa.array([60], pa.timestamp("us"))})
LINE = re.compile(r"(?P<name>[^:(]+?)(?: \((?P<views>.*)\))?: \d+\.\d{3} s")


def store(**options: object) -> ht.FeatureStore:
    source = ht.ArrowSource(EVENTS, timestamp_field="ts")
    windows = [ht.Aggregation("v", "sum", "30us")]
    views = [
        ht.FeatureView("last", entities=["k"], source=source, filter="status = 'confidential'"),
        *(ht.FeatureView(name, entities=["k"], source=source, aggregations=windows) for name in ("one", "two")),
    ]
    return ht.FeatureStore(views, **options)  # type: ignore[arg-type]


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """Name and views of every line at INFO; all of them are of that form."""
    told = [record for record in caplog.records if record.levelno == logging.INFO]
    assert all(record.name == "hitherto.statements" for record in told)
    found = [LINE.fullmatch(record.getMessage()) for record in told]
    assert all(found), [record.getMessage() for record in told]
    return [(each["name"], each["views"]) for each in found if each]


def test_every_statement_of_a_retrieval_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    job = store().get_historical_features(SPINE, ["last", "one", "two"], full_feature_names=True)
    with caplog.at_level(logging.INFO, logger="hitherto"):
        job.to_arrow()
    numbered, *statements, appended = [statement["name"] for statement in job.explain("sql").to_dict()["statements"]]
    assert numbered == "spine_keys"
    assert sorted(name for name, _ in lines(caplog)) == sorted(statements)
    assert appended == "training_set"
    assert dict(lines(caplog))["one_two"] == "one, two"
    assert "secret" not in caplog.text


def test_the_rows_of_a_result_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hitherto"):
        reader = store().get_historical_features(SPINE, ["last"]).to_batches()
        assert "last:" not in caplog.text
        reader.read_all()
    assert lines(caplog)[-1] == ("last", None)


def test_every_statement_of_a_materialization_is_one_line(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    online = ht.SqliteOnlineStore(tmp_path / "online.db")
    with caplog.at_level(logging.INFO, logger="hitherto"):
        store(online_store=online).materialize("1970-01-02", views=["last", "one"])
    assert {views or name for name, views in lines(caplog)} >= {"last", "one"}


def test_entity_rows_that_are_a_query_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hitherto"):
        store().get_historical_features("SELECT 'secret' AS k, TIMESTAMP '2024-01-01' AS t", ["last"])
    assert lines(caplog) == [("entity rows", None)]


def test_sql_is_logged_for_who_debugs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hitherto"):
        store().get_historical_features(SPINE, ["last"]).to_arrow()
    assert "SELECT" not in caplog.text
    with caplog.at_level(logging.DEBUG, logger="hitherto"):
        store().get_historical_features(SPINE, ["last"]).to_arrow()
    assert "SELECT" in caplog.text


def test_a_statement_that_fails_is_told_by_its_error_alone(caplog: pytest.LogCaptureFixture) -> None:
    code = pa.table({"k": ["secret"], "ts": pa.array([1], pa.timestamp("us")), "code": ["x"]})
    source = ht.ArrowSource(code, timestamp_field="ts")
    view = ht.FeatureView("broken", entities=["k"], source=source, columns={"n": "cast(code as bigint)"})
    with caplog.at_level(logging.INFO, logger="hitherto"), pytest.raises(ht.EngineError):
        ht.FeatureStore([view]).get_historical_features(SPINE, [view]).to_arrow()
    assert "broken" not in [name for name, _ in lines(caplog)]


def test_nothing_is_printed_or_logged_below_warning_where_nobody_asks(capfd: pytest.CaptureFixture[str]) -> None:
    store().get_historical_features(SPINE, ["last", "one"]).to_arrow()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")

"""Progress: a line or a bar on a terminal for jobs that take long, and nothing anywhere else."""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hitherto as ht
import hitherto.runtime.progress as shown
import pyarrow as pa
import pytest
from hitherto.runtime.session import SqlConnection

EVENTS = pa.table({"k": [1], "ts": pa.array([10], pa.timestamp("us")), "v": [1.0]})
SPINE = pa.table({"k": [1], "t": pa.array([60], pa.timestamp("us"))})


class Stream(io.StringIO):
    """An stderr that remembers all that was written, and says when there is something."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


class Patient(ht.LocalComputeEngine):
    """DuckDB, whose connections come when something was shown: a job that takes long, without a clock."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self.is_patient = False

    def connect(self) -> SqlConnection:
        if self.is_patient:
            assert self._stream.written.wait(60), "nothing was shown"
        return super().connect()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "AFTER", 0.0)


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "find_spec", lambda name: None)


def to_screen(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> Stream:
    stream = Stream(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def store(engine: ht.ComputeEngine | None = None, **options: Any) -> ht.FeatureStore:
    view = ht.FeatureView("last", entities=["k"], source=ht.ArrowSource(EVENTS, timestamp_field="ts"))
    return ht.FeatureStore([view], engine=engine, **options)


RUNS: dict[str, Callable[[ht.RetrievalJob, Path], Any]] = {
    "to_arrow": lambda job, folder: job.to_arrow(),
    "to_df": lambda job, folder: job.to_df(),
    "to_batches": lambda job, folder: job.to_batches().read_all(),
    "to_parquet": lambda job, folder: job.to_parquet(folder / "answer.parquet"),
    "analyze": lambda job, folder: job.explain(analyze=True),
}


@pytest.mark.usefixtures("soon", "without_rich")
@pytest.mark.parametrize("run", RUNS)
def test_a_job_that_takes_long_shows_a_line_and_takes_it_away(
    run: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    engine = Patient(stream)
    job = store(engine).get_historical_features(SPINE, "last")
    engine.is_patient = True
    RUNS[run](job, tmp_path)
    lines = stream.getvalue().split("\r")
    assert lines[1].startswith("hitherto: features of 1 view")
    assert lines[-1] == ""
    assert lines[-2].strip() == ""
    assert len(lines[-2]) >= max(len(line.rstrip()) for line in lines[-3:-2])
    assert "\n" not in stream.getvalue()


@pytest.mark.usefixtures("soon", "without_rich")
def test_a_materialization_shows_its_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    engine = Patient(stream)
    made = store(engine, online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))
    engine.is_patient = True
    made.materialize("1970-01-02")
    assert "\rhitherto: materialize 1 view" in stream.getvalue()
    assert stream.getvalue().endswith(" \r")


@pytest.mark.usefixtures("soon", "without_rich")
def test_what_an_error_prints_begins_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    engine = Patient(stream)
    source = ht.ArrowSource(EVENTS.append_column("code", [["x"]]), timestamp_field="ts")
    view = ht.FeatureView("broken", entities=["k"], source=source, columns={"n": "cast(code as bigint)"})
    job = ht.FeatureStore([view], engine=engine).get_historical_features(SPINE, view)
    engine.is_patient = True
    with pytest.raises(ht.EngineError):
        job.to_arrow()
    assert stream.getvalue().endswith(" \r")
    before = stream.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name == "hitherto-progress"]
    assert stream.getvalue() == before


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(("terminal", "progress"), [(False, None), (False, False), (True, False)])
def test_nothing_is_shown_where_it_is_not_wanted(
    terminal: bool, progress: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = to_screen(monkeypatch, terminal=terminal)
    job = store(progress=progress).get_historical_features(SPINE, "last")
    with job._observed() as observer:
        assert observer._thread is None
        job.to_arrow()
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("soon")
def test_lines_are_written_below_each_other_where_a_user_wants_them_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = to_screen(monkeypatch, terminal=False)
    engine = Patient(stream)
    job = store(engine, progress=True).get_historical_features(SPINE, "last")
    engine.is_patient = True
    job.to_arrow()
    assert re.fullmatch(r"(hitherto: features of 1 view.*, \d+ s.*\n)+", stream.getvalue())


@pytest.mark.usefixtures("soon")
def test_a_bar_is_shown_where_rich_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    stream = to_screen(monkeypatch, terminal=True)
    engine = Patient(stream)
    job = store(engine).get_historical_features(SPINE, "last")
    engine.is_patient = True
    job.to_arrow()
    assert "hitherto: features of 1 view" in stream.getvalue()
    assert "━" in stream.getvalue()
    assert stream.getvalue().rstrip("\r").endswith("\x1b[2K")  # the line is erased


def test_a_job_that_is_done_soon_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    monkeypatch.setattr(shown, "AFTER", 600.0)
    store().get_historical_features(SPINE, "last").to_arrow()
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("soon", "without_rich")
def test_progress_ends_with_the_first_batch_that_a_caller_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    engine = Patient(stream)
    job = store(engine).get_historical_features(SPINE, "last")
    engine.is_patient = True
    batches = job._batches()
    next(batches)
    assert not [thread for thread in threading.enumerate() if thread.name == "hitherto-progress"]
    assert stream.getvalue().endswith(" \r")


@pytest.mark.usefixtures("soon", "without_rich")
def test_a_terminal_that_goes_away_is_no_reason_for_a_job_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Stream):
        def write(self, text: str) -> int:
            self.written.set()
            raise BrokenPipeError

    stream = Broken(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    engine = Patient(stream)
    job = store(engine).get_historical_features(SPINE, "last")
    engine.is_patient = True
    assert job.to_arrow().num_rows == 1
    monkeypatch.setattr(sys, "stderr", None)
    assert job.to_arrow().num_rows == 1
    closed = Stream(terminal=True)
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert job.to_arrow().num_rows == 1


@pytest.mark.usefixtures("soon", "without_rich")
def test_of_two_jobs_at_once_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = to_screen(monkeypatch, terminal=True)
    with shown.Progress("one", wanted=None):
        assert stream.written.wait(60)
        with shown.Progress("two", wanted=None) as other:
            assert other._thread is not None
            other._thread.join(60)
    assert "one" in stream.getvalue()
    assert "two" not in stream.getvalue()


def test_how_many_statements_are_done_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = to_screen(monkeypatch, terminal=False)
    job = store().get_historical_features(SPINE, "last")
    with job._observed() as observer, job._answer(observer) as (_, features):
        list(features)
        *shown, appended = job.explain("sql").to_dict()["statements"]
        assert observer._total == observer._done == len(shown)
        assert "appended" in appended["sql"]
    assert stream.getvalue() == ""


def test_progress_that_is_neither_yes_nor_no_is_told() -> None:
    with pytest.raises(ht.DefinitionError, match="progress is 'no'; give True, False, or None"):
        store(progress="no")

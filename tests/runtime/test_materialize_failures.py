"""One view that fails, whatever the reason, leaves the others filled, and the error says what became of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

END = "2024-01-02"
ROWS = pa.table({"k": [1, 2], "ts": pa.array([datetime(2024, 1, 1)] * 2, pa.timestamp("us")), "v": [1, 2]})


def view(name: str, source: ht.Source | None = None, **changes: Any) -> ht.FeatureView:
    given = source or ht.ArrowSource(ROWS, timestamp_field="ts")
    return ht.FeatureView(name, **{"entities": ["k"], "source": given} | changes)


class Failing(ht.SqliteOnlineStore):
    """A store of a user's own that fails for one view."""

    def __init__(self, path: Path, error: BaseException) -> None:
        super().__init__(path)
        self.error = error

    def write(self, view: str, *args: Any, **options: Any) -> int:
        if view == "bad":
            raise self.error
        return super().write(view, *args, **options)


def read(path: Path, name: str) -> list[Any]:
    store = ht.FeatureStore([view(name)], online_store=ht.SqliteOnlineStore(path))
    return store.get_online_features(name, [{"k": 2}]).to_dict()["v"]


ERRORS = [ValueError("no"), KeyError("k"), RecursionError("deep"), MemoryError(), AssertionError(), Exception("\ud800")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_whatever_a_users_store_raises_leaves_the_other_views_filled(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "online.db"
    views = [view("first"), view("bad"), view("last")]
    with pytest.raises(ht.StoreError) as raised:
        ht.FeatureStore(views, online_store=Failing(path, error)).materialize(END)
    assert raised.value.__cause__ is error
    said = f"feature view 'bad': Failing failed with {type(error).__name__}: {error}"
    assert str(raised.value) == said
    assert raised.value.__notes__ == [
        "materialize: view 'first' done, 2 keys",
        f"materialize: view 'bad' failed, StoreError: {said}",
        "materialize: view 'last' done, 2 keys",
    ]
    assert read(path, "first") == read(path, "last") == [2]


def test_an_error_of_ours_from_a_users_store_comes_as_it_is(tmp_path: Path) -> None:
    error = ht.UnsupportedError("not on Sundays")
    with pytest.raises(ht.UnsupportedError, match="not on Sundays"):
        ht.FeatureStore([view("bad")], online_store=Failing(tmp_path / "online.db", error)).materialize(END)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_ends_a_program_ends_a_materialization(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "online.db"
    views = [view("first"), view("bad"), view("last")]
    with pytest.raises(type(error)):
        ht.FeatureStore(views, online_store=Failing(path, error)).materialize(END)
    assert read(path, "first") == [2]
    with pytest.raises(ht.StoreError, match="feature view 'last' is not in"):
        read(path, "last")


def changed(folder: Path) -> ht.Source:
    pq.write_table(ROWS.rename_columns(["k", "ts", "w"]), folder / "changed.parquet")
    return ht.FileSource(folder / "changed.parquet", timestamp_field="ts")


def broken(folder: Path) -> ht.Source:
    (folder / "broken.parquet").write_bytes(b"PAR1 but no parquet file PAR1")
    return ht.FileSource(folder / "broken.parquet", timestamp_field="ts")


SOURCES: dict[str, Callable[[Path], ht.Source]] = {
    "a file that is missing": lambda folder: ht.FileSource(folder / "missing.parquet", timestamp_field="ts"),
    "a file that lost a column": changed,
    "a file that is broken": broken,
    "a table that is missing": lambda folder: ht.TableSource("no_such_table", timestamp_field="ts"),
    "a query that fails": lambda folder: ht.QuerySource(
        "SELECT 1 AS k, TIMESTAMP '2024-01-01' AS ts, error('no') AS v", timestamp_field="ts"
    ),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_that_fails_leaves_the_views_of_others_filled(
    tmp_path: Path, source: Callable[[Path], ht.Source]
) -> None:
    path = tmp_path / "online.db"
    views = [view("bad", source(tmp_path), features=["v"]), view("last")]
    with pytest.raises(ht.HithertoError) as raised:
        ht.FeatureStore(views, online_store=ht.SqliteOnlineStore(path)).materialize(END)
    first, second = raised.value.__notes__
    assert first.startswith(f"materialize: view 'bad' failed, {type(raised.value).__name__}: ")
    assert second == "materialize: view 'last' done, 2 keys"
    assert read(path, "last") == [2]


def test_a_builder_that_fails_leaves_the_other_views_filled(tmp_path: Path) -> None:
    class Builder(ht.FeatureBuilder):
        def build_source_node(self) -> ht.DAGNode:
            if self.view.name == "bad":
                raise RuntimeError("no plan for this one")
            return super().build_source_node()

    class Engine(ht.LocalComputeEngine):
        builder = Builder

    path = tmp_path / "online.db"
    store = ht.FeatureStore([view("bad"), view("last")], engine=Engine(), online_store=ht.SqliteOnlineStore(path))
    with pytest.raises(ht.EngineError, match="feature view 'bad': RuntimeError: no plan for this one") as raised:
        store.materialize(END)
    assert raised.value.view == "bad"
    assert read(path, "last") == [2]


def test_a_connection_that_fails_is_an_outcome_of_each_view(tmp_path: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    engine = ht.LocalComputeEngine(connection=connection)
    store = ht.FeatureStore(
        [view("one"), view("other")], engine=engine, online_store=ht.SqliteOnlineStore(tmp_path / "online.db")
    )
    connection.close()
    with pytest.raises(ht.EngineError) as raised:
        store.materialize(END)
    assert [note.split(",")[0] for note in raised.value.__notes__] == [
        "materialize: view 'one' failed",
        "materialize: view 'other' failed",
    ]


def test_views_whose_full_names_clash_are_stored_side_by_side(tmp_path: Path) -> None:
    """a__b:c and a:b__c are one name only where both are in one table."""
    path = tmp_path / "online.db"
    views = [view("a__b", columns={"c": "v"}), view("a", columns={"b__c": "v + 1"})]
    store = ht.FeatureStore(views, online_store=ht.SqliteOnlineStore(path))
    store.materialize(END)
    answer = store.get_online_features(["a__b:c", "a:b__c"], [{"k": 1}]).to_dict()
    assert answer == {"k": [1], "c": [1], "b__c": [2]}


def test_a_job_is_shown_with_times_and_outcomes(tmp_path: Path) -> None:
    store = ht.FeatureStore([view("one"), view("other", ht.ArrowSource(ROWS.slice(1), timestamp_field="ts"))],
                            online_store=ht.SqliteOnlineStore(tmp_path / "online.db"))  # fmt: skip
    job = store.materialize(END)
    assert repr(job) == "MaterializationJob(end=2024-01-02 00:00:00, one: done, 2 keys; other: done, 1 key)"
    assert str(job) == repr(job)
    assert repr(store.materialize(END, views=[])) == "MaterializationJob(end=2024-01-02 00:00:00, no view)"

"""A store whose writer died, at whatever instant, is read as it was before or as it is after; no view is a mix."""

from __future__ import annotations

import copy
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.runtime.sinks.encoding import encode_key

from tests.tiers import seed_of, shards

KEYS = 3_000
ASKED = [key for number in range(KEYS) if (key := encode_key([number])) is not None]


def answers(number: int, count: int = KEYS) -> pa.RecordBatchReader:
    """Rows that all hold one number, and the empty answer, which holds it too."""
    return pa.table({"k": [*range(count), None], "n": [number] * (count + 1)}).to_reader()


def write(path: Path, view: str, number: int) -> None:
    store = ht.SqliteOnlineStore(path)
    store.write(view, {"k": "integer"}, answers(number), number, definition={}, allow_rollback=False)


def read(path: Path, view: str) -> tuple[int, set[Any]]:
    """As of when a view is stored, and all different values in it."""
    stored, rows = ht.SqliteOnlineStore(path).read(view, ASKED)
    assert len(rows) == KEYS
    return stored.as_of, {value for (value,) in (*rows.values(), stored.empty)}


# Forks a process for every line that it reads, which costs a hundredth of a new interpreter.
WRITERS = """
    import os, sys, hitherto as ht
    sys.path[:0] = [sys.argv[2]]
    from tests.runtime import test_store_crashes as writers
    writers.write(sys.argv[1] + ".first", "a", 0)  # which imports what it needs
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            number = int(line)
            while True:
                for view in ("a", "b"):
                    writers.write(sys.argv[1], view, number)
                number += 1
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("dead", flush=True)
"""


@contextmanager
def writers(path: Path) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(WRITERS), os.fspath(path), os.fspath(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def killed(process: subprocess.Popen[str], number: int, seconds: float) -> None:
    """Let a process write from that number on, and kill it after a while."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    pid = int(process.stdout.readline())
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert process.stdout.readline() == "dead\n"


@shards(fast=1, deep=10)
def test_a_writer_that_is_killed_at_any_instant_leaves_each_view_as_before_or_as_after(
    tmp_path: Path, shard: int
) -> None:
    path, journal = tmp_path / "online.db", tmp_path / "online.db-journal"
    for view in ("a", "b"):
        write(path, view, 0)
    moments = random.Random(seed_of(shard))
    last, interrupted, kills = {"a": 0, "b": 0}, 0, 0
    with writers(path) as process:
        while interrupted < 10 and kills < 300:
            killed(process, max(last.values()) + 1, moments.uniform(0, 0.15))
            kills += 1
            interrupted += journal.exists()
            for view, before in last.items():
                as_of, values = read(path, view)
                assert values == {as_of}
                assert as_of >= before
                last[view] = as_of
    assert interrupted >= 10
    assert max(last.values()) > 0


def left_by_a_dead_writer(folder: Path) -> Path:
    """A file with half of a transaction in it, and the journal that undoes it: what a kill within a commit leaves."""
    path = folder / "online.db"
    write(path, "a", 1)
    folder = folder / "left"
    folder.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 5")  # so that pages are written before the end
        connection.execute("BEGIN")
        connection.execute("UPDATE hitherto_views SET as_of = 2")
        connection.execute("UPDATE hitherto_answers_1 SET features = zeroblob(9)")
        for suffix in ("", "-journal"):
            shutil.copy(f"{path}{suffix}", folder / f"online.db{suffix}")
    return folder / "online.db"


def test_a_reader_undoes_what_a_dead_writer_left(tmp_path: Path) -> None:
    path = left_by_a_dead_writer(tmp_path)
    assert read(path, "a") == (1, {1})
    assert [file.name for file in path.parent.iterdir()] == ["online.db"]
    write(path, "a", 2)
    assert read(path, "a") == (2, {2})


# What is imported before the rights are given up need not be readable without them.
WITHOUT_RIGHTS = """
    import os, sys, hitherto as ht
    good, path = sys.argv[1:]
    ht.SqliteOnlineStore(good).read("a", [b"7"])
    if os.getuid() == 0:
        os.setuid(65534)
    store = ht.SqliteOnlineStore(path)
    try:
        print(store.read("a", [b"7"])[1])
    except ht.StoreError as error:
        print(error)
    try:
        import pyarrow as pa
        rows = pa.table({"k": [1, None], "n": [9, 9]}).to_reader()
        store.write("a", {"k": "integer"}, rows, 9, definition={}, allow_rollback=False)
    except ht.StoreError as error:
        print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may look into, unlike pytest's own."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def without_rights(good: Path, path: Path) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT_RIGHTS), os.fspath(good), os.fspath(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


RIGHTS = {
    "neither may be written": (0o444, 0o555),
    "the folder may not": (0o666, 0o555),
    "the file may not": (0o444, 0o777),
}


@pytest.mark.parametrize(("of_file", "of_folder"), RIGHTS.values(), ids=RIGHTS)
def test_what_a_dead_writer_left_where_nothing_may_be_written_is_told(
    open_folder: Path, of_file: int, of_folder: int
) -> None:
    path = left_by_a_dead_writer(open_folder)
    for file in path.parent.iterdir():
        file.chmod(of_file)
    path.parent.chmod(of_folder)
    try:
        why = "a process died while it wrote, and this one may not write there to undo what it left"
        assert without_rights(open_folder / "online.db", path) == [
            f"the online store {path} cannot be {what}: {why}" for what in ("read", "written")
        ]
    finally:
        path.parent.chmod(0o777)


@pytest.mark.parametrize("of_file", [0o444, 0o666], ids=["file and folder", "the folder alone"])
def test_a_store_that_may_not_be_written_is_read(open_folder: Path, of_file: int) -> None:
    folder = open_folder / "read only"
    folder.mkdir()
    write(folder / "online.db", "a", 1)
    (folder / "online.db").chmod(of_file)
    folder.chmod(0o555)
    try:
        assert without_rights(folder / "online.db", folder / "online.db") == [
            "{b'7': (1,)}",
            f"the online store {folder}/online.db cannot be written: "
            "this process may not write to the file, or to its folder",
        ]
    finally:
        folder.chmod(0o777)


def test_a_store_that_another_process_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "online.db"
    write(path, "a", 1)
    monkeypatch.setattr("hitherto.runtime.sinks.sqlite._PATIENCE", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ht.StoreError, match="cannot be read: another process has held it for too long"):
            read(path, "a")
        with pytest.raises(ht.StoreError, match="cannot be written: another process has held it for too long"):
            write(path, "a", 2)
    assert read(path, "a") == (1, {1})


def test_a_file_that_a_writer_had_only_created_is_one_without_views(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    path.touch()
    with pytest.raises(ht.StoreError, match=r"feature view 'a' is not in .*: call store\.materialize\(end\) first"):
        read(path, "a")
    write(path, "a", 1)
    assert read(path, "a") == (1, {1})


def test_what_one_write_replaces_is_gone_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    sizes = []
    for number in range(1, 8):
        write(path, "a", number)
        sizes.append(path.stat().st_size)
    assert len(set(sizes[1:])) == 1
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) == 2


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))])
def test_a_store_that_was_used_is_copied_and_pickled(tmp_path: Path, copied: Any) -> None:
    store = ht.SqliteOnlineStore(tmp_path / "online.db")
    store.write("a", {"k": "integer"}, answers(1), 1, definition={}, allow_rollback=False)
    store.read("a", [b"7"])
    twin = copied(store)
    twin.write("a", {"k": "integer"}, answers(2), 2, definition={}, allow_rollback=False)
    assert store.read("a", [b"7"])[1] == twin.read("a", [b"7"])[1] == {b"7": (2,)}


ROWS = {
    "two rows of one key": ([1, 1, None], "the online store .* cannot be written: a key has two rows"),
    "no row of null keys": ([1, 2, 3], "feature view 'a': no row has null keys, which would be the empty answer"),
    "two rows of null keys": ([1, None, None], "feature view 'a': two rows have null keys"),
}


@pytest.mark.parametrize(("keys", "message"), ROWS.values(), ids=ROWS)
def test_rows_of_an_engine_that_are_no_answers_are_refused(tmp_path: Path, keys: list[Any], message: str) -> None:
    path = tmp_path / "online.db"
    write(path, "a", 1)
    rows = pa.table({"k": keys, "n": [2] * 3}).to_reader()
    with pytest.raises(ht.StoreError, match=message):
        ht.SqliteOnlineStore(path).write("a", {"k": "integer"}, rows, 2, definition={}, allow_rollback=False)
    assert read(path, "a") == (1, {1})


def test_a_type_that_a_store_does_not_hold_is_refused(tmp_path: Path) -> None:
    rows = pa.table({"k": [1, None], "n": pa.array([1, 2], pa.duration("us"))}).to_reader()
    with pytest.raises(ht.StoreError, match=r"feature 'n' is duration\[us\], which an online store does not hold"):
        ht.SqliteOnlineStore(tmp_path / "online.db").write(
            "a", {"k": "integer"}, rows, 2, definition={}, allow_rollback=False
        )
    assert list(tmp_path.iterdir()) == []

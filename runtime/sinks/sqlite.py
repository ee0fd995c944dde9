"""An online store in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ...planner.calls import checked_call
from ...planner.durations import format_instant
from ...planner.errors import DefinitionError, StoreError, shown
from ...planner.types import unusable_name
from ..arrow import arrow_type, planner_schema
from .encoding import RowDecoder
from .online import OnlineStore, StoredView, encoded, stored_features
from .sink import Sink

# The number of a view names the table of its answers. Each write makes a new one, so that what it replaces is not
# changed row by row, which would write every page three times.
_VIEWS = """
CREATE TABLE IF NOT EXISTS hitherto_views (
    view TEXT PRIMARY KEY, number INTEGER NOT NULL, format INTEGER NOT NULL, as_of INTEGER NOT NULL,
    definition TEXT NOT NULL, keys TEXT NOT NULL, features BLOB NOT NULL, empty BLOB NOT NULL
)
"""
_FORMAT = 1
# How version 0.1.0 kept views; its rows say nothing about their definition.
_OLD_TABLES = {"views": "view as_of description", "answers": "view key features"}
_KEYS_PER_QUERY = 500
# Seconds to wait for another process that writes or reads.
_PATIENCE = 30.0
_READ_ONLY = "this process may not write to the file, or to its folder"
_LEFT_OVER = "a process died while it wrote, and this one may not write there to undo what it left"
_REASONS = {
    "SQLITE_BUSY": "another process has held it for too long",
    "SQLITE_READONLY_ROLLBACK": _LEFT_OVER,
    "SQLITE_IOERR_DELETE": _LEFT_OVER,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_READONLY_DIRECTORY": _READ_ONLY,
    "SQLITE_CANTOPEN": "the file cannot be opened; does its folder exist, and may this process use it?",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "a key has two rows",
}


class _Head(NamedTuple):
    """A view's line in the table of views, as it is stored."""

    number: int
    format: int
    as_of: int
    definition: str
    keys: str
    features: bytes
    empty: bytes


class SqliteOnlineStore(OnlineStore):
    """Answers by view and key in a SQLite file, which is created at the first write.

    A view is written in one transaction, so readers see it as it was before or as it is after, also when the writing
    process dies: whoever reads next undoes what that one left, for which the file and its folder have to be writable.
    Values come back with the types of the features: NaN, time zones and 64-bit integers included.
    """

    @checked_call
    def __init__(self, path: str | Path) -> None:
        if not isinstance(path, str | Path) or unusable_name(str(path)):
            raise DefinitionError(f"SqliteOnlineStore: {shown(path)} is not a path")
        self._path = os.path.abspath(path)

    def sink(
        self,
        view: str,
        key_families: Mapping[str, str],
        as_of: int,
        *,
        definition: Mapping[str, str],
        allow_rollback: bool,
    ) -> Sink:
        return _ViewSink(self, view, key_families, as_of, definition, allow_rollback)

    def read(self, view: str, keys: Sequence[bytes]) -> tuple[StoredView, dict[bytes, tuple[Any, ...]]]:
        found: dict[bytes, bytes] = {}
        with self._reading() as connection:
            head = head_of(connection, view)
            if head is None:
                raise self._never_filled(connection, view)
            if head.format != _FORMAT:
                raise StoreError(f"{self._of(view)} was written by another version of hitherto: {_AGAIN}")
            ordered = sorted(keys)  # Neighbours share pages.
            for start in range(0, len(ordered), _KEYS_PER_QUERY):
                part = ordered[start : start + _KEYS_PER_QUERY]
                marks = ", ".join("?" for _ in part)
                query = f"SELECT key, features FROM {_answers(head.number)} WHERE key IN ({marks})"
                found.update(connection.execute(query, part))
        features = planner_schema(pa.ipc.read_schema(pa.py_buffer(head.features)))
        try:
            decoder = RowDecoder([field.type for field in features])
            rows = {key: decoder.decode(row) for key, row in found.items()}
            empty = decoder.decode(head.empty)
        except StoreError as error:
            raise StoreError(f"{self._of(view)}: {error}") from None
        return StoredView(head.as_of, json.loads(head.definition), json.loads(head.keys), features, empty), rows

    def _never_filled(self, connection: sqlite3.Connection, view: str) -> StoreError:
        if _has_old_tables(connection):
            return StoreError(f"{self._of(view)} was written by an earlier version of hitherto: {_AGAIN}")
        return StoreError(f"feature view {view!r} is not in {self._path}: call store.materialize(end) first")

    def _of(self, view: str) -> str:
        return f"feature view {view!r} in {self._path}"

    def opened_to_write(self) -> sqlite3.Connection:
        """A connection with a transaction of its own; what earlier versions kept is dropped in it."""
        connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table in _OLD_TABLES if _has_old_tables(connection) else ():
                connection.execute(f"DROP TABLE {table}")
            connection.execute(_VIEWS)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """A connection that sees one state. It may write, since what a dead process left is undone by who reads next;
        where the file can't be written, SQLite opens it to read.
        """
        if not os.path.exists(self._path):
            raise StoreError(f"the online store {self._path} does not exist yet: call store.materialize(end) first")
        address = f"{Path(self._path).as_uri()}?mode=rw"
        with (
            self.translated("read"),
            closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection,
        ):
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def translated(self, what: str) -> Generator[None]:
        """What SQLite says, as a StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            reason = _REASONS.get(getattr(error, "sqlite_errorname", ""), str(error))
            raise StoreError(f"the online store {self._path} cannot be {what}: {reason}") from error

    def __repr__(self) -> str:
        return f"SqliteOnlineStore({self._path!r})"


class _ViewSink(Sink):
    """One view's rows, in a table that takes the place of the one before."""

    def __init__(
        self,
        store: SqliteOnlineStore,
        view: str,
        key_families: Mapping[str, str],
        as_of: int,
        definition: Mapping[str, str],
        allow_rollback: bool,
    ) -> None:
        self._store = store
        self._view = view
        self._keys = key_families
        self._as_of = as_of
        self._definition = definition
        self._allow_rollback = allow_rollback
        self._connection: sqlite3.Connection | None = None
        self._before: _Head | None = None
        self._number = 0
        self._schema = pa.schema([])
        self._empty: bytes | None = None
        self._count = 0

    def begin(self, schema: pa.Schema) -> None:
        features = stored_features(schema, self._keys)
        self._schema = pa.schema([pa.field(field.name, arrow_type(field.type)) for field in features])
        with self._store.translated("written"):
            self._connection = connection = self._store.opened_to_write()
            self._before = head_of(connection, self._view)
            if self._before is not None and self._before.as_of > self._as_of and not self._allow_rollback:
                raise StoreError(
                    f"feature view {self._view!r} is stored as of {format_instant(self._before.as_of)}, which is later "
                    f"than {format_instant(self._as_of)}; allow_rollback=True overwrites it"
                )
            (self._number,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM hitherto_views").fetchone()
            table = _answers(self._number)
            connection.execute(f"CREATE TABLE {table} (key BLOB PRIMARY KEY, features BLOB) WITHOUT ROWID")

    def write(self, batch: pa.RecordBatch) -> None:
        assert self._connection is not None
        for keys, rows in encoded(batch, self._keys):
            known = len(keys) - keys.null_count
            for row in rows.slice(known).to_pylist():
                if self._empty is not None:
                    raise StoreError(
                        f"feature view {self._view!r}: two rows have null keys, where one is the empty answer"
                    )
                self._empty = row
            pairs = zip(keys.slice(0, known).to_pylist(), rows.slice(0, known).to_pylist(), strict=True)
            with self._store.translated("written"):
                self._connection.executemany(f"INSERT INTO {_answers(self._number)} VALUES (?, ?)", pairs)
            self._count += known

    def commit(self) -> int:
        assert self._connection is not None
        if self._empty is None:
            raise StoreError(f"feature view {self._view!r}: no row has null keys, which would be the empty answer")
        head = _Head(
            self._number, _FORMAT, self._as_of, json.dumps(dict(self._definition)), json.dumps(dict(self._keys)),
            self._schema.serialize().to_pybytes(), self._empty,
        )  # fmt: skip
        with self._store.translated("written"):
            values = (self._view, *head)
            self._connection.execute("INSERT OR REPLACE INTO hitherto_views VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            if self._before is not None:
                self._connection.execute(f"DROP TABLE {_answers(self._before.number)}")
            self._connection.execute("COMMIT")
            self._connection.close()
        return self._count

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.close()


_AGAIN = "call store.materialize(end) to fill it again"


def head_of(connection: sqlite3.Connection, view: str) -> _Head | None:
    """A view's line in the table of views; None where it was never filled."""
    if not _columns(connection, "hitherto_views"):
        return None
    row = connection.execute(f"SELECT {', '.join(_Head._fields)} FROM hitherto_views WHERE view = ?", (view,))
    found = row.fetchone()
    return None if found is None else _Head(*found)


def _answers(number: int) -> str:
    """The table of a view's answers."""
    return f"hitherto_answers_{number}"


def _columns(connection: sqlite3.Connection, table: str) -> str:
    """The names of a table's columns; empty where there is no such table."""
    return " ".join(row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))


def _has_old_tables(connection: sqlite3.Connection) -> bool:
    return all(_columns(connection, table) == columns for table, columns in _OLD_TABLES.items())

"""An online store in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...planner.calls import checked_call
from ...planner.durations import format_instant
from ...planner.errors import DefinitionError, StoreError, shown
from ...planner.types import unusable_name
from .online import OnlineStore, StoredView, decode_row, encode_key, encode_row

if TYPE_CHECKING:
    import pyarrow as pa

_TABLES = """
CREATE TABLE IF NOT EXISTS views (view TEXT PRIMARY KEY, as_of INTEGER NOT NULL, description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (view TEXT, key TEXT, features TEXT NOT NULL, PRIMARY KEY (view, key)) WITHOUT ROWID;
"""
_KEYS_PER_QUERY = 500
# Seconds to wait for another process that writes or reads.
_PATIENCE = 30.0


class SqliteOnlineStore(OnlineStore):
    """Answers by view and key in a SQLite file, which is created at the first write.

    A view is written in one transaction, so readers see it as it was before or as it is after, also when the writing
    process dies. Values come back with the types of the features: NaN, time zones and 64-bit integers included.
    """

    @checked_call
    def __init__(self, path: str | Path) -> None:
        if not isinstance(path, str | Path) or unusable_name(str(path)):
            raise DefinitionError(f"SqliteOnlineStore: {shown(path)} is not a path")
        self._path = os.path.abspath(path)

    def write(
        self,
        view: str,
        key_families: Mapping[str, str],
        batches: pa.RecordBatchReader,
        as_of: int,
        *,
        allow_rollback: bool,
    ) -> int:
        schema = batches.schema
        features = [field for field in schema if field.name not in key_families]
        description: dict[str, Any] = {
            "keys": dict(key_families),
            "features": {field.name: str(field.type) for field in features},
        }
        count = 0
        with self._transaction() as connection:
            self._refuse_rollback(connection, view, as_of, allow_rollback)
            connection.execute("DELETE FROM answers WHERE view = ?", (view,))
            for batch in batches:
                parts = [batch.column(name).to_pylist() for name in key_families]
                keys = zip(*parts, strict=True) if parts else repeat((), batch.num_rows)
                columns = [_plain(batch.column(field.name)).to_pylist() for field in features]
                rows = zip(*columns, strict=True)
                for key, row in zip(keys, rows, strict=True):
                    if all(part is None for part in key):
                        description["empty"] = encode_row(row)
                        continue
                    connection.execute("INSERT INTO answers VALUES (?, ?, ?)", (view, encode_key(key), encode_row(row)))
                    count += 1
            connection.execute("INSERT OR REPLACE INTO views VALUES (?, ?, ?)", (view, as_of, json.dumps(description)))
        return count

    def read(self, view: str, keys: Sequence[str]) -> tuple[StoredView, dict[str, tuple[Any, ...]]]:
        found: dict[str, tuple[Any, ...]] = {}
        with self._reading() as connection:
            stored = self._stored(connection, view)
            types = list(stored.features.values())
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ", ".join("?" for _ in part)
                query = f"SELECT key, features FROM answers WHERE view = ? AND key IN ({marks})"
                for key, features in connection.execute(query, (view, *part)):
                    found[key] = decode_row(features, types)
        return stored, found

    def _stored(self, connection: sqlite3.Connection, view: str) -> StoredView:
        row = connection.execute("SELECT as_of, description FROM views WHERE view = ?", (view,)).fetchone()
        if row is None:
            raise StoreError(f"feature view {view!r} is not in {self._path}: call store.materialize(end) first")
        description = json.loads(row[1])
        empty = decode_row(description["empty"], list(description["features"].values()))
        return StoredView(row[0], description["keys"], description["features"], empty)

    def _refuse_rollback(self, connection: sqlite3.Connection, view: str, as_of: int, allow_rollback: bool) -> None:
        row = connection.execute("SELECT as_of FROM views WHERE view = ?", (view,)).fetchone()
        if row is not None and row[0] > as_of and not allow_rollback:
            raise StoreError(
                f"feature view {view!r} is stored as of {format_instant(row[0])}, which is later than "
                f"{format_instant(as_of)}; allow_rollback=True overwrites it"
            )

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with (
            self._translated(),
            closing(sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)) as connection,
        ):
            connection.executescript(_TABLES)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        if not os.path.exists(self._path):
            raise StoreError(f"the online store {self._path} does not exist yet: call store.materialize(end) first")
        address = f"{Path(self._path).as_uri()}?mode=ro"
        with (
            self._translated(),
            closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection,
        ):
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, ValueError) as error:
            raise StoreError(f"the online store {self._path}: {error}") from error

    def __repr__(self) -> str:
        return f"SqliteOnlineStore({self._path!r})"


def _plain(column: pa.Array[Any]) -> pa.Array[Any]:
    """Timestamps as microseconds: Python's own end at the year 9999."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    is_list = pa.types.is_list(column.type) and pa.types.is_timestamp(column.type.value_type)
    return column.cast(pa.list_(pa.int64())) if is_list else column

"""The SQLite online store against rows of JSON, which are what people write by hand: filling it, and reading keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DAY, SEED, START, Size, write
from ..shape import Contender, Inputs, Run, Shape

if TYPE_CHECKING:
    import pyarrow as pa

SIZES = {"S": Size(4_000, 4_000, 4_000), "M": Size(400_000, 400_000, 400_000)}
_TABLE = "CREATE TABLE answers (key TEXT PRIMARY KEY, features TEXT NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True)
class Answers:
    """What a materialization gives a store to write: keys in no order, 15 features, and the empty answer."""

    def write(self, folder: Path, size: Size) -> None:
        import numpy as np
        import pyarrow as pa

        random = np.random.default_rng(SEED)
        keys = size.keys
        columns: dict[str, Any] = {"key": pa.array([*random.permutation(keys).tolist(), None], pa.int64())}
        for number in range(8):
            columns[f"mean_{number}"] = pa.array([*random.normal(100, 30, keys).tolist(), None])
        for number in range(4):
            columns[f"count_{number}"] = pa.array([*random.integers(0, 1_000_000, keys).tolist(), 0])
        columns["plan"] = pa.array([*(f"plan {number % 7}" for number in range(keys)), None])
        columns["is_new"] = pa.array([*(number % 3 == 0 for number in range(keys)), None])
        times = START + random.integers(0, 90 * DAY, keys)
        columns["last"] = pa.array([*times.tolist(), None], pa.timestamp("us"))
        write(pa.table(columns), folder / "spine.parquet")


class Ours:
    """The store as a materialization uses it."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        import hitherto as ht

        self._store = ht.SqliteOnlineStore(folder / "online.db")
        self._schema = schema

    def write(self, table: pa.Table) -> None:
        given: dict[str, Any] = {"definition": {}, "allow_rollback": False}
        self._store.write("view", {"key": "integer"}, table.to_reader(), START, **given)

    def read(self, keys: Sequence[int]) -> pa.Table:
        from hitherto.runtime.sinks.encoding import encode_key

        encoded = [key for each in keys if (key := encode_key([each])) is not None]
        _, rows = self._store.read("view", encoded)
        return _table((rows[key] for key in encoded), self._schema)


class JsonRows:
    """A row of JSON for each key."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._path = folder / "json.db"
        self._schema = schema

    def write(self, table: pa.Table) -> None:
        import pyarrow as pa

        columns = [
            column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in table.columns
        ]
        keys, *features = [column.to_pylist() for column in columns]
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("DROP TABLE IF EXISTS answers")
            connection.execute(_TABLE)
            rows = zip(keys, zip(*features, strict=True), strict=True)
            known = ((json.dumps([key]), json.dumps(row)) for key, row in rows if key is not None)
            connection.executemany("INSERT INTO answers VALUES (?, ?)", known)

    def read(self, keys: Sequence[int]) -> pa.Table:
        found: dict[str, list[Any]] = {}
        texts = [json.dumps([key]) for key in keys]
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            for start in range(0, len(texts), 500):
                part = texts[start : start + 500]
                marks = ", ".join("?" for _ in part)
                query = f"SELECT key, features FROM answers WHERE key IN ({marks})"
                found.update((key, json.loads(row)) for key, row in connection.execute(query, part))
        return _table((found[text] for text in texts), self._schema)


def _table(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


def prepared(store: type[Ours | JsonRows], count: int | None, inputs: Inputs) -> Run:
    """Read so many keys of a filled store; without a number, fill a store that is filled already and read some."""
    import numpy as np

    table = inputs.spine
    opened = store(inputs.scratch, table.schema.remove(0))
    opened.write(table)
    asked = (
        np.random.default_rng(8).choice(inputs.size.keys, min(inputs.size.keys, count or 100), replace=False).tolist()
    )

    def run() -> pa.Table:
        if count is None:
            opened.write(table)
        return opened.read(asked)

    return run


def of(count: int | None) -> tuple[Contender, ...]:
    return (
        Contender("hitherto", "", partial(prepared, Ours, count)),
        Contender("SQL by hand", "a row of JSON each", partial(prepared, JsonRows, count)),
    )


SHAPES = (
    Shape("online-fill", "filling SQLite with 15 features of each key", Answers(), SIZES, extra=of(None)),
    Shape("online-read", "reading 100 keys of 15 features from SQLite", Answers(), SIZES, extra=of(100)),
    Shape("online-read-many", "reading 10,000 keys of 15 features from SQLite", Answers(), SIZES, extra=of(10_000)),
)

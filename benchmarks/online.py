"""The SQLite online store against rows of JSON, which are what people write by hand: filling it, and reading keys."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import hitherto as ht
import numpy as np
import pyarrow as pa
from hitherto.runtime.sinks.encoding import encode_key

from .data import SPAN, START
from .measure import compare

_TABLE = "CREATE TABLE answers (key TEXT PRIMARY KEY, features TEXT NOT NULL) WITHOUT ROWID"


def answers(keys: int) -> pa.Table:
    """What a materialization gives a store to write: keys in no order, 15 features, and the empty answer."""
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {"key": pa.array([*random.permutation(keys).tolist(), None], pa.int64())}
    for number in range(8):
        columns[f"mean_{number}"] = pa.array([*random.normal(100, 30, keys).tolist(), None])
    for number in range(4):
        columns[f"count_{number}"] = pa.array([*random.integers(0, 1_000_000, keys).tolist(), 0])
    columns["plan"] = pa.array([*(f"plan {number % 7}" for number in range(keys)), None])
    columns["is_new"] = pa.array([*(number % 3 == 0 for number in range(keys)), None])
    columns["last"] = pa.array([*(START + random.integers(0, SPAN, keys)).tolist(), None], pa.timestamp("us"))
    return pa.table(columns)


class JsonRows:
    """A row of JSON for each key."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema

    def write(self, table: pa.Table) -> None:
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


def _table(rows: Any, schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


def online(keys: int, repetitions: int) -> None:
    """Filling a store that is filled already, as every run but the first does, and reading a few keys, and many."""
    table = answers(keys)
    schema = table.schema.remove(0)
    sample = np.random.default_rng(8).choice(keys, min(keys, 10_000), replace=False).tolist()
    with tempfile.TemporaryDirectory() as folder:
        store = ht.SqliteOnlineStore(Path(folder) / "online.db")
        by_hand = JsonRows(Path(folder) / "json.db", schema)

        def read(asked: Sequence[int]) -> pa.Table:
            encoded = [key for each in asked if (key := encode_key([each])) is not None]
            _, rows = store.read("view", encoded)
            return _table((rows[key] for key in encoded), schema)

        def filled() -> pa.Table:
            given: dict[str, Any] = {"definition": {}, "allow_rollback": False}
            store.write("view", {"key": "integer"}, table.to_reader(), START, **given)
            return read(sample[:100])

        def filled_by_hand() -> pa.Table:
            by_hand.write(table)
            return by_hand.read(sample[:100])

        print(f"fill SQLite: {keys:,} keys of {len(schema)} features, without the query that computes them")
        compare({"hitherto": filled, "a row of JSON each": filled_by_hand}, repetitions)
        for count in (1, 100, len(sample)):
            asked = sample[:count]
            print(f"read {count:,} of {keys:,} keys, as an Arrow table")
            readers = {"hitherto": partial(read, asked), "a row of JSON each": partial(by_hand.read, asked)}
            compare(readers, 5 * repetitions)

"""A cursor of a DuckDB database, as a session uses it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from ...dialects.duckdb import DuckDBDialect
from ...dialects.syntax import qualified
from ...planner.errors import EngineError, SourceError
from ...planner.ir.data import ArrowData, CatalogTable, EngineQuery, Meaning, TableData
from ..session import SqlConnection
from ..sources.parquet import LocalFiles
from ..sources.stream import RowStream
from .local_names import (
    Place,
    UserFunction,
    functions,
    move,
    names_read,
    place_of,
    refuse_open_transaction,
    refuse_temporary,
)

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_LONGEST_TEXT = 4_000
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_DIALECT = DuckDBDialect()
_TRANSIENT = frozenset({"IOException", "ConnectionException", "InterruptException"})


class LocalConnection(SqlConnection):
    """A cursor: its temporary tables and registered data are its own, and go with it."""

    def __init__(
        self, opened: Callable[[], duckdb.DuckDBPyConnection], user: duckdb.DuckDBPyConnection | None = None
    ) -> None:
        self._opened = opened
        self._user = user
        self._place = Place("")
        self._is_moved = False
        self._is_frozen = False
        self._has_begun = False
        self._failures: list[SourceError] = []
        self._reader: pa.RecordBatchReader | None = None
        self._worker = ThreadPoolExecutor(max_workers=1)

    def open(self) -> None:
        """Open the cursor now: what is wrong with the database is told before anything else happens."""
        _ = self._cursor

    @cached_property
    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """The cursor, opened at the first statement: a job that reads its rows by Arrow needs none."""
        cursor = self._opened()
        settings = DuckDBDialect.session
        # No bar in the output of a script, and the name of a table is never that of a Python variable.
        given = {**settings, "enable_progress_bar": "false", "python_enable_replacements": "false"}
        current = ", ".join(f"current_setting('{name}')" for name in settings)
        with translated(""):
            cursor.execute("; ".join(f"SET SESSION {name} = '{value}'" for name, value in given.items()))
            (row,) = cursor.execute(f"SELECT {current}").fetchall()
        for (name, value), kept in zip(settings.items(), row, strict=True):
            if str(kept).lower() != value.lower():
                raise EngineError(f"DuckDB keeps {name} at {kept}, and answers would differ")
        return cursor

    def refuse_hidden_functions(self) -> None:
        """Raise an EngineError where a function of the user has the name of a built-in one: ours would call it."""
        names = [function.name for function in self._functions if function.hides]
        if names:
            self.close()
            raise EngineError(f"the database defines {', '.join(names)}, which hides DuckDB's own; drop or rename it")

    def execute(self, sql: str) -> None:
        self._abandon()
        with translated(sql, self._failures):
            self._interruptible(lambda: self._cursor.execute(sql))

    def read(self, sql: str) -> pa.RecordBatchReader:
        import pyarrow as pa

        self._abandon()
        with translated(sql, self._failures):
            reader = self._interruptible(lambda: self._cursor.sql(sql).to_arrow_reader())
        self._reader = reader

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                with translated(sql, self._failures):
                    batch = self._interruptible(lambda: next(reader, None))
                if batch is None:
                    return
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def _abandon(self) -> None:
        """Give up a result that is read half-way: DuckDB runs no other statement beside it."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def register(self, name: str, data: TableData) -> None:
        if isinstance(data, ArrowData):
            value = data.value.noting(self._failures) if isinstance(data.value, RowStream) else data.value
            with translated(""):
                self._cursor.register(name, value)
        elif isinstance(data, LocalFiles):
            data.parts.check()
        elif isinstance(data, EngineQuery):
            self.execute(_DIALECT.define_view(name, data.sql).sql(_DIALECT.name))

    def freeze(self) -> None:
        """In one transaction, from the first table or query of the user on: it ends with the cursor."""
        self._is_frozen = True

    def locate(self, data: CatalogTable | EngineQuery) -> Meaning:
        text = self._query(data)
        place = Place("")
        if self._user is not None:
            with translated(""):
                refuse_open_transaction(self._user)
                place = place_of(self._user)
                refuse_temporary(self._user, text)
        self._move(place)
        with translated(text):
            return Meaning(names_read(self._cursor, text, self._functions), place)

    def follow(self, data: CatalogTable | EngineQuery) -> frozenset[str]:
        if self._user is not None:
            with translated(""):
                refuse_open_transaction(self._user)
        if isinstance(data.meaning.place, Place):
            self._move(data.meaning.place)
        if self._is_frozen and not self._has_begun:
            self.execute("BEGIN TRANSACTION")
            self._has_begun = True
        with translated(""):
            return names_read(self._cursor, self._query(data), self._functions)

    def _move(self, place: Place) -> None:
        if self._is_moved and place != self._place:
            raise EngineError("the connection's search path or variables changed while the job was made; make it again")
        if place != self._place:
            with translated(""):
                move(self._cursor, place)
        self._place, self._is_moved = place, True

    @cached_property
    def _functions(self) -> list[UserFunction]:
        with translated(""):
            return functions(self._cursor)

    def _query(self, data: CatalogTable | EngineQuery) -> str:
        """The text of exactly one query that gives the rows."""
        if isinstance(data, CatalogTable):
            return f"FROM {qualified(data.parts).sql(_DIALECT.name)}"
        with translated(data.sql):
            if len(self._cursor.extract_statements(data.sql)) != 1:
                raise EngineError("the query is more than one statement")
        return data.sql

    def describe(self, data: TableData) -> pa.Schema:
        if not isinstance(data, CatalogTable | EngineQuery):
            raise EngineError(f"DuckDB reads no {type(data).__name__}")
        query = f"SELECT * FROM (\n{self._query(data)}\n) LIMIT 0"
        return _without_bits(self.read(query).schema, self._types(query))

    def _types(self, query: str) -> list[str]:
        """DuckDB's own names of the types of a query's columns."""
        with translated(query, self._failures):
            return [str(type_) for type_ in self._interruptible(lambda: self._cursor.sql(query).types)]

    def close(self) -> None:
        self._worker.shutdown()
        if "_cursor" in vars(self):
            self._cursor.close()
        # Who still has this, such as a thread that has just ended its step, keeps no database open.
        self._opened = _closed

    def _interruptible(self, run: Callable[[], T]) -> T:
        """Run in a thread where this is the main one: DuckDB looks at signals too seldom for Ctrl-C to be prompt."""
        if threading.current_thread() is not threading.main_thread():
            return run()
        future = self._worker.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            if (cursor := vars(self).get("_cursor")) is not None:
                cursor.interrupt()
            wait([future])
            raise


def _closed() -> duckdb.DuckDBPyConnection:
    raise EngineError("the connection is closed")


def _without_bits(schema: pa.Schema, types: Sequence[str]) -> pa.Schema:
    """The columns. Arrow has no type for BIT: it comes as bytes, which are not those of its cast."""
    import pyarrow as pa

    for index, type_ in enumerate(types):
        if "BIT" in re.findall(r"\w+", _QUOTED.sub("", type_)):
            field = schema.field(index).with_type(pa.opaque(pa.binary(), "bit", "duckdb"))
            schema = schema.set(index, field)
    return schema


@contextmanager
def translated(sql: str, failures: Sequence[SourceError] = ()) -> Generator[None]:
    """DuckDB's errors as EngineError, also those that come through Arrow; its interrupt as a KeyboardInterrupt.

    Where one of ``failures`` was noted in the meantime, a source failed while DuckDB read it, and that is raised.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, RuntimeError, OSError) as error:
        kind, text = type(error).__name__, str(error)
        is_interrupt = any(mark in text for mark in ("Query interrupted", "INTERRUPT Error"))
        if kind == "InterruptException" or (is_interrupt and not isinstance(error, duckdb.Error)):
            raise KeyboardInterrupt from None
        if failures:
            raise failures[0] from None
        text = text if len(text) < _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
        raise EngineError(text, condition=kind, sql=sql, transient=kind in _TRANSIENT) from None

"""DuckDB inside the process: the engine that is used where none is given."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ...dialects.compiler import SqlCompiler
from ...dialects.duckdb import DuckDBDialect
from ...dialects.syntax import qualified
from ...planner.calls import checked_call
from ...planner.errors import DefinitionError, EngineError, SourceError, shown
from ...planner.ir.logical import ArrowData, CatalogTable, EngineQuery, TableData
from ...planner.types import unusable_name
from ..engine import SqlComputeEngine
from ..session import SqlConnection
from ..sources.parquet import LocalFiles
from ..sources.stream import RowStream

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")

_HIDDEN_FUNCTIONS = """
SELECT DISTINCT own.function_name AS name FROM duckdb_functions() AS own
JOIN duckdb_functions() AS built_in ON own.function_name = built_in.function_name
WHERE NOT own.internal AND built_in.internal ORDER BY name
"""
_LONGEST_TEXT = 4_000
_DIALECT = DuckDBDialect()
_TRANSIENT = frozenset({"IOException", "ConnectionException", "InterruptException"})


class LocalComputeEngine(SqlComputeEngine):
    """DuckDB over Arrow, in this process.

    ``database`` is a file or ":memory:". ``connection`` is an open connection of the user's own: hitherto works on a
    cursor of it, where it sees what is committed, and leaves it as it was. ``memory_limit`` ("4GB"), ``threads`` and
    ``temp_directory`` are DuckDB's own settings, for a database that hitherto opens.

    Raises a DefinitionError where those are given together with ``connection``.
    """

    compiler = SqlCompiler(_DIALECT)

    @checked_call
    def __init__(
        self,
        database: str = ":memory:",
        *,
        connection: duckdb.DuckDBPyConnection | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: str | None = None,
    ) -> None:
        for role, text in (("database", database), ("memory_limit", memory_limit), ("temp_directory", temp_directory)):
            if not isinstance(text, str | os.PathLike) and (text is not None or role == "database"):
                raise DefinitionError(f"LocalComputeEngine: {role} is {shown(text)}; give a text")
            wrong = unusable_name(str(text or "")) if text or role == "database" else ""
            if wrong:
                raise DefinitionError(f"LocalComputeEngine: {role} is {shown(str(text))}, which {wrong}")
        if connection is not None and not hasattr(connection, "cursor"):
            raise DefinitionError(f"LocalComputeEngine: connection is {shown(connection)}; give a DuckDB connection")
        if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool)):
            raise DefinitionError(f"LocalComputeEngine: threads is {shown(threads)}; give a whole number")
        given: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads, "temp_directory": temp_directory}
        self._config = {name: value for name, value in given.items() if value is not None}
        if connection is not None and (self._config or database != ":memory:"):
            names = ", ".join([*self._config, *(["database"] if database != ":memory:" else [])])
            raise DefinitionError(f"LocalComputeEngine: {names} cannot be given with connection=: set it there")
        if threads is not None and threads < 1:
            raise DefinitionError(f"LocalComputeEngine: threads={threads}; give at least 1")
        # DuckDB's own default is a folder in the working directory.
        if connection is None:
            self._config.setdefault("temp_directory", os.path.join(tempfile.gettempdir(), f"hitherto-{os.getpid()}"))
        self._database = database
        self._connection = connection
        self._is_given = connection is not None

    @property
    def description(self) -> str:
        """The engine and its version."""
        import duckdb

        return f"duckdb {duckdb.__version__}"

    def hint(self, error: EngineError) -> str:
        """A table that the user sees, and a cursor does not."""
        if not self._is_given or "does not exist" not in str(error):
            return ""
        return (
            "\n  it is read on a cursor of the connection, which sees neither temporary tables nor what is not "
            "committed; commit a table of the database"
        )

    def connect(self) -> SqlConnection:
        """A cursor with the session's settings. The database is opened at the first use."""
        import duckdb

        with _translated(""):
            if self._connection is None:
                self._connection = duckdb.connect(self._database, config=self._config)
            cursor = self._connection.cursor()
        connection = LocalConnection(cursor)
        if self._is_given:
            connection.refuse_hidden_functions()
        return connection

    def __repr__(self) -> str:
        return f"LocalComputeEngine({self._database!r})"


class LocalConnection(SqlConnection):
    """A cursor: its temporary tables and registered data are its own, and go with it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._failures: list[SourceError] = []
        self._worker = ThreadPoolExecutor(max_workers=1)
        settings = DuckDBDialect.session
        # No bar in the output of a script, and the name of a table is never that of a Python variable.
        given = {**settings, "enable_progress_bar": "false", "python_enable_replacements": "false"}
        self.execute("; ".join(f"SET SESSION {name} = '{value}'" for name, value in given.items()))
        current = ", ".join(f"current_setting('{name}')" for name in settings)
        (row,) = self._cursor.execute(f"SELECT {current}").fetchall()
        for (name, value), kept in zip(settings.items(), row, strict=True):
            if str(kept).lower() != value.lower():
                raise EngineError(f"DuckDB keeps {name} at {kept}, and answers would differ")

    def refuse_hidden_functions(self) -> None:
        """Raise an EngineError where a function of the user has the name of a built-in one: it would be called."""
        names = [str(row["name"]) for row in self.read(_HIDDEN_FUNCTIONS).read_all().to_pylist()]
        if names:
            self.close()
            raise EngineError(f"the connection defines {', '.join(names)}, which hides DuckDB's own; drop or rename it")

    def execute(self, sql: str) -> None:
        with _translated(sql, self._failures):
            self._interruptible(lambda: self._cursor.execute(sql))

    def read(self, sql: str) -> pa.RecordBatchReader:
        import pyarrow as pa

        with _translated(sql, self._failures):
            reader = self._interruptible(lambda: self._cursor.sql(sql).to_arrow_reader())

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                with _translated(sql, self._failures):
                    batch = self._interruptible(lambda: next(reader, None))
                if batch is None:
                    return
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def register(self, name: str, data: TableData) -> None:
        if isinstance(data, ArrowData):
            value = data.value.noting(self._failures) if isinstance(data.value, RowStream) else data.value
            with _translated(""):
                self._cursor.register(name, value)
        elif isinstance(data, LocalFiles):
            data.parts.check()
        elif isinstance(data, EngineQuery):
            self.execute(_DIALECT.define_view(name, data.sql).sql(_DIALECT.name))

    def describe(self, data: TableData) -> pa.Schema:
        match data:
            case CatalogTable(parts=parts):
                table = qualified(parts).sql("duckdb")
            case EngineQuery(text):
                with _translated(text):
                    if len(self._cursor.extract_statements(text)) != 1:
                        raise EngineError("the query is more than one statement")
                table = f"(\n{text}\n)"
            case _:
                raise EngineError(f"DuckDB reads no {type(data).__name__}")
        return self.read(f"SELECT * FROM {table} LIMIT 0").schema

    def close(self) -> None:
        self._worker.shutdown()
        self._cursor.close()

    def _interruptible(self, run: Callable[[], T]) -> T:
        """Run in a thread where this is the main one: DuckDB looks at signals too seldom for Ctrl-C to be prompt."""
        if threading.current_thread() is not threading.main_thread():
            return run()
        future = self._worker.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            self._cursor.interrupt()
            wait([future])
            raise


@contextmanager
def _translated(sql: str, failures: Sequence[SourceError] = ()) -> Generator[None]:
    """DuckDB's errors as EngineError, also those that come through Arrow; its interrupt as a KeyboardInterrupt.

    Where one of ``failures`` was noted in the meantime, a source failed while DuckDB read it, and that is raised.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, RuntimeError) as error:
        kind, text = type(error).__name__, str(error)
        is_interrupt = any(mark in text for mark in ("Query interrupted", "INTERRUPT Error"))
        if kind == "InterruptException" or (is_interrupt and not isinstance(error, duckdb.Error)):
            raise KeyboardInterrupt from None
        if failures:
            raise failures[0] from None
        text = text if len(text) < _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
        raise EngineError(text, condition=kind, sql=sql, transient=kind in _TRANSIENT) from None

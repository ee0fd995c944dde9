"""DuckDB inside the process: the engine that is used where none is given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...dialects.compiler import SqlCompiler
from ...dialects.duckdb import DuckDBDialect
from ...planner.errors import DefinitionError, EngineError
from ..engine import SqlComputeEngine, SqlConnection

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# What the dialect rests on, set on the cursor alone; read back, since a setting that is refused changes answers.
_SESSION = {"TimeZone": "UTC", "integer_division": "false", "ieee_floating_point_ops": "true"}
_TRANSIENT = frozenset({"IOException", "ConnectionException", "InterruptException"})


class LocalComputeEngine(SqlComputeEngine):
    """DuckDB over Arrow, in this process.

    ``database`` is a file or ":memory:". ``connection`` is an open connection of the user's own: hitherto works on a
    cursor of it, where it sees what is committed, and leaves it as it was. ``memory_limit`` ("4GB"), ``threads`` and
    ``temp_directory`` are DuckDB's own settings, for a database that hitherto opens.

    Raises a DefinitionError where those are given together with ``connection``.
    """

    compiler = SqlCompiler(DuckDBDialect())

    def __init__(
        self,
        database: str = ":memory:",
        *,
        connection: duckdb.DuckDBPyConnection | None = None,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: str | None = None,
    ) -> None:
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

    @property
    def description(self) -> str:
        """The engine and its version."""
        import duckdb

        return f"duckdb {duckdb.__version__}"

    def connect(self) -> LocalConnection:
        """A cursor with the session's settings. The database is opened at the first use."""
        import duckdb

        if self._connection is None:
            with _translated(""):
                self._connection = duckdb.connect(self._database, config=self._config)
        return LocalConnection(self._connection.cursor())

    def __repr__(self) -> str:
        return f"LocalComputeEngine({self._database!r})"


class LocalConnection(SqlConnection):
    """A cursor: its temporary tables and registered data are its own, and go with it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        for name, value in _SESSION.items():
            self.execute(f"SET SESSION {name} = '{value}'")
            row = self._cursor.execute(f"SELECT current_setting('{name}')").fetchone()
            if row is None or str(row[0]).lower() != value.lower():
                raise EngineError(f"DuckDB keeps {name} at {row}, and answers would differ")
        self.execute("SET SESSION enable_progress_bar = false")

    def execute(self, sql: str) -> None:
        with _translated(sql):
            self._cursor.execute(sql)

    def read(self, sql: str) -> pa.RecordBatchReader:
        with _translated(sql):
            reader: pa.RecordBatchReader = self._cursor.sql(sql).to_arrow_reader()
            return reader

    def register(self, name: str, data: object) -> None:
        self._cursor.register(name, data)

    def close(self) -> None:
        self._cursor.close()


@contextmanager
def _translated(sql: str) -> Generator[None]:
    """DuckDB's errors as EngineError, and its interrupt as the KeyboardInterrupt that caused it."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        kind = type(error).__name__
        text = str(error)
        if kind == "InterruptException":
            raise KeyboardInterrupt from None
        raise EngineError(text, condition=kind, sql=sql, transient=kind in _TRANSIENT) from None
    except RuntimeError as error:
        if "interrupt" in str(error).lower():
            raise KeyboardInterrupt from None
        raise

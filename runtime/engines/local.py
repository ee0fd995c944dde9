"""DuckDB inside the process: the engine that is used where none is given."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...dialects.compiler import SqlCompiler
from ...dialects.duckdb import DuckDBDialect
from ...planner.calls import checked_call
from ...planner.errors import DefinitionError, EngineError, UnsupportedError, shown
from ...planner.types import unusable_name
from ..engine import SqlComputeEngine
from ..session import SqlConnection
from .capacity import DUCKDB, bytes_of, half_of_the_machine
from .local_connection import LocalConnection, translated

if TYPE_CHECKING:
    import duckdb

_MEMORY = ":memory:"
# A database of another kind, such as "md:…", which only DuckDB knows where to find; a drive has one letter.
_SCHEME = re.compile(r"[A-Za-z_]\w+:")
_DIALECT = DuckDBDialect()


class LocalComputeEngine(SqlComputeEngine):
    """DuckDB over Arrow, in this process.

    ``database`` is ":memory:" or the file of a database that exists: hitherto reads its tables and writes nothing to
    it, and opens it at the first use. With ``read_only`` other processes may read it at the same time.
    Engines in memory that have no settings of their own share a database of the process, with its threads and its
    memory; their temporary tables stay apart.
    ``connection`` is an open connection of the user's own: hitherto works on a cursor of it and leaves it as it was.
    Names in a ``TableSource``, a ``QuerySource`` and entity rows mean what they mean there when a job is made: its
    search path and variables are followed; its temporary objects and an open transaction, of which a cursor sees
    nothing, are refused. ``memory_limit`` ("4GB"), ``threads`` and ``temp_directory`` are DuckDB's own settings, for a
    database that hitherto opens.

    ``close()``, or ``with``, lets go of the database; an engine that is closed raises an EngineError. A pickled or
    copied engine opens its database anew; one with ``connection`` can be copied, but not pickled.

    Raises a DefinitionError for parameters that contradict each other, and an EngineError or SourceError where the
    database can't be opened.
    """

    compiler = SqlCompiler(_DIALECT)
    forms = frozenset({
        "EventIndexLatest", "EventIndexThenFetch", "EventIndexWindows",
        "NarrowAsof", "BucketedRange", "BucketedMax", "RangeMax", "RunningMaximum", "BucketedWindows", "TiledWindows",
    })  # fmt: skip
    lacks = frozenset()
    rates = DUCKDB

    @checked_call
    def __init__(
        self,
        database: str | os.PathLike[str] = ":memory:",
        *,
        connection: duckdb.DuckDBPyConnection | None = None,
        read_only: bool = False,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        for role, text in (("database", database), ("memory_limit", memory_limit), ("temp_directory", temp_directory)):
            if not isinstance(text, str | os.PathLike) and (text is not None or role == "database"):
                raise DefinitionError(f"LocalComputeEngine: {role} is {shown(text)}; give a text")
            wrong = unusable_name(str(text or "")) if text or role == "database" else ""
            if wrong:
                raise DefinitionError(f"LocalComputeEngine: {role} is {shown(str(text))}, which {wrong}")
        if connection is not None and not hasattr(connection, "cursor"):
            raise DefinitionError(f"LocalComputeEngine: connection is {shown(connection)}; give a DuckDB connection")
        if not isinstance(read_only, bool):
            raise DefinitionError(f"LocalComputeEngine: read_only is {shown(read_only)}; give True or False")
        if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool)):
            raise DefinitionError(f"LocalComputeEngine: threads is {shown(threads)}; give a whole number")
        name = os.fspath(database)
        given: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads, "temp_directory": temp_directory}
        self._config = {option: value for option, value in given.items() if value is not None}
        if connection is not None and (self._config or read_only or name != _MEMORY):
            own = {"read_only": read_only, "database": name != _MEMORY}
            names = ", ".join([*self._config, *(option for option, is_given in own.items() if is_given)])
            raise DefinitionError(f"LocalComputeEngine: {names} cannot be given with connection=: set it there")
        if read_only and name.startswith(_MEMORY):
            raise DefinitionError("LocalComputeEngine: read_only=True is for a file; give its path as database")
        if threads is not None and threads < 1:
            raise DefinitionError(f"LocalComputeEngine: threads={threads}; give at least 1")
        self._database = name if name.startswith(_MEMORY) or _SCHEME.match(name) else os.path.abspath(name)
        self._read_only = read_only
        self._connection = connection
        self._is_given = connection is not None
        self._is_closed = False
        self._opening = threading.Lock()

    @property
    def description(self) -> str:
        """The engine and its version."""
        import duckdb

        return f"duckdb {duckdb.__version__}"

    @property
    def memory(self) -> int | None:
        """The ``memory_limit`` in bytes, or that of the user's connection; without one, half of the machine's."""
        limit = self._config.get("memory_limit")
        if self._is_given and self._connection is not None:  # One that is closed says so when it is used.
            with suppress(EngineError), translated(""):
                cursor = self._connection.cursor()
                (limit,) = cursor.execute("SELECT current_setting('memory_limit')").fetchone() or (None,)
        return half_of_the_machine() if limit is None else bytes_of(str(limit))

    def hint(self, error: EngineError) -> str:
        """Why a table may not exist for a cursor, though the user's connection sees it."""
        if not self._is_given or "does not exist" not in str(error):
            return ""
        return "\n  it is read on a cursor of the connection, which sees what is committed"

    def connect(self) -> SqlConnection:
        """A cursor with the session's settings. The database that engines share is opened at the first statement."""
        connection = LocalConnection(self._cursor, self._connection if self._is_given else None)
        if self._is_given or self._database != _MEMORY:
            connection.refuse_hidden_functions()
        elif self._config:
            connection.open()
        elif self._is_closed:
            raise self._closed()
        return connection

    def _closed(self) -> EngineError:
        return EngineError(f"{self!r} is closed; make another one")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._is_closed:
                raise self._closed()
            if self._connection is None:
                self._connection = self._opened()
            with translated(""):
                return self._connection.cursor()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        own = shown(self._database)
        is_file = not self._database.startswith(_MEMORY) and not _SCHEME.match(self._database)
        if is_file and not os.path.exists(self._database):
            raise EngineError(
                f"there is no database {own}; hitherto makes none, since it would write nothing to it: give the path "
                "of one, or leave database out to work in memory"
            )
        # DuckDB's own default is a folder in the working directory.
        spilled = os.path.join(tempfile.gettempdir(), f"hitherto-{os.getpid()}")
        # A database in memory that has a name is one for all who open it in this process.
        is_shared = self._database == _MEMORY and not self._config
        database = f"{_MEMORY}{spilled}" if is_shared else self._database
        try:
            with translated(""):
                config = {"temp_directory": spilled, **self._config}
                return duckdb.connect(database, read_only=self._read_only, config=config)
        except EngineError as error:
            told = str(error)
            if "Could not set lock" in told:
                told = (
                    f"another process has the database {own} open; close it there, or open it with "
                    f"read_only=True here and there: {told}"
                )
            elif "different configuration" in told:
                told = (
                    f"this process has the database {own} open with other settings; give that connection: "
                    "LocalComputeEngine(connection=…)"
                )
            raise EngineError(told, condition=error.condition, transient=error.transient) from None

    def close(self) -> None:
        """Let go of the database. A connection of the user's stays open, and an answer can be read to its end."""
        with self._opening:
            self._is_closed = True
            if self._connection is not None and not self._is_given:
                self._connection.close()
            self._connection = None

    def __enter__(self) -> LocalComputeEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._is_given:
            raise UnsupportedError(
                f"{self!r} has an open connection, which belongs to this process and can't be pickled; give database= "
                "instead of connection="
            )
        return {**vars(self), "_connection": None, "_opening": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _opening=threading.Lock())

    def __copy__(self) -> LocalComputeEngine:
        """An engine for the same database; with a connection of the user's, for the same connection."""
        twin = object.__new__(type(self))
        kept = self._connection if self._is_given else None
        twin.__setstate__({**vars(self), "_connection": kept})
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> LocalComputeEngine:
        return self.__copy__()

    def __repr__(self) -> str:
        given = "connection=…" if self._is_given else shown(self._database)
        return f"LocalComputeEngine({given}{', read_only=True' if self._read_only else ''})"

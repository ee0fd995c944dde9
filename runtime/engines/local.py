"""DuckDB inside the process: the engine that is used where none is given."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ...dialects.compiler import SqlCompiler
from ...dialects.duckdb import DuckDBDialect
from ...dialects.syntax import qualified
from ...planner.calls import checked_call
from ...planner.errors import DefinitionError, EngineError, SourceError, UnsupportedError, shown
from ...planner.ir.data import ArrowData, CatalogTable, EngineQuery, Meaning, TableData
from ...planner.types import unusable_name
from ..engine import SqlComputeEngine
from ..session import SqlConnection
from ..sources.parquet import LocalFiles
from ..sources.stream import RowStream
from .capacity import DUCKDB, bytes_of, half_of_the_machine
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
_MEMORY = ":memory:"
# A database of another kind, such as "md:…", which only DuckDB knows where to find; a drive has one letter.
_SCHEME = re.compile(r"[A-Za-z_]\w+:")
_DIALECT = DuckDBDialect()
_TRANSIENT = frozenset({"IOException", "ConnectionException", "InterruptException"})


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
            with suppress(EngineError), _translated(""):
                cursor = self._connection.cursor()
                (limit,) = cursor.execute("SELECT current_setting('memory_limit')").fetchone() or (None,)
        return half_of_the_machine() if limit is None else bytes_of(str(limit))

    def hint(self, error: EngineError) -> str:
        """Why a table may not exist for a cursor, though the user's connection sees it."""
        if not self._is_given or "does not exist" not in str(error):
            return ""
        return "\n  it is read on a cursor of the connection, which sees what is committed"

    def connect(self) -> SqlConnection:
        """A cursor with the session's settings. The database is opened at the first use."""
        with self._opening:
            if self._is_closed:
                raise EngineError(f"{self!r} is closed; make another one")
            if self._connection is None:
                self._connection = self._opened()
            with _translated(""):
                cursor = self._connection.cursor()
        connection = LocalConnection(cursor, self._connection if self._is_given else None)
        if self._is_given or self._database != _MEMORY:
            connection.refuse_hidden_functions()
        return connection

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
            with _translated(""):
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


class LocalConnection(SqlConnection):
    """A cursor: its temporary tables and registered data are its own, and go with it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, user: duckdb.DuckDBPyConnection | None = None) -> None:
        self._cursor = cursor
        self._user = user
        self._place = Place("")
        self._is_moved = False
        self._failures: list[SourceError] = []
        self._reader: pa.RecordBatchReader | None = None
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
        """Raise an EngineError where a function of the user has the name of a built-in one: ours would call it."""
        names = [function.name for function in self._functions if function.hides]
        if names:
            self.close()
            raise EngineError(f"the database defines {', '.join(names)}, which hides DuckDB's own; drop or rename it")

    def execute(self, sql: str) -> None:
        self._abandon()
        with _translated(sql, self._failures):
            self._interruptible(lambda: self._cursor.execute(sql))

    def read(self, sql: str) -> pa.RecordBatchReader:
        import pyarrow as pa

        self._abandon()
        with _translated(sql, self._failures):
            reader = self._interruptible(lambda: self._cursor.sql(sql).to_arrow_reader())
        self._reader = reader

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                with _translated(sql, self._failures):
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
            with _translated(""):
                self._cursor.register(name, value)
        elif isinstance(data, LocalFiles):
            data.parts.check()
        elif isinstance(data, EngineQuery):
            self.execute(_DIALECT.define_view(name, data.sql).sql(_DIALECT.name))

    def locate(self, data: CatalogTable | EngineQuery) -> Meaning:
        text = self._query(data)
        place = Place("")
        if self._user is not None:
            with _translated(""):
                refuse_open_transaction(self._user)
                place = place_of(self._user)
                refuse_temporary(self._user, text)
        self._move(place)
        with _translated(text):
            return Meaning(names_read(self._cursor, text, self._functions), place)

    def follow(self, data: CatalogTable | EngineQuery) -> frozenset[str]:
        if self._user is not None:
            with _translated(""):
                refuse_open_transaction(self._user)
        if isinstance(data.meaning.place, Place):
            self._move(data.meaning.place)
        with _translated(""):
            return names_read(self._cursor, self._query(data), self._functions)

    def _move(self, place: Place) -> None:
        if self._is_moved and place != self._place:
            raise EngineError("the connection's search path or variables changed while the job was made; make it again")
        if place != self._place:
            with _translated(""):
                move(self._cursor, place)
        self._place, self._is_moved = place, True

    @cached_property
    def _functions(self) -> list[UserFunction]:
        with _translated(""):
            return functions(self._cursor)

    def _query(self, data: CatalogTable | EngineQuery) -> str:
        """The text of exactly one query that gives the rows."""
        if isinstance(data, CatalogTable):
            return f"FROM {qualified(data.parts).sql(_DIALECT.name)}"
        with _translated(data.sql):
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
        with _translated(query, self._failures):
            return [str(type_) for type_ in self._interruptible(lambda: self._cursor.sql(query).types)]

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


def _without_bits(schema: pa.Schema, types: Sequence[str]) -> pa.Schema:
    """The columns. Arrow has no type for BIT: it comes as bytes, which are not those of its cast."""
    import pyarrow as pa

    for index, type_ in enumerate(types):
        if "BIT" in re.findall(r"\w+", _QUOTED.sub("", type_)):
            field = schema.field(index).with_type(pa.opaque(pa.binary(), "bit", "duckdb"))
            schema = schema.set(index, field)
    return schema


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

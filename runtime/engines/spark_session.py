"""A session of our own on the user's Spark: what is registered, run and released in it."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from ...dialects.queries import names_in
from ...dialects.spark import POSITION, SESSION, file_columns, literal_path, read_options
from ...planner.errors import EngineError, SpineError, UnsupportedError
from ...planner.ir.data import ArrowData, CatalogTable, EngineData, EngineQuery, Meaning, ParquetFiles, TableData
from ...planner.ir.logical import feature_type
from ...planner.types import DataType, Kind
from ..arrow import arrow_type, data_type, floor_to_micros, readable, to_table
from ..session import SqlConnection
from ..sources.parquet import LocalFiles
from ..sources.stream import RowStream

T = TypeVar("T")

# What Spark reads an unsigned column of a parquet file as; the same for one that is shipped.
_SIGNED: Mapping[Kind, DataType] = {
    "uint8": DataType("int16"),
    "uint16": DataType("int32"),
    "uint32": DataType("int64"),
    "uint64": DataType("decimal", precision=20, scale=0),
}
_STACK = re.compile(r"\s+SQLSTATE:|\n+(?:JVM stacktrace:|\s+at |== SQL|org\.apache\.spark\.)")
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
_LOST = ("CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND", "ExecutorLostFailure", "UNAVAILABLE", "Connection refused")


class SparkConnection(SqlConnection):
    """A session of its own: its views and caches go with it, and the user's is used only to read what is the user's."""

    def __init__(self, user: Any) -> None:
        self._user = user
        self._lent: list[tuple[Any, str]] = []
        self._made: list[str] = []
        with translated(""):
            self._session = _new_session(user)
            for name, value in SESSION.items():
                self._session.conf.set(name, value)
                kept = str(self._session.conf.get(name))
                if kept.lower() != value.lower():
                    raise EngineError(f"Spark keeps {name} at {kept!r}, and answers would differ")

    def execute(self, sql: str) -> None:
        with translated(sql):
            interruptible(self._session, lambda: self._session.sql(sql))

    def create_table(self, name: str, sql: str) -> None:
        self._made.append(name)
        self.execute(sql)

    def read(self, sql: str) -> pa.RecordBatchReader:
        with translated(sql):
            table: pa.Table = interruptible(self._session, lambda: self._session.sql(sql).toArrow())
        return table.to_reader()

    def register(self, name: str, data: TableData) -> None:
        if isinstance(data, LocalFiles):
            data.parts.check()
        self._made.append(name)
        with translated(""):
            self._frame(data).createOrReplaceTempView(_quoted(name))

    def locate(self, data: CatalogTable | EngineQuery) -> Meaning:
        """The user's session itself reads what is the user's, so names of ours matter to scripts alone."""
        words = names_in(data.sql, "spark") if isinstance(data, EngineQuery) else frozenset[str]()
        return Meaning(words, self._place())

    def follow(self, data: CatalogTable | EngineQuery) -> frozenset[str]:
        """The user's session is never changed. If its current database is another one by now, that is an error."""
        before, now = data.meaning.place, self._place()
        is_complete = isinstance(data, CatalogTable) and len(data.parts) == 3
        if before is not None and before != now and not is_complete:
            raise EngineError(
                f"the session looked names up in {before} when the job was made, and does in {now} now; go back there, "
                "or make the job again"
            )
        return frozenset()

    def _place(self) -> str:
        """The current catalog and database of the user's session."""
        with translated(""):
            catalog = self._user.catalog
            return f"{_quoted(catalog.currentCatalog())}.{_quoted(catalog.currentDatabase())}"

    def describe(self, data: TableData) -> pa.Schema:
        with translated(""):
            schema: pa.Schema = self._frame(data).limit(0).toArrow().schema
            return schema

    def joined(self, own: TableData, features: str, row: str, types: Mapping[str, pa.DataType]) -> Any:
        """A lazy frame: the rows' own columns, joined by number to the features that a statement gives."""
        with translated(features):
            rows, answers = self._frame(own, numbered=True, as_values=True), self._session.sql(features)
            columns = [rows[_quoted(name)] for name in rows.columns if name != POSITION]
            for name, type_ in types.items():
                is_zoned = pa.types.is_timestamp(type_) and type_.tz is not None
                feature = answers[_quoted(name)]
                columns.append(feature.cast("timestamp_ltz").alias(name) if is_zoned else feature)
            return rows.join(answers, rows[POSITION] == answers[_quoted(row)]).select(*columns)

    def close(self) -> None:
        """Drop the views, which also frees the cached ones: the cache belongs to all sessions of the Spark."""
        try:
            for name in dict.fromkeys(reversed(self._made)):
                self.execute(f"DROP VIEW IF EXISTS {_quoted(name)}")
        finally:
            for session, name in self._lent:
                session.catalog.dropGlobalTempView(name)
            self._lent.clear()
            if _is_connect(self._session):
                self._session.client.release_session()
                self._session.client.close()

    def _frame(self, data: TableData, *, numbered: bool = False, as_values: bool = False) -> Any:
        """The data as a frame of this session; in-memory data as ``_shipped`` says."""
        match data:
            case LocalFiles() if data.are_shipped:
                return self._frame(ArrowData(data.rows()))
            case ParquetFiles():
                reader = self._session.read.options(**read_options(data))
                reader = reader if data.schema is None else reader.schema(file_columns(data.schema, data.uuids))
                return reader.parquet(*map(_as_uri, data.paths))
            case ArrowData(value, has_numbers):
                shipped = _shipped(value, numbered=numbered or has_numbers, as_values=as_values)
                return self._session.createDataFrame(shipped)
            case CatalogTable(parts=parts):
                return self._borrowed(self._user.table(".".join(map(_quoted, parts))))
            case EngineQuery(text):
                return self._borrowed(self._user.sql(text))
            case EngineData(value):
                return self._borrowed(value)
            case _:
                raise EngineError(f"Spark reads no {type(data).__name__}")

    def _borrowed(self, frame: Any) -> Any:
        """A frame of the user's session as one of ours: through a global view, since sessions share nothing else."""
        name = f"hitherto_{uuid.uuid4().hex}"
        frame.createGlobalTempView(name)
        self._lent.append((frame.sparkSession, name))
        return self._session.table(f"{self._session.conf.get('spark.sql.globalTempDatabase')}.{name}")


def _new_session(user: Any) -> Any:
    from pyspark import __version__
    from pyspark.errors import PySparkNotImplementedError

    try:
        return user.newSession()
    except (AttributeError, PySparkNotImplementedError):
        raise UnsupportedError(
            f"Spark Connect needs pyspark 4.3 or later, whose sessions can make new ones; this is {__version__}: "
            "pip install 'hitherto[spark-connect]'"
        ) from None


def _is_connect(session: Any) -> bool:
    return ".connect." in type(session).__module__


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _as_uri(path: str) -> str:
    """A local path for Spark, whose own default file system may be another one; its wildcards are taken literally."""
    name = Path(path).name
    if name.startswith((".", "_")):
        raise UnsupportedError(f"source: Spark leaves out files such as {path}, whose name begins with {name[0]!r}")
    return "file://" + literal_path(path)


def _shipped(data: Any, *, numbered: bool, as_values: bool) -> pa.Table:
    """Arrow data as Spark takes it: in its types, without columns that have none, and numbered where that is needed.

    Nanoseconds, of which it has none, are integers for a plan, which rounds each by its role; or ``as_values``
    microseconds, rounded down.
    """
    columns: dict[str, Any] = {}
    data = data.to_table() if isinstance(data, RowStream) else to_table(data)
    for field, column in zip(data.schema, data.columns, strict=True):
        type_ = data_type(field.type)
        if not (type_.can_be_feature or type_.kind == "null"):
            if not as_values:
                continue  # no plan reads it
            if not _has_spark(field.type):
                raise UnsupportedError(
                    f"to_spark: column {field.name!r} is {field.type}, which Spark does not have; leave it out of the "
                    "entity rows, or collect the answer"
                )
        elif type_.kind == "timestamp" and type_.unit == "ns":
            column = floor_to_micros(readable(column)) if as_values else readable(column).cast(pa.int64())
        elif type_.kind == "timestamp":
            column = readable(column).cast(arrow_type(feature_type(type_)))
        else:
            column = readable(column).cast(arrow_type(_signed(type_)))
        columns[field.name] = column
    if numbered:
        check_numbered(columns)
        columns[POSITION] = pa.array(range(data.num_rows), pa.int64())
    # In one piece: Spark takes an empty chunk for the end, and drops the rows behind it.
    return pa.table(columns).combine_chunks()


def _signed(type_: DataType) -> DataType:
    """The type with signed integers for unsigned ones, also within lists and structs."""
    if type_.element is not None:
        return replace(type_, element=_signed(type_.element))
    fields = tuple(replace(field, type=_signed(field.type)) for field in type_.fields)
    return _SIGNED.get(type_.kind, replace(type_, fields=fields))


def _has_spark(type_: pa.DataType) -> bool:
    """Whether Spark takes a type that no plan reads. Spark has no list of them, so it is tried."""
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_type

    try:
        from_arrow_type(type_)
    except PySparkException:
        return False
    return True


def check_numbered(names: Iterable[str]) -> None:
    """Raise a SpineError where entity rows have a column of the name that their number is given."""
    if POSITION in map(str.lower, names):
        raise SpineError(f"entity rows: column {POSITION!r} has the name of the number that rows are given; rename it")


def release(frame: Any) -> None:
    """Give back the storage of a frame that was checkpointed locally; on Connect it goes with the frame."""
    if not _is_connect(frame.sparkSession):
        with suppress(AttributeError):
            frame._jdf.queryExecution().analyzed().rdd().unpersist(False)


def interruptible(session: Any, run: Callable[[], T]) -> T:
    """Run in a thread where this is the main one, so that Ctrl-C cancels what it started on Spark, and only that."""
    if threading.current_thread() is not threading.main_thread():
        return run()
    tag = f"hitherto-{uuid.uuid4().hex}"
    add, remove, interrupt = _tagging(session)

    def tagged() -> T:
        add(tag)
        try:
            return run()
        finally:
            remove(tag)

    with ThreadPoolExecutor(max_workers=1) as worker:
        future = worker.submit(_inheriting(session, tagged))
        try:
            return future.result()
        except KeyboardInterrupt:
            # Repeatedly: work that is interrupted between two jobs would go on to start the next one.
            while wait([future], timeout=0.2).not_done:
                interrupt(tag)
            raise


def _tagging(session: Any) -> tuple[Callable[[str], object], Callable[[str], object], Callable[[str], object]]:
    """How to tag the jobs of a thread, to stop doing so, and to interrupt from another thread those of a tag."""
    if _is_connect(session):
        return session.addTag, session.removeTag, session.interruptTag
    # A classic session finds only what the asking thread has tagged.
    context = session.sparkContext
    return context.addJobTag, context.removeJobTag, context.cancelJobsWithTag


def _inheriting(session: Any, run: Callable[[], T]) -> Callable[[], T]:
    """The function with what the thread has set for its jobs, such as a scheduler pool; classic sessions alone."""
    if _is_connect(session):
        return run
    from pyspark import inheritable_thread_target

    inheriting: Callable[[], T] = inheritable_thread_target(session)(run)
    return inheriting


@contextmanager
def translated(sql: str) -> Generator[None]:
    """Spark's errors as EngineError: its condition and what it says, without the stack of the JVM."""
    from pyspark.errors import PySparkException

    try:
        yield
    except Exception as error:
        is_sparks = isinstance(error, PySparkException) or type(error).__module__.split(".")[0] in ("py4j", "grpc")
        if not is_sparks:
            raise
        text = str(error)
        if not isinstance(error, PySparkException):
            # What Java only passes on says nothing itself; the last cause does.
            text = text.rsplit("Caused by: ", 1)[-1]
        condition = error.getCondition() if isinstance(error, PySparkException) else None
        found = _CONDITION.search(text)
        raise EngineError(
            _STACK.split(text, maxsplit=1)[0].strip(),
            condition=condition or (found[1] if found else None) or type(error).__name__,
            sql=sql,
            transient=any(mark in text for mark in _LOST),
        ) from None

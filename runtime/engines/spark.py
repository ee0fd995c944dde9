"""The user's own Spark, through a classic session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dialects.compiler import SqlCompiler
from ...dialects.spark import POSITION, SESSION, SparkDialect
from ...planner.errors import EngineError, UnsupportedError
from ...planner.ir.logical import ParquetFiles
from ..arrow import arrow_type, data_type
from ..engine import RESERVED_NAMES, SqlComputeEngine, SqlConnection

if TYPE_CHECKING:
    import pyarrow as pa

# Nanoseconds in files come as integers.
_READING = {"spark.sql.legacy.parquet.nanosAsLong": "true"}


class SparkComputeEngine(SqlComputeEngine):
    """Spark SQL, on a session of the user's or, without one, on a local one.

    Everything is done in a new session of that Spark, so that the user's settings, temporary views and current database
    stay as they are. Entity rows and in-memory sources are shipped from here, and results are collected here. Raises an
    UnsupportedError where pyspark is not installed.
    """

    compiler = SqlCompiler(SparkDialect())

    def __init__(self, session: Any = None) -> None:
        self._given = session

    @property
    def description(self) -> str:
        """The engine and its version."""
        return f"spark {self._session().version}"

    def _session(self) -> Any:
        if self._given is None:
            try:
                from pyspark.sql import SparkSession
            except ImportError:
                raise UnsupportedError("pyspark is not installed: pip install 'pyspark>=4.3,<5'") from None
            builder = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
            self._given = builder.getOrCreate()
        return self._given

    def connect(self) -> SparkConnection:
        """A new session with the settings that answers rest on, read back."""
        session = self._session().newSession()
        for name, value in {**SESSION, **_READING}.items():
            session.conf.set(name, value)
            if str(session.conf.get(name)).lower() != value.lower():
                raise EngineError(f"Spark keeps {name} at {session.conf.get(name)!r}, and answers would differ")
        return SparkConnection(session)

    def __repr__(self) -> str:
        return "SparkComputeEngine()"


class SparkConnection(SqlConnection):
    """A session of its own: its views and caches go with it."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def execute(self, sql: str) -> None:
        self._run(sql)

    def read(self, sql: str) -> pa.RecordBatchReader:
        table: pa.Table = self._run(sql, collect=True)
        return table.to_reader()

    def register(self, name: str, data: object) -> None:
        if isinstance(data, ParquetFiles):
            frame = self._session.read.parquet(*data.paths)
        else:
            frame = self._session.createDataFrame(_shipped(data, numbered=name in RESERVED_NAMES))
        frame.createOrReplaceTempView(_quoted(name))

    def close(self) -> None:
        """Drop the views; a cached one goes from the cache with it, since the cache is the whole Spark's."""
        made = [row.name for row in self._session.catalog.listTables() if row.isTemporary]
        for name in made:
            self._run(f"DROP VIEW IF EXISTS {_quoted(name)}")

    def _run(self, sql: str, *, collect: bool = False) -> Any:
        from pyspark.errors import PySparkException

        try:
            frame = self._session.sql(sql)
            return frame.toArrow() if collect else None
        except PySparkException as error:
            condition = error.getCondition()
            raise EngineError(str(error).split("\n", 1)[0], condition=condition, sql=sql) from None


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _shipped(data: Any, *, numbered: bool) -> pa.Table:
    """Arrow data as Spark takes it: nanoseconds as integers, plain strings, and a row number where one is needed."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for field, column in zip(data.schema, data.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            unit = field.type.unit
            column = column.cast(pa.int64()) if unit == "ns" else column.cast(pa.timestamp("us", field.type.tz))
        elif data_type(field.type).kind in ("string", "binary"):
            column = column.cast(arrow_type(data_type(field.type)))
        columns[field.name] = column
    if numbered:
        columns[POSITION] = pa.array(range(data.num_rows), pa.int64())
    return pa.table(columns)

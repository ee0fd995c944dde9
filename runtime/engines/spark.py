"""The user's own Spark, through a classic session or Spark Connect."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...dialects.compiler import SqlCompiler
from ...dialects.spark import POSITION, SparkDialect
from ...planner.calls import checked_call
from ...planner.dag.node import EngineValue, ExecutionContext
from ...planner.errors import DefinitionError, EngineError, HithertoError, SpineError, UnsupportedError, shown
from ...planner.features.tasks import HistoricalRetrievalTask
from ...planner.ir.data import EngineData, TableData
from ...planner.ir.operators import AsofMatch
from ...planner.planning import PlannedRequest
from ...planner.target import Append
from ..arrow import arrow_type
from ..engine import SqlComputeEngine
from ..located import shortened
from ..rows.entity import EngineRows, is_query
from ..session import SqlConnection
from .capacity import SPARK
from .spark_session import SparkConnection, check_numbered, interruptible, release, translated

if TYPE_CHECKING:
    import pyarrow as pa


class SparkComputeEngine(SqlComputeEngine):
    """Spark SQL, on any ``SparkSession`` of the user's, classic or Connect; without one, on a local Spark.

    Everything is done in a new session of that Spark, so that the user's settings, temporary views and current database
    stay as they are; a ``TableSource`` is looked up in the user's own. Entity rows and sources in memory are shipped
    through Arrow; entity rows that are a DataFrame stay where they are. Results are collected group by group of views,
    or stay distributed with ``to_spark`` and ``to_parquet``. Raises UnsupportedError where pyspark or Java is missing.
    """

    compiler = SqlCompiler(SparkDialect())
    forms = frozenset({
        "RangeMax", "BucketedMax", "UnionLast", "RunningMaximumStream", "BucketedWindows", "RangeWindows",
        "ExplodedTiles",
    })  # fmt: skip
    lacks = SqlComputeEngine.lacks | {AsofMatch}
    rates = SPARK
    append: ClassVar[Append] = Append(groups=0, columns=0)
    widest_join = 10
    sorts_results = False
    has_frames = True

    @checked_call
    def __init__(self, session: Any = None) -> None:
        if session is not None and not hasattr(session, "createDataFrame"):
            raise DefinitionError(f"SparkComputeEngine: session is {shown(session)}; give a SparkSession, or none")
        self._given = session

    @property
    def description(self) -> str:
        """The engine and its version."""
        return f"spark {self._session().version}"

    def _session(self) -> Any:
        if self._given is None:
            self._given = _local_session()
        return self._given

    def connect(self) -> SqlConnection:
        """A new session with the settings that answers rest on, read back."""
        return SparkConnection(self._session())

    def entity_rows(
        self, entity_df: object, entity_timestamp: str | None, keys: Collection[str] = ()
    ) -> EngineRows | None:
        """A DataFrame of the user's Spark, or what a query gives in it; neither is collected."""
        if isinstance(entity_df, str) and is_query(entity_df):
            entity_df = self._frame_of(entity_df)
        kind = type(entity_df)
        if kind.__name__ != "DataFrame" or not kind.__module__.startswith("pyspark.sql."):
            return None
        check_numbered(entity_df.columns)  # type: ignore[attr-defined]
        return EngineRows(self, EngineData(entity_df), entity_timestamp, keys)

    def _frame_of(self, text: str) -> Any:
        """The frame of a query in the user's session. Raises a SpineError where it has none."""
        try:
            query = self.compiler.query(text, "entity rows")
            with translated(query):
                return self._session().sql(query)
        except DefinitionError as error:
            raise SpineError(str(error)) from None
        except EngineError as error:
            raise SpineError(f"entity rows: {self.description} cannot run the query: {shortened(error)}") from None

    @contextmanager
    def fixed(self, data: EngineData) -> Generator[EngineData]:
        """The rows, numbered and kept in Spark's own storage without the way back to where they come from.

        A number is given where the rows are evaluated, once; it is never computed again. Where storage is lost, with
        the machine that held it, Spark fails the job instead of evaluating the rows anew under other numbers.
        """
        frame: Any = data.value
        with translated(""):
            numbered = interruptible(
                frame.sparkSession,
                lambda: frame.selectExpr("*", f"monotonically_increasing_id() AS {POSITION}").localCheckpoint(),
            )
        try:
            yield EngineData(numbered)
        finally:
            release(numbered)

    def rows_of(self, data: EngineData) -> pa.Table:
        connection = self.connect()
        try:
            connection.register("spine", data)
            table = connection.read("SELECT * FROM spine").read_all()
        finally:
            connection.close()
        return table.sort_by(POSITION).drop_columns(POSITION)

    @contextmanager
    def frame(self, task: HistoricalRetrievalTask, own: TableData, planned: PlannedRequest) -> Generator[Any]:
        """The answer as a lazy DataFrame of a session of its own; temporary results are filled when it is used."""
        features = {output.name: arrow_type(output.type) for output in task.outputs}
        with ExitStack() as behind_the_session, self.session(task.options, is_lazy=True) as session:
            context = ExecutionContext(session)
            behind_the_session.callback(context.close)
            (value,) = planned.pieces_of_a_frame.execute(context)
            assert isinstance(value, EngineValue)
            assert isinstance(session.connection, SparkConnection)
            statement = session.statement(value.relation)
            yield session.connection.joined(own, statement, task.names.row, features)

    def write_parquet(self, frame: Any, folder: Path) -> None:
        """Spark writes beside the folder, which then takes its name. Both have to see the same file system."""
        if folder.is_dir() and not all(_is_part(path) for path in folder.iterdir()):
            raise HithertoError(f"to_parquet: {folder.absolute()} holds other files than parquet; give another folder")
        if folder.is_file():
            raise HithertoError(f"to_parquet: {folder.absolute()} is a file; on Spark give a folder's path")
        beside = f".{folder.name}.{uuid.uuid4().hex}"
        written, replaced = (folder.absolute().with_name(f"{beside}.{role}") for role in ("part", "old"))
        try:
            with translated(""):
                interruptible(frame.sparkSession, lambda: frame.write.parquet(f"file://{written}"))
            if not (written / "_SUCCESS").exists():
                raise EngineError(
                    f"to_parquet: Spark wrote to another machine's {folder.absolute().parent}; give a folder that it "
                    "shares with this process, or write job.to_spark() where Spark can"
                )
            _put_in_place(written, folder, replaced)
        finally:
            shutil.rmtree(written, ignore_errors=True)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __getstate__(self) -> object:
        raise UnsupportedError(
            "a SparkComputeEngine cannot be pickled, since its session belongs to this process; "
            "make the engine, and the store over it, where they are used"
        )

    def __repr__(self) -> str:
        return "SparkComputeEngine()"


def _put_in_place(written: Path, folder: Path, replaced: Path) -> None:
    """Give a folder its name; one that has it already stays, under another, until that is done."""
    if not folder.exists():
        os.replace(written, folder)
        return
    os.replace(folder, replaced)
    try:
        os.replace(written, folder)
    except BaseException:
        os.replace(replaced, folder)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _is_part(path: Path) -> bool:
    """Whether a file is one that Spark writes with a parquet folder."""
    return path.suffix == ".parquet" or path.name in ("_SUCCESS", "._SUCCESS.crc") or path.name.endswith(".parquet.crc")


def _local_session() -> Any:
    """A Spark on this machine; one that runs already in this process is taken as it is."""
    try:
        from pyspark import SparkContext
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise UnsupportedError(f"Spark needs pyspark: pip install 'hitherto[spark]' ({error})") from None
    # Without settings, so that a Spark that runs already stays as it is.
    running = SparkSession.getActiveSession()
    if running is not None or getattr(SparkContext, "_active_spark_context", None) is not None:
        return running or SparkSession.builder.getOrCreate()
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise UnsupportedError("Spark needs Java 17 or later: install it, and put it on the PATH or set JAVA_HOME")
    cores = os.cpu_count() or 1
    settings: dict[str, Any] = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": f"file://{tempfile.gettempdir()}/hitherto-{os.getpid()}-warehouse",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.driver.memory": f"{_gigabytes()}g",
        "spark.driver.maxResultSize": "0",
    }
    builder = SparkSession.builder.master("local[*]").appName("hitherto")
    try:
        session = builder.config(map=settings).getOrCreate()
    except PySparkException as error:
        raise UnsupportedError(f"Spark does not start; it needs Java 17 or later: {error}") from None
    session.sparkContext.setLogLevel("ERROR")
    return session


def _gigabytes() -> int:
    """Half of the machine's memory, and at least one gigabyte, for a Spark that runs in one process."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1
    return max(1, min(total // 2**31, 32))

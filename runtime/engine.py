"""Engines: the interface for any of them, and the base of those that run SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..dialects.compiler import SqlCompiler
from ..planner.dag.builder import FeatureBuilder
from ..planner.dag.node import ExecutionContext, NoSession, OnlineWriter, Session
from ..planner.dag.plan import ExecutionPlan
from ..planner.errors import (
    DefinitionError,
    EngineError,
    SourceError,
    SpineError,
    UnsupportedError,
    shown,
)
from ..planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
from ..planner.ir.data import CatalogTable, EngineQuery, TableData
from ..planner.ir.index import INDEX_OPERATORS
from ..planner.ir.logical import Relation
from ..planner.options import PlannerOptions
from ..planner.physical import FORM_NAMES
from ..planner.planning import PlannedRequest, Planner
from ..planner.statistics import NoStatistics, Rates, Statistics
from ..planner.target import Append, Target
from ..planner.types import Schema
from .analyze import observe
from .arrow import planner_schema
from .events import Events, Observer, Statement
from .located import shortened
from .materialization import MaterializationJob, materialized
from .metrics import Analysis, Metrics
from .rows.entity import EntityRows
from .session import SqlConnection, SqlSession, reads_again
from .statistics import DataStatistics, Groups, Question
from .target import SqlTarget

if TYPE_CHECKING:
    import pyarrow as pa


class ComputeEngine(ABC):
    """Answers tasks. An engine from outside the package subclasses this; nothing here is about SQL.

    ``get_historical_features`` is all that it has to write. ``materialize`` and ``explain`` come with it, for a builder
    whose nodes execute themselves.
    """

    builder: ClassVar[type[FeatureBuilder]] = FeatureBuilder
    has_frames: ClassVar[bool] = False
    """Whether an answer can stay in the engine, as a frame of its own that nobody has collected."""

    @property
    def description(self) -> str:
        """The engine and its version."""
        return type(self).__name__

    @property
    def target(self) -> Target:
        """What the engine offers to the planner."""
        return Target()

    @property
    def sql(self) -> SqlTarget | None:
        """What the engine offers, and who writes its SQL; None for an engine that runs none."""
        return None

    @property
    def planner(self) -> Planner:
        """The planner for this engine."""
        return Planner(self.target, self.builder)

    def plan(self, task: HistoricalRetrievalTask | MaterializationTask) -> ExecutionPlan:
        """The DAG that answers a task."""
        return self.builder.plan(task)

    def columns(self, data: TableData) -> Schema:
        """The columns of a table that only the engine can read. Raises a SourceError where there is none."""
        raise UnsupportedError(f"{type(self).__name__} has no tables of its own; give a FileSource or an ArrowSource")

    def opened(self, data: TableData) -> tuple[TableData, Schema]:
        """A table or query that only the engine can read, with what its names mean, and its columns: ``Catalog``'s."""
        return data, self.columns(data)

    def query(self, text: str) -> str:
        """A query in the engine's own SQL. Raises a DefinitionError where the text is anything else."""
        raise UnsupportedError(f"{type(self).__name__} runs no SQL of yours; give a FileSource or an ArrowSource")

    def entity_query(self, text: str) -> pa.Table:
        """The rows of a query in the engine's own SQL, run now. Raises a SpineError where that fails."""
        raise UnsupportedError(f"{type(self).__name__} runs no SQL of yours; give entity rows as a table")

    def entity_rows(
        self, entity_df: object, entity_timestamp: str | None, keys: Collection[str] = ()
    ) -> EntityRows | None:
        """Entity rows that are an object of the engine's own, to be left there; None for everything else.

        ``keys`` are the columns that views need.
        """
        return None

    def statistics(self) -> Statistics:
        """What is known of data, for the choices of one task."""
        return NoStatistics()

    @abstractmethod
    def get_historical_features(self, task: HistoricalRetrievalTask) -> pa.Table:
        """The features of every spine row, in the spine's order and without its columns: the eager form."""

    @contextmanager
    def stream(
        self,
        task: HistoricalRetrievalTask,
        planned: PlannedRequest | None = None,
        observer: Observer | None = None,
    ) -> Generator[pa.RecordBatchReader]:
        """The features in batches, while the context is open; what was planned before is not planned again."""
        yield self.get_historical_features(task).to_reader()

    @contextmanager
    def frame(self, task: HistoricalRetrievalTask, own: TableData, planned: PlannedRequest) -> Generator[Any]:
        """A lazy frame of the rows' own columns and the features, which can be used while the context is open."""
        raise UnsupportedError(f"to_spark needs a SparkComputeEngine; this job runs on {self!r}")
        yield

    def write_parquet(self, frame: Any, folder: Path) -> None:
        """Write a frame to a folder that appears whole or not at all."""
        raise UnsupportedError(f"{type(self).__name__} writes no frames")

    def analyze(self, task: HistoricalRetrievalTask, planned: PlannedRequest, observer: Observer) -> Analysis:
        """Run what was planned, and return what was observed."""
        raise UnsupportedError(f"explain(analyze=True) needs an engine that runs SQL; {type(self).__name__} does not")

    @contextmanager
    def session(
        self, options: PlannerOptions, *observers: Observer | None, is_lazy: bool = False
    ) -> Generator[Session]:
        """What relational nodes act through, for one execution; an engine without any runs nodes of its own."""
        yield NoSession()

    @contextmanager
    def executing(
        self,
        options: PlannerOptions,
        *observers: Observer | None,
        online_store: OnlineWriter | None = None,
        is_lazy: bool = False,
    ) -> Generator[ExecutionContext]:
        """A context to execute plans in; everything temporary is gone when it ends, also by an error."""
        with ExitStack() as behind_the_session, self.session(options, *observers, is_lazy=is_lazy) as session:
            context = ExecutionContext(session, online_store)
            behind_the_session.callback(context.close)
            yield context

    def materialize(
        self, task: MaterializationTask, online_store: OnlineWriter, observer: Observer | None = None
    ) -> MaterializationJob:
        """Fill the store, each view in a transaction of its own. All views are one plan, and share what they can.

        A view that fails leaves the others filled: what failed for several at once is done again for each of them
        alone.
        """
        return materialized(
            task, self.planner, lambda: self.executing(task.options, observer, online_store=online_store)
        )


class SqlComputeEngine(ComputeEngine):
    """An engine that runs relations as SQL. Subclasses say how to connect and which dialect they speak."""

    compiler: ClassVar[SqlCompiler]
    forms: ClassVar[frozenset[str]] = frozenset(FORM_NAMES)
    """The physical forms among which the engine chooses."""
    lacks: ClassVar[frozenset[type[Relation]]] = INDEX_OPERATORS
    """The operators that its SQL can't say; a form that expands to one of them can't be forced."""
    append: ClassVar[Append] = Append(groups=40, columns=300)
    """The most view groups and columns that SQL joins. The answers of more are appended when they are collected."""
    widest_join: ClassVar[int | None] = None
    """How many view groups the engine joins in one query, where it can't join any number."""
    rates: ClassVar[Rates | None] = None
    """How fast the engine is, as ``python -m benchmarks rates`` measures it; None to take the first form that fits."""
    sorts_results: ClassVar[bool] = True
    """Whether SQL brings a result into the order of the rows; otherwise it is done here, after it is collected."""

    @property
    def memory(self) -> int | None:
        """How many bytes a request may hold; None where the engine sees to that itself."""
        return None

    @abstractmethod
    def connect(self) -> SqlConnection:
        """A connection for one execution."""

    @property
    def sql(self) -> SqlTarget:
        """What the engine offers, and the compiler of its dialect."""
        return self.target

    @property
    def target(self) -> SqlTarget:
        """The engine's forms and limits, and who writes its SQL."""
        return SqlTarget(
            forms=self.forms,
            lacks=self.lacks,
            append=self.append,
            widest_join=self.widest_join,
            rates=self.rates,
            memory=self.memory,
            compiler=self.compiler,
            sorts_results=self.sorts_results,
        )

    @contextmanager
    def session(
        self, options: PlannerOptions, *observers: Observer | None, is_lazy: bool = False
    ) -> Generator[SqlSession]:
        """A connection for one execution; everything temporary is gone when it ends, also by an error.

        With ``is_lazy`` a temporary table is filled when it is first read, where the engine can do that.
        """
        session = SqlSession(self.target, self.connect(), options, Events(*observers), is_lazy=is_lazy)
        try:
            yield session
        finally:
            session.end()

    def get_historical_features(self, task: HistoricalRetrievalTask) -> pa.Table:
        with self.stream(task) as reader:
            return reader.read_all()

    @contextmanager
    def stream(
        self,
        task: HistoricalRetrievalTask,
        planned: PlannedRequest | None = None,
        observer: Observer | None = None,
    ) -> Generator[pa.RecordBatchReader]:
        planned = planned or self.planner.plan(task)
        with self.executing(task.options, observer) as context:
            if isinstance(context.session, SqlSession) and reads_again(planned.pieces):
                context.session.connection.freeze()
            (value,) = planned.pieces.execute(context)
            yield value.to_reader(order_by=task.names.row)

    def analyze(self, task: HistoricalRetrievalTask, planned: PlannedRequest, observer: Observer) -> Analysis:
        metrics = Metrics()
        with self.session(task.options, observer, metrics) as session:
            if reads_again(planned.pieces):
                session.connection.freeze()
            return observe(session, task, planned, metrics)

    def statistics(self, known: Mapping[Question, Groups] | None = None) -> Statistics:
        return DataStatistics(self.collect, known)

    def columns(self, data: TableData) -> Schema:
        return planner_schema(self.arrow_columns(data))

    def opened(self, data: TableData) -> tuple[TableData, Schema]:
        with self._reading(data) as connection:
            if isinstance(data, CatalogTable | EngineQuery):
                data = replace(data, meaning=connection.locate(data))
            return data, planner_schema(connection.describe(data))

    def query(self, text: str) -> str:
        return self.compiler.query(text, "QuerySource")

    def entity_query(self, text: str) -> pa.Table:
        try:
            query = self.compiler.query(text, "entity rows")
        except DefinitionError as error:
            raise SpineError(str(error)) from None
        try:
            connection = self.connect()
            try:
                connection.locate(EngineQuery(query))
                with Events().running(Statement("entity rows", (), query)):
                    return connection.read(query).read_all()
            finally:
                connection.close()
        except EngineError as error:
            said = shortened(error) + self.hint(error)
            raise SpineError(f"entity rows: {self.description} cannot run the query: {said}") from None

    def hint(self, error: EngineError) -> str:
        """Advice for the user, added to an error of the engine when it can't read something."""
        del error
        return ""

    def arrow_columns(self, data: TableData) -> pa.Schema:
        """The columns of a table that only the engine can read, as it gives them. Raises a SourceError."""
        with self._reading(data) as connection:
            return connection.describe(data)

    @contextmanager
    def _reading(self, data: TableData) -> Generator[SqlConnection]:
        """A connection to ask for a table; what the engine says against it is a SourceError."""
        try:
            connection = self.connect()
            try:
                yield connection
            finally:
                connection.close()
        except EngineError as error:
            name = ".".join(data.parts) if isinstance(data, CatalogTable) else "data"
            name = "query" if isinstance(data, EngineQuery) else name
            said = shortened(error) + self.hint(error)
            raise SourceError(f"source {shown(name)}: {self.description} cannot read it: {said}") from None

    def collect(self, relation: Relation) -> pa.Table:
        """Run one relation and take its rows."""
        with self.session(PlannerOptions()) as session:
            return session.view(relation, "rows").to_reader().read_all()

"""Engines: the interface for any of them, and the base of those that run SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from ..dialects.compiler import SqlCompiler
from ..planner.append import Append
from ..planner.compiler import CompiledPlan, compile_plan
from ..planner.dag import ExecutionContext, ExecutionObserver, ExecutionPlan, OnlineWriter
from ..planner.durations import format_instant
from ..planner.errors import (
    DefinitionError,
    EngineError,
    HithertoError,
    SourceError,
    SpineError,
    UnsupportedError,
    shown,
)
from ..planner.features.builder import FeatureBuilder
from ..planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
from ..planner.ir.data import CatalogTable, EngineQuery, TableData
from ..planner.ir.logical import Relation
from ..planner.nodes import WrittenRows
from ..planner.options import PlannerOptions
from ..planner.physical import FORM_NAMES
from ..planner.statistics import Statistics
from ..planner.types import Schema
from .arrow import planner_schema
from .events import running
from .rows import EntityRows
from .session import SqlConnection, SqlSession, shortened

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ViewResult:
    """What became of one view in a materialization: ``status`` is "done" or "failed", ``rows`` the keys written."""

    status: Literal["done", "failed"]
    rows: int = 0
    error: HithertoError | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.status}, {type(self.error).__name__}: {str(self.error).splitlines()[0]}"
        return f"{self.status}, {self.rows:,} key{'s' * (self.rows != 1)}"


@dataclass(frozen=True, repr=False)
class MaterializationJob:
    """The outcome of a materialization, view by view; ``end`` is in microseconds since 1970, UTC."""

    end: int
    views: dict[str, ViewResult]

    def __repr__(self) -> str:
        results = (f"{name}: {result}" for name, result in self.views.items())
        return f"MaterializationJob(end={format_instant(self.end)}, {'; '.join(results) or 'no view'})"


class ComputeEngine(ABC):
    """Answers tasks. An engine from outside the package subclasses this; nothing here is about SQL."""

    builder: ClassVar[type[FeatureBuilder]] = FeatureBuilder

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

    @abstractmethod
    def get_historical_features(self, task: HistoricalRetrievalTask) -> pa.Table:
        """The features of every spine row, in the spine's order and without its columns: the eager form."""

    @abstractmethod
    def materialize(self, task: MaterializationTask, online_store: OnlineWriter) -> MaterializationJob:
        """Fill the store, each view in a transaction of its own."""

    @contextmanager
    def stream(self, task: HistoricalRetrievalTask) -> Generator[pa.RecordBatchReader]:
        """The features in batches, while the context is open."""
        yield self.get_historical_features(task).to_reader()


class SqlComputeEngine(ComputeEngine):
    """An engine that runs relations as SQL. Subclasses say how to connect and which dialect they speak."""

    compiler: ClassVar[SqlCompiler]
    forms: ClassVar[frozenset[str]] = frozenset(FORM_NAMES)
    """The physical forms that the engine runs."""
    append: ClassVar[Append] = Append(groups=40, columns=300)
    """From where on the answers of view groups are appended when they are collected, and no longer joined in SQL."""
    widest_join: ClassVar[int | None] = None
    """How many view groups the engine joins in one query, where it can't join any number."""
    sorts_results: ClassVar[bool] = True
    """Whether SQL brings a result into the order of the rows; otherwise it is done here, after it is collected."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The engine and its version."""

    @abstractmethod
    def connect(self) -> SqlConnection:
        """A connection for one execution."""

    @contextmanager
    def session(
        self,
        options: PlannerOptions,
        statistics: Statistics,
        *,
        online_store: OnlineWriter | None = None,
        observer: ExecutionObserver | None = None,
        is_lazy: bool = False,
    ) -> Generator[ExecutionContext]:
        """A context to execute plans in; everything temporary is gone when it ends, also by an error.

        With ``is_lazy`` a temporary table is filled when it is first read, where the engine can do that.
        """
        connection = self.connect()
        session = SqlSession(self, connection, options, statistics, is_lazy=is_lazy)
        context = ExecutionContext(session, online_store=online_store, observer=observer or ExecutionObserver())
        try:
            yield context
        finally:
            session.end()
            context.close()

    def get_historical_features(self, task: HistoricalRetrievalTask) -> pa.Table:
        with self.stream(task) as reader:
            return reader.read_all()

    @contextmanager
    def stream(
        self,
        task: HistoricalRetrievalTask,
        plan: ExecutionPlan | None = None,
        observer: ExecutionObserver | None = None,
    ) -> Generator[pa.RecordBatchReader]:
        """The features in batches; a plan that was optimized before is not optimized again."""
        with self.session(task.options, task.statistics, observer=observer) as context:
            chosen = plan or self.plan(task).optimized(context)
            (value,) = chosen.execute(context)
            yield value.to_reader(order_by=task.names.row)

    def materialize(
        self, task: MaterializationTask, online_store: OnlineWriter, observer: ExecutionObserver | None = None
    ) -> MaterializationJob:
        results: dict[str, ViewResult] = {}
        for view in task.views:
            try:
                (output,) = self.plan(replace(task, views=(view,))).outputs
                options, statistics = task.options, task.statistics
                with self.session(options, statistics, online_store=online_store, observer=observer) as context:
                    (value,) = ExecutionPlan(output).optimized(context).execute(context)
            except HithertoError as error:
                results[view.name] = ViewResult("failed", error=error)
            except Exception as error:  # Of whatever class: nodes and engines may come from outside.
                failure = EngineError(f"feature view {view.name!r}: {type(error).__name__}: {error}", view=view.name)
                failure.__cause__ = error
                results[view.name] = ViewResult("failed", error=failure)
            else:
                rows = value.count if isinstance(value, WrittenRows) else 0
                results[view.name] = ViewResult("done", rows)
        return MaterializationJob(task.end, results)

    def compile(self, plan: ExecutionPlan, options: PlannerOptions, statistics: Statistics) -> CompiledPlan:
        """The optimized plan and the way to it; nothing is run."""
        return compile_plan(
            plan,
            options,
            statistics,
            forms=self.forms,
            widest_join=self.widest_join,
            append=self.append,
        )

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
                with running("entity rows", None, query, ExecutionObserver()):
                    return connection.read(query).read_all()
            finally:
                connection.close()
        except EngineError as error:
            said = shortened(error) + self.hint(error)
            raise SpineError(f"entity rows: {self.description} cannot run the query: {said}") from None

    def hint(self, error: EngineError) -> str:
        """What else there is to say where the engine can't read something."""
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
        with self.session(PlannerOptions(), Statistics()) as context:
            value = context.engine.view(relation, "rows", context)
            return value.to_reader().read_all()

"""Engines: the interface for any of them, and the base of those that run SQL."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..dialects.compiler import SqlCompiler
from ..planner.compiler import CompiledPlan, compile_plan, lower_alone, lower_plan
from ..planner.dag import DAGValue, EngineValue, ExecutionContext, ExecutionObserver, ExecutionPlan, OnlineWriter
from ..planner.errors import EngineError, HithertoError
from ..planner.features.builder import FeatureBuilder
from ..planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
from ..planner.ir.logical import ArrowData, EngineTable, NumberRows, ParquetFiles, Relation, Scan, Table, topological
from ..planner.ir.physical import Materialize
from ..planner.nodes import WrittenRows
from ..planner.options import PlannerOptions
from ..planner.statistics import Statistics
from ..planner.types import Schema, free_name
from .arrow import planned_reader
from .explain import Explanation, script

if TYPE_CHECKING:
    import pyarrow as pa

RESERVED_NAMES = frozenset({"spine"})


@dataclass(frozen=True)
class ViewResult:
    """What became of one view in a materialization: ``status`` is "done" or "failed", ``rows`` the keys written."""

    status: str
    rows: int = 0
    error: HithertoError | None = None


@dataclass(frozen=True)
class MaterializationJob:
    """The outcome of a materialization, view by view."""

    end: int
    views: dict[str, ViewResult]


class ComputeEngine(ABC):
    """Answers tasks. An engine from outside the package subclasses this; nothing here is about SQL."""

    builder: ClassVar[type[FeatureBuilder]] = FeatureBuilder

    def plan(self, task: HistoricalRetrievalTask | MaterializationTask) -> ExecutionPlan:
        """The DAG that answers a task."""
        return self.builder.plan(task)

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


class SqlConnection(ABC):
    """What a session needs of a connection: errors come out as EngineError, an interrupt as KeyboardInterrupt."""

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement that returns nothing."""

    @abstractmethod
    def read(self, sql: str) -> pa.RecordBatchReader:
        """Run a query; the batches come as they are read."""

    @abstractmethod
    def register(self, name: str, data: object) -> None:
        """Make Arrow data, or ``ParquetFiles`` where the dialect reads them by name, readable under a name."""

    @abstractmethod
    def close(self) -> None:
        """Drop everything that was made, and leave the user's own state as it was."""


class SqlComputeEngine(ComputeEngine):
    """An engine that runs relations as SQL. Subclasses say how to connect and which dialect they speak."""

    compiler: ClassVar[SqlCompiler]

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
    ) -> Generator[ExecutionContext]:
        """A context to execute plans in; everything temporary is gone when it ends, also by an error."""
        connection = self.connect()
        session = SqlSession(self, connection, options, statistics)
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

    def materialize(self, task: MaterializationTask, online_store: OnlineWriter) -> MaterializationJob:
        results: dict[str, ViewResult] = {}
        for view, output in zip(task.views, self.plan(task).outputs, strict=True):
            with self.session(task.options, task.statistics, online_store=online_store) as context:
                try:
                    (value,) = ExecutionPlan(output).optimized(context).execute(context)
                except HithertoError as error:
                    results[view.name] = ViewResult("failed", error=error)
                else:
                    rows = value.count if isinstance(value, WrittenRows) else 0
                    results[view.name] = ViewResult("done", rows)
        return MaterializationJob(task.end, results)

    def compile(self, plan: ExecutionPlan, options: PlannerOptions, statistics: Statistics) -> CompiledPlan:
        """The optimized plan and the way to it; nothing is run."""
        return compile_plan(plan, options, statistics, RESERVED_NAMES, self.compiler.forms)


class SqlSession:
    """One execution on a connection: what the nodes of a plan act through."""

    def __init__(
        self, engine: SqlComputeEngine, connection: SqlConnection, options: PlannerOptions, statistics: Statistics
    ) -> None:
        self._engine = engine
        self._compiler = engine.compiler
        self.connection = connection
        self._options = options
        self._statistics = statistics
        self._tables: set[str] = set()
        self._registered: dict[str, object] = {}
        self._reserved = set(RESERVED_NAMES)
        self._ended = False

    def optimize(self, plan: ExecutionPlan, context: ExecutionContext) -> ExecutionPlan:
        """Optimized queries, or with ``unfused`` the plan as it is, which runs every node alone."""
        self.reserve(plan)
        if self._options.unfused:
            return plan
        return self._engine.compile(plan, self._options, self._statistics).plan

    def reserve(self, plan: ExecutionPlan) -> None:
        """Keep the names of a plan's tables from being given to results of single nodes."""
        scans = (scan for relation in lower_plan(plan).values() for scan in topological(relation))
        self._reserved |= {scan.table.name.lower() for scan in scans if isinstance(scan, Scan)}

    def end(self) -> None:
        """Close the connection, with which every temporary table goes; also under a result that is read half-way."""
        self._ended = True
        self.connection.close()

    def explain(self, plan: ExecutionPlan, context: ExecutionContext) -> Explanation:
        """The plan, every rule that changed it, and the SQL."""
        compiled = self._engine.compile(plan, self._options, self._statistics)
        return Explanation(plan, compiled, self._compiler, f"Query   {self._engine.description}")

    def to_sql(self, plan: ExecutionPlan, context: ExecutionContext) -> str:
        """The plan as a script."""
        return script(self._engine.compile(plan, self._options, self._statistics).plan, self._compiler)

    def create_table(self, relation: Relation, name: str, context: ExecutionContext) -> EngineValue:
        """Run a physical relation into a temporary table of that name."""
        self._tables.add(name.lower())
        query = self._compiler.compile(relation)
        statement = self._compiler.to_text(self._compiler.create_table(name, query))
        self.register_data(relation)
        started = time.perf_counter()
        with located(name, relation, statement):
            self.connection.execute(statement)
        context.observer.statement(name, statement, time.perf_counter() - started)
        context.observer.table(name, relation)
        table = Table(f"{name} {relation.fingerprint}", relation.schema, EngineTable(name), name=name)
        return SqlValue(self, Scan(table, relation.schema.names), table=name)

    def run_alone(self, relation: Relation, name: str, context: ExecutionContext) -> EngineValue:
        """Run a logical relation with physical forms and no other rule, into a table with a name of its own."""
        physical = lower_alone(relation, self._options, self._compiler.forms)
        if isinstance(physical, Materialize):
            physical = physical.input
        taken = self._tables | self._reserved | {known.lower() for known in self._registered}
        return self.create_table(physical, free_name(name, taken), context)

    def view(self, relation: Relation, name: str, context: ExecutionContext) -> EngineValue:
        """The relation itself; it is run when its value is read."""
        self.register_data(relation)
        return SqlValue(self, relation)

    def ingest(self, value: DAGValue, name: str, context: ExecutionContext) -> EngineValue:
        """Register the value's rows under the name."""
        data = value.to_reader().read_all()
        self._register(name, data)
        table = Table(f"{name} {id(data)}", value.schema, EngineTable(name), name=name)
        return SqlValue(self, Scan(table, value.schema.names))

    def register_data(self, relation: Relation) -> None:
        """Make the tables that a relation scans readable."""
        for scan in topological(relation):
            if not isinstance(scan, Scan):
                continue
            data = scan.table.data
            if isinstance(data, ArrowData):
                self._register(scan.table.name, data.value)
            elif isinstance(data, ParquetFiles):
                self._register(scan.table.name, data)

    def _register(self, name: str, data: object) -> None:
        if self._registered.get(name) is not data:
            with located(name, None, ""):
                self.connection.register(name, data)
            self._registered[name] = data

    def read(self, relation: Relation, order_by: str | None = None) -> pa.RecordBatchReader:
        """Run a relation and give its batches."""
        statement = self._compiler.to_text(self._compiler.compile(relation, order_by))
        with located("the result", relation, statement):
            return self.connection.read(statement)

    def count_rows(self, relation: Relation) -> dict[str, int]:
        """The rows of every CTE of a relation's statement, and of the statement itself, by name."""
        with located("row counts", relation, ""):
            reader = self.connection.read(self._compiler.to_text(self._compiler.count_query(relation)))
            return {name: int(count) for row in reader.read_all().to_pylist() for name, count in row.items()}

    def drop(self, table: str) -> None:
        """Drop a temporary table, unless all of them are gone. Its name is not given again."""
        if self._ended:
            return
        self.connection.execute(self._compiler.to_text(self._compiler.drop_table(table)))


class SqlValue(EngineValue):
    """Rows in the engine: a temporary table, dropped when the value is closed, or a query that runs when read."""

    def __init__(self, session: SqlSession, relation: Relation, table: str | None = None) -> None:
        self.relation = relation
        self._session = session
        self._table = table

    @property
    def schema(self) -> Schema:
        return self.relation.schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        reader = self._session.read(self.relation, order_by)
        schema = Schema(field for field in self.schema if field.name != order_by)
        return planned_reader(reader, schema)

    def close(self) -> None:
        if self._table is not None:
            table, self._table = self._table, None
            self._session.drop(table)


@contextmanager
def located(name: str, relation: Relation | None, sql: str) -> Generator[None]:
    """An engine's error, with the view and the node that it came from and the statement."""
    try:
        yield
    except EngineError as error:
        relations = topological(relation) if relation is not None else []
        labelled = next((each for each in reversed(relations) if getattr(each, "label", "")), None)
        is_spine = isinstance(labelled, NumberRows)
        label: str = "" if is_spine else getattr(labelled, "label", "")
        where = f"feature view {label.replace('+', ', ')!r}" if label else f"statement {name!r}"
        where = "entity rows" if is_spine else where
        node = type(labelled or relation).__name__ if relation is not None else "Scan"
        raise EngineError(
            f"{where}, {node}: {error}{_overflow_hint(relations, str(error))}",
            view=label or None,
            node=node,
            condition=error.condition,
            sql=sql or error.sql,
            transient=error.transient,
        ) from None


def _overflow_hint(relations: list[Relation], message: str) -> str:
    """Which aggregates can have overflowed, where the engine says only that something did."""
    if "out of range" not in message.lower():
        return ""
    sums = [
        aggregate.name
        for each in relations
        for aggregate in getattr(each, "aggregates", ())
        if aggregate.function == "sum" and aggregate.type.kind in ("int64", "decimal")
    ]
    return f"\n  the sum does not fit its type; among the aggregates {', '.join(sums)}" if sums else ""

"""One execution on a connection: what the nodes of a plan act through, and what a connection has to do for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..planner.dag.index import ProbeNode
from ..planner.dag.node import DAGNode, DAGValue, EngineValue
from ..planner.dag.plan import ExecutionPlan
from ..planner.dag.query import QueryNode, RelationalNode
from ..planner.errors import EngineError, SourceError
from ..planner.expr.nodes import columns_of
from ..planner.ir.data import ArrowData, CatalogTable, EngineQuery, EngineTable, Meaning, TableData
from ..planner.ir.index import ProbeLatest, ProbeWindows, Sorting
from ..planner.ir.logical import Relation, Scan, Table, meant_names, topological
from ..planner.ir.operators import Materialize
from ..planner.options import PlannerOptions
from ..planner.physical.loading import Load, Numbers
from ..planner.planning import lower_alone
from ..planner.types import Schema, folded, unused_name
from .append import AppendedColumns
from .arrow import narrowed, planned_reader
from .events import Events, Planned, Statement
from .loading import LoadedRows, loaded, numbered
from .located import MAY_OVERFLOW, OVERFLOW, located
from .sources.parquet import LocalFiles
from .steps import Steps, timed
from .target import SqlTarget

if TYPE_CHECKING:
    import pyarrow as pa

    from .index.reach import Reach


class SqlConnection(ABC):
    """What a session needs of a connection: errors come out as EngineError, an interrupt as KeyboardInterrupt.

    A result that is read half-way is given up by the next statement.
    """

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement that returns nothing."""

    def create_table(self, name: str, sql: str) -> None:
        """Run a statement that makes a temporary table of the name."""
        del name
        self.execute(sql)

    @abstractmethod
    def read(self, sql: str) -> pa.RecordBatchReader:
        """Run a query; the batches come as they are read."""

    @abstractmethod
    def register(self, name: str, data: TableData) -> None:
        """Make data readable under a name, unless the dialect's scan reads it where it is."""

    @abstractmethod
    def locate(self, data: CatalogTable | EngineQuery) -> Meaning:
        """What the names of a table or query mean to the user now; they mean the same on this connection from now on.

        Raises an EngineError where they would not.
        """

    def follow(self, data: CatalogTable | EngineQuery) -> frozenset[str]:
        """Look names up where ``locate`` found them; all that the data reads by now, as ``folded`` gives them.

        Raises an EngineError where they can't be found there any more.
        """
        del data
        return frozenset()

    def freeze(self) -> None:
        """Let every statement from now on read tables as the first one reads them, whatever others write.

        An engine that can't do that reads them as they are.
        """
        return

    @abstractmethod
    def describe(self, data: TableData) -> pa.Schema:
        """The columns of a table that only the engine can read; an EngineError where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Drop everything that was made, and leave the user's own state as it was."""


class SqlSession:
    """One execution on a connection: what the nodes of a plan act through.

    With ``is_lazy`` a temporary table is filled when it is first read, where the engine can do that.
    """

    def __init__(
        self, target: SqlTarget, connection: SqlConnection, options: PlannerOptions, events: Events, *, is_lazy: bool
    ) -> None:
        self._target = target
        self._compiler = target.compiler
        self.connection = connection
        self._options = options
        self._events = events
        self._is_lazy = is_lazy
        self._steps = Steps()
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._tables: set[str] = set()
        self._registered: dict[str, tuple[TableData, frozenset[str]]] = {}
        self._reserved: set[str] = set()
        self._meant: set[str] = set()
        self._ended = False

    def begin(self, nodes: Sequence[DAGNode], names: Collection[str]) -> None:
        """Tell how many statements and probes there will be; the names of what nodes read are given to nothing else."""
        self._events.emit(Planned(sum(isinstance(node, QueryNode | RelationalNode | ProbeNode) for node in nodes)))
        self.reserve(nodes)
        self._reserved |= {folded(name) for name in names}

    def reserve(self, nodes: Sequence[DAGNode]) -> None:
        """Keep the names of the tables that nodes read from being given to results of single nodes."""
        tables = [table for node in nodes if isinstance(node, RelationalNode) for table in node.tables]
        self._reserved |= {folded(table.name) for table in tables} | meant_names(tables)

    def end(self) -> None:
        """Close the connection, which drops all temporary tables, also while a result is read only half-way."""
        self._ended = True
        self._steps.end()
        self.connection.close()

    def create_table(self, relation: Relation, name: str) -> EngineValue:
        """Run a physical relation into a temporary table of that name."""
        self._take(name)
        statement = self._compiler.to_text(self._compiler.create_table(name, relation, is_lazy=self._is_lazy))
        self.register_data(relation)
        with self._events.running(Statement.of(name, relation, statement)), located(name, relation, statement):
            self.connection.create_table(name, statement)
        table = Table(f"{name} {relation.fingerprint}", relation.schema, EngineTable(name), name=name)
        return SqlValue(self, Scan(table, relation.schema.names), table=name)

    def run_alone(self, relation: Relation, name: str) -> EngineValue:
        """Run a logical relation with physical forms and no other rule, into a table with a name of its own."""
        physical = lower_alone(relation, self._options, self._target)
        if isinstance(physical, Materialize):
            physical = physical.input
        return self.create_table(physical, unused_name(name, self._tables | self._reserved | self._meant))

    def view(self, relation: Relation, name: str, views: str = "") -> EngineValue:
        """The relation itself; it is run when its value is read."""
        self.register_data(relation)
        return SqlValue(self, relation, result=name, views=views)

    def append(
        self, values: Sequence[DAGValue], row: str, schema: Schema, sources: Sequence[tuple[int, str]]
    ) -> DAGValue:
        """Columns of several values side by side, in Arrow."""
        return AppendedColumns(values, row, schema, sources)

    def hold(self, value: DAGValue) -> DAGValue:
        """The rows of a value in memory, read now."""
        return _held(value.to_reader().read_all(), value.schema)

    def number(self, numbers: Numbers, schema: Schema) -> DAGValue:
        """A number for each combination of keys of data in memory, found now."""
        return _held(numbered(numbers, schema), schema)

    def load(self, load: Load, schema: Schema, views: str, numbers: DAGValue | None) -> DAGValue:
        """Rows that are read without a statement when they are sorted; ``views`` are those that they are for."""
        known = None if numbers is None else numbers.to_reader().read_all()
        self._note(load.table.data)

        def read(reach: Reach | None) -> pa.Table:
            with located(load.table.name, None, "", views):
                return loaded(load, known, reach)

        return LoadedRows(schema, read)

    def sort(self, value: DAGValue, sorting: Sorting, *near: DAGValue) -> DAGValue:
        """The rows of a value in memory, by key and time.

        They are read now, and sorted beside what is run next; those of a part are read when they are probed.
        """
        from .index.events import SortedRows, SortedTable
        from .index.reach import Reach, reached

        spines = [each.get for each in near if isinstance(each, SortedRows)]

        def within() -> Reach | None:
            return Reach.of(spines[0]().sorted, *sorting.reach) if spines and sorting.reach is not None else None

        def sort(table: pa.Table) -> SortedTable:
            return SortedTable.of(table, sorting.key, sorting.time, is_alone=sorting.is_alone)

        def read() -> pa.Table:
            return reached(value.to_reader(), sorting.key, sorting.time, within())

        get: Callable[[], SortedTable]
        if isinstance(value, LoadedRows) and not sorting.is_part:
            get = self._steps.begin(lambda: sort(value.read(within()))).result
        else:
            get = (lambda: sort(read())) if sorting.is_part else self._steps.begin(partial(sort, read())).result
        return SortedRows(value.schema, get)

    def probe(
        self, probe: ProbeLatest | ProbeWindows, name: str, comment: str, spine: DAGValue, events: Sequence[DAGValue]
    ) -> DAGValue:
        """What a probe gives for every row of the spine, found beside what is run next; among parts when it is read."""
        from .index.events import Answers, SortedRows, probed

        rows, *parts = (each.get for each in (spine, *events) if isinstance(each, SortedRows))
        find = partial(timed, partial(probed, probe, rows, parts))
        get = self._steps.begin(find).result if len(parts) == 1 else find
        statement = Statement(name, tuple(probe.label.split("+")), comment)
        return Answers(probe.schema, lambda: self._events.stepping(statement, partial(_found, probe, get)))

    def ingest(self, value: DAGValue, name: str) -> EngineValue:
        """Register the value's rows under the name."""
        data = ArrowData(value.to_reader().read_all())
        self._register(name, data, frozenset(value.schema.names))
        table = Table(f"{name} {id(data.value)}", value.schema, EngineTable(name), name=name)
        return SqlValue(self, Scan(table, value.schema.names))

    def register_data(self, relation: Relation) -> None:
        """Make the tables that a relation scans readable; of data in memory only the columns that it reads."""
        needed: dict[str, tuple[TableData, frozenset[str]]] = {}
        for scan in topological(relation):
            if isinstance(scan, Scan) and not isinstance(scan.table.data, EngineTable):
                name, read = scan.table.name, frozenset(scan.columns)
                read |= frozenset(() if scan.predicate is None else columns_of(scan.predicate))
                needed[name] = (scan.table.data, needed[name][1] | read if name in needed else read)
        for name, (data, columns) in needed.items():
            self._register(name, data, columns)

    def _register(self, name: str, data: TableData, columns: frozenset[str]) -> None:
        known, before = self._registered.get(name, (None, frozenset[str]()))
        if known == data and columns <= before:
            return
        whole = columns | before if known == data else columns
        with located(name, None, ""):
            if isinstance(data, CatalogTable | EngineQuery):
                self._meant |= self.connection.follow(data)
            if isinstance(data, CatalogTable):
                self._refuse_hidden_tables()
            else:
                self._take(name)
            self._note(data)
            needed = replace(data, value=narrowed(data.value, whole)) if isinstance(data, ArrowData) else data
            self.connection.register(name, needed)
        self._registered[name] = (data, whole)

    def _note(self, data: TableData) -> None:
        """Raise a SourceError where a file is to be read again that was written in the meantime: rows would not fit."""
        for path, stamp in data.parts.stamps.items() if isinstance(data, LocalFiles) else ():
            if self._stamps.setdefault(path, stamp) != stamp:
                raise SourceError(f"source: {path} was written while the job read it; run the job again")

    def _take(self, name: str) -> None:
        """Give a name to something of ours."""
        self._tables.add(folded(name))
        self._refuse_hidden_tables()

    def _refuse_hidden_tables(self) -> None:
        """Raise an EngineError where the user's SQL has come to read a name that was given to something of ours."""
        for name in sorted(self._tables & self._meant):
            raise EngineError(
                f"a table or query of yours reads a table {name!r} since the job was made, and the job has given that "
                "name to a table of its own; make the job again"
            )

    def statement(self, relation: Relation) -> str:
        """The query of a relation whose data is registered."""
        return self._compiler.to_text(self._compiler.compile(relation))

    def read(
        self, relation: Relation, order_by: str | None = None, result: str = "", views: str = ""
    ) -> pa.RecordBatchReader:
        """Run a relation and give its batches; with ``order_by``, in that column's order and without the column.

        With a name for the ``result``, events tell of it: it has finished when its last batch was read. ``views`` are
        those that it is for, where no form in it says so.
        """
        sorts = self._target.sorts_results
        statement = self._compiler.to_text(self._compiler.compile(relation, order_by if sorts else None))

        def run() -> pa.RecordBatchReader:
            with located("the result", relation, statement, views):
                reader = self.connection.read(statement)
                if order_by is None or sorts:
                    return reader
                return reader.read_all().sort_by(order_by).drop_columns(order_by).to_reader()

        return self._events.reading(Statement.of(result, relation, statement, views), run) if result else run()

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

    def __init__(
        self, session: SqlSession, relation: Relation, table: str | None = None, result: str = "", views: str = ""
    ) -> None:
        self.relation = relation
        self._session = session
        self._table = table
        self._result = result
        self._views = views

    @property
    def schema(self) -> Schema:
        return self.relation.schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        reader = self._session.read(self.relation, order_by, self._result, self._views)
        schema = Schema(field for field in self.schema if field.name != order_by)
        return planned_reader(reader, schema)

    def close(self) -> None:
        if self._table is not None:
            table, self._table = self._table, None
            self._session.drop(table)


def reads_again(plan: ExecutionPlan) -> bool:
    """Whether two statements read one table or query of the user, which others may write to between them."""
    read = Counter(
        token
        for node in plan.nodes
        if isinstance(node, QueryNode)
        for token in {
            each.table.token
            for each in topological(node.relation)
            if isinstance(each, Scan) and isinstance(each.table.data, CatalogTable | EngineQuery)
        }
    )
    return any(count > 1 for count in read.values())


def _held(table: pa.Table, schema: Schema) -> DAGValue:
    return LoadedRows(schema, lambda _: table)


def _found(probe: ProbeLatest | ProbeWindows, get: Callable[[], tuple[pa.Table, float]]) -> tuple[pa.Table, float]:
    """What a probe gave, and in which time."""
    try:
        return get()
    except OverflowError:
        measures = probe.measures if isinstance(probe, ProbeWindows) else ()
        names = [each.name for each in measures if each.function in MAY_OVERFLOW and each.type.kind != "float64"]
        view, node = probe.label.replace("+", ", "), type(probe).__name__
        raise EngineError(
            f"feature view {view!r}, {node}: {OVERFLOW}{', '.join(names)}", view=probe.label, node=node
        ) from None

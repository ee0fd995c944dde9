"""Entity rows: their columns, which of them is the query time, and how an engine gets at them."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ...planner.errors import SpineError
from ...planner.expr.functions import call
from ...planner.expr.nodes import Column, Expr, Literal, conjunction
from ...planner.expr.structs import is_present
from ...planner.features.resolver import OutputFeature, ResolvedView
from ...planner.features.tasks import HistoricalRetrievalTask, check_spine, unnamed_columns
from ...planner.ir.data import Bounds, EngineData, TableData
from ...planner.ir.logical import Aggregate, Measure, Project, Relation, Scan, Table, Union
from ...planner.statistics import Statistics
from ...planner.types import BOOL, INT64, Schema, names_that_differ_by_case
from ..arrow import planner_schema
from ..statistics import Groups, Question, grouped

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


_QUERY = re.compile(
    r"""(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:SELECT|WITH|FROM|VALUES)(?=\s|$|["'(*]|--|/\*)""",
    re.IGNORECASE | re.DOTALL,
)


class EntityRows(ABC):
    """The entity rows of one retrieval."""

    schema: Schema
    timestamp: str
    frame: pd.DataFrame | None = None

    @property
    @abstractmethod
    def arrow_schema(self) -> pa.Schema:
        """The rows' own columns, as they come back."""

    @property
    @abstractmethod
    def count(self) -> int | None:
        """How many rows there are, where that is known."""

    @abstractmethod
    def checked(self, views: tuple[ResolvedView, ...], outputs: tuple[OutputFeature, ...]) -> EntityRows:
        """The rows with usable keys. Raises a SpineError with every problem that can be seen now."""

    @abstractmethod
    def needed(self, views: tuple[ResolvedView, ...]) -> Table:
        """What a plan reads of them: keys and timestamp."""

    @abstractmethod
    def whole(self) -> Table:
        """All of their columns, as a script expects them."""

    @abstractmethod
    def described(self, task: HistoricalRetrievalTask) -> HistoricalRetrievalTask:
        """The task with what is known of the rows, for a plan that is shown and not run."""

    @abstractmethod
    def answering(self, task: HistoricalRetrievalTask) -> AbstractContextManager[HistoricalRetrievalTask]:
        """The task with rows that stay the same, in number and identity, while the context is open."""

    @abstractmethod
    def own_columns(self, task: HistoricalRetrievalTask) -> pa.Table:
        """The rows' own columns in the order of their numbers, within ``answering``."""

    @abstractmethod
    def own_data(self, task: HistoricalRetrievalTask) -> TableData:
        """The same as something that an engine reads, within ``answering``."""


class RowsEngine(Protocol):
    """What entity rows that live in an engine need of it."""

    def arrow_columns(self, data: TableData) -> pa.Schema:
        """The columns of something that only the engine can read."""
        ...

    def fixed(self, data: EngineData) -> AbstractContextManager[EngineData]:
        """The rows, each with a number that it keeps, however often they are read; evaluated once."""
        ...

    def rows_of(self, data: EngineData) -> pa.Table:
        """All columns of rows that were fixed, in the order of their numbers."""
        ...

    def collect(self, relation: Relation) -> pa.Table:
        """Run a relation that aggregates."""
        ...

    def statistics(self, known: Mapping[Question, Groups] | None = None) -> Statistics:
        """What is known of data, beside what was found out already."""
        ...


class EngineRows(EntityRows):
    """Rows that stay in the engine, such as a Spark DataFrame: they have no order, and are collected only as a result.

    Each run evaluates them once, and numbers and keeps them until it ends; bounds and checks are taken from those rows.
    """

    def __init__(
        self, engine: RowsEngine, data: EngineData, entity_timestamp: str | None, keys: Collection[str] = ()
    ) -> None:
        self._engine = engine
        self._data = data
        self._arrow = engine.arrow_columns(data)
        try:
            self.schema = planner_schema(self._arrow)
        except ValueError as error:
            raise SpineError(f"entity rows: {error}") from None
        check_names(self.schema)
        self.timestamp = time_column(self.schema, entity_timestamp, keys)

    @property
    def arrow_schema(self) -> pa.Schema:
        return self._arrow

    @property
    def count(self) -> int | None:
        return None

    def checked(self, views: tuple[ResolvedView, ...], outputs: tuple[OutputFeature, ...]) -> EngineRows:
        check_spine(self.schema, self.timestamp, views, outputs)
        return self

    def needed(self, views: tuple[ResolvedView, ...]) -> Table:
        return self.whole()

    def whole(self) -> Table:
        return self._table(self._data)

    def described(self, task: HistoricalRetrievalTask) -> HistoricalRetrievalTask:
        return task if task.options.statistics == "off" else self._reading(task, self._data)

    @contextmanager
    def answering(self, task: HistoricalRetrievalTask) -> Generator[HistoricalRetrievalTask]:
        with self._engine.fixed(self._data) as data:
            yield self._reading(task, data)

    def own_columns(self, task: HistoricalRetrievalTask) -> pa.Table:
        return self._engine.rows_of(_engine_data(task))

    def own_data(self, task: HistoricalRetrievalTask) -> TableData:
        return _engine_data(task)

    def _reading(self, task: HistoricalRetrievalTask, data: EngineData) -> HistoricalRetrievalTask:
        """The task with these rows, and what may be known of them."""
        table = self._table(data, task.spine.name)
        is_known = task.options.statistics != "off"
        chosen = (view for view in task.views if is_known and view.name not in task.options.forms)
        keys = {tuple(sorted({key.spine_column for key in view.keys})): None for view in chosen}
        bounds, groups = self._measured(table, tuple(keys) or ((),))
        if not is_known:
            return replace(task, spine=table)
        known = {grouped(table, columns): found for columns, found in groups.items()}
        return replace(task, spine=replace(table, bounds=bounds), statistics=self._engine.statistics(known))

    def _table(self, data: EngineData, name: str = "spine") -> Table:
        return Table(f"spine {id(data)}", self.schema, data, name=name)

    def _measured(
        self, table: Table, keys: Sequence[tuple[str, ...]]
    ) -> tuple[Bounds | None, dict[tuple[str, ...], Groups]]:
        """The rows' first and last time, and how they are grouped by each of some keys: one query for all.

        Raises a SpineError where a time is null.
        """
        measured = self._engine.collect(_measures(table, self.timestamp, keys)).to_pylist()
        facts = {keys[row["set"]]: row for row in measured}
        if not facts:
            return None, dict.fromkeys(keys, (0, 0))
        found = facts[keys[0]]
        nulls = found["rows"] - found["times"]
        if nulls:
            raise SpineError(
                f"entity rows: timestamp {self.timestamp!r} is null in {nulls} of {found['rows']} rows; "
                "drop or fill them"
            )
        groups = {columns: (row["groups"], row["most"] or 0) for columns, row in facts.items()}
        groups[()] = (1, found["rows"])
        return Bounds(self.timestamp, found["first"], found["last"]), groups


def _measures(table: Table, timestamp: str, keys: Sequence[tuple[str, ...]]) -> Relation:
    """For each of the keys, by its place: rows, their times, how many groups have no null, and the most rows of one."""
    scan, schema = Scan(table, table.schema.names), table.schema
    time = call("micros_down", Column(timestamp, schema[timestamp]))
    columns = tuple(dict.fromkeys(name for each in keys for name in each))
    names = {name: f"key_{number}" for number, name in enumerate(columns)}

    def rows_of(place: int) -> Relation:
        whole = conjunction(tuple(is_present(Column(name, schema[name])) for name in keys[place]))
        own: list[tuple[str, Expr]] = [
            (names[name], Column(name, schema[name]) if name in keys[place] else Literal(None, schema[name]))
            for name in columns
        ]
        return Project(scan, (("set", Literal(place, INT64)), ("t", time), ("whole", whole), *own))

    parts = tuple(map(rows_of, range(len(keys))))
    t, count = Column("t", INT64), Column("rows", INT64)
    each_group = Aggregate(
        parts[0] if len(parts) == 1 else Union(parts),
        ("set", "whole", *names.values()),
        (
            Measure("rows", "count", None, INT64),
            Measure("times", "count", t, INT64),
            Measure("first", "min", t, INT64),
            Measure("last", "max", t, INT64),
        ),
    )
    is_whole = Column("whole", BOOL)
    return Aggregate(
        each_group,
        ("set",),
        (
            Measure("rows", "sum", count, INT64),
            Measure("times", "sum", Column("times", INT64), INT64),
            Measure("first", "min", Column("first", INT64), INT64),
            Measure("last", "max", Column("last", INT64), INT64),
            Measure("groups", "count", None, INT64, where=is_whole),
            Measure("most", "max", count, INT64, where=is_whole),
        ),
    )


def _engine_data(task: HistoricalRetrievalTask) -> EngineData:
    assert isinstance(task.spine.data, EngineData)
    return task.spine.data


def is_query(text: str) -> bool:
    """Whether a text is a query and not a path.

    Its first word, behind comments and opening parentheses, is SELECT, WITH, FROM or VALUES; and there is no file of
    such a name.

    >>> is_query("/* of today */ (select * from t)"), is_query("from/rows.parquet")
    (True, False)
    """
    return _QUERY.match(text) is not None and not os.path.exists(text)


def check_names(schema: Schema) -> None:
    """Raise a SpineError for column names that engines take for one."""
    pairs = names_that_differ_by_case(schema.names)
    if pairs:
        names = ", ".join(f"{first!r} and {second!r}" for first, second in pairs)
        raise SpineError(f"entity rows: columns {names} differ only by case, which engines ignore")


def time_column(schema: Schema, given: str | None, keys: Collection[str] = (), *, is_empty: bool = False) -> str:
    """The column of the query time: the one given, "event_timestamp", the only timestamp or the only date but keys.

    Of no rows (``is_empty``) also the only column without a type, since it has the type that is needed.
    """
    if given is not None:
        return given
    if "event_timestamp" in schema:
        return "event_timestamp"
    times = [field.name for field in schema if field.type.kind == "timestamp"]
    others = [field for field in schema if field.name not in keys]
    for found in (
        times,
        [field.name for field in others if field.type.kind == "date"],
        [field.name for field in others if is_empty and (field.type.kind == "null" or field.type.is_float)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            times = found
            break
    kind = "timestamp" if not times or schema[times[0]].kind == "timestamp" else "date"
    what = f"several {kind} columns, {', '.join(times)}" if times else "no timestamp column"
    raise SpineError(
        f"entity rows: {what}; name one with entity_timestamp=\n  columns: {', '.join(schema.names)}"
        + unnamed_columns(schema)
    )

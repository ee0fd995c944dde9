"""What a run tells of itself, as data: the log, progress, metrics and tests are told alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from ..planner.ir.logical import Relation, topological
from ..planner.ir.operators import Carried

_LOG = logging.getLogger("hitherto.statements")


@dataclass(frozen=True)
class Statement:
    """One statement of a run: what it fills or gives, the views that are answered in it, its SQL and what it means."""

    name: str
    views: tuple[str, ...]
    sql: str
    relation: Relation | None = None

    @classmethod
    def of(cls, name: str, relation: Relation, sql: str, views: str = "") -> Statement:
        """The statement of a relation; views that are fused have one label in it, joined by '+'."""
        labels = [views, *(each.label for each in topological(relation) if isinstance(each, Carried))]
        found = tuple(dict.fromkeys(name for label in labels for name in label.split("+") if name))
        return cls(name, found, sql, relation)


class Event:
    """Something that a run tells of."""


@dataclass(frozen=True)
class Planned(Event):
    """The run has so many statements."""

    statements: int


@dataclass(frozen=True)
class Started(Event):
    """A statement begins to run."""

    statement: Statement


@dataclass(frozen=True)
class Finished(Event):
    """A statement was run: that of a result when its last row was read, that of a table while it can still be read.

    ``rows`` and ``bytes`` (of Arrow) are None where they are not known: of a table that stays in the engine.
    """

    statement: Statement
    seconds: float
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Failed(Event):
    """A statement failed, or was interrupted."""

    statement: Statement
    error: BaseException


Observer = Callable[[Event], None]


class Events:
    """Where the events of a run are emitted: to the log, and to whoever observes the run."""

    def __init__(self, *observers: Observer | None) -> None:
        self._observers = [_log, *(each for each in observers if each is not None)]

    def emit(self, event: Event) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer(event)

    @contextmanager
    def running(self, statement: Statement) -> Generator[None]:
        """Tell of a statement that is run within the context."""
        self.emit(Started(statement))
        started = time.perf_counter()
        with self._failing(statement):
            yield
        self.emit(Finished(statement, time.perf_counter() - started))

    def reading(self, statement: Statement, read: Callable[[], pa.RecordBatchReader]) -> pa.RecordBatchReader:
        """Tell of a statement whose rows are read as they are computed; time that the reader spends is not counted."""
        self.emit(Started(statement))
        started = time.perf_counter()
        with self._failing(statement):
            reader = read()
        seconds = time.perf_counter() - started

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal seconds
            rows = size = 0
            while True:
                started = time.perf_counter()
                with self._failing(statement):
                    batch = next(reader, None)
                seconds += time.perf_counter() - started
                if batch is None:
                    return self.emit(Finished(statement, seconds, rows, size))
                rows += batch.num_rows
                size += batch.nbytes
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def stepping(self, statement: Statement, step: Callable[[], tuple[pa.Table, float]]) -> pa.Table:
        """Tell of a step that is done beside the statements: it gives its rows, and the seconds that it took alone."""
        self.emit(Started(statement))
        with self._failing(statement):
            table, seconds = step()
        self.emit(Finished(statement, seconds, table.num_rows, table.nbytes))
        return table

    @contextmanager
    def _failing(self, statement: Statement) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self.emit(Failed(statement, error))
            raise


def _log(event: Event) -> None:
    """One line for each statement; one that fails is told by its error. No value of the data: the SQL may hold some."""
    if isinstance(event, Finished):
        statement = event.statement
        views = "" if statement.views in ((), (statement.name,)) else f" ({', '.join(statement.views)})"
        _LOG.info("%s%s: %.3f s", statement.name, views, event.seconds)
        _LOG.debug("%s", statement.sql)

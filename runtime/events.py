"""What an execution tells of its statements: to its observer, and in a line of the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pyarrow as pa

from ..planner.dag import ExecutionObserver, Statement
from ..planner.ir.logical import Relation, topological
from ..planner.ir.operators import Carried

_LOG = logging.getLogger("hitherto.statements")


@contextmanager
def running(name: str, relation: Relation | None, sql: str, observer: ExecutionObserver) -> Generator[None]:
    """Tell of a statement that is run within the context; one that fails is told by its error."""
    statement = Statement(name, _views(relation), sql)
    observer.started(statement)
    started = time.perf_counter()
    yield
    _finish(statement, time.perf_counter() - started, observer)


def reading(
    name: str, relation: Relation, sql: str, observer: ExecutionObserver, read: Callable[[], pa.RecordBatchReader]
) -> pa.RecordBatchReader:
    """Tell of a statement whose rows are read as they are computed; the reader's own time between them is not its."""
    statement = Statement(name, _views(relation), sql)
    observer.started(statement)
    started = time.perf_counter()
    reader = read()
    seconds = time.perf_counter() - started

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal seconds
        while True:
            started = time.perf_counter()
            batch = next(reader, None)
            seconds += time.perf_counter() - started
            if batch is None:
                return _finish(statement, seconds, observer)
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _finish(statement: Statement, seconds: float, observer: ExecutionObserver) -> None:
    # No value of the data: the SQL may hold some, as literals.
    views = "" if statement.views in ((), (statement.name,)) else f" ({', '.join(statement.views)})"
    _LOG.info("%s%s: %.3f s", statement.name, views, seconds)
    _LOG.debug("%s", statement.sql)
    observer.finished(statement, seconds)


def _views(relation: Relation | None) -> tuple[str, ...]:
    """The views that are answered in a statement; fused ones have one label."""
    relations = () if relation is None else topological(relation)
    matches = (each for each in relations if isinstance(each, Carried))
    return tuple(dict.fromkeys(name for each in matches for name in each.label.split("+") if name))

"""Rows that are kept sorted, and the answers of probes, as values of the DAG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...planner.dag.node import DAGValue
from ...planner.expr.nodes import Column, Expr
from ...planner.ir.index import ProbeLatest, ProbeWindows
from ...planner.ir.logical import WindowMeasure
from ...planner.types import Schema
from .columns import PIECE, Ints, Positions, flat, valid_of, values_of
from .intervals import bound
from .latest import Needles, latest
from .measures import Measures
from .slices import Slices
from .words import Sorted, sorted_rows


@dataclass(frozen=True)
class SortedTable:
    """Rows of a table by key and time. Rows without a key come after all others, as if they had one."""

    table: pa.Table
    time: str
    sorted: Sorted

    @cached_property
    def measures(self) -> Measures:
        """What answers windows over the rows, and keeps what several of them need."""
        columns = dict(zip(self.table.column_names, self.table.columns, strict=True))
        return Measures(columns, _rows(self), self.sorted.runs())

    @classmethod
    def of(cls, table: pa.Table, key: str, time: str, *, is_alone: bool) -> SortedTable:
        """The rows that have a time, sorted. O(n log n)."""
        if table[time].null_count:
            table = table.filter(table[time].is_valid())
        beyond = (pc.max(table[key]).as_py() or 0) + 1 if table[key].null_count else 0
        chunks = [
            (_known(batch.column(0), beyond), values_of(batch.column(1)))
            for batch in table.select([key, time]).to_batches()
        ]
        columns = table.drop_columns([key, time] if is_alone else [key])
        return cls(columns, time, sorted_rows(chunks, with_rows=not is_alone))


class SortedRows(DAGValue):
    """The rows of a value in memory, by key and time, when they are asked for with ``get``."""

    def __init__(self, schema: Schema, get: Callable[[], SortedTable]) -> None:
        self._schema = schema
        self._get: Callable[[], SortedTable] | None = get

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def get(self) -> Callable[[], SortedTable]:
        """What gives the rows; whoever has it keeps them."""
        if self._get is None:
            raise TypeError("sorted rows were closed")
        return self._get

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        raise TypeError("sorted rows are probed, and not read")

    def close(self) -> None:
        """Let go of the rows."""
        self._get = None


class Answers(DAGValue):
    """What a probe gives, in the order of the rows' numbers, once ``found``."""

    def __init__(self, schema: Schema, found: Callable[[], pa.Table]) -> None:
        self._schema = schema
        self._found = found
        self._table: pa.Table | None = None

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        table = self._table = self._found() if self._table is None else self._table
        if order_by is not None and order_by == table.column_names[0]:
            return table.drop_columns([order_by]).to_reader()
        return (table if order_by is None else table.sort_by(order_by).drop_columns([order_by])).to_reader()

    def close(self) -> None:
        """Let go of the answers."""
        del self._found
        self._table = None


def probed(
    probe: ProbeLatest | ProbeWindows, get_spine: Callable[[], SortedTable], parts: Sequence[Callable[[], SortedTable]]
) -> pa.Table:
    """What a probe gives for every row of the spine, in the order of their numbers. One part is in memory at a time."""
    spine = get_spine()
    numbers = values_of(flat(spine.table[probe.row]))
    # The place in the answer of each row, in the order in which they are sorted.
    places = _rows(spine).astype(np.int64)
    if np.any(np.diff(numbers) != 1):
        in_order = np.argsort(numbers, kind="stable")
        places, numbers = _inverse(in_order)[places], numbers[in_order]
    if len(parts) == 1 and isinstance(probe, ProbeLatest):
        columns = _latest(probe, spine.sorted.pieces(places), len(places), parts[0]())
    elif len(parts) == 1:
        columns = _answers(probe, spine.sorted.sorted_keys(), spine.sorted.sorted_times(), places, parts[0]())
    else:
        keys, times = spine.sorted.sorted_keys(), spine.sorted.sorted_times()
        which = [np.flatnonzero(keys % len(parts) == number) for number in range(len(parts))]
        answers = [
            _answers(probe, keys[rows], times[rows], np.arange(len(rows)), get())
            for rows, get in zip(which, parts, strict=True)
        ]
        back = _inverse(places[np.concatenate(which)])
        columns = [_concatenated(column).take(back) for column in zip(*answers, strict=True)]
    return pa.Table.from_arrays([pa.array(numbers), *columns], names=list(probe.schema.names))


def _answers(
    probe: ProbeLatest | ProbeWindows, keys: Positions, times: Ints, places: Ints, events: SortedTable
) -> list[pa.Array[Any] | pa.ChunkedArray[Any]]:
    """The columns of a probe for the needles (``keys``, ``times``), each at its place."""
    if isinstance(probe, ProbeLatest):
        parts = (slice(start, start + PIECE) for start in range(0, len(places), PIECE))
        return _latest(probe, ((keys[part], times[part], places[part]) for part in parts), len(places), events)
    back = _inverse(places)
    return [answer.take(back) for answer in windows(probe.measures, keys, times, events)]


def _latest(
    probe: ProbeLatest, needles: Iterable[Needles], count: int, events: SortedTable
) -> list[pa.Array[Any] | pa.ChunkedArray[Any]]:
    return latest(probe.picks, needles, count, events.sorted, events.table, events.time)


def _known(keys: pa.Array[Any], beyond: int) -> Positions:
    """The keys, with one beyond all others where there is none."""
    valid = valid_of(keys)
    return values_of(keys) if valid is None else np.where(valid, values_of(keys), beyond)


def _rows(sorted_table: SortedTable) -> Positions:
    rows = sorted_table.sorted.rows
    if rows is None:
        raise TypeError("these rows are times alone")
    return rows


def _inverse(places: Ints) -> Ints:
    inverse = np.empty(len(places), np.int64)
    inverse[places] = np.arange(len(places))
    return inverse


def _concatenated(parts: Sequence[pa.Array[Any] | pa.ChunkedArray[Any]]) -> pa.ChunkedArray[Any]:
    arrays = [part.chunks if isinstance(part, pa.ChunkedArray) else [part] for part in parts]
    return pa.chunked_array([array for each in arrays for array in each], parts[0].type)


def windows(
    measures: Sequence[WindowMeasure], keys: Positions, times: Ints, events: SortedTable
) -> Iterator[pa.Array[Any]]:
    """Every measure for the needles (``keys``, ``times``), in their order. O(s log n) for each different end."""
    ends: dict[Expr | None, Ints] = {}

    def before(end: Expr | None) -> Ints:
        if end not in ends:
            at = np.full(len(times), events.sorted.first) if end is None else bound(end, times)
            ends[end] = events.sorted.search(keys, at)
        return ends[end]

    for each in measures:
        starts, stops = before(each.interval.lower), before(each.interval.upper)
        where = each.where.name if isinstance(each.where, Column) else None
        yield events.measures.answer(
            each.function, each.type, Slices(starts, np.maximum(starts, stops)), operand=each.operand, where=where,
            order=each.order, parameter=each.parameter,
        )  # fmt: skip

"""Rows for an index, read by Arrow: keys are looked up in memory, which is cheaper than a join and handing over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..planner.dag.node import DAGValue
from ..planner.errors import EngineError
from ..planner.ir.data import ArrowData
from ..planner.physical.loading import Load, Numbers
from ..planner.types import DataType, Schema
from .arrow import arrow_type, as_planned, floor_to_micros, readable
from .index.reach import Reach
from .keys import Keys, combinations
from .sources.footers import check_unchanged, reading
from .sources.parquet import LocalFiles

_INFINITE = 2**63 - 1
"""An infinity of DuckDB's, as files and Arrow have it."""
_PIECE = 100_000
"""Rows that are read at once, at least. Fewer are decoded no faster, and memory for more is touched first."""
_MOST_KEPT = 0.9
"""Where more of the rows are needed, all are kept: to leave few out costs more than they do."""


class LoadedRows(DAGValue):
    """Rows that are read without a statement: when ``read`` is called, in whatever thread.

    Those that are out of reach may be left out.
    """

    def __init__(self, schema: Schema, read: Callable[[Reach | None], pa.Table]) -> None:
        self._schema = schema
        self.read = read

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        table = self.read(None)
        return (table if order_by is None else table.sort_by(order_by).drop_columns([order_by])).to_reader()


def numbered(numbers: Numbers, schema: Schema) -> pa.Table:
    """The number of each combination of keys without a null, from 0 on, and the keys. O(n) for each of them.

    Raises an EngineError where Arrow can't tell them apart, as of texts beyond 2 GB.
    """
    assert isinstance(numbers.table.data, ArrowData)
    rows = cast("pa.Table", numbers.table.data.value)
    try:
        columns = combinations([_planned(rows[stored], type_) for _, stored, type_ in numbers.columns])
    except pa.ArrowException as error:
        raise EngineError(f"entity rows: Arrow cannot number their keys: {error}") from None
    made: dict[str, Any] = {numbers.key: np.arange(len(columns[0]))}
    made |= {name: column for (name, _, _), column in zip(numbers.columns, columns, strict=True)}
    return pa.table({name: made[name] for name in schema.names})


def loaded(load: Load, numbers: pa.Table | None, reach: Reach | None = None) -> pa.Table:
    """The number of the key, the time in microseconds, and the columns of the rows that have both.

    ``numbers`` are those of the keys, None where there are no keys. Rows that are out of ``reach`` are left out.
    Raises a SourceError where a file has changed, and an EngineError where Arrow can't read it.
    """
    try:
        return _loaded(load, numbers, reach)
    except pa.ArrowException as error:
        raise EngineError(f"source {load.table.name!r}: Arrow cannot read it: {error}") from None


def _loaded(load: Load, numbers: pa.Table | None, reach: Reach | None) -> pa.Table:
    keys = _keys(load, numbers)
    # All at once: a file may be replaced between two reads.
    _, moment = load.time
    read = (*(column for column, _ in load.keys), moment, *(column for _, column, _ in load.columns))
    names = list(dict.fromkeys(read))
    data = load.table.data
    if isinstance(data, ArrowData):
        rows = cast("pa.Table", data.value).select(names)
        return _needed(load, rows, keys, reach) if load.row is None else _spine(load, rows, keys)
    assert isinstance(data, LocalFiles)
    nothing = pa.schema([pa.field(name, arrow_type(load.table.schema[name])) for name in names]).empty_table()
    parts = [_needed(load, rows, keys, reach) for rows in _pieces(data, load, names, len(keys))]
    return pa.concat_tables([*parts, _needed(load, nothing, keys, reach)])


def _keys(load: Load, numbers: pa.Table | None) -> Keys:
    if numbers is None:
        return Keys(())
    # Numbers are from 0 on, so in their order a place is a number.
    if np.any(np.diff(numbers[load.key].to_numpy()) != 1):
        numbers = numbers.sort_by(load.key)
    return Keys([numbers[name].combine_chunks() for _, name in load.keys])


def _spine(load: Load, rows: pa.Table, keys: Keys) -> pa.Table:
    """The rows to answer for: all of them, with their numbers."""
    name, moment = load.time
    times: Any = readable(rows[moment])
    times = pc.cast(floor_to_micros(times) if times.type.unit == "ns" else times, pa.int64())
    found = keys.numbers([rows[stored] for stored, _ in load.keys], rows.num_rows)
    columns: dict[str, Any] = {load.row or "": np.arange(rows.num_rows), load.key: found, name: times}
    return pa.table(columns)


def _needed(load: Load, rows: pa.Table, keys: Keys, reach: Reach | None) -> pa.Table:
    """Of these rows those that have a number and a time that is wanted, and maybe a few more."""
    name, moment = load.time
    found = keys.numbers([rows[stored] for stored, _ in load.keys], rows.num_rows)
    times = _micros(rows[moment])
    kept: Any = pc.and_(times.is_valid(), found.is_valid())
    if load.first is not None:
        kept = pc.and_(kept, pc.greater_equal(times, pa.scalar(load.first)))
    if load.last is not None:
        kept = pc.and_(kept, pc.less(times, pa.scalar(load.last)))
    if reach is not None:
        batches = pa.table([found, times], names=["key", "time"]).to_batches()
        near: Any = pa.chunked_array([reach.mask(batch[0], batch[1]) for batch in batches], pa.bool_())
        kept = pc.and_(kept, near)
    count = sum(chunk.true_count for chunk in kept.chunks)
    columns: dict[str, Any] = {load.key: found, name: times}
    for each, column, type_ in load.columns:
        columns[each] = _micros(rows[column]) if type_ is None else _planned(rows[column], type_)
    table = pa.table(columns)
    is_whole = count == table.num_rows or (count > _MOST_KEPT * table.num_rows and not found.null_count)
    return table if is_whole else table.filter(kept)


def _pieces(data: LocalFiles, load: Load, names: list[str], known: int) -> Iterator[pa.Table]:
    """Columns of files, a few row groups or small files at a time: what is not needed is soon let go of.

    Not fewer rows than there are keys, which are made ready to be looked up for each piece.
    """
    least = max(_PIECE, known)
    held: list[pa.Table] = []
    count = 0
    for file in data.parts.files:
        with reading(file.path, " any more"), pq.ParquetFile(data.parts.system.within(file.path)) as stored:
            check_unchanged(file, stored.metadata)
            groups: list[int] = []
            # A file without rows may have columns of any type.
            for group, rows in _row_groups(stored, load) if stored.metadata.num_rows else ():
                groups.append(group)
                count += rows
                if count >= least:
                    yield pa.concat_tables([*held, stored.read_row_groups(groups, columns=names).select(names)])
                    held, groups, count = [], [], 0
            if groups:
                held.append(stored.read_row_groups(groups, columns=names).select(names))
    if held:
        yield pa.concat_tables(held)


def _row_groups(stored: pq.ParquetFile, load: Load) -> Iterator[tuple[int, int]]:
    """The row groups that may have rows within the times, each with its rows."""
    _, moment = load.time
    footer = stored.metadata
    paths = [footer.schema.column(index).path for index in range(footer.num_columns)]
    scale = 1_000 if stored.schema_arrow.field(moment).type.unit == "ns" else 1
    place = paths.index(moment)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        found = group.column(place).statistics
        if found is not None and found.has_min_max and isinstance(found.min_raw, int):
            least: int = found.min_raw
            greatest: Any = found.max_raw
            is_late = load.last is not None and least // scale >= load.last
            is_early = load.first is not None and -(-greatest // scale) < load.first
            if is_late or is_early:
                continue
        yield number, group.num_rows


def _micros(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Instants in microseconds, rounded up; null where there is none, or an infinite one."""
    values: Any = pc.cast(readable(column), pa.int64())
    ends = pc.min_max(values)
    if ends["max"].as_py() == _INFINITE or (ends["min"].as_py() or 0) <= -_INFINITE:
        is_finite = pc.and_(pc.less(values, pa.scalar(_INFINITE)), pc.greater(values, pa.scalar(-_INFINITE)))
        values = pc.if_else(is_finite, values, pa.scalar(None, pa.int64()))
    if readable(column).type.unit == "ns":
        # Up is down from the other side.
        below = floor_to_micros(pc.cast(pc.negate(values), pa.timestamp("ns")))
        values = pc.negate(pc.cast(below, pa.int64()))
    return cast("pa.ChunkedArray[Any]", values)


def _planned(column: pa.ChunkedArray[Any], type_: DataType) -> pa.ChunkedArray[Any]:
    column, wanted = readable(column), arrow_type(type_)
    if column.type == wanted:
        return column
    chunked: Any = pa.chunked_array
    return cast("pa.ChunkedArray[Any]", chunked([as_planned(chunk, type_) for chunk in column.chunks], wanted))

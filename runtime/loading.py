"""Rows for an index, read by Arrow: keys are looked up in memory, which is cheaper than a join and handing over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from .index.columns import PIECE, valid_of, values_of
from .sources.footers import check_unchanged, reading
from .sources.parquet import LocalFiles

_INFINITE = 2**63 - 1
"""An infinity of DuckDB's, as files and Arrow have it."""
FAR = 4
"""Integers are near each other where their range is at most so many times the rows."""
_MOST_KEPT = 0.9
"""Where more of the rows are needed, all are kept: to leave few out costs more than they do."""


class LoadedRows(DAGValue):
    """Rows that are read without a statement: when ``read`` is called, in whatever thread."""

    def __init__(self, schema: Schema, read: Callable[[], pa.Table]) -> None:
        self._schema = schema
        self.read = read

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        table = self.read()
        return (table if order_by is None else table.sort_by(order_by).drop_columns([order_by])).to_reader()


def numbered(numbers: Numbers, schema: Schema) -> pa.Table:
    """The number of each combination of keys without a null, from 0 on, and the keys. O(n) for each of them."""
    assert isinstance(numbers.table.data, ArrowData)
    rows = cast("pa.Table", numbers.table.data.value)
    keys = [_planned(rows[stored], type_) for _, stored, type_ in numbers.columns]
    if len(keys) == 1:
        near = _Near.of(keys[0], len(keys[0]))
        unique: Any = pc.unique(keys[0]) if near is None else near.distinct(keys[0])
        columns = [unique.drop_null()]
    else:
        names = [str(index) for index in range(len(keys))]
        known = pa.table(keys, names=names).drop_null().group_by(names).aggregate([])
        columns = [known[name].combine_chunks() for name in names]
    ids: Any = pa.array(np.arange(len(columns[0])))
    made = dict(zip((numbers.key, *(name for name, _, _ in numbers.columns)), (ids, *columns), strict=True))
    return pa.table([made[name] for name in schema.names], names=list(schema.names))


def loaded(load: Load, numbers: pa.Table | None) -> pa.Table:
    """The number of the key, the time in microseconds, and the columns of the rows that have both.

    ``numbers`` are those of the keys, None where there are no keys. Raises a SourceError where a file has changed, and
    an EngineError where Arrow can't read it.
    """
    try:
        return _loaded(load, numbers)
    except pa.ArrowException as error:
        raise EngineError(f"source {load.table.name!r}: Arrow cannot read it: {error}") from None


def _loaded(load: Load, numbers: pa.Table | None) -> pa.Table:
    name, moment = load.time
    # All at once: a file may be replaced between two reads.
    read = (*(column for column, _ in load.keys), moment, *(column for _, column, _ in load.columns))
    rows = _columns(load, dict.fromkeys(read))
    found = _looked_up(load, rows, numbers)
    if load.row is not None:
        times = readable(rows[moment])
        times = pc.cast(floor_to_micros(times) if times.type.unit == "ns" else times, pa.int64())
        spine: dict[str, Any] = {load.row: np.arange(rows.num_rows), load.key: found, name: times}
        return pa.table(spine)
    times = _micros(rows[moment])
    kept: Any = pc.and_(times.is_valid(), found.is_valid())
    if load.first is not None:
        kept = pc.and_(kept, pc.greater_equal(times, pa.scalar(load.first)))
    if load.last is not None:
        kept = pc.and_(kept, pc.less(times, pa.scalar(load.last)))
    count = kept.true_count if isinstance(kept, pa.BooleanArray) else sum(chunk.true_count for chunk in kept.chunks)
    columns: dict[str, Any] = {load.key: found, name: times}
    for each, column, type_ in load.columns:
        columns[each] = _micros(rows[column]) if type_ is None else _planned(rows[column], type_)
    table = pa.table(columns)
    is_whole = count == table.num_rows or (count > _MOST_KEPT * table.num_rows and not found.null_count)
    return table if is_whole else table.filter(kept)


def _columns(load: Load, names: Iterable[str]) -> pa.Table:
    """Stored columns, of parquet files those of the row groups that are within the times."""
    data, wanted = load.table.data, list(names)
    if isinstance(data, ArrowData):
        return cast("pa.Table", data.value).select(wanted)
    assert isinstance(data, LocalFiles)
    parts: list[pa.Table] = []
    for file in data.parts.files:
        with reading(file.path, " any more"), pq.ParquetFile(data.parts.system.within(file.path)) as stored:
            check_unchanged(file, stored.metadata)
            if stored.metadata.num_rows:
                parts.append(stored.read_row_groups(_needed(stored, load), columns=wanted).select(wanted))
    schema = pa.schema([pa.field(name, arrow_type(load.table.schema[name])) for name in wanted])
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _needed(stored: pq.ParquetFile, load: Load) -> list[int]:
    """The row groups that may have rows within the times."""
    _, moment = load.time
    footer = stored.metadata
    paths = [footer.schema.column(index).path for index in range(footer.num_columns)]
    scale = 1_000 if stored.schema_arrow.field(moment).type.unit == "ns" else 1
    needed: list[int] = []
    for number in range(footer.num_row_groups):
        found = footer.row_group(number).column(paths.index(moment)).statistics
        if found is not None and found.has_min_max and isinstance(found.min_raw, int):
            least: int = found.min_raw
            greatest: Any = found.max_raw
            is_late = load.last is not None and least // scale >= load.last
            is_early = load.first is not None and -(-greatest // scale) < load.first
            if is_late or is_early:
                continue
        needed.append(number)
    return needed


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


def _looked_up(load: Load, rows: pa.Table, numbers: pa.Table | None) -> pa.ChunkedArray[Any]:
    """The number of each row's keys; null where they have none. O(n) for each key."""
    if numbers is None:
        return pa.chunked_array([pa.array(np.zeros(rows.num_rows, np.int32))])
    # Numbers are from 0 on, so in their order a place is a number.
    if np.any(np.diff(numbers[load.key].to_numpy()) != 1):
        numbers = numbers.sort_by(load.key)
    found: Any = None
    wanted: Any = None
    for stored, name in load.keys:
        column, known = _comparable(readable(rows[stored]), numbers[name].combine_chunks())
        near = _Near.of(known, len(column)) if len(load.keys) == 1 else None
        if near is not None:
            return near.places(column, known)
        if found is None:
            found, wanted = column, known
            continue
        # Of several keys, what was found so far and the next one are one number together.
        own: Any = pc.unique(known)
        codes, wanted_codes = pc.index_in(column, value_set=own), pc.index_in(known, value_set=own)
        before: Any = pc.unique(wanted)
        found = _paired(pc.index_in(found, value_set=before), codes, len(own))
        wanted = _paired(pc.index_in(wanted, value_set=before), wanted_codes, len(own))
    return cast("pa.ChunkedArray[Any]", pc.index_in(found, value_set=wanted))


@dataclass(frozen=True)
class _Near:
    """Integers that are near each other, so that a place in an array says what another way would need a hash for."""

    least: int
    span: int

    @classmethod
    def of(cls, column: pa.Array[Any] | pa.ChunkedArray[Any], rows: int) -> _Near | None:
        """Where integers are: their range, if that is not much larger than the number of rows."""
        if not pa.types.is_integer(column.type) or column.null_count == len(column):
            return None
        found: Any = pc.min_max(column)
        ends: dict[str, int] = found.as_py()
        span = ends["max"] - ends["min"] + 1
        return cls(ends["min"], span) if span <= FAR * (rows + len(column)) else None

    def distinct(self, column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
        """The different values, in order. O(n + span)."""
        seen = np.zeros(self.span, np.bool_)
        for chunk in column.chunks:
            seen[values_of(chunk.drop_null()) - self.least] = True
        found: pa.Array[Any] = pa.array(np.flatnonzero(seen) + self.least, column.type)
        return found

    def places(self, column: pa.ChunkedArray[Any], known: pa.Array[Any]) -> pa.ChunkedArray[Any]:
        """Where each value is among known ones, all different; null where it is not. O(n + span)."""
        # The last place is for all that are outside.
        table = np.full(self.span + 1, -1, np.int32)
        table[values_of(known) - self.least] = np.arange(len(known))
        chunks: list[pa.Array[Any]] = []
        for chunk in column.chunks:
            valid, values, found = valid_of(chunk), values_of(chunk), np.empty(len(chunk), np.int32)
            for start in range(0, len(chunk), PIECE):
                part = slice(start, start + PIECE)
                # Less than the least is, without a sign, more than all others.
                offsets = (values[part].astype(np.int64, copy=False) - self.least).view(np.uint64)
                np.minimum(offsets, self.span, out=offsets)
                table.take(offsets.view(np.int64), out=found[part], mode="clip")
            if valid is not None:
                found[~valid] = -1
            is_missing = found < 0
            chunks.append(pa.array(found, mask=is_missing if is_missing.any() else None))
        return pa.chunked_array(chunks, pa.int32())


def _paired(first: Any, second: Any, count: int) -> Any:
    return pc.add(pc.multiply(pc.cast(first, pa.int64()), count), pc.cast(second, pa.int64()))


def _comparable(column: pa.ChunkedArray[Any], known: pa.Array[Any]) -> tuple[Any, Any]:
    """Both of one type, the wider one."""
    is_large = pa.types.is_large_string(column.type) or pa.types.is_large_binary(column.type)
    return (column, known.cast(column.type)) if is_large else (column.cast(known.type), known)


def _planned(column: pa.ChunkedArray[Any], type_: DataType) -> pa.ChunkedArray[Any]:
    column, wanted = readable(column), arrow_type(type_)
    if column.type == wanted:
        return column
    chunked: Any = pa.chunked_array
    return cast("pa.ChunkedArray[Any]", chunked([as_planned(chunk, type_) for chunk in column.chunks], wanted))

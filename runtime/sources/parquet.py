"""Parquet files as one table: what their footers say, and their rows where Arrow reads them and not the engine."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...planner.errors import SourceError
from ...planner.ir.data import ParquetFiles
from ...planner.types import DataType
from ..arrow import arrow_type, floor_to_micros, readable
from .columns import constant
from .footers import ParquetParts, StoredFile, check_unchanged, reading
from .paths import Files, partition_values
from .stream import RowStream

_NANOSECONDS_END = 2**63 // 1_000


@dataclass(frozen=True)
class LocalFiles(ParquetFiles):
    """Parquet files of this machine, which are checked before each run."""

    parts: ParquetParts = field(kw_only=True, compare=False)

    def rows(self) -> RowStream:
        """Their rows, for an engine that does not read the files itself."""
        return parquet_rows(self.parts)


def parquet_table(parts: ParquetParts) -> pa.Table:
    """All rows in memory; of one file with its own types and metadata, but INT96 timestamps in microseconds."""
    file, *others = parts.files
    if others or parts.keys:
        return parquet_rows(parts, as_values=True).to_table()
    with reading(file.path):
        return pq.read_table(
            parts.system.within(file.path),
            filesystem=parts.system.arrow,
            partitioning=None,
            coerce_int96_timestamp_unit="us",
        )


def parquet_rows(parts: ParquetParts, *, as_values: bool = False) -> RowStream:
    """The rows, file by file, of the columns that are asked for.

    Timestamps that need more than 64 bits are decimals of nanoseconds, which a plan rounds by their role; or
    ``as_values`` microseconds, rounded down.
    """
    types: dict[str, pa.DataType] = {}
    for each in (each for file in parts.files for each in file.arrow):
        types.setdefault(each.name, each.type)
    planned = {}
    for column in parts.schema:
        is_wide = column.type.kind == "timestamp" and column.type.precision
        type_ = DataType("timestamp", unit="us", zone=column.type.zone) if is_wide and as_values else column.type
        planned[column.name] = type_
        if column.name in parts.keys or type_.can_be_feature:
            types[column.name] = arrow_type(type_)
    whole = pa.schema([pa.field(name, types[name]) for name in parts.schema.names])

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([whole.field(name) for name in names])
        for file in parts.files:
            values = partition_values(file.path)
            held = [name for name in names if name in file.arrow.names and name not in parts.keys]
            wide = {name for name in held if planned[name].precision and planned[name].kind == "timestamp"}
            for batch, nanos in _batches(parts.system, file, held or file.arrow.names[:1], file.fine & wide):
                arrays = []
                for name in names:
                    if name not in held:
                        arrays.append(constant(values.get(name), planned[name], wanted, name, batch.num_rows))
                        continue
                    with _converting(file, name, planned[name]):
                        column = pa.chunked_array([batch.column(name)])
                        column = _wide(column, nanos.get(name)) if name in wide else _narrow(column, planned[name])
                        arrays.append(pc.cast(column, wanted.field(name).type).combine_chunks())
                yield pa.RecordBatch.from_arrays(arrays, schema=wanted)

    return RowStream(whole, read)


def _batches(
    system: Files, file: StoredFile, names: Sequence[str], fine: frozenset[str]
) -> Iterator[tuple[pa.RecordBatch, dict[str, pa.ChunkedArray[Any]]]]:
    """The batches of a file, with INT96 timestamps in microseconds, and those of ``fine`` in nanoseconds too."""
    with reading(file.path), _opened(system, file, "us") as reader:
        check_unchanged(file, reader.metadata)
        if not fine:
            for batch in reader.iter_batches(columns=list(names)):
                yield batch, {}
            return
        with _opened(system, file, "ns") as again:
            both = zip(reader.iter_batches(columns=list(names)), again.iter_batches(columns=sorted(fine)), strict=True)
            for batch, nanos in both:
                yield batch, {name: pa.chunked_array([nanos.column(name)]) for name in fine}


def _opened(system: Files, file: StoredFile, unit: str) -> pq.ParquetFile:
    return pq.ParquetFile(system.within(file.path), filesystem=system.arrow, coerce_int96_timestamp_unit=unit)


def _wide(column: pa.ChunkedArray[Any], nanos: pa.ChunkedArray[Any] | None) -> Any:
    """Timestamps of any unit as decimals of nanoseconds; ``nanos`` are the same where they are within 64 bits."""
    if pa.types.is_null(column.type):
        return column
    column = readable(column)
    if column.type.unit == "ns":
        return pc.cast(column, pa.int64())
    micros = pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz)), pa.int64())
    whole = pc.multiply(pc.cast(micros, pa.decimal128(19, 0)), pa.scalar(1_000, pa.decimal128(4, 0)))
    if nanos is None:
        return whole
    rest = pc.subtract(pc.cast(nanos, pa.int64()), pc.multiply(pc.cast(floor_to_micros(nanos), pa.int64()), 1_000))
    is_near = pc.less(pc.abs(micros), pa.scalar(_NANOSECONDS_END, pa.int64()))
    return pc.add(whole, pc.cast(pc.if_else(is_near, rest, 0), pa.decimal128(19, 0)))


def _narrow(column: pa.ChunkedArray[Any], planned: DataType) -> pa.ChunkedArray[Any]:
    if not planned.can_be_feature:
        return column
    column = readable(column)
    is_finer = pa.types.is_timestamp(column.type) and column.type.unit == "ns" and planned.unit != "ns"
    return floor_to_micros(column) if is_finer else column


@contextmanager
def _converting(file: StoredFile, name: str, type_: DataType) -> Generator[None]:
    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        own = file.schema[name]
        told = f" of the type that all files have together, {type_}" if own != type_ else ""
        raise SourceError(
            f"source: {file.path}: column {name!r} is {own} and has a value that is none{told}: {error}"
        ) from None

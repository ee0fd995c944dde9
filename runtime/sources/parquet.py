"""Parquet files as one table: their footers, and their rows where Arrow reads them and not the engine."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ...planner.errors import SourceError
from ...planner.types import DataType, Schema
from ..arrow import arrow_type, planner_schema
from .columns import common_schema, constant, partition_fields
from .paths import Files, partition_values
from .stream import RowStream


@dataclass(frozen=True)
class ParquetParts:
    """Files, the schema of each, and the one that they have together with their folders' names, ``keys``."""

    paths: tuple[str, ...]
    stored: tuple[pa.Schema, ...]
    schema: Schema
    keys: tuple[str, ...]
    are_alike: bool


def parquet_parts(name: str, system: Files, paths: Sequence[str], given: Mapping[str, DataType]) -> ParquetParts:
    """What the footers say, with the given types of folders. Raises a SourceError where files can't be one table."""
    stored, schemas = [], []
    for path in paths:
        with _reading(path):
            stored.append(pq.read_schema(system.within(path), filesystem=system.arrow))
        try:
            schemas.append(planner_schema(stored[-1]))
        except ValueError as error:
            raise SourceError(f"source {name!r}: {path}: {error}") from None
    own = common_schema(name, paths, schemas)
    folders = partition_fields(name, paths, [schema.names for schema in schemas], given)
    keys = tuple(field.name for field in folders)
    are_alike = not folders and all(each == own for each in schemas)
    return ParquetParts(tuple(paths), tuple(stored), Schema([*own, *folders]), keys, are_alike)


def parquet_table(system: Files, parts: ParquetParts) -> pa.Table:
    """All rows in memory; of one file with its own types and metadata."""
    path, *others = parts.paths
    if others or parts.keys:
        return parquet_rows(system, parts).to_table()
    with _reading(path):
        return pq.read_table(system.within(path), filesystem=system.arrow, partitioning=None)


def parquet_rows(system: Files, parts: ParquetParts) -> RowStream:
    """The rows, file by file, of the columns that are asked for."""
    types: dict[str, pa.DataType] = {}
    for field in (field for each in parts.stored for field in each):
        types.setdefault(field.name, field.type)
    for planned in parts.schema:
        if planned.name in parts.keys or not (planned.type.is_nested or planned.type.kind == "null"):
            types[planned.name] = arrow_type(planned.type)
    whole = pa.schema([pa.field(name, types[name]) for name in parts.schema.names])

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([whole.field(name) for name in names])
        for path, own in zip(parts.paths, parts.stored, strict=True):
            values = partition_values(path)
            held = [name for name in names if name in own.names and name not in parts.keys] or own.names[:1]
            with _reading(path), pq.ParquetFile(system.within(path), filesystem=system.arrow) as file:
                for batch in file.iter_batches(columns=held):
                    arrays = [
                        batch.column(name).cast(wanted.field(name).type)
                        if name in held
                        else constant(values.get(name), parts.schema[name], wanted, name, batch.num_rows)
                        for name in names
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=wanted)

    return RowStream(whole, read)


@contextmanager
def _reading(path: str) -> Generator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"source: {path} cannot be read as parquet: {error}") from None

"""Csv: commas, double quotes, a header with the names, UTF-8; read by Arrow as texts, which become values here.

An empty field is null, and a quoted empty one is the empty text (null in a column that is no string). No other text is
null: ``NULL``, ``NA`` and ``nan`` are what they say. Quoted fields may hold line ends; empty lines are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.csv as pc

from ...planner.errors import SourceError
from ...planner.types import DataType
from ..arrow import arrow_type
from .text import TextType, read_texts

_BLOCK = 8 * 2**20


def csv_names(file: IO[bytes], path: str) -> list[str]:
    """The names in the header."""
    names = _reader(file, path, None).schema.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(f"source: {path} has the column {', '.join(map(repr, repeated))} more than once")
    if "" in names:
        raise SourceError(f"source: {path} has a column without a name in its header")
    return names


def see_csv(file: IO[bytes], path: str, types: Mapping[str, TextType]) -> None:
    """Take the texts of some columns into account."""
    for batch in _texts(file, path, list(types)):
        for name, type_ in types.items():
            type_.see(batch.column(name))


def read_csv(file: IO[bytes], path: str, columns: Mapping[str, DataType]) -> Iterator[pa.RecordBatch]:
    """The values of some columns. Raises a SourceError that names file, column and text where one does not fit."""
    schema = pa.schema([pa.field(name, arrow_type(type_)) for name, type_ in columns.items()])
    for batch in _texts(file, path, list(columns)):
        values = []
        for name, type_ in columns.items():
            try:
                values.append(read_texts(batch.column(name), type_))
            except ValueError as error:
                raise SourceError(f"source: {path}: column {name!r}: {error}; give another type with schema=") from None
        yield pa.RecordBatch.from_arrays(values, schema=schema)


def _texts(file: IO[bytes], path: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    reader = _reader(file, path, names)
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except pa.ArrowException as error:
            raise SourceError(f"source: {path} cannot be read as csv: {error}") from None
        yield batch


def _reader(file: IO[bytes], path: str, names: Sequence[str] | None) -> pc.CSVStreamingReader:
    options = pc.ConvertOptions(
        column_types=dict.fromkeys(names or (), pa.string()),
        include_columns=list(names) if names else None,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    try:
        return pc.open_csv(
            file,
            read_options=pc.ReadOptions(block_size=_BLOCK),
            parse_options=pc.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
    except pa.ArrowException as error:
        raise SourceError(f"source: {path} cannot be read as csv: {error}") from None

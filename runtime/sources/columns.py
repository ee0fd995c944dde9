"""The columns of several files as those of one table, and the rows of csv and json files as one stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...planner.errors import SourceError
from ...planner.types import DataType, Field, Schema, common_type
from ..arrow import arrow_type, planner_schema
from .csv import csv_names, read_csv, see_csv
from .json import JsonType, json_rows, read_json
from .paths import Files, Format, partition_values
from .stream import RowStream
from .text import TextType, read_texts


def common_schema(name: str, files: Sequence[str], schemas: Sequence[Schema]) -> Schema:
    """All columns in the order in which they first appear, each of a type that holds the values of every file.

    Raises a SourceError where there is no such type.
    """
    found: dict[str, tuple[DataType, str]] = {}
    for file, schema in zip(files, schemas, strict=True):
        for field in schema:
            type_, first = found.get(field.name, (field.type, file))
            both = common_type(type_, field.type)
            if both is None:
                raise SourceError(
                    f"source {name!r}: column {field.name!r} is {type_} in {first}, and {field.type} in {file}; "
                    "files may differ by wider integers, floats and decimals alone"
                )
            found[field.name] = (both, first)
    return Schema(Field(column, type_) for column, (type_, _) in found.items())


def partition_fields(
    name: str, files: Sequence[str], own: Sequence[Sequence[str]], given: Mapping[str, DataType]
) -> list[Field]:
    """The columns that the names of folders give, where the files have none of that name themselves.

    Raises a SourceError where not all files lie in such folders, or a value is not of the type that is given for it.
    """
    values = [partition_values(file) for file in files]
    keys = list(values[0])
    theirs = [key for key in keys if all(key in columns for columns in own)]
    if theirs == keys and all(list(each) == keys for each in values):
        return []
    for file, each, columns in zip(files, values, own, strict=True):
        if list(each) != keys:
            raise SourceError(
                f"source {name!r}: {file} lies in folders for {', '.join(each) or 'no column'}, and {files[0]} for "
                f"{', '.join(keys) or 'no column'}"
            )
        both = sorted({column.lower() for column in columns} & {key.lower() for key in keys})
        if both:
            raise SourceError(f"source {name!r}: {file} has a column {both[0]!r} itself, which its folder names too")
    fields = []
    for key in keys:
        texts = pa.array([each[key] for each in values], pa.string())
        seen = TextType()
        seen.see(texts)
        type_ = given.get(key, seen.type)
        try:
            read_texts(texts, type_)
        except ValueError as error:
            raise SourceError(f"source {name!r}: folders of column {key!r}: {error}") from None
        fields.append(Field(key, type_))
    return fields


def text_files(
    name: str, format_: Format, system: Files, paths: Sequence[str], given: Mapping[str, DataType]
) -> RowStream:
    """The rows of csv or json files. Columns without a given type are inferred from every value of every file."""
    types, own = _csv_types(system, paths, given) if format_ == "csv" else _json_types(system, paths, given)
    folders = partition_fields(name, paths, own, given)
    columns = {**types, **{field.name: arrow_type(field.type) for field in folders}}
    unknown = [column for column in given if column not in columns]
    if unknown:
        raise SourceError(
            f"source {name!r}: schema= names {', '.join(map(repr, unknown))}, which no file has\n"
            f"  columns: {', '.join(columns)}"
        )
    schema = pa.schema(list(columns.items()))
    try:
        planned = planner_schema(schema)
    except ValueError as error:
        raise SourceError(f"source {name!r}: {error}") from None
    by_path = dict(zip(paths, own, strict=True))

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(column) for column in names])
        for path in paths:
            values = partition_values(path)
            # A file's rows are counted by one of its own columns, also where only its folder's are wanted.
            held = [column for column in names if column in by_path[path]] or list(by_path[path][:1])
            with system.open(path) as file:
                if format_ == "csv":
                    batches = read_csv(file, path, {column: planned[column] for column in held})
                else:
                    batches = read_json(file, path, {column: columns[column] for column in held})
                for batch in batches:
                    rows = batch.num_rows
                    arrays = [
                        batch.column(column)
                        if column in batch.schema.names
                        else constant(
                            values.get(column) if column in keys else None, planned[column], wanted, column, rows
                        )
                        for column in names
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=wanted)

    keys = {field.name for field in folders}
    return RowStream(schema, read)


def constant(text: str | None, type_: DataType, schema: pa.Schema, name: str, rows: int) -> pa.Array[Any]:
    """A folder's value for every row of a file; null for a column that the file does not have."""
    values: pa.Array[Any] = pa.nulls(rows, schema.field(name).type)
    return values if text is None else pa.repeat(read_texts(pa.array([text]), type_)[0], rows)


_Types = tuple[dict[str, pa.DataType], list[list[str]]]


def _csv_types(system: Files, paths: Sequence[str], given: Mapping[str, DataType]) -> _Types:
    own: list[list[str]] = []
    seen: dict[str, TextType] = {}
    for path in paths:
        with system.open(path) as file:
            names = csv_names(file, path)
        own.append(names)
        for name in names:
            seen.setdefault(name, TextType())
        open_ = {name: seen[name] for name in names if name not in given}
        if open_:
            with system.open(path) as file:
                see_csv(file, path, open_)
    return {name: arrow_type(given.get(name, type_.type)) for name, type_ in seen.items()}, own


def _json_types(system: Files, paths: Sequence[str], given: Mapping[str, DataType]) -> _Types:
    own: list[list[str]] = []
    seen: dict[str, JsonType] = {}
    for path in paths:
        names: dict[str, None] = {}
        with system.open(path) as file:
            for rows in json_rows(file, path):
                for name in dict.fromkeys(name for row in rows for name in row):
                    names[name] = None
                    type_ = seen.setdefault(name, JsonType(name))
                    if name not in given:
                        type_.see([row.get(name) for row in rows], path)
        own.append(list(names))
    return {name: arrow_type(given[name]) if name in given else type_.type for name, type_ in seen.items()}, own

"""The columns of several files as those of one table, and the rows of csv and json files as one stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...planner.errors import SourceError
from ...planner.types import DataType, Field, Schema
from ..arrow import arrow_type, data_type, planner_schema
from .csv import Csv
from .json import Json
from .paths import Files, Format, partition_values
from .seen import SEEN, ColumnType, Parsed, SeenFile, TextFormat, joined_types
from .stream import RowStream
from .text import TextType, read_texts

_TEXT_FORMATS: Mapping[Format, TextFormat] = {"csv": Csv(), "tsv": Csv("\t"), "json": Json()}


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
        type_ = given.get(key, data_type(seen.type))
        try:
            read_texts(texts, type_)
        except ValueError as error:
            raise SourceError(f"source {name!r}: folders of column {key!r}: {error}") from None
        fields.append(Field(key, type_))
    return fields


def text_files(
    name: str, format_: Format, system: Files, paths: Sequence[str], given: Mapping[str, DataType]
) -> tuple[RowStream, Schema]:
    """The rows of csv or json files, and the types that they may be used as.

    Columns without a given type are inferred from every value of every file. One without a type is of kind "other",
    with the reason as its label, and its values are read as texts.
    """
    form = _TEXT_FORMATS[format_]
    parsed = Parsed()
    files = {path: SEEN.look(form, system, path, given, parsed) for path in paths}
    own = [seen.names for seen in files.values() if seen.names]
    if not own:
        raise SourceError(f"source {name!r}: {paths[0]} is empty: it tells no column")
    inferred = joined_types(list(files.values()))
    types = {
        column: arrow_type(given[column]) if column in given else inferred[column].type
        for column in dict.fromkeys(column for names in own for column in names)
    }
    folders = partition_fields(name, [path for path in paths if files[path].names], own, given)
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
    keys = {field.name for field in folders}

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(column) for column in names])
        for path in paths:
            values, seen = partition_values(path), files[path]
            if system.version(path) != seen.version:
                now = SEEN.look(form, system, path, given)
                _refuse_changes(path, seen.names, inferred, now)
                parsed.take(path)
                seen = now
            # A file's rows are counted by one of its own columns, also where only its folder's are wanted.
            own = [column for column in seen.names if column in types]
            held = [column for column in names if column in own] or own[:1]
            if not held:
                continue
            with system.open(path) as file:
                for batch in form.read(file, path, {column: columns[column] for column in held}, parsed):
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

    usable = Schema(
        field if field.name in given else Field(field.name, _usable(inferred.get(field.name), field.type))
        for field in planned
    )
    return RowStream(schema, read), usable


def _usable(inferred: ColumnType | None, type_: DataType) -> DataType:
    if inferred is None or not inferred.problem:
        return type_
    return DataType("other", label=f"a column {inferred.problem}; give its type with schema=, such as string")


def _refuse_changes(
    path: str,
    before: Collection[str],
    inferred: Mapping[str, ColumnType],
    now: SeenFile,
) -> None:
    """Raise a SourceError where a file that was written anew lacks a column, or has one of another type.

    A column that it has now, and no file had when the job was made, is not one of the job's.
    """
    changed = f"source: {path} was written anew after the job was made"
    gone = next((column for column in before if column not in now.names), None)
    if gone is not None:
        raise SourceError(f"{changed}, and has no column {gone!r} now; make the job again")
    for column, seen in now.types.items():
        if column not in inferred:
            continue
        both = inferred[column].joined(seen)
        found, was = (_usable(each, data_type(each.type)) for each in (both, inferred[column]))
        if found != was:
            raise SourceError(f"{changed}, and column {column!r} is {found} now, no longer {was}; make the job again")


def constant(text: str | None, type_: DataType, schema: pa.Schema, name: str, rows: int) -> pa.Array[Any]:
    """A folder's value for every row of a file; null for a column that the file does not have."""
    values: pa.Array[Any] = pa.nulls(rows, schema.field(name).type)
    return values if text is None else pa.repeat(read_texts(pa.array([text]), type_)[0], rows)

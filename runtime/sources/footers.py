"""Parquet files as their footers describe them: the table that they are together, and whether it is still so."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from ...planner.errors import SourceError
from ...planner.types import MOST_DIGITS, DataType, Field, Schema, common_type
from ..arrow import planner_schema, span_of
from .columns import partition_fields
from .paths import Files

_WIDE = DataType("timestamp", unit="ns", precision=MOST_DIGITS)


@dataclass(frozen=True)
class StoredFile:
    """One file as its footer describes it.

    ``legacy`` are the columns of INT96 timestamps, which ``arrow`` has in microseconds, since nanoseconds in 64 bits do
    not hold them all. They have no zone of their own, and are instants as Spark writes them. Those of another writer
    are ``fine``: what is below a microsecond counts. ``bare`` are uuids that only Arrow knows as such, since the file
    calls them bytes, as pyarrow 20 wrote them.
    """

    path: str
    arrow: pa.Schema
    schema: Schema
    rows: int
    legacy: frozenset[str]
    fine: frozenset[str]
    bare: frozenset[str]
    stamp: tuple[int, ...] | None = field(compare=False)


@dataclass(frozen=True)
class ParquetParts:
    """Files, and the columns that they have together with their folders' names, ``keys``."""

    name: str
    system: Files
    files: tuple[StoredFile, ...]
    schema: Schema
    keys: tuple[str, ...]

    @cached_property
    def filled(self) -> tuple[StoredFile, ...]:
        """The files that have rows. The types of a file without rows say nothing."""
        return tuple(file for file in self.files if file.rows)

    @property
    def are_alike(self) -> bool:
        """Whether every file has exactly the columns of the table, with types that engines find themselves."""
        plain = all(_is_plain(column.type) for file in self.filled for column in file.arrow)
        same = all(file.schema == self.schema and not file.legacy for file in self.filled)
        return plain and same and not self.keys

    @property
    def are_castable(self) -> bool:
        """Whether DuckDB itself converts the types of all files to the common ones without a change of value.

        A column that only files without rows have is in none that it reads.
        """
        uuids = set(self.uuids)
        held = {*self.keys, *(name for file in self.filled for name in file.schema.names)}
        return (
            held >= set(self.schema.names)
            and all(
                _is_widened(column.type, self.schema[column.name])
                and _extension(file, column.name) in ("", "arrow.uuid")
                for file in self.filled
                for column in file.schema
                if self.schema[column.name].kind != "other"
            )
            and not any(file.fine or file.bare or uuids & _texts(file) for file in self.filled)
        )

    @property
    def groups(self) -> tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]:
        """The files by the units of their timestamps, where the table's have more than 64 bits."""
        wide = [field.name for field in self.schema if field.type.kind == "timestamp" and field.type.precision]
        groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for file in self.filled if wide else ():
            times = {name: file.schema[name] for name in wide if name in file.schema}
            units = ((name, type_.unit) for name, type_ in times.items() if type_.kind == "timestamp")
            groups.setdefault(tuple((name, "ns" if unit == "ns" else "us") for name, unit in units), []).append(
                file.path
            )
        return tuple((tuple(paths), units) for units, paths in groups.items())

    @property
    def uuids(self) -> tuple[str, ...]:
        """The columns of uuids: an engine has them in another form than as texts."""
        found = (name for file in self.filled for name in file.arrow.names if _extension(file, name) == "arrow.uuid")
        return tuple(dict.fromkeys(found))

    @property
    def are_for_every_engine(self) -> bool:
        """Whether each engine reads the files itself: Spark does not read all types, nor paths with a colon."""
        return not self.groups and not any(
            ":" in file.path
            or any(column.type.kind == "null" and self.schema[column.name] != column.type for column in file.schema)
            or any(pa.types.is_float16(column.type) for column in file.arrow)
            for file in self.filled
        )

    @property
    def stamps(self) -> dict[str, tuple[int, ...]]:
        """A mark for each file, another one after it was written. Raises a SourceError where one is gone."""
        found: dict[str, tuple[int, ...]] = {}
        for file in self.files:
            with reading(file.path, " any more"):
                found[file.path] = _stamp(file.path)
        return found

    def check(self) -> None:
        """Raise a SourceError where a file of this machine is gone, or has other columns than when it was listed."""
        for file in self.files:
            with reading(file.path, " any more"):
                if _stamp(file.path) != file.stamp:
                    check_unchanged(file, pq.read_metadata(file.path))


def parquet_parts(name: str, system: Files, paths: Sequence[str], given: Mapping[str, DataType]) -> ParquetParts:
    """What the footers say, with the given types of folders. Raises a SourceError where files can't be one table."""
    files = []
    for path in paths:
        with reading(path):
            stamp = _stamp(path) if system.is_local else None
            footer = pq.read_metadata(system.within(path), filesystem=system.arrow)
        try:
            files.append(_stored(footer, path, stamp))
        except ValueError as error:
            raise SourceError(f"source {name!r}: {path}: {error}") from None
    own = _common_schema(name, files)
    folders = partition_fields(name, paths, [file.arrow.names for file in files], given)
    keys = tuple(column.name for column in folders)
    return ParquetParts(name, system, tuple(files), Schema([*own, *folders]), keys)


def _stored(footer: pq.FileMetaData, path: str, stamp: tuple[int, ...] | None) -> StoredFile:
    schema, legacy = _columns(footer)
    is_sparks = b"org.apache.spark.version" in (footer.metadata or {})
    fine = set() if is_sparks else {name for name in legacy if pa.types.is_timestamp(schema.field(name).type)}
    leaves = {leaf.path: leaf for leaf in map(footer.schema.column, range(footer.num_columns))}
    uuids = [each.name for each in schema if getattr(each.type, "extension_name", "") == "arrow.uuid"]
    bare = frozenset(name for name in uuids if name in leaves and leaves[name].logical_type.type != "UUID")
    return StoredFile(path, schema, planner_schema(schema), footer.num_rows, legacy, frozenset(fine), bare, stamp)


def _columns(footer: pq.FileMetaData) -> tuple[pa.Schema, frozenset[str]]:
    """The columns of a file, and which of them hold INT96."""
    leaves = [footer.schema.column(index) for index in range(footer.num_columns)]
    paths = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    schema = footer.schema.to_arrow_schema()
    legacy = {name for name in schema.names if any(path == name or path.startswith(f"{name}.") for path in paths)}
    for index, column in enumerate(schema):
        if column.name in legacy:
            schema = schema.set(index, column.with_type(_in_micros(column.type)))
    return schema, frozenset(legacy)


def _in_micros(type_: pa.DataType) -> pa.DataType:
    """The type with microseconds for nanoseconds, also within lists and structs."""
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", type_.tz)
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_in_micros(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([each.with_type(_in_micros(each.type)) for each in type_])
    if pa.types.is_map(type_):
        return pa.map_(_in_micros(type_.key_type), _in_micros(type_.item_type))
    return type_


def _common_schema(name: str, files: Sequence[StoredFile]) -> Schema:
    """All columns in the order in which they first appear, each of a type that holds the values of every file.

    A file without rows has no types of its own, but for columns that no other has. Raises a SourceError where there is
    no such type.
    """
    found: dict[str, tuple[DataType, str] | None] = {column: None for file in files for column in file.schema.names}
    zoned = {
        column.name
        for file in files
        for column in file.schema
        if file.rows and column.type.zone is not None and column.name not in file.legacy
    }
    for file in sorted(files, key=lambda file: not file.rows):
        for column in file.schema:
            known = found[column.name]
            own = _WIDE if column.name in file.fine else column.type
            if column.name in file.legacy and column.name in zoned and own.kind == "timestamp":
                own = replace(own, zone="UTC")  # as the others have it
            if known is None:
                found[column.name] = (own, file.path)
            elif file.rows:
                type_, first = known
                both = common_type(type_, own)
                if both is None:
                    raise SourceError(
                        f"source {name!r}: column {column.name!r} is {type_} in {first}, and {column.type} in "
                        f"{file.path}; files may differ by the width of numbers and the unit of timestamps alone"
                    )
                found[column.name] = (both, first)
    return Schema(Field(column, known[0]) for column, known in found.items() if known is not None)


def _is_widened(own: DataType, common: DataType) -> bool:
    """Whether a cast in SQL from the one to the other changes no value and rounds nothing."""
    return (
        own.kind == common.kind
        or own.kind == "null"
        or (own.is_float == common.is_float and not (own.is_integer and common.kind == "decimal"))
    )


def _is_plain(type_: pa.DataType) -> bool:
    """Whether Spark finds the type itself: a file with another one is given its columns, without those."""
    inner = [each.type for each in type_] if pa.types.is_struct(type_) else []
    inner += filter(None, [getattr(type_, "value_type", None)])
    is_odd = isinstance(type_, pa.BaseExtensionType) or any(
        is_kind(type_)
        for is_kind in (
            pa.types.is_time, pa.types.is_float16, pa.types.is_decimal256, pa.types.is_null, pa.types.is_duration,
        )
    )  # fmt: skip
    return not is_odd and all(map(_is_plain, inner))


def _extension(file: StoredFile, name: str) -> str:
    return str(getattr(file.arrow.field(name).type, "extension_name", ""))


def _texts(file: StoredFile) -> set[str]:
    """The columns of plain texts."""
    return {each.name for each in file.schema if each.type.kind == "string" and not _extension(file, each.name)}


def stored_span(parts: ParquetParts, name: str) -> tuple[int, int] | None:
    """The least and greatest value of a column, as ``span_of`` has them, by what the footers say of every row group."""
    spans = [span for file in parts.filled for span in _group_spans(parts, file, name)]
    known = [span for span in spans if span is not None]
    return (min(known)[0], max(last for _, last in known)) if known and len(known) == len(spans) else None


@dataclass(frozen=True)
class Reached:
    """How many files and row groups may have a row within some bounds, and how many there are."""

    files: int
    of_files: int
    groups: int
    of_groups: int

    def __str__(self) -> str:
        return f"{self.files:,} of {self.of_files:,} files, {self.groups:,} of {self.of_groups:,} row groups"


def reached(parts: ParquetParts, name: str, first: int, last: int) -> Reached:
    """What is read of the files where a column is within bounds: footers don't tell of every row group, so at most."""
    found = [
        [span is None or (span[0] <= last and span[1] >= first) for span in _group_spans(parts, file, name)]
        for file in parts.filled
    ]
    files, groups = sum(map(any, found)), sum(map(sum, found))
    return Reached(files, len(found), groups, sum(map(len, found)))


def _group_spans(parts: ParquetParts, file: StoredFile, name: str) -> Iterator[tuple[int, int] | None]:
    with reading(file.path):
        footer = pq.read_metadata(parts.system.within(file.path), filesystem=parts.system.arrow)
    paths = [footer.schema.column(index).path for index in range(footer.num_columns)]
    for group in map(footer.row_group, range(footer.num_row_groups) if name in paths else ()):
        found = group.column(paths.index(name)).statistics
        if found is None or not found.has_min_max or not isinstance(found.min_raw, int):
            yield None
            continue
        type_ = file.arrow.field(name).type
        stored = pa.int32() if pa.types.is_date32(type_) else pa.int64()
        yield span_of(pa.chunked_array([pa.array([found.min_raw, found.max_raw], stored).cast(type_)]))


def check_unchanged(file: StoredFile, footer: pq.FileMetaData) -> None:
    """Raise a SourceError that names the first column that differs from what a plan rests on."""
    found, _ = _columns(footer)
    known = {column.name: column.type for column in file.arrow}
    changes = [f"column {column.name!r} is new" for column in found if column.name not in known]
    changes += [f"column {name!r} is gone" for name in known if name not in found.names]
    changes += [
        f"column {column.name!r} is {column.type}, and was {known[column.name]}"
        for column in found
        if column.name in known and known[column.name] != column.type
    ]
    if footer.num_rows and not file.rows:
        changes.append("it has rows, and had none")
    if changes:
        raise SourceError(f"source: {file.path} has changed since the job was made: {changes[-1]}; make the job anew")


@contextmanager
def reading(path: str, when: str = "") -> Generator[None]:
    """What a file and its file system raise, as a SourceError that names the file."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        # What a file system of fsspec raises is its own.
        if not isinstance(error, OSError | pa.ArrowException) and "://" not in path:
            raise
        raise SourceError(f"source: {path} cannot be read as parquet{when}: {error}") from None


def _stamp(path: str) -> tuple[int, ...]:
    """A mark that differs after a file was written."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino

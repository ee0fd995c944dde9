"""Files as a source."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...planner.calls import checked_call
from ...planner.durations import Duration
from ...planner.errors import DefinitionError, Problems, SourceError, shown
from ...planner.features.definitions import Source
from ...planner.features.sources import Catalog
from ...planner.ir.data import ArrowData
from ...planner.ir.logical import Table
from ...planner.types import DataType, Schema, parse_type, unusable_name
from .paths import Files, absolute, format_of, is_url, stem

if TYPE_CHECKING:
    import pyarrow as pa

    from .footers import ParquetParts
    from .stream import RowStream


class FileSource(Source):
    """Parquet, csv, tsv or json files, by their suffix: a path, a glob or a list of either, here or behind a URL.

    A relative path is resolved against the working directory when the source is made, and globs are expanded once per
    job. Columns are found by name; files may differ by columns that others don't have, which are null there, and by the
    width of integers, floats and decimals. The names of folders such as ``year=2024`` are columns too, unless the files
    have them themselves. Timestamps may have any unit; one without a zone is UTC.

    The types of csv, json and folders are inferred from all of their values, once for each state of a file ("007" is a
    string), or given: ``schema={"id": "int64", "paid": "decimal(10, 2)"}``, with names of types or Arrow types. A file
    that has other types or columns when a job runs again is a SourceError. Both engines get the values that are read
    here.

    A URL is opened by fsspec, with its ``storage_options``: ``FileSource("s3://bucket/*.parquet", timestamp_field="ts",
    storage_options={"anon": True})``. Other parameters are those of every ``Source``.
    """

    paths: tuple[str, ...]
    schema: Mapping[str, DataType]
    storage_options: Mapping[str, Any]

    @checked_call
    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
        schema: Mapping[str, str | pa.DataType] | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        given = [path] if isinstance(path, str | Path) else list(path) if isinstance(path, Sequence) else [path]
        if not all(isinstance(item, str | Path) for item in given):
            raise DefinitionError(f"FileSource: {_shown(path)} is neither a path nor a list of paths")
        if not given:
            raise DefinitionError("FileSource: the list of paths is empty")
        for item in map(str, given):
            wrong = unusable_name(item)
            if wrong:
                raise DefinitionError(f"FileSource: the path {shown(item)} {wrong}")
        paths = tuple(absolute(item) for item in given)
        for what, found in (
            ("formats", {format_of(item) for item in paths}),
            ("file systems", set(map(_system, paths))),
        ):
            if len(found) > 1:
                raise DefinitionError(f"FileSource: several {what}, {', '.join(sorted(found))}; make a source of each")
        super().__init__(
            stem(paths[0]),
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence_columns,
            field_mapping=field_mapping,
            data_delay=data_delay,
            unique=unique,
            paths=paths,
            schema=MappingProxyType(_types(schema)),
            storage_options=MappingProxyType(dict(storage_options or {})),
        )

    def identity(self) -> Hashable:
        """The paths and globs, the types that are given, and how the files are reached."""
        return ("files", self.paths, tuple(self.schema.items()), repr(sorted(self.storage_options.items())))

    def declared(self) -> Mapping[str, str | None]:
        """The types that are given."""
        return {"schema": ", ".join(f"{name!r} {type_}" for name, type_ in sorted(self.schema.items())) or None}

    def open(self, catalog: Catalog | None = None) -> Table:
        """The files there are now, and their columns. Raises a SourceError where they can't be one table."""
        from .parquet import LocalFiles, parquet_rows

        system, files = self._files()
        token = repr(("files", tuple(files), tuple(self.schema.items())))
        if format_of(self.paths[0]) != "parquet":
            rows, usable = self._texts(system, files)
            return Table(token, usable, ArrowData(rows), name=self.name)
        parts = self._parquet(system, files)
        if not (system.is_local and parts.are_castable and parts.filled):
            rows = parquet_rows(parts)
            return Table(token, parts.schema, ArrowData(rows), name=self.name, is_empty=not parts.filled)
        paths = tuple(file.path for file in parts.filled)
        schema = None if parts.are_alike else parts.schema
        data = LocalFiles(
            paths,
            schema,
            parts.keys,
            uuids=parts.uuids,
            are_shipped=not parts.are_for_every_engine,
            groups=parts.groups,
            parts=parts,
        )
        return Table(token, parts.schema, data, name=self.name)

    def read(self) -> pa.Table:
        """All rows in memory, file by file; of one parquet file with its own types and metadata."""
        import pyarrow as pa

        from .parquet import parquet_table

        system, files = self._files()
        if format_of(self.paths[0]) != "parquet":
            rows, usable = self._texts(system, files)
            problems = [f"column {field.name!r} is {field.type}" for field in usable if field.type.kind == "other"]
            if problems:
                raise SourceError(f"source {self.name!r}: {'; '.join(problems)}")
            table = rows.to_table()
            if table.num_rows:
                return table
            # Without a row there is nothing to infer from, and whoever reads needs types of their own.
            names = table.column_names
            columns: dict[str, Any] = {name: table[name] if name in self.schema else pa.nulls(0) for name in names}
            return pa.table(columns)
        return parquet_table(self._parquet(system, files))

    def _files(self) -> tuple[Files, list[str]]:
        system = Files(self.paths[0], self.storage_options)
        return system, [file for path in self.paths for file in system.expand(path)]

    def _texts(self, system: Files, files: Sequence[str]) -> tuple[RowStream, Schema]:
        from .columns import text_files

        return text_files(self.name, format_of(self.paths[0]), system, files, self.schema)

    def _parquet(self, system: Files, files: Sequence[str]) -> ParquetParts:
        from .footers import parquet_parts

        parts = parquet_parts(self.name, system, files, self.schema)
        unknown = [name for name in self.schema if name not in parts.keys]
        if unknown:
            raise SourceError(
                f"source {self.name!r}: schema= names {', '.join(map(repr, unknown))}; parquet has its own types, and "
                f"the folders give {', '.join(parts.keys) or 'no column'}"
            )
        return parts

    def __repr__(self) -> str:
        return f"FileSource({', '.join(self.paths)}; by {self.timestamp_field})"


def _shown(path: object) -> str:
    return ", ".join(map(shown, path)) if isinstance(path, list | tuple) else shown(path)


def _types(schema: Mapping[str, str | pa.DataType] | None) -> dict[str, DataType]:
    """The types that a user gives. Raises a DefinitionError for every one that is none."""
    problems = Problems()
    types: dict[str, DataType] = {}
    for name, given in dict(schema or {}).items():
        try:
            if isinstance(given, str):
                types[name] = parse_type(given)
                continue
            from ..arrow import arrow_type, data_type

            types[name] = data_type(given)
            arrow_type(types[name])
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            why = error if isinstance(error, ValueError) else f"{given!r} is no type that a column can have"
            problems.add(f"FileSource: schema of column {name!r}: {why}")
    problems.raise_if_any()
    return types


def _system(path: str) -> str:
    return path.split("://", 1)[0] if is_url(path) else "this machine"

"""Files as a source."""

from __future__ import annotations

import glob
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...planner.durations import Duration
from ...planner.errors import DefinitionError, SourceError, UnsupportedError, shown
from ...planner.features.definitions import Source
from ...planner.features.sources import Catalog
from ...planner.ir.logical import ParquetFiles, Table
from ...planner.types import unusable_name

if TYPE_CHECKING:
    import pyarrow as pa

_WILDCARDS = "*?["


class FileSource(Source):
    """Parquet files: a path, a glob or a list of either. All files have the same columns.

    A relative path is resolved against the working directory when the source is made, and globs are expanded once per
    job. Timestamps may have any unit; one without a zone is UTC. Other parameters are those of every ``Source``.
    """

    paths: tuple[str, ...]

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
        paths = tuple(os.path.abspath(item) for item in given)
        for item in paths:
            if Path(item).suffix.lower() in (".csv", ".json", ".jsonl", ".ndjson"):
                raise UnsupportedError(f"FileSource: {item} is not parquet; csv and json are not supported yet")
        super().__init__(
            _name(paths[0]),
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence_columns,
            field_mapping=field_mapping,
            data_delay=data_delay,
            unique=unique,
            paths=paths,
        )

    def identity(self) -> Hashable:
        """The paths and globs."""
        return ("files", self.paths)

    def open(self, catalog: Catalog | None = None) -> Table:
        """The files there are now and their columns, from their footers. Raises a SourceError where they differ."""
        from ..arrow import planner_schema

        files = [file for path in self.paths for file in _expand(path)]
        schemas = [_read_schema(file) for file in files]
        try:
            schema = planner_schema(schemas[0])
        except ValueError as error:
            raise SourceError(f"source {self.name!r}: {files[0]}: {error}") from None
        for file, other in zip(files[1:], schemas[1:], strict=True):
            if planner_schema(other) != schema:
                difference = _difference(schemas[0], other) or "the same columns in another order"
                raise SourceError(f"source {self.name!r}: {file} has other columns than {files[0]}:\n  {difference}")
        return Table(repr(("files", tuple(files))), schema, ParquetFiles(tuple(files)), name=self.name)

    def __repr__(self) -> str:
        return f"FileSource({', '.join(self.paths)}; by {self.timestamp_field})"


def _shown(path: object) -> str:
    return ", ".join(map(shown, path)) if isinstance(path, list | tuple) else shown(path)


def _name(path: str) -> str:
    """The file's stem; of a glob, the folder it is in."""
    parts = Path(path).parts
    fixed = [part for part in parts if not any(wildcard in part for wildcard in _WILDCARDS)]
    if len(fixed) == len(parts):
        return Path(path).stem
    first = next(index for index, part in enumerate(parts) if any(wildcard in part for wildcard in _WILDCARDS))
    return parts[first - 1].strip(os.sep) if first and parts[first - 1].strip(os.sep) else "files"


def _expand(path: str) -> list[str]:
    if os.path.exists(path):
        if os.path.isdir(path):
            raise SourceError(f"source: {path} is a folder; give a glob such as {path}/*.parquet")
        return [path]
    if not any(wildcard in path for wildcard in _WILDCARDS):
        raise SourceError(f"source: there is no file {path if len(path) < 1_000 else shown(path)}")
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise SourceError(f"source: no file matches {path}")
    return found


def _read_schema(file: str) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"source: {file} cannot be read as parquet: {error}") from None


def _difference(first: pa.Schema, other: pa.Schema) -> str:
    ours = {f"{field.name} {field.type}" for field in first}
    theirs = {f"{field.name} {field.type}" for field in other}
    if ours == theirs:
        return ""
    return f"only in the first: {sorted(ours - theirs)}; only in the other: {sorted(theirs - ours)}"

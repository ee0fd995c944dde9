"""Files as Spark declares and reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...planner.ir.data import ParquetFiles
from ...planner.types import DataType, Schema
from .. import syntax as sql
from .expressions import SparkExpressions


def file_columns(schema: Schema, uuids: Sequence[str] = ()) -> str:
    """Columns of files as Spark declares them; one of a type that it does not have is left out."""
    typed = [(field.name, "BINARY" if field.name in uuids else _file_type(field.type)) for field in schema]
    return ", ".join(f"{sql.name(name).sql('spark')} {type_}" for name, type_ in typed if type_)


def _file_type(type_: DataType) -> str:
    """Spark's type of a column of a parquet file: unsigned ones are wider, nanoseconds integers."""
    if type_.kind == "list" and type_.element is not None:
        element = _file_type(type_.element)
        return f"ARRAY<{element}>" if element else ""
    if type_.kind == "struct":
        fields = [(sql.name(field.name).sql("spark"), _file_type(field.type)) for field in type_.fields]
        return f"STRUCT<{', '.join(f'{name}: {each}' for name, each in fields)}>" if all(e for _, e in fields) else ""
    if type_.kind == "timestamp":
        return "BIGINT" if type_.unit == "ns" else "TIMESTAMP_NTZ" if type_.zone is None else "TIMESTAMP_LTZ"
    if type_.kind in ("other", "null"):
        return ""
    return SparkExpressions().type_name(type_)


def read_options(files: ParquetFiles) -> dict[str, str]:
    """The folder below which names of folders are columns."""
    if not files.partitions:
        return {}
    first = next(index for index, part in enumerate(Path(files.paths[0]).parts) if "=" in part)
    return {"basePath": Path(*Path(files.paths[0]).parts[:first]).as_uri()}


def literal_path(path: str) -> str:
    """A path whose own wildcards are taken literally: Spark reads every path as a glob."""
    return re.sub(r"[*?\[\]{},\\]", lambda wildcard: f"\\{wildcard[0]}", path)

"""A parquet file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...planner.errors import HithertoError, UnsupportedError, shown
from ..arrow import check_seconds
from .sink import Sink


class ParquetSink(Sink):
    """A file that is written beside its place, and replaces the one that was there."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._name = ""
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def begin(self, schema: pa.Schema) -> None:
        check_place(self._target, schema)
        if self._target.is_dir():
            raise HithertoError(f"to_parquet: {self._target.absolute()} is a folder; give a file's path")
        with writing(self._target):
            folder, name = self._target.parent, self._target.name
            handle, self._name = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".part")
            os.close(handle)
            self._writer = pq.ParquetWriter(self._name, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        assert self._writer is not None
        check_seconds(batch)
        with writing(self._target):
            self._writer.write_batch(batch)
        self._rows += batch.num_rows

    def commit(self) -> int:
        with writing(self._target):
            self._close()
            os.chmod(self._name, 0o666 & ~_umask())
            os.replace(self._name, self._target)
        return self._rows

    def abort(self) -> None:
        # Closing writes what is left of the file, which may fail like any write: the file goes in any case.
        with suppress(OSError, pa.ArrowException):
            self._close()
        if self._name:
            Path(self._name).unlink(missing_ok=True)

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


def check_place(target: Path, schema: pa.Schema) -> None:
    """Raise an error of ours where there is no folder for a file, or parquet has no form for the columns."""
    if not target.parent.is_dir():
        raise HithertoError(f"to_parquet: there is no folder {target.parent.absolute()}")
    if _is_storable(schema):
        return
    odd = [field for field in schema if not _is_storable(pa.schema([field]))]
    listed = ", ".join(f"{field.name!r} is {field.type}" for field in odd)
    raise UnsupportedError(f"to_parquet: column {listed}, which parquet cannot hold; leave it out of the entity rows")


@contextmanager
def writing(target: Path) -> Generator[None]:
    """What the file system and the format refuse, as an error of ours."""
    try:
        yield
    except pa.ArrowException as error:
        raise HithertoError(f"to_parquet: {shown(str(target))} cannot be written: {error}") from None
    except OSError as error:
        raise HithertoError(f"to_parquet: {shown(str(target))} cannot be written: {error.strerror or error}") from None


def _is_storable(schema: pa.Schema) -> bool:
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), schema).close()
    except pa.ArrowException:
        return False
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

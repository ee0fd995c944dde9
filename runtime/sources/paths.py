"""Paths: what a name, a glob or a URL stands for, and what the folders of a file say about its rows."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, cast
from urllib.parse import unquote

from ...planner.errors import SourceError, UnsupportedError, shown

Format = Literal["parquet", "csv", "tsv", "json"]

_WILDCARDS = "*?["
_FORMATS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_NULL = "__HIVE_DEFAULT_PARTITION__"
# fsspec chains file systems: simplecache::s3://bucket/key.
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# What file systems of fsspec tell of a file that is written anew.
_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "generation", "md5Hash")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}


def is_url(path: str) -> bool:
    """Whether a path names a file system of its own, such as ``s3://bucket/key``; ``file://`` is this machine's.

    >>> is_url("s3://bucket/key"), is_url("file:///tmp/rows.csv"), is_url("at=09:00/a://b.csv")
    (True, False, False)
    """
    return _SCHEME.match(path) is not None and not path.startswith("file://")


def absolute(path: str | Path) -> str:
    """A path of this machine from its root on; a URL as it is."""
    text = str(path)
    return text if is_url(text) else os.path.abspath(text.removeprefix("file://"))


def format_of(path: str) -> Format:
    """By the file's suffix, in front of ``.gz``; parquet for every other one."""
    name = path.lower().removesuffix(".gz")
    return _FORMATS.get(Path(name).suffix, "parquet")


def stem(path: str) -> str:
    """The name of a source: the file's, without suffixes; of a glob, the folder it is in. A colon becomes a line."""
    return _stem(path).replace(":", "_")


def _stem(path: str) -> str:
    parts = Path(path.split("://", 1)[-1] if is_url(path) else path).parts
    fixed = [part for part in parts if not _is_glob(part)]
    if len(fixed) == len(parts):
        name = Path(path).name
        return Path(name.removesuffix(".gz") if format_of(name) != "parquet" else name).stem
    first = next(index for index, part in enumerate(parts) if _is_glob(part))
    above = [part.strip(os.sep) for part in parts[:first] if "=" not in part and part.strip(os.sep)]
    return above[-1] if above else "files"


def partition_values(path: str) -> dict[str, str | None]:
    """What the folders say: ``/year=2024/month=01/`` is year "2024" and month "01"."""
    pairs = [part.split("=", 1) for part in Path(path).parts[:-1] if "=" in part.strip("=")]
    return {unquote(name): None if value == _NULL else unquote(value) for name, value in pairs}


class Files:
    """A file system: this machine's, or what a URL and fsspec's ``storage_options`` name."""

    def __init__(self, path: str, storage_options: Mapping[str, Any]) -> None:
        self._fsspec = _filesystem(path, storage_options) if is_url(path) else None
        self._prefix = path.split("://", 1)[0] + "://" if is_url(path) else ""

    @property
    def is_local(self) -> bool:
        """Whether engines read the paths themselves."""
        return self._fsspec is None

    @property
    def arrow(self) -> Any:
        """The file system as Arrow takes it; None for this machine's."""
        import pyarrow.fs

        arrow: Any = pyarrow.fs
        return None if self._fsspec is None else arrow.PyFileSystem(arrow.FSSpecHandler(self._fsspec))

    def within(self, path: str) -> str:
        """A path as the Arrow file system has it."""
        return path if self._fsspec is None else str(self._fsspec._strip_protocol(path))

    def expand(self, path: str) -> list[str]:
        """The files that a path or a glob stands for. Raises a SourceError where there is none."""
        try:
            return self._expand(path)
        except SourceError:
            raise
        except Exception as error:  # What a file system of fsspec raises is its own: botocore's, aiohttp's, OSError.
            if self.is_local and not isinstance(error, OSError):
                raise
            raise SourceError(f"source: {path} cannot be listed: {type(error).__name__}: {error}") from None

    def _expand(self, path: str) -> list[str]:
        if self._exists(path):
            if self._is_folder(path):
                raise SourceError(f"source: {path} is a folder; give a glob such as {path}/*.parquet")
            return [path]
        if not _is_glob(path):
            raise SourceError(f"source: there is no file {path if len(path) < 1_000 else shown(path)}")
        if self._fsspec is None:
            found = sorted(glob.glob(path, recursive=True))
        else:
            found = sorted(self._prefix + str(name).lstrip("/") for name in self._fsspec.glob(path))
        files = [name for name in found if not self._is_folder(name)]
        if not files:
            raise SourceError(f"source: no file matches {path}")
        return files

    def open(self, path: str) -> IO[bytes]:
        """The bytes of a file, unpacked where its name ends in .gz."""
        import pyarrow as pa

        packing: Any = "gzip" if path.lower().endswith(".gz") else None
        try:
            raw: Any = path if self._fsspec is None else self._fsspec.open(path, "rb")
            return cast("IO[bytes]", pa.input_stream(raw, compression=packing))
        except Exception as error:
            raise SourceError(f"source: {path} cannot be opened: {type(error).__name__}: {error}") from None

    def version(self, path: str) -> Hashable | None:
        """A mark that differs after the file was written anew; None where the file system has none."""
        try:
            if self._fsspec is None:
                found = os.stat(path)
                return (found.st_size, found.st_mtime_ns, found.st_ino)
            told = self._fsspec.info(path)
        except Exception:  # A file that is gone is told where it is opened, and fsspec's own errors are of any kind.
            return None
        marks = [(mark, str(told[mark])) for mark in _MARKS if told.get(mark) is not None]
        return (hash(self._fsspec), told.get("size"), *marks) if marks else None

    def _exists(self, path: str) -> bool:
        return os.path.exists(path) if self._fsspec is None else bool(self._fsspec.exists(path))

    def _is_folder(self, path: str) -> bool:
        return os.path.isdir(path) if self._fsspec is None else bool(self._fsspec.isdir(path))


def _is_glob(text: str) -> bool:
    return any(wildcard in text for wildcard in _WILDCARDS)


def _filesystem(path: str, storage_options: Mapping[str, Any]) -> Any:
    protocol = path.split("://", 1)[0]
    extra = _EXTRAS.get(protocol, "fsspec")
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(path, **storage_options)[0]
    except ImportError as error:
        raise UnsupportedError(f"source: {path} needs a package: pip install 'hitherto[{extra}]' ({error})") from None
    except Exception as error:
        raise SourceError(f"source: {path} cannot be reached: {type(error).__name__}: {error}") from None

"""What was seen in csv and json files: their columns and types, kept as long as a file stays as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import IO, Any, Protocol, TypeAlias

import pyarrow as pa

from .paths import Files

_MOST_FILES = 4_096
_MOST_BYTES = 128 * 2**20
Block: TypeAlias = "Mapping[str, pa.Array[Any]] | None"


class ColumnType(Protocol):
    """The type of one column, as far as it was seen."""

    def joined(self, other: ColumnType, /) -> ColumnType:
        """The type of the values that either has seen."""
        ...

    @property
    def type(self) -> pa.DataType:
        """The type that every value seen can be read as."""
        ...

    @property
    def problem(self) -> str:
        """Why the column can't be used as that type, to follow "a column …"; "" where it can."""
        ...


class Parsed:
    """What was parsed of files to infer their types, for the one read that follows; at most so many bytes of it.

    A file's blocks are kept from its beginning, each as arrays by column, or as None where it has to be parsed anew.
    """

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._room = most
        self._blocks: dict[str, list[Block]] = {}
        self._cut: set[str] = set()

    def keep(self, path: str, block: Block) -> None:
        """Keep the next block of a file, unless there is no room for it, nor for what follows."""
        self._room -= sum(values.nbytes for values in (block or {}).values())
        if self._room < 0:
            self._room = 0
            self._cut.add(path)
        if path not in self._cut:
            self._blocks.setdefault(path, []).append(block)

    def take(self, path: str) -> tuple[list[Block], bool]:
        """The blocks of a file, and whether these are all. Whoever asks next gets none."""
        is_whole = path in self._blocks and path not in self._cut
        return self._blocks.pop(path, []), is_whole


class TextFormat(ABC):
    """A format whose files don't tell the types of their columns."""

    @abstractmethod
    def names(self, file: IO[bytes], path: str, given: Collection[str]) -> tuple[str, ...] | None:
        """The names of the columns; None where only all of the values tell. Types are ``given`` for some columns."""

    @abstractmethod
    def see(
        self, file: IO[bytes], path: str, names: Collection[str] | None, parsed: Parsed
    ) -> Mapping[str, ColumnType]:
        """The types of some columns, or of all, from all of their values."""

    @abstractmethod
    def read(
        self, file: IO[bytes], path: str, columns: Mapping[str, pa.DataType], parsed: Parsed
    ) -> Iterator[pa.RecordBatch]:
        """The values of some columns. Raises a SourceError that names file, column and value where one is none."""


@dataclass(frozen=True)
class SeenFile:
    """The columns of one file in its order, the types of those that were inferred, and the file's state then."""

    names: tuple[str, ...]
    types: Mapping[str, ColumnType]
    version: Hashable | None


class SeenFiles:
    """The files that this process has seen last. Threads may share it."""

    def __init__(self, most: int = _MOST_FILES) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, SeenFile] = OrderedDict()
        self._lock = Lock()

    def look(
        self, format_: TextFormat, system: Files, path: str, given: Collection[str], parsed: Parsed | None = None
    ) -> SeenFile:
        """The file's columns, with a type for each that is not given. A file that stays as it is, is read once.

        ``parsed`` keeps what is parsed by that, unless the file has no version by which a change is noticed.
        """
        version = system.version(path)
        key = (format_, path, version, frozenset(given))
        with self._lock:
            if version is not None and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with system.open(path) as file:
            names = format_.names(file, path, given)
        missing = None if names is None else [name for name in names if name not in given]
        types: Mapping[str, ColumnType] = {}
        if missing is None or missing:
            with system.open(path) as file:
                types = format_.see(file, path, missing, parsed if parsed and version is not None else Parsed(0))
        seen = SeenFile(tuple(types) if names is None else names, types, version)
        if version is not None and system.version(path) == version:
            with self._lock:
                self._kept[key] = seen
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return seen


SEEN = SeenFiles()


def joined_types(files: Sequence[SeenFile]) -> dict[str, ColumnType]:
    """The type of each column that was inferred, over all files, in the order in which they first appear."""
    types: dict[str, ColumnType] = {}
    for seen in files:
        for name in seen.names:
            if name in seen.types:
                types[name] = types[name].joined(seen.types[name]) if name in types else seen.types[name]
    return types

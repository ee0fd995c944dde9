"""Where the rows of a table are, and between which times."""

from __future__ import annotations

import dataclasses

from ..errors import UnsupportedError
from ..types import Schema


@dataclasses.dataclass(frozen=True)
class ParquetFiles:
    """Data of a table: parquet files, with a ``schema`` where a file has other columns or types than the table.

    ``partitions`` are named by folders; ``uuids`` are texts in the table. ``are_shipped``: only DuckDB reads the files.
    ``groups`` are the paths by the units that they have for timestamps beyond 64 bits: "ns", or "us" for any other.
    """

    paths: tuple[str, ...]
    schema: Schema | None = None
    partitions: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    are_shipped: bool = False
    groups: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class ArrowData:
    """Data of a table: something in memory with ``__arrow_c_stream__`` that can be read repeatedly.

    ``numbered`` where an engine that keeps no order has to number the rows as they come: those of a spine.
    ``is_table`` where all rows are there, so that nothing is opened, fetched or parsed to read them again.
    """

    value: object
    numbered: bool = False
    is_table: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class EngineData:
    """Data of a table: an object that only its engine can read, such as a Spark DataFrame."""

    value: object

    def __getstate__(self) -> object:
        kind = type(self.value).__name__
        raise UnsupportedError(
            f"a {kind} of an engine cannot be pickled, and so a job that reads it; make the job where it is used"
        )


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a table or query of the user's meant when it was looked up.

    ``names`` are those of all tables that it reads, also in the bodies of views and macros, as ``folded`` gives them: a
    table of ours that had one of them would be read instead. ``place`` tells the engine where to look them up again.
    """

    names: frozenset[str] = frozenset()
    place: object = None


@dataclasses.dataclass(frozen=True)
class CatalogTable:
    """Data of a table: a table or view of the user's, by the parts of its name as the engine's catalog has it.

    ``is_plain`` where its columns are known to be of the schema's types, and of none that only the engine has.
    """

    parts: tuple[str, ...]
    is_plain: bool = False
    meaning: Meaning = dataclasses.field(default=Meaning(), compare=False)


@dataclasses.dataclass(frozen=True)
class EngineQuery:
    """Data of a table: a query of the user's in the engine's own SQL, passed on as it is."""

    sql: str
    meaning: Meaning = dataclasses.field(default=Meaning(), compare=False)


@dataclasses.dataclass(frozen=True)
class EngineTable:
    """Data of a table: a table or view of the engine's own session."""

    name: str


@dataclasses.dataclass(frozen=True)
class Bounds:
    """In every row of a table the time in ``column`` lies in [first, last], in microseconds, rounded down.

    They are exact, never an estimate: plans leave out events that no row in between can use.
    """

    column: str
    first: int
    last: int


TableData = ParquetFiles | ArrowData | EngineData | CatalogTable | EngineQuery | EngineTable

"""What a benchmark is made of: a shape declares data and views, and its contenders follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import DAY, HOUR, SECOND, Size

if TYPE_CHECKING:
    import pyarrow as pa

Run = Callable[[], "pa.Table"]


@dataclass(frozen=True)
class Latest:
    """The latest values of some features, not older than ``ttl`` microseconds (None: of any age)."""

    features: tuple[str, ...] = ("amount", "items")
    ttl: int | None = 7 * DAY
    keys: tuple[str, ...] = ("key",)
    events: str = "events"
    name: str = "latest"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.features

    @property
    def sums(self) -> tuple[str, ...]:
        """Columns whose last bits depend on the order of summation."""
        return ()


@dataclass(frozen=True)
class Measure:
    """One aggregate over the events of the last ``window`` microseconds, those at the row's own time left out."""

    function: str
    column: str
    window: int
    p: float | None = None

    @property
    def name(self) -> str:
        parts = [self.function, *([self.column] if self.column != "*" else []), duration(self.window)]
        return "_".join(parts)


@dataclass(frozen=True)
class Windows:
    """Aggregates over windows of events."""

    measures: tuple[Measure, ...]
    keys: tuple[str, ...] = ("key",)
    events: str = "events"
    name: str = "windows"
    closed: str = "left"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(measure.name for measure in self.measures)

    @property
    def sums(self) -> tuple[str, ...]:
        """Columns whose last bits depend on the order of summation, or on how others interpolate."""
        inexact = ("sum", "mean", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "percentile")
        return tuple(measure.name for measure in self.measures if measure.function in inexact)

    @property
    def longest(self) -> int:
        return max(measure.window for measure in self.measures)


View = Latest | Windows


@dataclass(frozen=True)
class Inputs:
    """What a contender gets of a shape and size: files of events, a spine in memory, a folder to write to."""

    folder: Path
    size: Size
    scratch: Path

    @cached_property
    def spine(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / "spine.parquet")

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.parquet")


@dataclass(frozen=True)
class Contender:
    """One way to answer a shape.

    ``prepare`` imports what it needs and opens what stays open; the function that it returns is what is timed, and
    gives the columns of all views, row by row as the spine has them. Of one ``peer`` the fastest counts.
    """

    peer: str
    form: str
    prepare: Callable[[Inputs], Run]
    python: str | None = None  # of another environment; this one's where there is none

    @property
    def name(self) -> str:
        return f"{self.peer}: {self.form}" if self.form else self.peer


@dataclass(frozen=True)
class Sql:
    """SQL by hand: a text of ``sql/`` for each view, and one that is run before them."""

    form: str
    view: str
    once: str | None = None
    textbook: bool = False


@dataclass(frozen=True)
class Shape:
    """One benchmark.

    ``sizes`` are S, M and L, or others. ``sql`` and ``polars`` name the forms that can win; of each peer a quick run
    takes the first. A shape with ``spark`` runs there alone. ``engine`` are arguments of ``LocalComputeEngine``.
    ``extra`` are contenders of this shape alone. Sizes in ``by_name_only`` run when they are asked for by name.
    """

    name: str
    title: str
    data: Any
    sizes: Mapping[str, Size]
    views: tuple[View, ...] = ()
    sql: tuple[Sql, ...] = ()
    polars: tuple[str, ...] = ()
    pandas: bool = False
    feast: bool = False
    spark: tuple[Sql, ...] = ()
    engine: Mapping[str, Any] = field(default_factory=dict)
    extra: tuple[Contender, ...] = ()
    by_name_only: tuple[str, ...] = ()

    @property
    def sums(self) -> frozenset[str]:
        """Columns of the answer that may differ in their last bits."""
        return frozenset(
            name for view, name in self.named_columns() if name.removeprefix(f"{view.name}__") in view.sums
        )

    def named_columns(self) -> Iterator[tuple[View, str]]:
        """The columns of the answer: with their view's name where there are several views."""
        for view in self.views:
            for column in view.columns:
                yield view, f"{view.name}__{column}" if len(self.views) > 1 else column


def duration(microseconds: int) -> str:
    """A duration as hitherto prints it in a feature's name.

    >>> duration(7 * DAY), duration(36 * HOUR), duration(1_500)
    ('7d', '36h', '1500us')
    """
    units = (("d", DAY), ("h", HOUR), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1_000), ("us", 1))
    unit, length = next((unit, length) for unit, length in units if microseconds % length == 0)
    return f"{microseconds // length}{unit}"

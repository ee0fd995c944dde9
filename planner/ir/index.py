"""The operators of the event index: rows that an engine keeps in memory, sorted, and searches.

No SQL says them. A plan is cut at each of them: their inputs are statements, and what they give is read as a table.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..node import label_field, node
from ..types import INT64, Field, Schema
from .logical import Pick, Relation, WindowMeasure, feature_type


@dataclass(frozen=True)
class Sorting:
    """How rows are kept in memory: as a ``Sorted`` says, and a part of them only while it is probed."""

    key: str
    time: str
    is_alone: bool
    is_part: bool
    reach: tuple[int, int] | None


@node
class Sorted(Relation):
    """The input's rows by ``key`` (integers from 0 on) and then by ``time``, in memory.

    A row without a key is kept, and has that of no other side; one without a time is left out. ``is_alone`` where
    nothing but key and time is searched for: these fit into one word. With ``reach`` only rows are needed that are
    within [t + reach[0], t + reach[1]) of a time t of their key on the other side.
    """

    input: Relation
    key: str
    time: str
    is_alone: bool = False
    reach: tuple[int, int] | None = None
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class ProbeLatest(Relation):
    """The number of every spine row, in that order, with each pick's features of the latest event of its key, or nulls.

    Both sides are ``Sorted``. The bounds of picks are over the spine's time; all have the same upper one. Where
    ``events`` are several, each has the keys whose remainder by their number is its place: they are in memory one after
    another.
    """

    spine: Relation
    events: tuple[Relation, ...]
    row: str
    picks: tuple[Pick, ...]
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        events, pairs = self.events[0].schema, [pair for pick in self.picks for pair in pick.features]
        return Schema([Field(self.row, INT64), *(Field(name, feature_type(events[column])) for name, column in pairs)])


@node
class ProbeWindows(Relation):
    """The number of every spine row, in that order, with aggregates over the events of its key in each interval.

    Both sides are ``Sorted``, the events perhaps in parts, as for a ``ProbeLatest``. A measure's ``where`` is a column
    of the events.
    """

    spine: Relation
    events: tuple[Relation, ...]
    row: str
    measures: tuple[WindowMeasure, ...]
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        return Schema([Field(self.row, INT64), *(Field(each.name, each.type) for each in self.measures)])


INDEX_OPERATORS: frozenset[type[Relation]] = frozenset({Sorted, ProbeLatest, ProbeWindows})
"""What only an engine with an event index runs."""

"""Latest values by an index over the events: sorted once in memory, and searched for every row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..expr.functions import call, coerce
from ..expr.nodes import Column, Expr, Literal, conjunction
from ..expr.structs import is_present
from ..ir.index import ProbeLatest, ProbeWindows, Sorted
from ..ir.logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Interval,
    NumberRows,
    Pick,
    Project,
    Relation,
    WindowAggregate,
    WindowMeasure,
    feature_type,
    identity_columns,
)
from ..ir.operators import KeyedJoin, Materialize
from ..ir.properties import row_identity
from ..statistics import Cost, Rates
from ..types import BEYOND_TIME, BOOL, INT64
from .form import Expansion, Form, PointInTime
from .index_functions import supports
from .latest import late_seconds, resolved_late
from .sizes import Sizes, intervals


@dataclasses.dataclass(frozen=True)
class EventIndexLatest(Form[AsofJoin]):
    """The events of the spine's keys, sorted by key and time; a row's event is the one before the end of its interval.

    Only rows that tie at that place are ordered by more than their time. ``parts`` are those of the keys that are
    sorted one after another, where memory can't hold all events.
    """

    parts: int = 1

    name = "EventIndexLatest"
    on = AsofJoin
    needs = frozenset({Sorted, ProbeLatest})

    def applies_to(self, node: AsofJoin) -> bool:
        """Where visibility is a bound on the event time alone; an unsigned value may be refused that no row takes."""
        read = [name for pick in node.picks for name in (*pick.order, *(column for _, column in pick.features))]
        is_signed = all(node.events.schema[name].kind != "uint64" for name in read)
        return is_signed and _is_searchable(node, (pick.interval for pick in node.picks))

    def in_parts(self, parts: int) -> EventIndexLatest:
        return EventIndexLatest(parts)

    def detail(self, node: AsofJoin) -> str:
        return _said(self.parts)

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """The events are handed over and sorted once; a row takes a search, whatever the data are like."""
        read = [name for pick in node.picks for name in (*pick.order, *(column for _, column in pick.features))]
        return _cost(sizes, rates, len(dict.fromkeys(read)), len(node.picks) + 1, self.parts)

    def expand(self, node: AsofJoin) -> Relation:
        index, schema = _Index(node, self.parts), node.events.schema
        picks: list[Pick] = []
        for pick in node.picks:
            order = tuple(index.column(Column(name, schema[name])) for name in (() if pick.unique else pick.order))
            features = tuple(
                (name, index.column(coerce(Column(column, schema[column]), feature_type(schema[column]))))
                for name, column in pick.features
            )
            picks.append(dataclasses.replace(pick, order=order, features=features))
        probe = ProbeLatest(index.spine, index.events, index.row, tuple(picks), label=node.label)
        return index.joined(probe)


@dataclasses.dataclass(frozen=True)
class EventIndexThenFetch(Form[AsofJoin]):
    """The same with keys and times alone in memory: features and ties are read again, for the events that were found.

    It is for many or wide events of which few are found, and where memory is short.
    """

    parts: int = 1

    name = "EventIndexThenFetch"
    on = AsofJoin
    needs = frozenset({Sorted, ProbeLatest})

    def applies_to(self, node: AsofJoin) -> bool:
        """Where visibility is a bound on the event time alone."""
        return _is_searchable(node, (pick.interval for pick in node.picks))

    def in_parts(self, parts: int) -> EventIndexThenFetch:
        return EventIndexThenFetch(parts)

    def detail(self, node: AsofJoin) -> str:
        return _said(self.parts)

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Less is handed over and held; but the events are read again, and the found ones joined."""
        found = _cost(sizes, rates, 0, 1, self.parts)
        if found is None or sizes.spine is None or sizes.events is None:
            return None
        return Cost(found.cpu + late_seconds(node, sizes.spine, sizes.events, rates), found.memory)

    def expand(self, node: AsofJoin) -> Relation:
        index = _Index(node, self.parts, is_alone=True)
        matched = index.made.fresh(f"matched_{node.event_time}")
        upper = node.picks[0].interval
        ever = Interval(None, upper.upper, None, upper.latest)
        pick = Pick(ever, (), ((matched, node.event_time),), unique=True)
        probe = ProbeLatest(index.spine, index.events, index.row, (pick,), label=node.label)
        match = index.made.step(KeyedJoin(node.spine, probe, ((index.row, index.row),), how="left"), "match")
        return resolved_late(index.made, node, index.made.events, match, {node.event_time: matched})


@dataclasses.dataclass(frozen=True)
class EventIndexWindows(Form[WindowAggregate]):
    """The same index for windows: a window is a slice of the sorted events, and an aggregate is read from that."""

    parts: int = 1

    name = "EventIndexWindows"
    on = WindowAggregate
    needs = frozenset({Sorted, ProbeWindows})

    def applies_to(self, node: WindowAggregate) -> bool:
        """Where visibility is a bound on the event time alone, and slices tell every aggregate."""
        intervals = (each.interval for each in node.aggregates)
        return _is_searchable(node, intervals) and all(is_indexed(each, node) for each in node.aggregates)

    def in_parts(self, parts: int) -> EventIndexWindows:
        return EventIndexWindows(parts)

    def detail(self, node: WindowAggregate) -> str:
        return _said(self.parts)

    def cost(self, node: WindowAggregate, sizes: Sizes, rates: Rates) -> Cost | None:
        """A window takes two searches, and an aggregate running sums or ranks, however long the windows are."""
        if sizes.spine is None or sizes.events is None:
            return None
        operands = {each.operand for each in node.aggregates} | {each.where for each in node.aggregates}
        found = _cost(sizes, rates, len(operands), 2 * len(intervals(node)), self.parts)
        measured = len(node.aggregates) * rates.measured * (sizes.spine + sizes.events)
        return None if found is None else Cost(found.cpu + measured, found.memory)

    def expand(self, node: WindowAggregate) -> Relation:
        index, schema = _Index(node, self.parts), node.events.schema
        measures: list[WindowMeasure] = []
        for each in node.aggregates:
            operand = None
            if each.operand is not None:
                column = Column(each.operand, schema[each.operand])
                is_counted = each.function in ("count", "count_distinct")
                operand = index.column(column if is_counted else coerce(column, feature_type(column.type)))
            where = None
            if each.where is not None:
                where = Column(index.column(coerce(each.where, BOOL)), BOOL)
            order = tuple(index.column(Column(name, schema[name])) for name in each.order)
            measures.append(dataclasses.replace(each, operand=operand, where=where, order=order))
        return index.joined(ProbeWindows(index.spine, index.events, index.row, tuple(measures), label=node.label))


def is_indexed(measure: WindowMeasure, node: WindowAggregate) -> bool:
    """Whether an aggregate can be read from slices of sorted events."""
    return supports(measure.function, None if measure.operand is None else node.events.schema[measure.operand])


def _is_searchable(node: PointInTime, intervals: Iterable[Interval]) -> bool:
    ends = (end for each in intervals for end in (each.earliest, each.latest) if end is not None)
    is_near = all(abs(end) < BEYOND_TIME // 2 for end in ends)
    return is_near and node.created is None and row_identity(node.spine) is not None


def _said(parts: int) -> str:
    return "" if parts == 1 else f", in {parts} parts"


def _cost(sizes: Sizes, rates: Rates, columns: int, searches: int, parts: int) -> Cost | None:
    """The events as if all of them had keys of the spine's, with so many columns beside key and time."""
    spine, events = sizes.spine, sizes.events
    if spine is None or events is None:
        return None
    read = parts * (rates.statement + events * (rates.scanned + rates.probed))
    made = 3 * rates.statement + spine * (rates.built + rates.probed + rates.indexed)
    seconds = read + made + events * rates.indexed * (1 + columns / 4) + spine * searches * rates.searched
    # Key and time as they come and in one word; where there are columns, the row and the columns.
    held = events * (24 if not columns else 40 + 8 * columns) // parts + spine * (48 + 8 * columns)
    return Cost(seconds, held)


class _Index:
    """Both sides of one index in the making: the statements that read them, and the columns that they have."""

    def __init__(self, node: PointInTime, parts: int, *, is_alone: bool = False) -> None:
        self.made = Expansion(node)
        self._node = node
        self._parts = parts if node.keys else 1
        self._is_alone = is_alone
        self._id = self.made.fresh("key_id")
        self._names: dict[Expr, str] = {Column(node.event_time, INT64): node.event_time}
        row = row_identity(node.spine)
        assert row is not None
        self.row = row

    def column(self, expr: Expr) -> str:
        """The column of the sorted events that has the value of an expression over an event."""
        if expr not in self._names:
            self._names[expr] = expr.name if isinstance(expr, Column) else self.made.fresh("value")
        return self._names[expr]

    @property
    def spine(self) -> Sorted:
        """Number, key and time of the spine's rows; the key is null where one of theirs is, or no event can have it."""
        node = self._node
        rows: Relation = node.spine
        key: Expr = Literal(0, INT64)
        if node.keys:
            pairs = tuple((name, name) for name in self._spine_keys)
            rows = KeyedJoin(rows, self._key_ids, pairs, how="left")
            key = Column(self._id, INT64)
        read = Project(
            rows,
            ((self.row, Column(self.row, INT64)), (self._id, key), (node.time, Column(node.time, INT64))),
        )
        return Sorted(read, self._id, node.time)

    @property
    def events(self) -> tuple[Sorted, ...]:
        """The events that have a key of the spine's, by parts of the keys."""
        return tuple(map(self._part, range(self._parts)))

    def _part(self, number: int) -> Sorted:
        node = self._node
        rows: Relation = node.events
        key: Expr = Literal(0, INT64)
        if node.keys:
            key, ids = Column(self._id, INT64), self._key_ids
            if self._parts > 1:
                part = call("modulo", key, Literal(self._parts, INT64))
                ids = Filter(ids, call("eq", part, Literal(number, INT64)))
            rows = KeyedJoin(rows, ids, tuple((right, left) for left, right in node.keys))
        read = Project(rows, ((self._id, key), *((name, expr) for expr, name in self._names.items())))
        return Sorted(read, self._id, node.event_time, self._is_alone, label=node.label)

    def joined(self, probe: Relation) -> Relation:
        """The spine with what a probe gives for each of its rows."""
        node = self._node
        every_row = KeyedJoin(node.spine, probe, ((self.row, self.row),), how="left")
        return Project(every_row, identity_columns(node.schema))

    @property
    def _spine_keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(left for left, _ in self._node.keys))

    @property
    def _key_ids(self) -> Relation:
        """A number for each combination of the spine's keys: one column to sort by, whatever types they have."""
        spine = self._node.spine
        keys = tuple((name, Column(name, spine.schema[name])) for name in self._spine_keys)
        known = Filter(Project(spine, keys), conjunction(tuple(is_present(column) for _, column in keys)))
        return Materialize(NumberRows(Aggregate(known, self._spine_keys), self._id), name="spine_keys")

"""Windows from tiles: aggregates of stretches of time, of which each window takes a few, and the events at its ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..durations import format_duration
from ..expr.aggregates import AGGREGATES
from ..expr.functions import call
from ..expr.nodes import Call, Column, Expr, Literal, conjunction, conjuncts
from ..expr.structs import bucket_of, field_of, is_present, struct_of
from ..ir.intervals import plus
from ..ir.logical import (
    Aggregate,
    Filter,
    Interval,
    Measure,
    Project,
    Relation,
    Union,
    WindowAggregate,
    WindowMeasure,
    identity_columns,
)
from ..ir.operators import Explode, KeyedJoin
from ..statistics import Cost, Rates
from ..types import BEYOND_TIME, BOOL, INT64
from .bucketed_windows import or_empty, read_by, within
from .form import Expansion, Form, with_columns
from .sizes import Sizes, bytes_of, intervals
from .states import Merge, States, merged

_HOPS = 16
"""So many tiles of level 0 are in the shortest window: what is taken from single events is a small part of it."""


class TiledWindows(Form[WindowAggregate]):
    """Tiles of 1, 2, 4, … hops, each with the partial states of its events; a window takes at most two of a level.

    At level l let ``a`` be the first tile that begins in the window, and ``b`` the first that ends behind it. Where
    ``a < b``, tile ``a`` is taken if it is odd, and tile ``b - 1`` if ``b`` is odd: all others are halves of tiles of
    the next level that lie in the window as a whole. There are so many levels that none is left for a next one. The
    events before the first tile of level 0, and behind the last, are those of two hops. All joins are on keys and a
    number.
    """

    name = "TiledWindows"
    on = WindowAggregate

    def applies_to(self, node: WindowAggregate) -> bool:
        """Where partial states can be merged, and each window begins: one without a beginning needs endless levels.

        With a created filter a tile would have events that a row does not know yet.
        Windows without an instant have no tiles.
        """
        is_mergeable = all(AGGREGATES[each.function].states for each in node.aggregates)
        is_bounded = all(each.interval.earliest is not None for each in node.aggregates)
        if node.created is not None or not is_mergeable or not is_bounded:
            return False
        return any(levels_of(each, hop_of(node)) for each in intervals(node))

    def cost(self, node: WindowAggregate, sizes: Sizes, rates: Rates) -> Cost | None:
        """Each event is taken into a tile, and looked at again for the rows that have an end in its hop."""
        hop, of_row = hop_of(node), intervals(node)
        spine, events, in_hop = sizes.spine, sizes.events, sizes.within(hop)
        if spine is None or events is None or in_hop is None:
            return None
        # Each row has so many events in a hop, and so has each tile.
        tiles = self._made_of(min(events, events * spine / max(1, in_hop)), node)
        taken = spine * sum(levels_of(each, hop) for each in of_row)
        kept, ends, measures = len(_kept(node)), len(of_row) + len(_uppers(node)), len(node.aggregates)
        seconds = 6 * rates.statement + events * (2 * rates.scanned + rates.probed)
        seconds += (events + tiles) * (rates.grouped + kept * rates.measured) + tiles * rates.built
        seconds += 2 * taken * (rates.scanned + rates.probed) + taken * (rates.grouped + measures * rates.measured)
        seconds += spine * ends * (rates.scanned + rates.built)
        seconds += ends * in_hop * (rates.paired + rates.grouped + measures * rates.measured)
        seconds += 2 * spine * (rates.grouped + rates.built + rates.probed + measures * rates.measured)
        held = tiles * (bytes_of(node.spine) + 16 * kept) + spine * ends * bytes_of(node.spine)
        return Cost(seconds, round(held + spine * 16 * measures))

    def _made_of(self, tiles: float, node: WindowAggregate) -> float:
        """How many tiles are made, all levels together, where level 0 has so many."""
        del node
        return 2 * tiles

    def expand(self, node: WindowAggregate) -> Relation:
        return _Tiling(node).answers()

    def detail(self, node: WindowAggregate) -> str:
        hop = hop_of(node)
        levels = max(levels_of(each, hop) for each in intervals(node))
        return f", hop {format_duration(hop)}, {levels} levels"


class ExplodedTiles(TiledWindows):
    """The same, with the tiles of all levels made of those of level 0 at once.

    They are more rows to group, and for engines that run a step again wherever it is read: each level of the other form
    would be made anew from the events.
    """

    name = "ExplodedTiles"

    def cost(self, node: WindowAggregate, sizes: Sizes, rates: Rates) -> Cost | None:
        """An engine of this kind sees to its memory itself."""
        found = super().cost(node, sizes, rates)
        return None if found is None else Cost(found.cpu)

    def _made_of(self, tiles: float, node: WindowAggregate) -> float:
        return tiles * (1 + max(levels_of(each, hop_of(node)) for each in intervals(node)))

    def expand(self, node: WindowAggregate) -> Relation:
        return _Tiling(node, at_once=True).answers()


def hop_of(node: WindowAggregate) -> int:
    """The length of a tile of level 0: a part of the shortest window that has an instant."""
    widths = (_width(each) for each in intervals(node))
    return max(1, min((width for width in widths if width > 0), default=1) // _HOPS)


def levels_of(interval: Interval, hop: int) -> int:
    """How many levels a window needs: at the next one, not a single tile lies in it beside its neighbour.

    A window of ``n`` whole tiles has at most ``n / 2^l`` at level l.
    """
    return (_width(interval) // hop).bit_length()


def _width(interval: Interval) -> int:
    """The length of the longest window of any row."""
    return interval.latest - (interval.earliest or 0)


@dataclass(frozen=True)
class _Kept:
    """What tiles keep of some events: the states of a function of an operand, where a condition is true."""

    function: str
    operand: str | None
    where: Expr | None

    @classmethod
    def of(cls, each: WindowMeasure) -> _Kept:
        return cls(each.function, each.operand, each.where)


def _kept(node: WindowAggregate) -> tuple[_Kept, ...]:
    return tuple(dict.fromkeys(map(_Kept.of, node.aggregates)))


def _uppers(node: WindowAggregate) -> tuple[Expr, ...]:
    return tuple(dict.fromkeys(each.upper for each in intervals(node)))


class _Tiling:
    """One expansion in the making: the tiles, what rows take of them, and of the events at the ends of windows."""

    def __init__(self, node: WindowAggregate, *, at_once: bool = False) -> None:
        self._node = node
        self._at_once = at_once
        self._made = made = Expansion(node)
        self._hop = hop_of(node)
        self._intervals = intervals(node)
        time = Column(node.event_time, INT64)
        # Null is in no window, and an infinite time in none that begins and ends.
        is_known = (call("gt", time, Literal(-BEYOND_TIME, INT64)), call("lt", time, Literal(BEYOND_TIME, INT64)))
        self._events = Filter(made.events, conjunction(is_known))
        self._keys = tuple(dict.fromkeys(right for _, right in node.keys))
        self._uppers = _uppers(node)
        # What a row takes: the number of its window or end, and a tile; and what the tiles' own columns are called.
        self._number, self._taken_tile, self._taken_level = map(made.fresh, ("number", "taken_tile", "taken_level"))
        self._tile, self._level = made.fresh("tile"), made.fresh("level")
        # The tiles that each window begins in and after, and that each upper bound is in.
        self._starts = [Column(made.fresh("start"), INT64) for _ in self._intervals]
        self._firsts = [Column(made.fresh("first"), INT64) for _ in self._intervals]
        self._ends = [Column(made.fresh("end"), INT64) for _ in self._uppers]
        self._rows = made.step(with_columns(node.spine, self._spans()), "spans")
        self._kept = {each: self._states(each, "") for each in _kept(node)}
        self._parts = [self._states(_Kept.of(each), f"{each.name}_part") for each in node.aggregates]

    def answers(self) -> Relation:
        """Every spine row once, with its aggregates."""
        node, made = self._node, self._made
        row = Column(node.row, node.spine.schema[node.row])
        columns = [row, *(column for each in self._parts for column in each.columns)]
        both = (self._of_tiles(), self._of_events())
        halves = tuple(Project(each, tuple((column.name, column) for column in columns)) for each in both)
        parts = made.step(Union(halves), "parts")
        whole = [self._states(_Kept.of(each), f"{each.name}_whole") for each in node.aggregates]
        merges = [Merge(part, all_) for part, all_ in zip(self._parts, whole, strict=True)]
        found = made.step(merged(parts, (node.row,), merges), "windows")
        every_row = KeyedJoin(node.spine, found, ((node.row, node.row),), how="left")
        answers = (
            (each.name, or_empty(each, states.finished(each.type)))
            for each, states in zip(node.aggregates, whole, strict=True)
        )
        return Project(every_row, (*identity_columns(node.spine.schema), *answers))

    def _spans(self) -> Iterator[tuple[str, Expr]]:
        for interval, start, first in zip(self._intervals, self._starts, self._firsts, strict=True):
            assert interval.lower is not None
            yield start.name, _tile_of(interval.lower, self._hop)
            yield first.name, _tile_of(plus(interval.lower, self._hop - 1), self._hop)
        for upper, end in zip(self._uppers, self._ends, strict=True):
            yield end.name, _tile_of(upper, self._hop)

    def _of_tiles(self) -> Relation:
        """The states of the whole tiles of each row's windows."""
        node = self._node
        taken = [
            tile
            for number, interval in enumerate(self._intervals)
            for level in range(levels_of(interval, self._hop))
            for tile in self._of_level(number, interval, level)
        ]
        probe = self._probe(taken, "tiles_of_rows")
        same = ((self._taken_tile, self._tile), (self._taken_level, self._level))
        pairs = self._made.step(KeyedJoin(probe, self._tiles(), (*node.keys, *same)), "whole_tiles")
        merges = [
            Merge(self._kept[_Kept.of(each)], part, self._is_any((self._intervals.index(each.interval),)))
            for each, part in zip(node.aggregates, self._parts, strict=True)
        ]
        return merged(pairs, (node.row,), merges)

    def _of_level(self, number: int, interval: Interval, level: int) -> tuple[Expr, Expr]:
        """The two tiles that a window may take of a level, each null where it doesn't."""
        first: Expr = self._firsts[number]
        end: Expr = self._ends[self._uppers.index(interval.upper)]
        if level:
            first, end = bucket_of(plus(first, (1 << level) - 1), 1 << level), bucket_of(end, 1 << level)
        is_any = call("lt", first, end)
        return (
            _where((is_any, _is_odd(first)), self._take(number, first, level)),
            _where((is_any, _is_odd(end)), self._take(number, plus(end, -1), level)),
        )

    def _tiles(self) -> Relation:
        """The tiles of all levels by keys, level and number."""
        made, schema = self._made, self._events.schema
        hop = made.fresh("hop")
        keyed = with_columns(self._events, [(hop, _tile_of(Column(self._node.event_time, INT64), self._hop))])
        by = (*self._keys, hop)
        measures = [
            measure
            for kept, states in self._kept.items()
            for measure in states.of(self._column(kept.operand), kept.where)
        ]
        keys: list[tuple[str, Expr]] = [(key, Column(key, schema[key])) for key in self._keys]
        states = [(column.name, column) for each in self._kept.values() for column in each.columns]
        tiles: Relation = made.step(Aggregate(keyed, by, tuple(measures)), "tiles")
        if self._at_once:
            return self._exploded(tiles, keys, Column(hop, INT64))
        levels: list[Relation] = []
        for level in range(max(levels_of(each, self._hop) for each in self._intervals)):
            if level:
                tiles = self._halves(tiles, keys, hop, level)
            place = ((self._tile, Column(hop, INT64)), (self._level, Literal(level, INT64)))
            levels.append(Project(tiles, (*keys, *place, *states)))
        return made.step(Union(tuple(levels)), "all_tiles")

    def _exploded(self, tiles: Relation, keys: list[tuple[str, Expr]], hop: Column) -> Relation:
        """The tiles of all levels, of those of level 0."""
        made = self._made
        levels = range(max(levels_of(each, self._hop) for each in self._intervals))
        places = tuple(
            struct_of([(self._tile, bucket_of(hop, 1 << level)), (self._level, Literal(level, INT64))])
            for level in levels
        )
        place = Column(made.fresh("place"), places[0].type)
        exploded = made.step(Explode(tiles, place.name, places), "tiles_of_levels")
        fields = [(each.name, field_of(place, each.name)) for each in place.type.fields]
        columns = [column for each in self._kept.values() for column in each.columns]
        parts = made.step(Project(exploded, (*keys, *fields, *((each.name, each) for each in columns))), "placed_tiles")
        by = [(name, Column(name, INT64)) for name, _ in fields]
        return made.step(self._merged(parts, keys, by), "all_tiles")

    def _halves(self, tiles: Relation, keys: list[tuple[str, Expr]], hop: str, level: int) -> Relation:
        """The tiles of a level, of those of the level below."""
        columns = [column for each in self._kept.values() for column in each.columns]
        above = (hop, bucket_of(Column(hop, INT64), 2))
        parts = self._made.step(
            Project(tiles, (*keys, above, *((column.name, column) for column in columns))), f"halves_{level}"
        )
        return self._merged(parts, keys, [(hop, Column(hop, INT64))], f"tiles_{2**level}")

    def _merged(
        self, parts: Relation, keys: list[tuple[str, Expr]], place: list[tuple[str, Column]], role: str = "merged_tiles"
    ) -> Relation:
        """The states of the tiles of one place together, called as those of the parts."""
        whole = {kept: self._states(kept, "") for kept in self._kept}
        by = (*self._keys, *(name for name, _ in place))
        made = merged(parts, by, [Merge(states, whole[kept]) for kept, states in self._kept.items()])
        new = (column for each in whole.values() for column in each.columns)
        old = (column.name for each in self._kept.values() for column in each.columns)
        return Project(self._made.step(made, role), (*keys, *place, *zip(old, new, strict=True)))

    def _of_events(self) -> Relation:
        """The states of the events in the hops at the ends of each row's windows."""
        node = self._node
        taken: list[Expr] = [self._take(number, end) for number, end in enumerate(self._ends)]
        for number, interval in enumerate(self._intervals):
            start, end = self._starts[number], self._ends[self._uppers.index(interval.upper)]
            is_apart = (call("lt", start, self._firsts[number]), call("lt", start, end))
            taken.append(_where(is_apart, self._take(len(self._ends) + number, start)))
        probe = self._probe(taken, "ends_of_rows")
        read = [column for each in node.aggregates for column in read_by(each)]
        right, beside = self._made.beside_spine(self._events, [*read, node.event_time], probe.schema)
        time = beside.column(node.event_time)
        right = with_columns(right, [(self._tile, _tile_of(Column(time.name, INT64), self._hop))])
        pairs = KeyedJoin(probe, right, (*node.keys, (self._taken_tile, self._tile)))
        measures: list[Measure] = []
        for each, states in zip(node.aggregates, self._parts, strict=True):
            number = len(self._ends) + self._intervals.index(each.interval)
            is_end = self._is_any((self._uppers.index(each.interval.upper), number))
            own = () if each.where is None else (beside.over(each.where),)
            where = conjunction((*conjuncts(within(each.interval, time)), is_end, *own))
            measures += states.of(None if each.operand is None else beside.column(each.operand), where)
        return Aggregate(pairs, (node.row,), tuple(measures))

    def _column(self, operand: str | None) -> Column | None:
        return None if operand is None else Column(operand, self._node.events.schema[operand])

    def _states(self, kept: _Kept, wish: str) -> States:
        wish = wish or f"{kept.function}_{kept.operand or 'rows'}"
        return States.fresh(self._made, kept.function, self._column(kept.operand), wish)

    def _take(self, number: int, tile: Expr, level: int | None = None) -> Expr:
        fields = [(self._number, Literal(number, INT64)), (self._taken_tile, tile)]
        return struct_of(fields if level is None else [*fields, (self._taken_level, Literal(level, INT64))])

    def _probe(self, taken: Sequence[Expr], role: str) -> Relation:
        """A spine row for each that is taken: those that are not are null."""
        column = Column(self._made.fresh("taken"), taken[0].type)
        exploded = self._made.step(Explode(self._rows, column.name, tuple(taken)), role)
        fields = tuple((each.name, field_of(column, each.name)) for each in column.type.fields)
        return Project(Filter(exploded, is_present(column)), (*identity_columns(self._node.spine.schema), *fields))

    def _is_any(self, numbers: tuple[int, ...]) -> Expr:
        number = Column(self._number, INT64)
        found = tuple(call("eq", number, Literal(each, INT64)) for each in numbers)
        return found[0] if len(found) == 1 else Call("or", found, BOOL)


def _tile_of(time: Expr, width: int) -> Expr:
    """The number of the tile that a time is in. All times of a calendar are behind the first one's."""
    return bucket_of(plus(time, BEYOND_TIME), width)


def _is_odd(number: Expr) -> Expr:
    return call("ne", call("multiply", bucket_of(number, 2), Literal(2, INT64)), number)


def _where(conditions: tuple[Expr, ...], value: Expr) -> Expr:
    return call("case", conjunction(conditions), value, Literal(None, value.type))

"""Whole worlds for property tests: sources, views and a spine, small and full of edges.

Names, keys, instants and values come from short pools, so that ties, equal keys and bounds that miss or hit by one
microsecond are common. A table is drawn as one string of bytes for each row, each byte an index into its column's
pool: fast to draw, and hypothesis can drop rows and simplify values when it shrinks. A world is drawn by hypothesis or
by a seeded ``Random``, and knows its pools, so that its definitions can be asked over other rows as well.
"""

from __future__ import annotations

import atexit
import itertools
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import hitherto as ht
import pyarrow as pa
import pyarrow.parquet as pq
from hitherto.planner.expr.aggregates import AGGREGATES, AggregateFunction
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.planner.features.definitions import Feature, FeatureView, FeatureViewProjection, Source
from hitherto.runtime.arrow import arrow_type, data_type
from hypothesis import strategies as st

from tests.expressions import Column, after, answered, computations, conditions, either, negated
from tests.reference import LISTS, Evaluate, Output, Reference, Relation, Row, agrees, selected

_FILES = tempfile.TemporaryDirectory(prefix="hitherto-worlds-")
atexit.register(_FILES.cleanup)
_NUMBERS = itertools.count()

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
YEAR_1, YEAR_2024, YEAR_10000 = -62_135_596_800 * SECOND, 1_704_067_200 * SECOND, 253_402_300_800 * SECOND
ANCHORS = (0, YEAR_2024, -1, -10 * 366 * DAY, YEAR_1 + 9 * DAY, YEAR_10000 - 9 * DAY)
STEPS = (SECOND, HOUR, DAY, DAY, 7)
# Names that mean something to SQL or that a planner might take for its own columns; no two differ only by case.
NAMES = (
    "a", "b", "c", "d", "amount", "user id", 'a"b', "select", "ü", ";--", "it's", "row_id", "t", "ts", "created_ts",
    "a.b", "x--y", "Mixed", "{}", "%s", "group", "1st", "spine", "rank", "日本", "?", "$1", "*/",
)  # fmt: skip
DECIMALS = ("1.50", "-0.25", "0", "99999999.99", "1")
VIEW_NAMES = ("v", "w", 'vi"ew', "select from", "ü", "spine", "row_id", "a__b")
PARAMETERS = (0.5, 0.0, 1.0, 0.9, 1 / 3, 1, 3, 100)
SPINE_FORMS = ("arrow", "arrow", "chunked", "pandas", "polars")


class Choices(ABC):
    """What everything is drawn with; small numbers are the simple ones."""

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """A number, both ends included."""

    @abstractmethod
    def strings(self, width: int, low: int, high: int) -> list[bytes]:
        """From ``low`` to ``high`` strings of ``width`` bytes."""

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, one_in: int) -> bool:
        return self.integer(0, one_in - 1) == one_in - 1

    def rows(self, columns: Sequence[Column], low: int, high: int) -> list[tuple[Any, ...]]:
        pools = [column.pool for column in columns]
        return [
            tuple(pool[byte % len(pool)] for pool, byte in zip(pools, data, strict=True))
            for data in self.strings(len(pools), low, high)
        ]


class _Drawn(Choices):
    """By hypothesis, which can shrink them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def strings(self, width: int, low: int, high: int) -> list[bytes]:
        return self._draw(st.lists(st.binary(min_size=width, max_size=width), min_size=low, max_size=high))


class Seeded(Choices):
    """By a seed, every choice as likely as any other."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def strings(self, width: int, low: int, high: int) -> list[bytes]:
        return [self._random.randbytes(width) for _ in range(self.integer(low, high))]


@dataclass(frozen=True, eq=False)
class SourceTable:
    """The columns of a source by role, and its rows."""

    keys: tuple[Column, ...]
    timestamp: Column
    created: Column | None
    sequence: tuple[Column, ...]
    values: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        created = () if self.created is None else (self.created,)
        return (*self.keys, self.timestamp, *created, *self.sequence, *self.values)

    @cached_property
    def data(self) -> pa.Table:
        return arrow_table(self.columns, self.rows)

    def filled(self, choices: Choices) -> SourceTable:
        """The same columns with rows from their pools."""
        low, high = choices.pick(((0, 6), (24, 48), (24, 48), (8, 24)))
        rows = choices.rows(self.columns, low, high)
        # Full duplicates, and rows of one age and other values, which only the order of the features tells apart.
        twins = zip(rows, reversed(rows[: choices.pick((0, 6, 12))]), strict=False)
        rows += [(*row[: -len(self.values)], *other[-len(self.values) :]) for row, other in twins]
        rows += rows[: choices.pick((0, 0, 1, 3))]
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True, eq=False)
class World:
    """Definitions, a request and its data. ``expected`` is the answer by the reference.

    ``drawn`` and ``spine_columns`` are what the rows came from.
    """

    views: list[FeatureView | FeatureViewProjection]
    features: list[Feature]
    full_feature_names: bool
    filter_by_created: bool
    entity_df: Any
    spine: pa.Table
    timestamp: str
    tables: dict[Source, pa.Table]
    drawn: dict[Source, SourceTable]
    spine_columns: tuple[Column, ...]
    expressions: dict[str, Evaluate]
    types: dict[tuple[str, str], pa.DataType]
    key_columns: tuple[Column, ...]
    key_copies: Mapping[str, str]
    end: int

    @property
    def bases(self) -> list[FeatureView]:
        """The views themselves, also of what is used under another name."""
        return [use.view if isinstance(use, FeatureViewProjection) else use for use in self.views]

    @cached_property
    def relations(self) -> dict[Source, Relation]:
        return {
            source: Relation(
                tuple(table.column_names),
                plain_rows(table, up=(source.timestamp_field, source.created_timestamp_column)),
            )
            for source, table in self.tables.items()
        }

    @cached_property
    def outputs(self) -> list[Output]:
        return selected(self.views, self.features, self.relations, full_feature_names=self.full_feature_names)

    @cached_property
    def schema(self) -> pa.Schema:
        """The answer's schema by the law: the spine's, then the features'."""
        features = [pa.field(item.name, self.types[item.use.view.name, item.feature]) for item in self.outputs]
        return pa.schema([*self.spine.schema, *features], metadata=self.spine.schema.metadata)

    def expected(self, reference: type[Reference] = Reference) -> list[dict[str, Any]]:
        oracle = reference(self.relations, self.expressions, filter_by_created=self.filter_by_created)
        return oracle.answers(self.outputs, plain_rows(self.spine), self.timestamp)

    def job(
        self, engine: ht.ComputeEngine, options: ht.PlannerOptions | None = None, entity_df: Any = None
    ) -> ht.RetrievalJob:
        store = ht.FeatureStore(self.views, engine=engine, planner_options=options)
        return store.get_historical_features(
            self.entity_df if entity_df is None else entity_df,
            features=self.features,
            full_feature_names=self.full_feature_names,
            filter_by_created_timestamp=self.filter_by_created,
            entity_timestamp=self.timestamp,
        )

    def __repr__(self) -> str:
        lines = ["World", f"  views {self.views}", f"  features {self.features} full={self.full_feature_names}"]
        for use, view in zip(self.views, self.bases, strict=True):
            lines.append(f"  {view.name!r}: {view.filter=} {view.columns=} {view.features=} {view.origin.data_delay=}")
            lines.append(f"    {list(view.aggregations)} {dict(view.post_aggregation)}")
            if isinstance(use, FeatureViewProjection):
                lines.append(f"    used as {use.name!r} with {dict(use.join_key_map)}")
        for source, table in self.tables.items():
            roles = f"{source.timestamp_field!r}, {source.created_timestamp_column!r}, {source.sequence_columns}"
            lines.append(f"  {type(source).__name__} {roles} {dict(source.field_mapping)}\n    {_shown(table)}")
        lines.append(f"  spine by {self.timestamp!r}, {type(self.entity_df).__module__}\n    {_shown(self.spine)}")
        return "\n".join(lines)


def with_sources(world: World, sources: Mapping[Source, Source], key: str | None = None) -> World:
    """The same request, with each source replaced by another that holds the same rows.

    With ``key``, every view has that column as one more join key.
    """

    def moved(use: Feature) -> Feature:
        if isinstance(use, str):
            return use
        assert isinstance(use, FeatureView | FeatureViewProjection)
        if isinstance(use, FeatureViewProjection):
            chosen = None if use.chosen is None else [{name: alias} if alias else name for name, alias in use.chosen]
            return FeatureViewProjection(views[use.view.name], chosen, use.name, use.join_key_map)
        return views[use.name]

    views = {view.name: _with_source(view, sources, key) for view in world.bases}
    return replace(
        world,
        views=[use for use in map(moved, world.views) if not isinstance(use, str)],
        features=[moved(item) for item in world.features],
        tables={sources[source]: table for source, table in world.tables.items()},
        drawn={sources[source]: table for source, table in world.drawn.items()},
    )


def _with_source(view: FeatureView, sources: Mapping[Source, Source], key: str | None) -> FeatureView:
    below = view.source
    source = _with_source(below, sources, key) if isinstance(below, FeatureView) else sources[below]
    aggregated: dict[str, Any] = {"aggregations": view.aggregations, "post_aggregation": view.post_aggregation}
    latest: dict[str, Any] = {"features": view.features, "allow_exact_matches": view.allow_exact_matches}
    latest["ttl"] = None if view.ttl is None else timedelta(microseconds=view.ttl)
    specific = aggregated if view.aggregations else latest
    entities = view.entities if key is None else (*view.entities, ht.Entity("more", join_keys=[key]))
    return FeatureView(
        view.name, entities=entities, source=source, filter=view.filter, columns=view.columns, **specific
    )


def roles(source: Source) -> dict[str, Any]:
    """The parameters that a source has beside its data."""
    return {
        "timestamp_field": source.timestamp_field,
        "created_timestamp_column": source.created_timestamp_column,
        "sequence_columns": source.sequence_columns,
        "field_mapping": source.field_mapping,
        "data_delay": timedelta(microseconds=source.data_delay),
    }


def differences(world: World, expected: Sequence[Row], table: pa.Table) -> list[str]:
    """How an answer differs from the reference's, in words; empty where it doesn't."""
    if table.schema != world.schema or table.schema.metadata != world.schema.metadata:
        return [f"schema\n{table.schema}\ninstead of\n{world.schema}"]
    own = table.select(world.spine.column_names)
    if not own.equals(world.spine):
        return [f"the spine's columns changed:\n{own}\ninstead of\n{world.spine}"]
    if table.num_rows != len(expected):
        return [f"{table.num_rows} rows instead of {len(expected)}"]
    features = table.select([item.name for item in world.outputs])
    return [
        f"row {number}, {name!r}: {got[name]!r} instead of {value!r}"
        for number, (wanted, got) in enumerate(zip(expected, plain_rows(features), strict=True))
        for name, value in wanted.items()
        if not agrees(value, got[name])
    ]


def plain_rows(table: pa.Table, up: Sequence[str | None] = ()) -> list[dict[str, Any]]:
    """Rows as the reference takes them. A timestamp is rounded to microseconds: down, or up for the columns ``up``."""
    columns = [_plain_column(table[name], up=name in up) for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_column(column: pa.ChunkedArray, *, up: bool) -> list[Any]:
    if pa.types.is_list(column.type) and pa.types.is_timestamp(column.type.value_type):
        return list(column.cast(pa.list_(pa.int64())).to_pylist())  # an answer: in microseconds
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    ticks = column.cast(pa.int64()).to_pylist()
    if column.type.unit == "ns":
        return [None if tick is None else -(-tick // 1_000) if up else tick // 1_000 for tick in ticks]
    factor = {"s": SECOND, "ms": 1_000, "us": 1}[column.type.unit]
    return [None if tick is None else tick * factor for tick in ticks]


def arrow_table(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> pa.Table:
    arrays = [pa.array([row[index] for row in rows], column.type) for index, column in enumerate(columns)]
    return pa.table(arrays, names=[column.name for column in columns])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world with one to three sources and one to four views."""
    return _WorldBuilder(_Drawn(draw)).build()


@st.composite
def plain_worlds(draw: st.DrawFn) -> World:
    """Worlds in memory whose definitions hold next to no SQL, for what reads none."""
    return _PlainWorldBuilder(_Drawn(draw)).build()


def seeded_world(seed: str) -> World:
    """The same, by a seed."""
    return _WorldBuilder(Seeded(seed)).build()


def filled_spine(columns: Sequence[Column], choices: Choices) -> pa.Table:
    """A spine of the columns, and a number for each row."""
    low, high = choices.pick(((0, 4), (65, 90), (65, 90), (8, 64)))
    rows = choices.rows(columns, low, high)
    rows += rows[: choices.pick((0, 0, 2))]
    table = arrow_table(columns, rows)
    number = pa.array(range(table.num_rows), pa.int16())
    return table.append_column(pa.field("row number", number.type, metadata={"note": "kept"}), number)


class _WorldBuilder:
    """Draws a world top down: clock, keys, sources, views, request, spine."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._integer, self._pick, self._chance = choices.integer, choices.pick, choices.chance
        self._anchor = self._pick(ANCHORS)
        self._step = self._pick(STEPS)
        self._is_far = abs(self._anchor) > 9_000_000_000 * SECOND  # beyond what 64 bits of nanoseconds hold
        self._shuffle = Random(self._integer(0, 1_000))
        self._expressions: dict[str, Evaluate] = {}
        self._types: dict[tuple[str, str], pa.DataType] = {}
        self._tables: dict[Source, SourceTable] = {}
        self._rows: dict[str, tuple[SourceTable, Sequence[Column]]] = {}

    def build(self) -> World:
        names = self._names(5)
        keys = [self._key(name) for name in names[: self._pick((1, 2, 1, 3))]]
        copies = {key.name: f"{key.name} 2" for key in keys}
        tables = [self._table(keys) for _ in range(self._integer(1, 3))]
        views = [self._view(name, self._pick(tables)) for name in self._view_names()]
        if self._chance(3):
            views += [self._chained("chained", view) for view in [each for each in views if not each.aggregations][:1]]
        uses: list[FeatureView | FeatureViewProjection] = [*views]
        if self._chance(3):
            again = self._pick(views)
            uses.append(again.with_name("again").with_join_key_map({key: copies[key] for key in again.join_keys}))
        timestamp = self._pick(("event_timestamp", "event_timestamp", "when", names[4]))
        spine_columns = self._spine_columns(keys, copies, timestamp)
        entity_df, spine = self._in_form(filled_spine(spine_columns, self._choices))
        features = self._features(uses)
        outputs = selected(uses, features, self._empty_relations(), full_feature_names=False)
        taken = [name.lower() for name in (*(item.name for item in outputs), *spine.column_names)]
        clashes = len(set(taken)) < len(taken)
        return World(
            views=uses,
            features=features,
            full_feature_names=clashes or self._chance(3),
            filter_by_created=self._chance(3),
            entity_df=entity_df,
            spine=spine,
            timestamp=timestamp,
            tables={source: table.data for source, table in self._tables.items()},
            drawn=self._tables,
            spine_columns=spine_columns,
            expressions=self._expressions,
            types=self._types,
            key_columns=tuple(keys),
            key_copies=copies,
            end=self._pick(self._instants()) // 1_000,
        )

    def _names(self, count: int, but: Sequence[str] = ()) -> list[str]:
        free = [name for name in NAMES if name not in but]
        return self._shuffle.sample(free, count) if self._chance(2) else free[:count]

    def _view_names(self) -> list[str]:
        count = self._integer(1, 4)
        return self._shuffle.sample(VIEW_NAMES, count) if self._chance(2) else list(VIEW_NAMES[:count])

    def _instants(self) -> list[int]:
        """Nanoseconds: a few steps from the anchor, and neighbours one microsecond and one nanosecond away."""
        neighbours = (0, 0, 0, 1_000, -1_000, 1, -1)
        return [(self._anchor + k * self._step) * 1_000 + near for k in range(6) for near in neighbours]

    def _span(self) -> timedelta:
        """A duration that reaches from one instant of the pool to another, or misses it by a microsecond."""
        factor, near = self._integer(1, 5), self._pick((0, 0, 1, -1))
        return timedelta(microseconds=max(factor * self._step + near, 1))

    def _time(self, name: str, *, nullable: bool) -> Column:
        """A column of instants, of a type that is fine enough to tell most of them apart."""
        types = [pa.timestamp("us"), pa.timestamp("us", "UTC")]
        if not self._is_far:
            types += [pa.timestamp("us", "Europe/Berlin"), pa.timestamp("ns"), pa.timestamp("ns", "UTC")]
        if not self._is_far and self._step >= SECOND:
            types += [pa.timestamp("ms"), pa.timestamp("s", "UTC")]
        if not self._is_far and self._step >= DAY:
            types.append(pa.date32())
        type_ = self._pick(types)
        ticks: list[Any] = list(dict.fromkeys(_ticks(instant, type_) for instant in self._instants()))
        return Column(name, type_, (*ticks, None) if nullable else tuple(ticks))

    def _key(self, name: str) -> Column:
        pools: tuple[tuple[pa.DataType, tuple[Any, ...]], ...] = (
            (pa.int64(), (1, 2, 0, -1, 2**63 - 1, -(2**63))),
            (pa.string(), ("a", "b", "", "ü", "A", "a\x00", "it's", "e\u0301", "\u00e9")),
            (pa.int32(), (1, 2, -1, 2**31 - 1)),
            (pa.bool_(), (False, True)),
            (pa.date32(), (date(1970, 1, 1), date(1969, 12, 31), date(2024, 2, 29))),
            (pa.timestamp("us"), (0, -1, 1, 1_704_067_200 * SECOND)),
            (pa.decimal128(6, 2), tuple(map(Decimal, ("1.50", "0", "-0.25", "9999.99")))),
            (pa.binary(), (b"a", b"", b"\0", b"\xff")),
        )
        type_, values = self._pick(pools)
        start = self._integer(0, len(values) - 1)
        values = (*values[start:], *values[:start])[: self._integer(2, 3)]
        # The last value is for the spine alone: no source knows it. It is as rare as a null.
        return Column(name, type_, (*values[:-1] * 4, values[-1], None), is_summable=False)

    def _value(self, name: str) -> Column:
        nan, inf = float("nan"), float("inf")
        days = (date(1970, 1, 1), date(1969, 12, 31), date(2024, 2, 29), date(1, 1, 1), None)
        kinds: tuple[Callable[[], Column], ...] = (
            lambda: Column(name, pa.int64(), (1, 2, 0, -3, 1_000_000, None)),
            lambda: Column(name, pa.float64(), (1.0, 2.5, 0.1, 1e-3, 3.0, -7.25, None)),
            lambda: Column(name, pa.float64(), (1.0, -0.0, 0.0, nan, inf, -inf, 2.5, None)),
            lambda: Column(name, pa.float64(), (1e9, 1e9 + 1, 1e9 + 1e-6, -1e17, 1e17, 0.3, None)),
            lambda: Column(name, pa.float64(), (0.0, -0.0, nan, None)),
            lambda: Column(name, pa.string(), ("a", "b", "", "ü", "Z", "z\x00", "\U0001f600", "\uffff", None)),
            lambda: Column(name, pa.bool_(), (False, True, None)),
            lambda: Column(name, pa.int64(), (0, 2**63 - 1, -(2**63), 1, 2**53 + 1, None), is_summable=False),
            lambda: Column(name, pa.int32(), (1, 0, -1, 2**31 - 1, -(2**31), None)),
            lambda: Column(name, pa.float32(), (1.5, 0.1, -0.0, 0.0, nan, 16777216.0, None)),
            lambda: Column(name, pa.date32(), days),
            lambda: Column(
                name, pa.decimal128(10, 2), (*map(Decimal, ("1.50", "-0.25", "0", "99999999.99", "1")), None)
            ),
            lambda: Column(name, pa.binary(), (b"a", b"", b"\0\xff", b"b", None)),
            lambda: Column(name, self._pick((pa.int8(), pa.int16())), (1, 0, -128, 127, None)),
            lambda: Column(name, self._pick((pa.uint8(), pa.uint16(), pa.uint32())), (1, 0, 200, 255, None)),
            lambda: Column(name, pa.uint64(), (1, 0, 2**63 - 1, 200, None), is_summable=False),
            lambda: Column(name, pa.large_string(), ("a", "Z", "b", "ü", None)),
            lambda: Column(name, pa.dictionary(pa.int32(), pa.string()), ("a", "zz", "b", None)),
            lambda: self._time(name, nullable=True),
        )
        return self._pick(kinds)()

    def _table(self, all_keys: Sequence[Column]) -> SourceTable:
        keys = all_keys[: self._integer(1, len(all_keys))] if self._chance(2) else all_keys
        keys = [self._retyped(key) for key in keys]
        names = self._names(9, but=[key.name for key in all_keys])
        created = self._time(names[1], nullable=True) if self._chance(2) else None
        sequence = [self._value(name) for name in names[2 : 2 + self._pick((0, 0, 1, 2))]]
        values = [self._value(name) for name in names[4 : 4 + self._integer(1, 4)]]
        known = [replace(key, pool=(*key.pool[:-2], None)) for key in keys]
        timestamp = self._time(names[0], nullable=True)
        table = SourceTable(tuple(known), timestamp, created, tuple(sequence), tuple(values))
        return table.filled(self._choices)

    def _retyped(self, key: Column) -> Column:
        """A key as a source may have it: an integer of another width, an instant of another unit or zone."""
        if not self._chance(3):
            return key
        if key.type == pa.int32():
            return replace(key, type=pa.int64())
        if pa.types.is_decimal(key.type):
            return replace(key, type=pa.decimal128(9, 4))
        if key.type == pa.timestamp("us"):
            ticks = tuple(None if tick is None else tick * 1_000 + 999 for tick in key.pool)
            return replace(key, type=pa.timestamp("ns", "UTC"), pool=ticks)
        return key

    def _source(self, table: SourceTable) -> Source:
        """The table as a source. Sources of one table are views of the same rows, perhaps with another delay."""
        names = self._names(9, but=[column.name for column in table.columns])
        mapping = {column.name: names.pop() for column in table.values if self._chance(4)}
        roles: dict[str, Any] = {
            "timestamp_field": table.timestamp.name,
            "created_timestamp_column": None if table.created is None else table.created.name,
            "sequence_columns": [column.name for column in table.sequence],
            "field_mapping": mapping,
            "data_delay": self._span() if self._chance(4) else timedelta(0),
        }
        source: Source
        if self._chance(5):
            source = ht.FileSource(write_files(table.data, self._integer(1, 3), self._shuffle), **roles)
        else:
            source = ht.ArrowSource(table.data, **roles)
        self._tables[source] = table
        return source

    def _view(self, name: str, table: SourceTable) -> FeatureView:
        source = self._source(table)
        mapped = [replace(column, name=source.field_mapping.get(column.name, column.name)) for column in table.columns]
        return self._view_over(name, source, table, mapped)

    def _chained(self, name: str, upstream: FeatureView) -> FeatureView:
        """A view of another one's rows, under keys of its own."""
        return self._view_over(name, upstream, *self._rows[upstream.name])

    def _view_over(
        self, name: str, source: Source | FeatureView, table: SourceTable, mapped: Sequence[Column]
    ) -> FeatureView:
        keys = [key.name for key in table.keys]
        keys = keys[: self._integer(0 if self._chance(3) else 1, len(keys))] if self._chance(3) else keys
        condition = self._condition(mapped) if self._chance(3) else None
        made = self._computed(mapped)
        entities = [ht.Entity("entity", join_keys=keys)] if keys and self._chance(2) else keys
        common: dict[str, Any] = {"entities": entities, "source": source, "filter": condition}
        common["columns"] = {column.name: text for column, text in made}
        columns = [*mapped, *(column for column, _ in made)]
        self._rows[name] = (table, columns)
        if self._chance(2):
            return self._latest(name, [key for key in table.keys if key.name in keys], table, columns, common)
        return self._windowed(name, columns, common)

    def _latest(
        self,
        name: str,
        keys: Sequence[Column],
        table: SourceTable,
        columns: Sequence[Column],
        common: Mapping[str, Any],
    ) -> FeatureView:
        roles = {column.name for column in (*keys, table.timestamp, *table.sequence)}
        offered = [column for column in columns if column.name not in roles and column.name != _name(table.created)]
        features = None
        if self._chance(2):
            features = self._some([column.name for column in offered])
            if table.timestamp.type == pa.timestamp("us") and self._chance(3):
                features.append(table.timestamp.name)
        for column in columns:
            self._types[name, column.name] = answered(column.type)
        return ht.FeatureView(
            name,
            features=features,
            ttl=self._pick((None, timedelta(0), self._span())),
            allow_exact_matches=not self._chance(4),
            **common,
        )

    def _windowed(self, name: str, columns: Sequence[Column], common: Mapping[str, Any]) -> FeatureView:
        # An event or created time in nanoseconds is rounded up as a time; as a value it is left out.
        source = common["source"]
        source = source.origin if isinstance(source, FeatureView) else source
        times = (source.timestamp_field, source.created_timestamp_column)
        columns = [each for each in columns if each.name not in times or not str(each.type).startswith("timestamp[ns")]
        taken: dict[str, ht.Aggregation] = {}
        common_window = self._window() if self._chance(3) else None
        numbers: list[str] = []
        for number in range(self._integer(1, 6)):
            column = self._pick(columns)
            function = self._pick(_functions(column))
            counts_rows = function == "count" and self._chance(2)
            item = ht.Aggregation(
                "*" if counts_rows else column.name,
                function,
                **(common_window or self._window()),
                where=self._condition(columns) if self._chance(4) else None,
                **self._parameter(function),
                name=self._pick((None, f"f{number}", f"{NAMES[-number - 1]} {number}")),
            )
            if item.name.lower() in taken:
                continue
            taken[item.name.lower()] = item
            self._types[name, item.name] = _result_type(function, column.type)
            is_number = self._types[name, item.name] in (pa.int64(), pa.float64()) or function == "sum"
            if is_number and column.is_summable:
                numbers.append(item.name)
        post: dict[str, str] = {}
        if numbers and self._chance(3):
            first, second = self._pick(numbers), self._pick(numbers)
            text, type_, evaluate = after(first, second, self._types[name, first])[self._integer(0, 2)]
            post["after"] = self._meaning(text, evaluate)
            self._types[name, "after"] = type_
        return ht.FeatureView(name, aggregations=list(taken.values()), post_aggregation=post, **common)

    def _window(self) -> dict[str, Any]:
        """A window; one of a microsecond may hold no instant, and a view may have no other window."""
        width = self._pick((None, "1us", *["a span"] * 6))
        return {
            "time_window": self._span() if width == "a span" else width,
            "offset": self._span() if self._chance(4) else None,
            "slide_interval": self._span() if self._chance(4) else None,
            "closed": self._pick(("left", "right", "both", "neither")),
        }

    def _parameter(self, function: str) -> dict[str, Any]:
        parameter = AGGREGATES[function].parameter
        if parameter is None:
            return {}
        legal = [value for value in PARAMETERS if parameter.accept(value) is not None]
        return {parameter.name: self._pick([parameter.example, *legal])}

    def _condition(self, columns: Sequence[Column]) -> str:
        column = self._pick(columns)
        text, evaluate = self._pick(conditions(column))
        if self._chance(4):
            other, other_evaluate = self._pick(conditions(self._pick(columns)))
            both = f"({text}) or not ({other})"
            return self._meaning(both, lambda row: either(evaluate(row), negated(other_evaluate(row))))
        return self._meaning(text, evaluate)

    def _computed(self, columns: Sequence[Column]) -> list[tuple[Column, str]]:
        """One or no column computed from the source's."""
        if not self._chance(3):
            return []
        text, type_, evaluate = self._pick(computations(self._pick(columns)))
        taken = {column.name for column in columns}
        name = "computed again" if "computed" in taken else "computed"
        return [(Column(name, type_, (), is_summable=False), self._meaning(text, evaluate))]

    def _meaning(self, text: str, evaluate: Evaluate) -> str:
        self._expressions[text] = evaluate
        return text

    def _features(self, uses: Sequence[FeatureView | FeatureViewProjection]) -> list[Feature]:
        """What is asked for: whole views, projections and texts, in any order, some of it under another name."""
        relations = self._empty_relations()
        chosen: list[Feature] = []
        for use in uses:
            offered = [item.feature for item in selected([use], [use], relations, full_feature_names=True)]
            match self._integer(0, 3):
                case 0:
                    chosen.append(use)
                case 1:
                    chosen.append(use.name)
                case 2:
                    chosen.append(use[self._some(offered)])
                case _:
                    chosen += [f"{use.name}:{feature}" for feature in self._some(offered)]
            if self._chance(4):
                feature, alias = self._shuffle.choice(offered), f"another {len(chosen)}"
                is_text = self._chance(2) and " as " not in feature and feature == feature.strip()
                chosen.append(f"{use.name}:{feature} as {alias}" if is_text else use[[{feature: alias}]])
        if self._chance(2):
            self._shuffle.shuffle(chosen)
        return chosen

    def _some(self, names: Sequence[str]) -> list[str]:
        """Some of the names, at least one, in any order."""
        return self._shuffle.sample(names, self._integer(1, len(names)))

    def _empty_relations(self) -> dict[Source, Relation]:
        """The sources' columns, which are enough to name features."""
        return {source: Relation(tuple(table.data.column_names), ()) for source, table in self._tables.items()}

    def _spine_columns(self, keys: Sequence[Column], copies: Mapping[str, str], timestamp: str) -> tuple[Column, ...]:
        time = self._time(timestamp, nullable=False)
        label = Column("label", pa.string(), ("x", "y", None))
        return (label, *keys, time, *(Column(copies[key.name], key.type, key.pool) for key in keys))

    def _in_form(self, spine: pa.Table) -> tuple[Any, pa.Table]:
        """The spine as a user has it, and the Arrow table whose columns must come back."""
        form = self._pick(SPINE_FORMS)
        if form == "chunked":
            middle = spine.num_rows // 2
            lists = pa.array([[row, None] for row in range(spine.num_rows)], pa.list_(pa.int64()))
            spine = spine.append_column("list", lists).replace_schema_metadata({"owner": "me"})
            spine = pa.concat_tables([spine.slice(0, middle), spine.slice(middle)])
        if form == "polars":
            import polars as pl

            frame = pl.from_arrow(spine.replace_schema_metadata(None))
            return frame, pa.RecordBatchReader.from_stream(frame).read_all()
        if not spine.num_rows and self._chance(2):  # as a frame that is made without rows: it has no types either
            spine = pa.table([pa.nulls(0)] * spine.num_columns, names=spine.column_names)
        if form == "pandas":
            # Integers with nulls turn into floats, which is exact for small ones only.
            values = (value for row in spine.to_pylist() for value in row.values())
            is_exact = all(abs(value) < 2**53 for value in values if isinstance(value, int))
            data_frame = spine.to_pandas(integer_object_nulls=not is_exact)
            return data_frame, pa.Table.from_pandas(data_frame, preserve_index=False)
        return spine, spine


class _PlainWorldBuilder(_WorldBuilder):
    """Draws worlds whose only expressions are null tests and what is computed from aggregates."""

    def _condition(self, columns: Sequence[Column]) -> str:
        return self._meaning(*conditions(self._pick(columns))[0])

    def _computed(self, columns: Sequence[Column]) -> list[tuple[Column, str]]:
        return []

    def _source(self, table: SourceTable) -> Source:
        source = super()._source(table)
        if isinstance(source, ht.ArrowSource):
            return source
        del self._tables[source]
        in_memory = ht.ArrowSource(table.data, **roles(source))
        self._tables[in_memory] = table
        return in_memory


def write_files(data: pa.Table, count: int, differ: Random | None = None) -> list[Path]:
    """The rows in so many parquet files, of which some may be empty; with ``differ`` their instants differ in unit."""
    size = -(-data.num_rows // count)
    files = [Path(_FILES.name) / f"{next(_NUMBERS)}.parquet" for _ in range(count)]
    for number, file in enumerate(files):
        part = data.slice(number * size, size)
        pq.write_table(part if differ is None or count == 1 else _in_other_units(part, differ), file)
    return files


def _in_other_units(rows: pa.Table, random: Random) -> pa.Table:
    """The rows with each column of instants in some unit that holds all of its values."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            type_ = pa.timestamp(random.choice(("ms", "us", "ns")), field.type.tz)
            with suppress(pa.ArrowInvalid):
                rows = rows.set_column(index, field.with_type(type_), rows.column(index).cast(type_))
    return rows


def _name(column: Column | None) -> str | None:
    return None if column is None else column.name


def _ticks(nanoseconds: int, type_: pa.DataType) -> Any:
    """An instant in the unit of a type, rounded down."""
    if pa.types.is_date(type_):
        return date(1970, 1, 1) + timedelta(days=nanoseconds // (DAY * 1_000))
    return nanoseconds // {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}[type_.unit]


def _functions(column: Column) -> list[str]:
    """The aggregates of the table that take the column; a sum that fits is drawn more often than others."""
    taken = [name for name, aggregate in AGGREGATES.items() if _takes(aggregate, column.type)]
    if column.is_summable:
        return [*taken, *(["sum", "sum"] if "sum" in taken else [])]
    return [name for name in taken if not AGGREGATES[name].may_overflow]


def _takes(aggregate: AggregateFunction, type_: pa.DataType) -> bool:
    try:
        aggregate.type_rule(data_type(type_))
    except TypeRuleError:
        return False
    return True


FLOATS = ("mean", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "median", "percentile")


def _result_type(function: str, type_: pa.DataType) -> pa.DataType:
    if function in ("count", "count_distinct"):
        return pa.int64()
    if function in ("min", "max", "first", "last", "mode", "bool_and", "bool_or"):
        return answered(type_)
    if function in LISTS:
        return pa.list_(answered(type_))
    if function == "sum" and pa.types.is_decimal(type_):
        return pa.decimal128(38, type_.scale)
    if function in FLOATS or function == "sum":
        return pa.int64() if function == "sum" and pa.types.is_integer(type_) else pa.float64()
    return arrow_type(AGGREGATES[function].type_rule(data_type(type_)))


def _shown(table: pa.Table) -> str:
    rows = "\n    ".join(map(str, (tuple(row.values()) for row in table.to_pylist())))
    return f"{[(each.name, str(each.type)) for each in table.schema]}\n    {rows}"

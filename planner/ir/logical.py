"""The logical relations: what is asked for, without how.

A plan is a DAG of relations and is never copied. Column names are unique within a relation, ignoring case, and the
inputs of a join are disjoint except for its keys; there are no qualifiers. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal as OneOf
from typing import Self

from ..expr.nodes import Column, Expr, LiteralValue
from ..node import Node, label_field, node
from ..types import INT64, DataType, Field, Schema, folded
from .data import Bounds, CatalogTable, EngineQuery, TableData


class Relation(Node):
    """A multiset of rows. ``schema`` and ``inputs`` are derived once and kept."""

    __slots__ = ("_inputs", "_is_sound", "_schema")
    _inputs: tuple[Relation, ...]
    _is_sound: bool
    _schema: Schema

    @property
    def schema(self) -> Schema:
        """Names and types of the columns."""
        try:
            cached = self._schema
        except AttributeError:
            cached = self.derive_schema()
            object.__setattr__(self, "_schema", cached)
        return cached

    def derive_schema(self) -> Schema:
        """The schema, from the node's fields and its inputs' schemas."""
        raise TypeError(f"{type(self).__name__} has no schema")

    @property
    def inputs(self) -> tuple[Relation, ...]:
        """The relations that this one reads, in the order of its fields."""
        try:
            cached = self._inputs
        except AttributeError:
            values = (getattr(self, item.name) for item in dataclasses.fields(self))  # type: ignore[arg-type]
            cached = tuple(item for value in values for item in _relations_in(value))
            object.__setattr__(self, "_inputs", cached)
        return cached

    @property
    def is_sound(self) -> bool:
        """Whether it was checked, with all that it reads."""
        return getattr(self, "_is_sound", False)

    def mark_sound(self) -> None:
        """Note that it was checked, with all that it reads."""
        object.__setattr__(self, "_is_sound", True)

    def with_inputs(self, *inputs: Relation) -> Self:
        """The same node over other inputs; itself where they are the same objects."""
        if len(inputs) != len(self.inputs):
            raise ValueError(f"{type(self).__name__} has {len(self.inputs)} inputs, not {len(inputs)}")
        if all(new is old for new, old in zip(inputs, self.inputs, strict=True)):
            return self
        supply = iter(inputs)
        changes: dict[str, object] = {}
        for item in dataclasses.fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            value = getattr(self, item.name)
            if isinstance(value, Relation):
                changes[item.name] = next(supply)
            elif isinstance(value, tuple) and value and isinstance(value[0], Relation):
                changes[item.name] = tuple(next(supply) for _ in value)
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def _relations_in(value: object) -> tuple[Relation, ...]:
    if isinstance(value, Relation):
        return (value,)
    if isinstance(value, tuple):
        return tuple(item for item in value if isinstance(item, Relation))
    return ()


@node
class Table(Node):
    """Something that can be scanned. ``token`` identifies the data: equal tokens are equal rows.

    ``is_empty`` where it is known to have no rows: its columns of nulls and floats have the types that views need.
    ``bounds`` are those of a time of its rows, where they are known.
    """

    token: str
    schema: Schema
    data: TableData = dataclasses.field(metadata={"fingerprint": False})
    name: str = label_field(default="", kw_only=True)
    is_empty: bool = dataclasses.field(default=False, kw_only=True)
    bounds: Bounds | None = dataclasses.field(default=None, kw_only=True, metadata={"fingerprint": False})

    def is_untyped(self, column: str) -> bool:
        """Whether nothing says which type a column has: pandas, Polars and Arrow make it null or float64."""
        return self.is_empty and self.schema[column].kind in ("null", "float64")


def meant_names(tables: Iterable[Table]) -> frozenset[str]:
    """The names that tables and queries of the user's read: no name of ours may be one of them."""
    names: set[str] = set()
    for table in tables:
        if isinstance(table.data, CatalogTable):
            names.add(folded(table.data.parts[-1]))
        if isinstance(table.data, CatalogTable | EngineQuery):
            names |= table.data.meaning.names
    return frozenset(names)


@node
class Scan(Relation):
    """Columns of a table, of the rows for which the predicate (over all its columns) is true."""

    table: Table
    columns: tuple[str, ...]
    predicate: Expr | None = None

    def derive_schema(self) -> Schema:
        return Schema(Field(name, self.table.schema[name]) for name in self.columns)


@node
class Values(Relation):
    """Literal rows."""

    fields: tuple[Field, ...]
    rows: tuple[tuple[LiteralValue, ...], ...]

    def derive_schema(self) -> Schema:
        return Schema(self.fields)


@node
class NumberRows(Relation):
    """The input's rows with their position in a new first column, from 0: the identity of a spine row.

    Evaluated twice it may number differently, so it is always materialized before it is used.
    """

    input: Relation
    column: str
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        return Schema([Field(self.column, INT64), *self.input.schema])


@node
class Project(Relation):
    """Named expressions over the input's columns, and nothing else of it."""

    input: Relation
    columns: tuple[tuple[str, Expr], ...]

    def derive_schema(self) -> Schema:
        return Schema(Field(name, expr.type) for name, expr in self.columns)


@node
class Filter(Relation):
    """The input's rows for which the predicate is true (not false, not null)."""

    input: Relation
    predicate: Expr

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class Measure(Node):
    """An aggregate of the rows for which ``where`` is true: ``function`` of ``operand``, or of whole rows without one.

    ``order`` is that of the rows, for functions that have one; ``parameter`` is their p, n or k.
    """

    name: str
    function: str
    operand: Expr | None
    type: DataType
    where: Expr | None = dataclasses.field(default=None, kw_only=True)
    order: tuple[Expr, ...] = dataclasses.field(default=(), kw_only=True)
    parameter: int | float | None = dataclasses.field(default=None, kw_only=True)

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """Everything that it reads."""
        return (*filter(None, (self.operand, self.where)), *self.order)


@node
class Aggregate(Relation):
    """One row per distinct value of the keys (null is a value), with measures over its rows."""

    input: Relation
    keys: tuple[str, ...]
    measures: tuple[Measure, ...] = ()

    def derive_schema(self) -> Schema:
        keys = (Field(key, self.input.schema[key]) for key in self.keys)
        return Schema([*keys, *(Field(measure.name, measure.type) for measure in self.measures)])


@node
class Join(Relation):
    """Equi-join of all inputs on the same columns, which a null never satisfies.

    ``how="left"`` keeps every row of the first input. Columns other than ``on`` are distinct over all inputs.
    """

    relations: tuple[Relation, ...]
    on: tuple[str, ...]
    how: OneOf["inner", "left"] = "inner"

    def derive_schema(self) -> Schema:
        rest = (field for relation in self.relations[1:] for field in relation.schema if field.name not in self.on)
        return Schema([*self.relations[0].schema, *rest])


@node
class Union(Relation):
    """All rows of all inputs, which have the same schema; repetitions stay."""

    relations: tuple[Relation, ...]

    def derive_schema(self) -> Schema:
        return self.relations[0].schema


@node
class Interval(Node):
    """The events that a spine row may use: ``lower <= ts < upper``, both over the spine's columns.

    No ``lower`` means no bound. ``earliest`` and ``latest`` hold for every row: the interval lies inside
    ``[t + earliest, t + latest)``. ``bound`` is how people say it.
    """

    lower: Expr | None
    upper: Expr
    earliest: int | None
    latest: int
    bound: str = label_field(default="", kw_only=True)


@node
class Pick(Node):
    """What one view takes from the match: the winner among the rows of the matched keys and time.

    The winner is the greatest by ``order`` (null lowest); it counts only where the matched time is within the
    interval. ``features`` are pairs of output name and event column. ``unique`` vouches that there are no ties.
    """

    interval: Interval
    order: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    unique: bool = False
    label: str = label_field(default="", kw_only=True)


@node
class AsofJoin(Relation):
    """Every spine row once, with the features of the latest visible event of its keys, or nulls.

    ``keys`` are pairs of spine column and event column; without any, every event is every row's. All picks share the
    upper bound, so they share the match. ``created`` is the event column that must be at or before ``time`` (a null is
    not), where only what was known then counts. ``form`` is the physical form that is asked for, if any is.
    """

    spine: Relation
    events: Relation
    keys: tuple[tuple[str, str], ...]
    time: str
    event_time: str
    picks: tuple[Pick, ...]
    created: str | None = dataclasses.field(default=None, kw_only=True)
    form: str | None = dataclasses.field(default=None, kw_only=True)
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        events, pairs = self.events.schema, [pair for pick in self.picks for pair in pick.features]
        return Schema([*self.spine.schema, *(Field(name, feature_type(events[column])) for name, column in pairs)])


def feature_type(type_: DataType) -> DataType:
    """The type of a source's column as a feature: a timestamp comes out in microseconds, whatever the unit."""
    return DataType("timestamp", unit="us", zone=type_.zone) if type_.kind == "timestamp" else type_


@node
class WindowMeasure(Node):
    """A measure of a WindowAggregate: over the events of one interval for which ``where`` is true.

    ``operand`` is an event column, or None for whole rows. ``order`` is the order of events for first and last.
    ``parameter`` is the p, n or k of the functions that have one.
    """

    name: str
    function: str
    operand: str | None
    where: Expr | None
    interval: Interval
    order: tuple[str, ...]
    type: DataType
    parameter: int | float | None = None


@node
class WindowAggregate(Relation):
    """Every spine row once, with aggregates over the events of its keys in each aggregate's interval.

    ``row`` is the spine column that identifies a row. A window without events has its aggregate's empty value.
    ``created`` and ``form`` are those of an ``AsofJoin``.
    """

    spine: Relation
    events: Relation
    keys: tuple[tuple[str, str], ...]
    row: str
    time: str
    event_time: str
    aggregates: tuple[WindowMeasure, ...]
    created: str | None = dataclasses.field(default=None, kw_only=True)
    form: str | None = dataclasses.field(default=None, kw_only=True)
    label: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        aggregates = (Field(aggregate.name, aggregate.type) for aggregate in self.aggregates)
        return Schema([*self.spine.schema, *aggregates])


def identity_columns(schema: Schema) -> tuple[tuple[str, Expr], ...]:
    """Projection entries that keep every column as it is."""
    return tuple((field.name, Column(field.name, field.type)) for field in schema)


def nearest_label(root: Relation) -> str:
    """The name of the first relation at or below this one that has a name: a label, or a table's name."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        relation = waiting.pop()
        if relation.fingerprint in seen:
            continue
        seen.add(relation.fingerprint)
        label: str = relation.table.name if isinstance(relation, Scan) else getattr(relation, "label", "")
        if label:
            return label
        waiting.extend(reversed(relation.inputs))
    return ""


def topological(root: Relation) -> list[Relation]:
    """Every distinct relation of the plan once, inputs before their readers."""
    order: dict[str, Relation] = {}

    def visit(relation: Relation) -> None:
        if relation.fingerprint not in order:
            for child in relation.inputs:
                visit(child)
            order[relation.fingerprint] = relation

    visit(root)
    return list(order.values())

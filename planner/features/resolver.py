"""Definitions and a source's schema become a resolved view: every name bound, every expression typed.

All problems of a view are found before any is raised, and before any row is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..durations import format_duration
from ..errors import (
    DefinitionError,
    PlanTypeError,
    Problems,
    SourceError,
    UnknownColumnError,
    UnsupportedError,
    shown,
    unknown_name,
)
from ..expr.aggregates import AGGREGATES
from ..expr.nodes import Expr, replace_columns
from ..expr.parse import check_size, parse_condition, parse_expression
from ..expr.type_rules import TypeRuleError
from ..ir.logical import Table, feature_type
from ..room import with_room
from ..types import (
    BOOL,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    TIMESTAMP,
    DataType,
    Field,
    Schema,
    folded,
    names_that_differ_by_case,
    unusable_name,
)
from .aggregations import Aggregation
from .checks import no_time
from .sources import Source
from .views import ViewDefinition


@dataclass(frozen=True, slots=True)
class JoinKey:
    """One key of a view: its column in the source, its column in the spine, and the type that both are compared as."""

    column: str
    spine_column: str
    family: str
    type: DataType


@dataclass(frozen=True, slots=True)
class ResolvedAggregation:
    """An aggregation with its operand bound and its predicate typed; no operand means whole rows."""

    definition: Aggregation
    operand: str | None
    where: Expr | None
    type: DataType


@dataclass(frozen=True, slots=True)
class ResolvedView:
    """A view in use: ``mapping`` gives row columns and the source columns that they are, ``rows`` their schema.

    A chained view has an ``upstream``, whose rows it reads. Where a view names no features, ``withheld`` are its
    columns of types that no feature can have: they don't order ties, and asking for one is an error.
    """

    name: str
    view: ViewDefinition
    table: Table
    upstream: ResolvedView | None
    keys: tuple[JoinKey, ...]
    mapping: tuple[tuple[str, str], ...]
    rows: Schema
    filter: Expr | None
    columns: tuple[tuple[str, Expr], ...]
    aggregations: tuple[ResolvedAggregation, ...]
    post_aggregation: tuple[tuple[str, Expr], ...]
    features: tuple[Field, ...]
    withheld: tuple[Field, ...] = ()

    @property
    def source(self) -> Source:
        """The source's definition; of a chained view the one at the end of the chain."""
        return self.view.origin

    @property
    def is_unique(self) -> bool:
        """Whether the user vouches that no two rows share keys and timestamp; a chained view may have fewer keys."""
        upstream = self.upstream
        keeps_keys = upstream is None or {key.column for key in upstream.keys} <= {key.column for key in self.keys}
        return self.source.unique and keeps_keys and (upstream is None or upstream.is_unique)


@dataclass(frozen=True, slots=True)
class OutputFeature:
    """A column of the answer: which feature of which view it is, its name there and its type."""

    view: str
    feature: str
    name: str
    type: DataType


def key_family(type_: DataType) -> str | None:
    """What a key compares as: integers with integers, instants with instants; None where it cannot be a key."""
    if type_.is_integer:
        return "integer"
    if type_.is_instant:
        return "instant"
    return str(type_) if type_.kind in ("string", "bool", "binary", "decimal") else None


Types = Mapping[str, DataType]


@with_room
def resolve_view(view: ViewDefinition, table: Table) -> ResolvedView:
    """Bind a view to its source's schema. Raises SourceError or DefinitionError with every problem."""
    untyped = [name for name in table.schema.names if table.is_untyped(name)]
    if not untyped:
        return _resolved(view, table, {})
    return _resolved(view, table, _needed_types(view, table, untyped))


def _resolved(view: ViewDefinition, table: Table, types: Types) -> ResolvedView:
    _check_source(view.chain[-1], table, types)
    resolved: ResolvedView | None = None
    for each in reversed(view.chain):
        resolved = _ViewResolver(each, table, resolved, types).resolve()
    assert resolved is not None
    return resolved


def _needed_types(view: ViewDefinition, table: Table, untyped: Sequence[str]) -> Types:
    """Types for columns that have none: tried one by one, until the view has the fewest problems."""
    source = view.origin
    fixed = {key: NULL for each in view.chain for key in each.join_keys}
    fixed |= {name: INT64 for name in source.sequence_columns if table.schema[name].kind == "null"}
    fixed |= {name: TIMESTAMP for name in (source.timestamp_field, source.created_timestamp_column) if name}
    types: dict[str, DataType] = {name: fixed.get(name, FLOAT64) for name in untyped}

    def problems(given: Types) -> int:
        try:
            _resolved(view, table, given)
        except DefinitionError as error:
            return len(error.problems)
        return 0

    left = problems(types)
    for name in untyped:
        for guess in (STRING, BOOL, TIMESTAMP):
            found = problems(types | {name: guess}) if left and name not in fixed else left
            if found < left:
                left, types = found, types | {name: guess}
    return types


class _ViewResolver:
    def __init__(self, view: ViewDefinition, table: Table, upstream: ResolvedView | None, types: Types) -> None:
        self._view = view
        self._table = table
        self._upstream = upstream
        self._types = types
        self._from = f"source {table.name!r}" if upstream is None else f"upstream view {upstream.name!r}"
        self._where = f"feature view {shown(self._view.name)}"
        self._problems = Problems()
        self._withheld: list[Field] = []
        self._failed: set[str] = set()

    def resolve(self) -> ResolvedView:
        if self._upstream is not None:
            return self._resolve_over(self._upstream.mapping, self._upstream.rows)
        renamed = self._view.origin.field_mapping
        mapping = tuple((renamed.get(name, name), name) for name in self._table.schema.names)
        for first, second in names_that_differ_by_case(name for name, _ in mapping):
            self._problems.add(
                f"{self._where}: after field_mapping, {first!r} and {second!r} are one name to an engine"
            )
        names = [name for name, _ in mapping]
        if len(set(names)) != len(names):
            repeated = ", ".join(sorted({name for name in names if names.count(name) > 1}))
            self._problems.add(f"{self._where}: field_mapping gives the name {repeated} twice")
            self._problems.raise_if_any()
        types = {**{field.name: field.type for field in self._table.schema}, **self._types}
        rows = Schema(Field(name, feature_type(types[original])) for name, original in mapping)
        return self._resolve_over(mapping, rows)

    def _resolve_over(self, mapping: tuple[tuple[str, str], ...], source_rows: Schema) -> ResolvedView:
        """The view over rows of this schema: those of its source, or of the view upstream."""
        view = self._view
        condition = self._condition(view.filter, source_rows, "filter")
        columns = self._expressions(view.columns, source_rows, "columns")
        rows = Schema([*source_rows, *(Field(name, expr.type) for name, expr in columns)])
        aggregations = tuple(filter(None, (self._aggregation(item, rows) for item in view.aggregations)))
        results = Schema(Field(item.definition.name, item.type) for item in aggregations)
        after = self._expressions(view.post_aggregation, results, "post_aggregation")
        if view.aggregations:
            features = (*results.fields, *(Field(name, expr.type) for name, expr in after))
        else:
            features = self._latest_features(rows)
        keys = self._keys(source_rows)
        self._problems.raise_if_any()
        return ResolvedView(
            view.name, view, self._table, self._upstream, keys, mapping, rows, condition, columns,
            aggregations, after, features, tuple(self._withheld),
        )  # fmt: skip

    def _keys(self, rows: Schema) -> tuple[JoinKey, ...]:
        keys: list[JoinKey] = []
        for key in self._view.join_keys:
            if key not in rows:
                what = f"{self._where}: {self._from} has no key column"
                self._problems.add(unknown_name(what, key, rows.names), UnknownColumnError)
                continue
            # A source without rows has no key to match, whatever type the entity rows have.
            is_untyped = self._table.is_empty and rows[key].kind == "null"
            family = "null" if is_untyped else key_family(rows[key])
            if family is None:
                self._problems.add(f"{self._where}: key {key!r} is {rows[key]}, which cannot be a key", PlanTypeError)
                continue
            type_ = INT64 if family in ("integer", "instant") else DataType("int8") if is_untyped else rows[key]
            keys.append(JoinKey(key, key, family, type_))
        return tuple(keys)

    def _condition(self, text: str | None, rows: Schema, where: str) -> Expr | None:
        if text is None:
            return None
        try:
            return parse_condition(text, rows, f"{self._where}, {where}")
        except DefinitionError as error:
            self._problems.take(error)
            return None

    def _expressions(self, texts: Mapping[str, str], rows: Schema, where: str) -> tuple[tuple[str, Expr], ...]:
        """Typed expressions over ``rows``; each may use the ones before it, whose expression is put in its place."""
        made: dict[str, Expr] = {}
        known = rows
        for name, text in texts.items():
            if folded(name) in map(folded, known.names):
                self._problems.add(f"{self._where}, {where}: {name!r} is a column already; choose another name")
                continue
            try:
                expr = parse_expression(text, known, f"{self._where}, {where} {shown(name)}")
            except DefinitionError as error:
                self._problems.take(error)
                self._failed.add(name)
                continue
            if expr.type.kind == "null":
                self._problems.add(f"{self._where}, {where} {name!r}: always null; cast it to a type", PlanTypeError)
                continue
            whole = replace_columns(expr, lambda column: made.get(column.name, column))
            try:
                check_size(whole, f"{self._where}, {where} {shown(name)}")
            except DefinitionError as error:
                self._problems.take(error)
                self._failed.add(name)
                continue
            made[name] = whole
            known = Schema([*known, Field(name, expr.type)])
        return tuple(made.items())

    def _aggregation(self, item: Aggregation, rows: Schema) -> ResolvedAggregation | None:
        window = "" if item.time_window is None else f", {format_duration(item.time_window)}"
        where = f"{self._where}, aggregation {item.function}({shown(item.column)}{window})"
        condition = self._condition(
            item.where, rows, f"aggregation {item.function}({shown(item.column)}{window}), where"
        )
        if item.column == "*":
            return ResolvedAggregation(item, None, condition, INT64)
        if item.column in self._failed:
            return None
        if item.column not in rows:
            what = f"{where}: {self._from} has no column"
            self._problems.add(unknown_name(what, item.column, rows.names), UnknownColumnError)
            return None
        try:
            type_ = AGGREGATES[item.function].type_rule(rows[item.column])
        except TypeRuleError as error:
            self._problems.add(f"{where}: {item.function} {error}", PlanTypeError)
            return None
        return ResolvedAggregation(item, item.column, condition, type_)

    def _latest_features(self, rows: Schema) -> tuple[Field, ...]:
        source = self._view.origin
        roles = {*self._view.join_keys, source.timestamp_field, source.created_timestamp_column}
        roles.update(source.sequence_columns)
        names = self._view.features or tuple(name for name in rows.names if name not in roles)
        fields: list[Field] = []
        for name in names:
            if name in self._failed:
                continue
            if name not in rows:
                what = f"{self._where}, features: {self._from} has no column"
                self._problems.add(unknown_name(what, name, rows.names), UnknownColumnError)
            elif unusable_name(name):
                message = f"{self._where}: feature {shown(name)}: no engine has a name that {unusable_name(name)}"
                self._problems.add(f"{message}; name the others with features=, or rename the column")
            elif not rows[name].can_be_feature and self._view.features is None:
                self._withheld.append(Field(name, rows[name]))
            elif not rows[name].can_be_feature:
                self._problems.add(f"{self._where}: {no_feature(name, rows[name])}", UnsupportedError)
            else:
                fields.append(Field(name, feature_type(rows[name])))
        if not names or len(self._withheld) == len(names):
            others = "; ".join(no_feature(field.name, field.type) for field in self._withheld)
            told = f": {others}" if others else ""
            kind = UnsupportedError if self._withheld else DefinitionError
            self._problems.add(f"{self._where}: {self._from} has no column left to be a feature{told}", kind)
        nested = [field for field in fields if field.type.is_nested]
        if nested and not (source.unique or source.sequence_columns):
            self._problems.add(
                f"{self._where}: feature {nested[0].name!r} is {nested[0].type}, which has no order to break ties by; "
                "give the source sequence_columns, or unique=True where no two rows share keys and timestamp"
            )
        return tuple(fields)


def no_feature(name: str, type_: DataType) -> str:
    """Why a column of that type is no feature."""
    if type_.kind == "null":
        return f"feature {name!r} holds nothing but nulls, which have no type; give it one where the data is made"
    return f"feature {name!r} is {type_}" + ("" if ";" in type_.label else ", which is not supported yet")


def _check_source(view: ViewDefinition, table: Table, types: Types) -> None:
    source = view.origin
    schema = table.schema
    if types:
        schema = Schema(Field(field.name, types.get(field.name, field.type)) for field in table.schema)
    problems: list[str] = []
    where = f"source {table.name!r}"
    for first, second in names_that_differ_by_case(schema.names):
        problems.append(f"{where}: columns {first!r} and {second!r} differ only by case, which engines ignore")
    roles = [("timestamp_field", source.timestamp_field)]
    if source.created_timestamp_column is not None:
        roles.append(("created_timestamp_column", source.created_timestamp_column))
    for role, name in roles:
        if name not in schema:
            problems.append(unknown_name(f"{where}, {role}: no column", name, schema.names))
        elif not schema[name].is_instant:
            problems.append(no_time(f"{where}, {role}: column", name, schema[name]))
    for name in source.sequence_columns:
        if name not in schema:
            problems.append(unknown_name(f"{where}, sequence_columns: no column", name, schema.names))
        elif schema[name].is_nested:
            problems.append(f"{where}, sequence_columns: column {name!r} is {schema[name]}, which has no order")
    for name in source.field_mapping:
        if name not in schema:
            problems.append(unknown_name(f"{where}, field_mapping: no column", name, schema.names))
        elif name in view.join_keys:
            problems.append(
                f"{where}, field_mapping: {name!r} is a key of view {view.name!r}, and keys keep their names"
            )
    if problems:
        raise SourceError("\n".join(problems))

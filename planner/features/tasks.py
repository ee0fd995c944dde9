"""Tasks: self-contained requests to an engine, with everything resolved."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from ..errors import SpineError, unknown_name
from ..expr.functions import call, coerce
from ..expr.nodes import Cast, Column, Expr, Literal
from ..ir.logical import Table
from ..options import PlannerOptions
from ..statistics import NoStatistics, Statistics
from ..types import FLOAT64, INT64, DataType, Schema, common_type, folded, unused_name
from .checks import no_time
from .resolver import JoinKey, OutputFeature, ResolvedView, key_family


class Names:
    """Names for the planner's own columns that no column of the request has, ignoring case."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {folded(name) for name in taken}
        self.row = self.fresh("row_id")
        self.time = self.fresh("t")
        self.event_time = self.fresh("ts")
        self.created = self.fresh("created_ts")

    def copy(self) -> Names:
        """Independent names: what is taken in the copy stays free here."""
        twin = object.__new__(Names)
        vars(twin).update(vars(self) | {"_taken": set(self._taken)})
        return twin

    def fresh(self, wish: str) -> str:
        """The wished name, or with a number behind it; it is taken from then on."""
        name = unused_name(wish, self._taken)
        self._taken.add(folded(name))
        return name


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every task has: the views, the features asked for, and names for the planner's own columns."""

    views: tuple[ResolvedView, ...]
    outputs: tuple[OutputFeature, ...]
    names: Names
    filter_by_created_timestamp: bool = False
    options: PlannerOptions = field(default_factory=PlannerOptions)
    statistics: Statistics = field(default_factory=NoStatistics)

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Names, folded, that features of several views have: stored views are answered side by side."""
        used = Counter(folded(output.name) for output in self.outputs)
        return frozenset(name for name, count in used.items() if count > 1)

    def created_column(self, view: ResolvedView) -> str | None:
        """The event column that has to be at or before the query time: where that is asked for and there is one."""
        has_one = view.source.created_timestamp_column is not None
        return self.names.created if self.filter_by_created_timestamp and has_one else None


@dataclass(frozen=True, kw_only=True)
class HistoricalRetrievalTask(Task):
    """Features for every row of a spine table, whose columns ``carried`` come back with them."""

    spine: Table
    timestamp: str
    carried: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MaterializationTask(Task):
    """Features of every known key as of ``end`` (microseconds), for the online store."""

    end: int
    allow_rollback: bool = False


def retrieval_names(views: Iterable[ResolvedView], outputs: Iterable[OutputFeature], spine: Iterable[str]) -> Names:
    """Names that are free in every relation of the request."""
    taken = [*spine, *(output.name for output in outputs)]
    for view in views:
        taken += [*view.rows.names, *view.table.schema.names, *(field.name for field in view.features)]
    return Names(taken)


def key_expression(key: JoinKey, column: Column) -> Expr:
    """A key column as the value that is compared: integers and instants as 64-bit integers.

    A float column of a spine holds whole numbers, with NaN for null, as pandas keeps them: others were refused.
    """
    if key.family == "null":
        return Literal(None, key.type)
    if key.family == "instant" and column.type.kind != "null":
        return call("micros_down", column)
    if column.type.is_float:
        is_nan = call("eq", column, Literal(math.nan, FLOAT64))
        return call("case", is_nan, Literal(None, INT64), Cast(column, INT64))
    return Literal(None, key.type) if column.type.kind == "null" else coerce(column, key.type)


def _widens(type_: DataType, to: DataType) -> bool:
    """Whether a type is a decimal whose values the other holds exactly: pandas makes decimals as narrow as it can."""
    return type_.kind == "decimal" and common_type(type_, to) == to


def unnamed_columns(schema: Schema) -> str:
    """A line for a message about columns that have the names that engines give to those of VALUES."""
    if not all(re.fullmatch("col[0-9]+", name) for name in schema.names):
        return ""
    return "\n  VALUES names no column; write SELECT * FROM (VALUES …) AS t(user_id, event_timestamp)"


def check_spine(
    schema: Schema, timestamp: str, views: Iterable[ResolvedView], outputs: Iterable[OutputFeature]
) -> None:
    """Raise SpineError with every problem of a spine's columns: keys, timestamp and names."""
    problems: list[str] = []
    if timestamp not in schema:
        problems.append(unknown_name("entity rows: no timestamp column", timestamp, schema.names))
    elif not schema[timestamp].is_instant:
        problems.append(no_time("entity rows: timestamp", timestamp, schema[timestamp]))
    for view in views:
        for key in view.keys:
            where = f"entity rows, for feature view {view.name!r}"
            if key.spine_column not in schema:
                problems.append(unknown_name(f"{where}: no key column", key.spine_column, schema.names))
                continue
            type_ = schema[key.spine_column]
            if type_.is_float:
                problems.append(f"{where}: key {key.spine_column!r} is {type_}; cast it to an integer or a string")
            elif key.family == "null" and key_family(type_) is not None:
                continue
            elif type_.kind != "null" and key_family(type_) != key.family and not _widens(type_, key.type):
                there = view.rows[key.column]
                problems.append(f"{where}: key {key.spine_column!r} is {type_}, but {there} in {view.table.name!r}")
    columns = {folded(name): name for name in schema.names}
    for output in outputs:
        if folded(output.name) in columns:
            message = f"entity rows: column {columns[folded(output.name)]!r} and feature {output.view}:{output.feature}"
            is_given = output.name not in (output.feature, f"{output.view}__{output.feature}")
            advice = "give the feature another name" if is_given else "use full_feature_names=True"
            problems.append(f"{message} have one name; {advice}, or rename the column")
    if problems:
        raise SpineError("\n".join(dict.fromkeys(problems)) + unnamed_columns(schema))

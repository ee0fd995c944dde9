"""The oracle over data: what Arrow, footers or one query tell of the rows that relations are over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..planner.errors import HithertoError
from ..planner.expr.functions import call
from ..planner.expr.nodes import Call, Column, Expr, columns_of, conjunction
from ..planner.expr.structs import is_present
from ..planner.ir.data import ArrowData, CatalogTable, EngineData
from ..planner.ir.logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Measure,
    NumberRows,
    Project,
    Relation,
    Scan,
    Table,
    Union,
    Values,
    WindowAggregate,
)
from ..planner.ir.operators import Carried, KeyedJoin, Materialize, Named
from ..planner.ir.properties import is_unique, substitution
from ..planner.statistics import Keys, Statistics
from ..planner.types import INT64
from .arrow import arrow_type, span_of
from .samples import pairs, sampled
from .sources.footers import stored_span
from .sources.parquet import LocalFiles

T = TypeVar("T")
Question = tuple[str, ...]
Groups = tuple[int, int]
"""How many combinations of values some columns of a table have, and the most rows of one; nulls aside."""
Side = tuple[Scan, tuple[Expr, ...]]
"""A table of a join, and its keys over it."""

_FEW = 100_000
"""So many rows of a table are counted by a query in no time."""


class DataStatistics(Statistics):
    """Each answer is found once and kept; ``known`` are groups of rows by ``grouped(table, columns)``, found before.

    ``collect`` runs a relation that aggregates, for tables of which neither Arrow nor footers tell. It is not asked of
    a query of the user's, nor of files that are parsed for the engine: nobody knows what those cost.
    """

    def __init__(self, collect: Callable[[Relation], pa.Table], known: Mapping[Question, Groups] | None = None) -> None:
        self._collect = collect
        self._grouped: dict[Question, Groups | None] = dict(known or {})
        self._spans: dict[Question, tuple[int, int] | None] = {}
        self._pairs: dict[Question, int | None] = {}
        self._rows_of: dict[str, dict[str, Any] | None] = {}

    def rows(self, relation: Relation) -> int | None:
        return _sum(self._rows(leaf) for leaf, _ in _leaves(relation, ()))

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        spans = [self._span(leaf, expr) for leaf, (expr,) in _leaves(relation, (column,))]
        known = [span for span in spans if span is not None]
        return (min(known)[0], max(last for _, last in known)) if known and len(known) == len(spans) else None

    def distinct(self, relation: Relation, columns: Sequence[str]) -> int | None:
        found = [self._groups(leaf, exprs) for leaf, exprs in _leaves(relation, columns)]
        return _sum(None if each is None else each[0] for each in found)

    def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
        if columns and is_unique(relation, set(columns)):
            return 1
        return _sum(self._most(leaf, exprs) for leaf, exprs in _leaves(relation, columns))

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        """By samples; a join of counts in the engine costs as much as a part of the job, and is for few rows."""
        if not keys:
            left_rows, right_rows = self.rows(spine), self.rows(events)
            return None if left_rows is None or right_rows is None else left_rows * right_rows
        sides: list[Side] = []
        for relation, columns in zip((spine, events), zip(*keys, strict=True), strict=True):
            (leaf, exprs), *others = _leaves(relation, columns)
            if others or not isinstance(leaf, Scan) or not _is_cheap(leaf):
                return None
            sides.append((leaf, exprs))
        question = ("pairs", *(text for leaf, exprs in sides for text in (leaf.table.token, *_read_by(exprs))))
        if question not in self._pairs:
            self._pairs[question] = _found(lambda: self._measured_pairs(*sides))
        return self._pairs[question]

    def width(self, relation: Relation) -> int | None:
        try:
            return sum(-(-arrow_type(field.type).bit_width // 8) for field in relation.schema)
        except (KeyError, ValueError):
            return None

    def _rows(self, leaf: Relation) -> int | None:
        match leaf:
            case Values():
                return len(leaf.rows)
            case Aggregate():
                return self.rows(leaf.input)
            case Scan(Table(data=LocalFiles(parts=parts))):
                return sum(file.rows for file in parts.files)
            case _:
                return self._most(leaf, ())

    def _span(self, leaf: Relation, expr: Expr) -> tuple[int, int] | None:
        name = expr.args[0] if isinstance(expr, Call) and expr.function in ("micros_up", "micros_down") else expr
        if not isinstance(leaf, Scan) or not isinstance(name, Column):
            return None
        question = ("span", leaf.table.token, name.name)
        if question not in self._spans:
            self._spans[question] = _found(lambda: self._measured_span(leaf, name.name, expr))
        return self._spans[question]

    def _measured_span(self, scan: Scan, name: str, expr: Expr) -> tuple[int, int] | None:
        match scan.table.data:
            case ArrowData(value=pa.Table() as rows):
                return span_of(rows[name])
            case LocalFiles(parts=parts):
                return stored_span(parts, name)
            case _:
                return self._queried_span(scan, expr)

    def _queried_span(self, scan: Scan, expr: Expr) -> tuple[int, int] | None:
        if expr.type != INT64 or not _is_cheap(scan):
            return None
        ends = tuple(Measure(each, each, Column("value", INT64), INT64) for each in ("min", "max"))
        row = self._queried(Aggregate(Project(scan, (("value", expr),)), (), ends))
        return None if row is None or row["min"] is None else (row["min"], row["max"])

    def _most(self, leaf: Relation, exprs: tuple[Expr, ...]) -> int | None:
        if exprs and is_unique(leaf, set(_read_by(exprs))):
            return 1
        groups = self._groups(leaf, exprs)
        return None if groups is None else groups[1]

    def _groups(self, leaf: Relation, exprs: tuple[Expr, ...]) -> Groups | None:
        """Groups by what the expressions read: a key that is cast, or a time that is rounded, is seldom another one."""
        read = _read_by(exprs)
        if not set(read) <= set(leaf.schema.names):
            return None
        match leaf:
            case Values():
                places = [leaf.schema.names.index(name) for name in read]
                rows = [tuple(row[place] for place in places) for row in leaf.rows]
                counts = Counter(row for row in rows if None not in row)
                return len(counts), max(counts.values(), default=0)
            case Scan():
                question = grouped(leaf.table, read)
                if question not in self._grouped:
                    self._grouped[question] = _found(lambda: self._measured_groups(leaf, read))
                return self._grouped[question]
            case _:
                return None

    def _measured_groups(self, scan: Scan, read: tuple[str, ...]) -> Groups | None:
        if isinstance(scan.table.data, ArrowData) and isinstance(rows := scan.table.data.value, pa.Table):
            if not read:
                return min(rows.num_rows, 1), rows.num_rows
            counts = rows.select(list(read)).drop_null().group_by(list(read)).aggregate([([], "count_all")])
            return counts.num_rows, pc.max(counts["count_all"]).as_py() or 0
        if not _is_cheap(scan):
            return None
        groups = Measure("groups", "count", None, INT64)
        most = Measure("most", "max", Column("n", INT64), INT64)
        row = self._queried(Aggregate(_counted(scan, "n", read), (), (groups, most)))
        return None if row is None else (row["groups"], row["most"] or 0)

    def _measured_pairs(self, left: Side, right: Side) -> int | None:
        ours, theirs = (sampled(leaf.table.data, _columns_of(exprs)) for leaf, exprs in (left, right))
        events = self._rows(right[0])
        if ours is None or events is None:
            return None
        if theirs is None and events <= _FEW:
            return self._joined_pairs(left, right)
        return pairs(ours, theirs) if theirs is not None else pairs(ours, None) * events

    def _joined_pairs(self, left: Side, right: Side) -> int | None:
        one, other = (
            _counted(Project(leaf, tuple((f"k{side}{number}", expr) for number, expr in enumerate(exprs))), f"n{side}")
            for side, (leaf, exprs) in enumerate((left, right))
        )
        joined = KeyedJoin(one, other, tuple((f"k0{number}", f"k1{number}") for number, _ in enumerate(left[1])))
        product = call("multiply", Column("n0", INT64), Column("n1", INT64))
        total = Measure("pairs", "sum", Column("pairs", INT64), INT64)
        row = self._queried(Aggregate(Project(joined, (("pairs", product),)), (), (total,)))
        return None if row is None else row["pairs"] or 0

    def _queried(self, relation: Relation) -> dict[str, Any] | None:
        """The one row of a query."""
        query = relation.fingerprint
        if query not in self._rows_of:
            self._rows_of[query] = _found(lambda: self._collect(relation).to_pylist()[0])
        return self._rows_of[query]


def _found(look: Callable[[], T | None]) -> T | None:
    """The answer; None where asking fails, since nothing depends on it."""
    try:
        return look()
    except (HithertoError, pa.ArrowException):
        return None


def grouped(table: Table, columns: Sequence[str]) -> Question:
    """The question for the groups of a table's rows by columns."""
    return ("groups", table.token, *sorted(set(columns)))


def _counted(rows: Relation, count: str, keys: Sequence[str] | None = None) -> Relation:
    """How many rows there are for each combination of values, without those that have a null."""
    names = rows.schema.names if keys is None else tuple(keys)
    known = tuple(is_present(Column(name, rows.schema[name])) for name in names)
    kept = Filter(rows, conjunction(known)) if known else rows
    return Aggregate(kept, names, (Measure(count, "count", None, INT64),))


def _leaves(relation: Relation, columns: Sequence[str]) -> Iterator[tuple[Relation, tuple[Expr, ...]]]:
    """What a relation's rows come from, each with what the columns are over it; filters and later columns aside."""
    yield from _below(relation, tuple(Column(name, relation.schema[name]) for name in columns))


def _below(relation: Relation, exprs: tuple[Expr, ...]) -> Iterator[tuple[Relation, tuple[Expr, ...]]]:
    match relation:
        case Project():
            yield from _below(relation.input, tuple(map(substitution(relation), exprs)))
        case Union():
            for each in relation.relations:
                yield from _below(each, exprs)
        case Filter() | Materialize() | Named() | Carried():
            yield from _below(relation.input, exprs)
        case NumberRows() if _has(relation.input, exprs):
            yield from _below(relation.input, exprs)
        case AsofJoin() | WindowAggregate() if _has(relation.spine, exprs):
            yield from _below(relation.spine, exprs)
        case _:
            yield relation, exprs


def _has(relation: Relation, exprs: tuple[Expr, ...]) -> bool:
    """Whether the expressions are over a relation: what is computed above it is no column of its rows."""
    return set(_read_by(exprs)) <= set(relation.schema.names)


def _read_by(exprs: tuple[Expr, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for expr in exprs for name in columns_of(expr)))


def _columns_of(exprs: tuple[Expr, ...]) -> list[str]:
    """The column of each key, which may be cast."""
    return [name for expr in exprs for name in columns_of(expr)]


def _is_cheap(leaf: Relation) -> bool:
    """Whether a query over a relation reads no more than some columns of stored rows."""
    if not isinstance(leaf, Scan):
        return False
    data = leaf.table.data
    is_held = isinstance(data, ArrowData) and isinstance(data.value, pa.Table)
    return is_held or isinstance(data, LocalFiles | CatalogTable | EngineData)


def _sum(counts: Iterator[int | None]) -> int | None:
    """All of them together; None where one is not known."""
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None

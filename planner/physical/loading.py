"""Rows that an index reads itself, without a statement: plain columns of files or of data in memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..expr.nodes import Call, Cast, Column, Expr, Literal, conjuncts
from ..ir.data import ArrowData, EngineTable, ParquetFiles
from ..ir.logical import Project, Relation, Scan, Table
from ..ir.operators import KeyedJoin
from ..ir.properties import substitution
from ..rules.view_fusion import is_bound
from ..types import DataType

_KEYS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "string", "binary"})


@dataclass(frozen=True)
class Load:
    """Columns of a table for the rows whose keys have a number.

    ``key`` is the new column of that number, ``time`` a new name and the stored column. ``columns`` are the others: a
    new name, the stored column, and its planned type, None for an instant that becomes microseconds like the time.
    ``keys`` pair stored columns with those of the table of numbers. Rows are needed from ``first`` on and before
    ``last``, in microseconds; others may be left out.
    """

    table: Table
    key: str
    time: tuple[str, str]
    columns: tuple[tuple[str, str, DataType | None], ...]
    keys: tuple[tuple[str, str], ...]
    first: int | None = None
    last: int | None = None


def load_of(read: Relation, key: str, time: str) -> tuple[Load, Scan | None] | None:
    """What a statement reads, if that is no more than columns of a table and numbers of keys; and who has the numbers.

    Not with a filter: engines are better at that.
    """
    if not isinstance(read, Project):
        return None
    join = read.input if isinstance(read.input, KeyedJoin) else None
    below = read.input if join is None else join.left
    ids = None if join is None or not isinstance(join.right, Scan) else join.right
    if join is not None and (ids is None or not isinstance(ids.table.data, EngineTable)):
        return None
    stored = substitution(below) if isinstance(below, Project) else lambda expr: expr
    scan = below.input if isinstance(below, Project) else below
    if not isinstance(scan, Scan) or not _is_read(scan.table):
        return None
    bounds = () if scan.predicate is None else conjuncts(scan.predicate)
    found: list[tuple[str, str, DataType | None]] = []
    moment: str | None = None
    for name, expr in read.columns:
        value = expr if name == key else stored(expr)
        if name == key:
            continue
        if name == time:
            moment = _moment(value)
        elif isinstance(value, Column):
            found.append((name, value.name, value.type))
        elif (stored_moment := _moment(value)) is not None:
            found.append((name, stored_moment, None))
        else:
            return None
    keys: list[tuple[str, str]] = []
    for left, right in () if join is None else join.keys:
        column = _key(stored(Column(left, below.schema[left])))
        if column is None:
            return None
        keys.append((column, right))
    if moment is None or not all(map(is_bound, bounds)):
        return None
    ends = {each.function: _end(each) for each in bounds if is_bound(each)}
    load = Load(scan.table, key, (time, moment), tuple(found), tuple(keys), ends.get("ge"), ends.get("lt"))
    return load, ids


def _is_read(table: Table) -> bool:
    """Whether Arrow has the columns as they are planned."""
    match table.data:
        case ArrowData(is_table=is_table):
            return is_table and not table.is_empty
        case ParquetFiles(schema=None, partitions=(), uuids=(), groups=()):
            return True
        case _:
            return False


def _moment(expr: Expr) -> str | None:
    """The stored column of a time that is rounded up to microseconds."""
    match expr:
        case Call("micros_up", (Column(name=name, type=type_),)) if not type_.precision and type_.unit in ("us", "ns"):
            return name
        case _:
            return None


def _key(expr: Expr) -> str | None:
    column = expr.operand if isinstance(expr, Cast) and not expr.is_try else expr
    is_wider = expr.type.kind == "int64" or expr == column
    return column.name if isinstance(column, Column) and is_wider and column.type.kind in _KEYS else None


def _end(bound: Call) -> int | None:
    literal = bound.args[1]
    return literal.value if isinstance(literal, Literal) and isinstance(literal.value, int) else None

"""What an index reads itself, without a statement: plain columns of files or of data in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..expr.nodes import Call, Cast, Column, Expr, Literal, conjuncts
from ..ir.data import ArrowData, EngineTable, ParquetFiles
from ..ir.logical import Aggregate, Filter, NumberRows, Project, Relation, Scan, Table
from ..ir.operators import KeyedJoin, Materialize
from ..ir.properties import substitution
from ..rules.view_fusion import is_bound
from ..types import INT64, DataType

_KEYS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "string", "binary"})


@dataclass(frozen=True)
class Load:
    """Columns of a table for the rows whose keys have a number.

    ``key`` is the new column of that number, ``time`` a new name and the stored column. ``columns`` are the others: a
    new name, the stored column, and its planned type, None for an instant that becomes microseconds like the time.
    ``keys`` pair stored columns with those of the table of numbers. Rows are needed from ``first`` on and before
    ``last``, in microseconds; others may be left out.

    With ``row`` all rows are needed, also those whose keys have no number, and are numbered from 0 on in that column.
    Their times are rounded down, others up.
    """

    table: Table
    key: str
    time: tuple[str, str]
    columns: tuple[tuple[str, str, DataType | None], ...]
    keys: tuple[tuple[str, str], ...]
    first: int | None = None
    last: int | None = None
    row: str | None = None


@dataclass(frozen=True)
class Numbers:
    """A number in ``key`` for each combination of values of a table's columns, without nulls.

    ``columns`` are a new name, the stored column, and the type of the values.
    """

    table: Table
    key: str
    columns: tuple[tuple[str, str, DataType], ...]


def numbers_of(result: Relation) -> Numbers | None:
    """The combinations of keys that a temporary result numbers, where these are stored columns of data in memory."""
    match result:
        case Materialize(
            input=NumberRows(
                input=Aggregate(measures=(), input=Filter(input=Project(columns=keys, input=rows))), column=number
            )
        ):
            pass
        case _:
            return None
    match rows:
        case Materialize(input=NumberRows(input=Project(input=Scan(predicate=None, table=table)) as spine)):
            pass
        case _:
            return None
    stored = substitution(spine)
    columns = [(name, _key(stored(expr)), expr.type) for name, expr in keys]
    known = tuple((name, column, type_) for name, column, type_ in columns if column is not None)
    is_read = isinstance(table.data, ArrowData) and _is_read(table) and len(known) == len(columns)
    return Numbers(table, number, known) if is_read else None


def load_of(read: Relation, key: str, time: str, made: Mapping[str, Relation]) -> tuple[Load, Scan | None] | None:
    """What a statement reads, if that is no more than columns of a table and numbers of keys; and who has the numbers.

    ``made`` is what fills the temporary results that it may read. Not with a filter: engines are better at that.
    """
    if not isinstance(read, Project):
        return None
    join = read.input if isinstance(read.input, KeyedJoin) else None
    below = read.input if join is None else join.left
    ids = None if join is None or not isinstance(join.right, Scan) else join.right
    if join is not None and (ids is None or not isinstance(ids.table.data, EngineTable)):
        return None
    row: str | None = None
    if isinstance(below, Scan) and isinstance(below.table.data, EngineTable):
        numbered = made.get(below.table.data.name)
        if not isinstance(numbered, NumberRows):
            return None
        row, below = numbered.column, numbered.input
    stored = substitution(below) if isinstance(below, Project) else lambda expr: expr
    scan = below.input if isinstance(below, Project) else below
    if not isinstance(scan, Scan) or not _is_read(scan.table):
        return None
    bounds = () if scan.predicate is None else conjuncts(scan.predicate)
    if row is not None and (bounds or not isinstance(scan.table.data, ArrowData)):
        return None
    found: list[tuple[str, str, DataType | None]] = []
    moment: str | None = None
    for name, expr in read.columns:
        if name == key or (row is not None and expr == Column(row, INT64)):
            continue
        value = stored(expr)
        if name == time:
            moment = _moment(value, "micros_down" if row is not None else "micros_up")
        elif isinstance(value, Column):
            found.append((name, value.name, value.type))
        elif row is None and (stored_moment := _moment(value, "micros_up")) is not None:
            found.append((name, stored_moment, None))
        else:
            return None
    keys: list[tuple[str, str]] = []
    for left, right in () if join is None else join.keys:
        column = _key(stored(Column(left, below.schema[left])))
        if column is None:
            return None
        keys.append((column, right))
    if moment is None or not all(map(is_bound, bounds)) or (row is not None and found):
        return None
    ends = {each.function: _end(each) for each in bounds if is_bound(each)}
    load = Load(scan.table, key, (time, moment), tuple(found), tuple(keys), ends.get("ge"), ends.get("lt"), row)
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


def _moment(expr: Expr, rounded: str) -> str | None:
    """The stored column of a time that is rounded to microseconds."""
    match expr:
        case Call(function, (Column(name=name, type=type_),)) if function == rounded:
            return name if not type_.precision and type_.unit in ("us", "ns") else None
        case _:
            return None


def _key(expr: Expr) -> str | None:
    column = expr.operand if isinstance(expr, Cast) and not expr.is_try else expr
    is_wider = expr.type.kind == "int64" or expr == column
    return column.name if isinstance(column, Column) and is_wider and column.type.kind in _KEYS else None


def _end(bound: Call) -> int | None:
    literal = bound.args[1]
    return literal.value if isinstance(literal, Literal) and isinstance(literal.value, int) else None

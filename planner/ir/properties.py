"""What is known of a relation without running it: the facts that rules rest on.

``may_cross`` is the one table of what a predicate may mention to move below a node. A predicate above an as-of join
never moves into its right side: the match must see every event that could win. Two predicates may be added there, since
they drop no possible match: one on the join keys (an event with other keys matches no remaining spine row), and the
time range of all spine rows.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from ..expr.functions import FUNCTIONS
from ..expr.nodes import Call, Cast, Column, Expr, Literal, children, columns_of, conjuncts, replace_columns
from ..types import FLOAT64, INT64
from .data import ArrowData, EngineTable, ParquetFiles
from .logical import (
    Aggregate,
    AsofJoin,
    Filter,
    Join,
    NumberRows,
    Project,
    Relation,
    Scan,
    Union,
    Values,
    WindowAggregate,
)
from .operators import AsofMatch, Carried, KeyedJoin, Materialize, Named, Window


def may_cross(node: Relation, index: int) -> frozenset[str]:
    """The output columns that a predicate above ``node`` may mention to be moved onto its input number ``index``.

    ========================  ==========================================================
    Filter, Union             every column
    Join inner                the input's columns
    Join left                 the first input's columns; nothing for the others
    AsofJoin, WindowAggregate the spine's columns; nothing for the events
    Aggregate                 the grouping keys
    NumberRows                nothing: a row's number counts the rows before it
    ========================  ==========================================================
    """
    match node:
        case Filter() | Union():
            return frozenset(node.schema.names)
        case Join():
            kept = node.how == "inner" or index == 0
            return frozenset(node.relations[index].schema.names) if kept else frozenset()
        case AsofJoin() | WindowAggregate():
            return frozenset(node.spine.schema.names) if index == 0 else frozenset()
        case Aggregate():
            return frozenset(node.keys)
        case _:
            return frozenset()


def is_over(predicate: Expr, columns: frozenset[str]) -> bool:
    """Whether the predicate reads these columns only, and at least one of them."""
    read = set(columns_of(predicate))
    return bool(read) and read <= columns


def substitute(expr: Expr, project: Project) -> Expr:
    """The expression over a projection's output, as one over its input."""
    return substitution(project)(expr)


def substitution(project: Project) -> Callable[[Expr], Expr]:
    """``substitute`` for many expressions over one projection, whose columns are looked through once."""
    defined = dict(project.columns)
    return lambda expr: replace_columns(expr, lambda column: defined[column.name])


def implies(relation: Relation, predicate: Expr) -> bool:
    """Whether the predicate is known to hold for every row, because it was already filtered for."""
    memo: dict[tuple[str, str], bool] = {}
    return all(_implies(relation, part, memo) for part in conjuncts(predicate))


def _implies(relation: Relation, part: Expr, memo: dict[tuple[str, str], bool]) -> bool:
    """The same for one conjunct, cached, since plans share their parts."""
    case = (relation.fingerprint, part.fingerprint)
    if case in memo:
        return memo[case]
    match relation:
        case Filter():
            known = part in conjuncts(relation.predicate) or _implies(relation.input, part, memo)
        case Project():
            below = conjuncts(substitute(part, relation))
            known = all(_implies(relation.input, each, memo) for each in below)
        case Scan():
            known = relation.predicate is not None and part in conjuncts(relation.predicate)
        case Union():
            known = all(_implies(child, part, memo) for child in relation.relations)
        case Join() | Aggregate() | AsofJoin() | WindowAggregate():
            known = any(
                is_over(part, may_cross(relation, index)) and _implies(child, part, memo)
                for index, child in enumerate(relation.inputs)
            )
        case _:
            known = False
    memo[case] = known
    return known


def is_total(expr: Expr) -> bool:
    """Whether the expression has a value for every input, so that it may be evaluated on more rows than before.

    A cast of text and an overflow are errors: on rows that nothing asked about, they must not be raised.
    """
    match expr:
        case Cast():
            widens = expr.type == FLOAT64 or (expr.type == INT64 and expr.operand.type.is_integer)
            if not widens or not expr.operand.type.is_numeric or expr.operand.type.kind in ("uint64", "decimal"):
                return False
        case Call():
            if not FUNCTIONS[expr.function].is_total:
                return False
        case _:
            pass
    return all(map(is_total, children(expr)))


def time_bounds(relation: Relation, column: str) -> tuple[int, int] | None:
    """The least and greatest time that a column of microseconds can have; None where that is not known for certain.

    A null is in no bounds. A filter keeps the bounds.
    """
    match relation:
        case Project():
            match dict(relation.columns)[column]:
                case Literal(int() as at):
                    return at, at
                case Column(name=name) | Call("micros_down", (Column(name=name),)):
                    return time_bounds(relation.input, name)
                case _:
                    return None
        case Values():
            times = [row[relation.schema.names.index(column)] for row in relation.rows]
            known = [time for time in times if isinstance(time, int)]
            return (min(known), max(known)) if known and len(known) == len(times) else None
        case Filter() | Materialize():
            return time_bounds(relation.input, column)
        case NumberRows():
            return None if column == relation.column else time_bounds(relation.input, column)
        case Scan():
            bounds = relation.table.bounds
            return (bounds.first, bounds.last) if bounds is not None and bounds.column == column else None
        case _:
            return None


def literal_bounds(predicate: Expr) -> dict[str, tuple[int, int]]:
    """The least and greatest microsecond that a predicate lets through, for each column of times that it bounds."""
    bounds: dict[str, tuple[int, int]] = {}
    for part in conjuncts(predicate):
        match part:
            case Call(
                "ge" | "lt" as comparison, (Call("micros_up" | "micros_down", (Column(name=name),)), Literal(int(at)))
            ):
                first, last = bounds.get(name, (-(2**63), 2**63 - 1))
                bounds[name] = (max(first, at), last) if comparison == "ge" else (first, min(last, at - 1))
            case _:
                pass
    return bounds


def is_cheap_to_repeat(relation: Relation) -> bool:
    """Whether reading the relation twice gives the same rows, for little more than reading the table once.

    Not for a table or query of the user's, which may be a view with any query in it and have other rows the second
    time, nor for files that are parsed or fetched. Not where more is computed than comparisons and times.
    """
    match relation:
        case Scan():
            data = relation.table.data
            is_at_hand = isinstance(data, ParquetFiles | EngineTable) or (isinstance(data, ArrowData) and data.is_table)
            return is_at_hand and (relation.predicate is None or _is_cheap(relation.predicate))
        case Project():
            return all(_is_cheap(expr) for _, expr in relation.columns) and is_cheap_to_repeat(relation.input)
        case Filter():
            return _is_cheap(relation.predicate) and is_cheap_to_repeat(relation.input)
        case _:
            return False


def _is_cheap(expr: Expr) -> bool:
    is_simple = expr.function in _CHEAP if isinstance(expr, Call) else not isinstance(expr, Cast)
    return is_simple and all(map(_is_cheap, children(expr)))


_CHEAP = frozenset({
    "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "is_null", "in", "coalesce", "micros_up", "micros_down",
})  # fmt: skip


def identifies_rows(relation: Relation, column: str) -> bool:
    """Whether no two rows have the same value in the column, and none has a null: it is a row number."""
    match relation:
        case NumberRows():
            return column == relation.column
        case Project():
            expr = dict(relation.columns).get(column)
            return isinstance(expr, Column) and identifies_rows(relation.input, expr.name)
        case Filter() | Materialize() | Named() | Carried() | Window():
            return identifies_rows(relation.input, column)
        case AsofJoin() | WindowAggregate():
            return identifies_rows(relation.spine, column)
        case AsofMatch():
            return identifies_rows(relation.left, column)
        case KeyedJoin():
            keys = {right for _, right in relation.keys}
            return identifies_rows(relation.left, column) and is_unique(relation.right, keys)
        case _:
            return False


def is_unique(relation: Relation, columns: AbstractSet[str]) -> bool:
    """Whether no two rows have the same values in all of these columns."""
    match relation:
        case Aggregate():
            return columns >= set(relation.keys)
        case Project():
            below = {expr.name for name, expr in relation.columns if name in columns and isinstance(expr, Column)}
            return is_unique(relation.input, below)
        case Filter() | Materialize() | Named() | Carried():
            return is_unique(relation.input, columns)
        case _:
            return any(identifies_rows(relation, column) for column in columns)


def row_identity(relation: Relation) -> str | None:
    """The first column that identifies the rows, or None."""
    return next((name for name in relation.schema.names if identifies_rows(relation, name)), None)


def is_narrowing(project: Project) -> bool:
    """Whether a projection only drops or reorders columns."""
    return all(isinstance(expr, Column) and expr.name == name for name, expr in project.columns)

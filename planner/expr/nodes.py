"""Typed scalar expressions: four kinds of node, each of which knows its type.

Operators, conditionals and functions are all a ``Call`` by name, so the table in ``functions`` is the whole language.
Timestamps inside expressions are UTC; a literal holds microseconds (timestamp), days (date) or the plain value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Self, cast

from ..node import Node, node
from ..types import BOOL, DataType

LiteralValue = bool | int | float | str | bytes | tuple[()] | None


MOST_LEVELS = 250
"""How deep an expression may be nested. Both engines run so deep a tree; Spark's parser ends below 400 levels."""
MOST_NODES = 100_000
"""How many parts an expression may have when it is written out. A chain of columns that each read the one before
twice doubles them at every step."""


class Expr(Node):
    """Base of the expressions. ``type`` is the type of the value, which may be null."""

    __slots__ = ("_levels", "_nodes")
    type: DataType
    _levels: int
    _nodes: int

    @property
    def levels(self) -> int:
        """How deep the tree is: 1 for a column or a literal."""
        self._measure()
        return self._levels

    @property
    def nodes(self) -> int:
        """About how many nodes the SQL has: what the tree shares is written as often as it is read."""
        self._measure()
        return self._nodes

    def _measure(self) -> None:
        if hasattr(self, "_nodes"):
            return
        for expr in _inputs_first(self):
            below = children(expr)
            # A text is written three times where it is cast: to be matched, to be converted, and for the error.
            times = 3 if isinstance(expr, Cast) and expr.operand.type.kind == "string" else 1
            object.__setattr__(expr, "_levels", max((child._levels for child in below), default=0) + 1)
            object.__setattr__(expr, "_nodes", times * sum(child._nodes for child in below) + 1)

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[[Parts], Expr], tuple[Parts]]:
        """The tree as a list, operands first; a part names its operands by position. Pickle would recurse on a tree."""
        places: dict[int, int] = {}
        parts: list[Part] = []
        for expr in _inputs_first(self):
            places[id(expr)] = len(parts)
            parts.append((type(expr).__name__, _own(expr), tuple(places[id(child)] for child in children(expr))))
        return _restored, (tuple(parts),)


Part = tuple[str, tuple[object, ...], tuple[int, ...]]
Parts = tuple[Part, ...]


def _own(expr: Expr) -> tuple[object, ...]:
    """The fields of a node other than its operands."""
    match expr:
        case Column():
            return (expr.name, expr.type)
        case Literal():
            return (expr.value, expr.type)
        case Call():
            return (expr.function, expr.type)
        case Cast():
            return (expr.type, expr.is_try)
        case _:
            raise TypeError(f"{type(expr).__name__} is no expression")


def _restored(parts: Parts) -> Expr:
    """The expression of which ``__reduce__`` gave the parts."""
    made: list[Expr] = []
    for kind, own, places in parts:
        below = tuple(made[place] for place in places)
        match kind:
            case "Call":
                made.append(Call(cast("str", own[0]), below, cast("DataType", own[1])))
            case "Cast":
                made.append(Cast(below[0], cast("DataType", own[0]), is_try=bool(own[1])))
            case "Column":
                made.append(Column(cast("str", own[0]), cast("DataType", own[1])))
            case _:
                made.append(Literal(cast("LiteralValue", own[0]), cast("DataType", own[1])))
    return made[-1]


def _inputs_first(root: Expr) -> Iterator[Expr]:
    """Every distinct node object once, operands first, without recursion."""
    waiting: list[tuple[Expr, bool]] = [(root, False)]
    seen: set[int] = set()
    while waiting:
        expr, is_open = waiting.pop()
        if is_open:
            yield expr
        elif id(expr) not in seen:
            seen.add(id(expr))
            waiting.append((expr, True))
            waiting.extend((child, False) for child in reversed(children(expr)))


@node
class Column(Expr):
    """A column of the relation that the expression is evaluated over."""

    name: str
    type: DataType


@node
class Literal(Expr):
    """A constant; ``None`` is null, and ``()`` the empty list."""

    value: LiteralValue
    type: DataType


@node
class Call(Expr):
    """A function or operator of the table, by its name there."""

    function: str
    args: tuple[Expr, ...]
    type: DataType


@node
class Cast(Expr):
    """A conversion: written by the user, or put in by typing where two types meet.

    With ``is_try`` a value that the type does not have is null, and no error.
    """

    operand: Expr
    type: DataType
    is_try: bool = field(default=False, kw_only=True)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct operands."""
    match expr:
        case Call():
            return expr.args
        case Cast():
            return (expr.operand,)
        case _:
            return ()


def columns_of(expr: Expr) -> Iterator[str]:
    """The names of the columns that the expression reads, with repetitions."""
    waiting = [expr]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, Column):
            yield expr.name
        waiting.extend(reversed(children(expr)))


def replace_columns(expr: Expr, replacement: Callable[[Column], Expr]) -> Expr:
    """The expression with every column replaced; unchanged parts are kept, not copied."""
    match expr:
        case Column():
            return replacement(expr)
        case Cast():
            operand = replace_columns(expr.operand, replacement)
            return expr if operand is expr.operand else Cast(operand, expr.type, is_try=expr.is_try)
        case Call():
            args = tuple(replace_columns(arg, replacement) for arg in expr.args)
            unchanged = all(new is old for new, old in zip(args, expr.args, strict=True))
            return expr if unchanged else Call(expr.function, args, expr.type)
        case _:
            return expr


def conjuncts(predicate: Expr) -> tuple[Expr, ...]:
    """The predicates that are joined by ``and``."""
    if isinstance(predicate, Call) and predicate.function == "and":
        return tuple(part for arg in predicate.args for part in conjuncts(arg))
    return (predicate,)


def conjunction(predicates: tuple[Expr, ...]) -> Expr:
    """All predicates joined by ``and``; of none, true."""
    if not predicates:
        return Literal(True, BOOL)
    return predicates[0] if len(predicates) == 1 else Call("and", predicates, BOOL)

"""Typed scalar expressions: four kinds of node, each of which knows its type.

Operators, conditionals and functions are all a ``Call`` by name, so the table in ``functions`` is the whole language.
Timestamps inside expressions are UTC; a literal holds microseconds (timestamp), days (date) or the plain value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field

from ..node import Node, node
from ..types import BOOL, DataType

LiteralValue = bool | int | float | str | bytes | tuple[()] | None


class Expr(Node):
    """Base of the expressions. ``type`` is the type of the value, which may be null."""

    __slots__ = ()
    type: DataType


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
    if isinstance(expr, Column):
        yield expr.name
    for child in children(expr):
        yield from columns_of(child)


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

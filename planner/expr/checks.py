"""Checks of arguments that have the right type: some values have no meaning that all engines share.

Most of these arguments have to be literals. A check raises a TypeRuleError for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..types import INT64
from . import regex
from .nodes import Expr, Literal
from .type_rules import TypeRuleError

_MOST_PLACES = 15


def at_least(least: int, *positions: int) -> Callable[[Sequence[Expr]], None]:
    """A check that the arguments at these positions are integer literals, none of them below ``least``."""

    def check(args: Sequence[Expr]) -> None:
        for position in positions:
            arg = args[position] if position < len(args) else Literal(least, INT64)
            if not isinstance(arg, Literal) or not isinstance(arg.value, int) or not least <= arg.value < 2**31:
                raise TypeRuleError(f"argument {position + 1} has to be a whole number from {least} on, written there")

    return check


def digits(args: Sequence[Expr]) -> None:
    """The number of places to round to, which is limited for floats."""
    at_least(0, 1)(args)
    is_float = args[0].type.is_float
    if is_float and len(args) > 1 and isinstance(args[1], Literal) and int(args[1].value or 0) > _MOST_PLACES:
        raise TypeRuleError(f"a float has no more than {_MOST_PLACES} digits to round to")


def split_part(args: Sequence[Expr]) -> None:
    """A separator, not empty, and the number of a part, from 1 on."""
    at_least(1, 2)(args)
    if not isinstance(args[1], Literal) or not args[1].value:
        raise TypeRuleError("argument 2, the separator, has to be a text that is not empty, written there")


def substr(args: Sequence[Expr]) -> None:
    """A position from 1 on, and a length."""
    at_least(1, 1)(args)
    at_least(0, 2)(args)


def pattern(args: Sequence[Expr]) -> None:
    """A regular expression, and the number of one of its groups."""
    given = args[1]
    if not isinstance(given, Literal) or not isinstance(given.value, str):
        raise TypeRuleError("the pattern has to be a text that is written there")
    groups = regex.check(given.value)
    if len(args) > 2:
        at_least(0, 2)(args)
        wanted = int(args[2].value or 0) if isinstance(args[2], Literal) else 0
        if wanted > groups:
            raise TypeRuleError(f"the pattern has no group {wanted}; it has {groups}")

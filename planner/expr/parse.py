"""SQL text to typed expressions: sqlglot parses, an allow-list decides, and columns are bound and typed.

Every kind of node is named (in ``syntax``) with the arguments that it may have; anything else, a subquery, a command,
an option of a known function, is refused with an error that names it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from ..errors import DefinitionError, PlanTypeError, UnsupportedError, shown
from ..room import has_room, with_room
from ..types import Schema, is_text, unusable_name
from .binder import Binder
from .nodes import MOST_LEVELS, MOST_NODES, Expr
from .syntax import MISREAD


def parse_table_name(text: str, where: str) -> tuple[str, ...]:
    """The parts of a table's name, such as ``main.transactions`` or ``lake."2024".sales``.

    >>> parse_table_name('lake."a.b"', "TableSource")
    ('lake', 'a.b')
    """
    if not isinstance(text, str):
        raise DefinitionError(f"{where}: {shown(text)} is not a table's name; give a text")
    example = "write it as table, schema.table or catalog.schema.table, in double quotes where a part needs them"
    try:
        with _unlogged():
            table = exp.maybe_parse(text, into=exp.Table, dialect="duckdb")
    except (SqlglotError, AttributeError, TypeError, ValueError):
        table = None
    parts = table.parts if isinstance(table, exp.Table) else []
    is_plain = all(isinstance(part, exp.Identifier) and part.name for part in parts)
    given = isinstance(table, exp.Table) and [key for key, value in table.args.items() if value]
    is_plain = is_plain and not any(unusable_name(part.name) for part in parts)
    if not 1 <= len(parts) <= 3 or not is_plain or not set(given or ()) <= {"this", "db", "catalog"}:
        raise DefinitionError(f"{where}: {shown(text)} is not a table's name; {example}")
    return tuple(part.name for part in parts)


@with_room
def parse_expression(text: str, schema: Schema | None, where: str) -> Expr:
    """The typed expression that ``text`` means over ``schema``; ``where`` says whose expression it is.

    Without a schema, columns and types are not looked at.

    Raises a DefinitionError (UnknownColumnError, PlanTypeError, UnsupportedError) with every problem of the text.

    >>> from ..types import FLOAT64, Field
    >>> str(parse_expression("amount > 1", Schema([Field("amount", FLOAT64)]), "filter").type)
    'bool'
    """
    if not is_text(text):
        raise DefinitionError(f"{where}: {shown(text)} holds half of a surrogate pair, which is no text")
    try:
        with _unlogged():
            tokens = sqlglot.tokenize(text, dialect="duckdb")
            check_depth(_nesting(tokens), where)
            tree = sqlglot.parse_one(text, dialect="duckdb")
            check_depth(_levels(tree), where)
            written = {text[token.start : token.end + 1] for token in tokens}
            misread = [operator for operator in MISREAD if operator in written]
        binder = Binder(text, schema, where)
        for operator in misread:
            instead = MISREAD[operator]
            binder.problem(f"{operator} is not allowed in an expression; write {instead}", UnsupportedError)
        expr = binder.bind(tree)
    except SqlglotError as error:
        reason = re.sub(r"\x1b\[\d+m", "", str(error)).split("\n", 1)[0].rstrip(".")
        reason = re.sub(r"Required keyword: .* missing for <class [^>]*>", "Something is missing", reason)
        raise DefinitionError(f"{where}: {shown(text)} is not an SQL expression: {reason[:300]}") from None
    except RecursionError:
        if not has_room():
            raise
        raise DefinitionError(f"{where}: {_TOO_DEEP}") from None
    binder.problems.raise_if_any()
    check_size(expr, where)
    return expr


def check_depth(levels: int, where: str) -> None:
    """Raise a DefinitionError where an expression is nested too deeply for the engines."""
    if levels > MOST_LEVELS:
        raise DefinitionError(f"{where}: {_TOO_DEEP}, and this is {levels:,} levels deep")


def check_size(expr: Expr, where: str) -> None:
    """Raise a DefinitionError where an expression is too long after its computed columns were substituted."""
    check_depth(expr.levels, where)
    if expr.nodes > MOST_NODES:
        most = f"an expression has at most {MOST_NODES:,} parts"
        raise DefinitionError(
            f"{where}: {most}, and this has {expr.nodes:,} with the columns that it reads written out; {_INSTEAD}"
        )


_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_PREFIXES = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE})
_INSTEAD = "compute it in steps, by views that are chained, or in the source"
_TOO_DEEP = f"an expression is nested at most {MOST_LEVELS} levels deep"


def _nesting(tokens: list[Token]) -> int:
    """The nesting of parentheses and CASE, and of repeated signs and NOT: a parser calls itself for each."""
    most = level = 0
    outside: list[int] = []
    before: TokenType | None = None
    for kind in (token.token_type for token in tokens):
        if kind in _OPENING:
            outside.append(level)
            level += 1
        elif kind in _CLOSING and outside:
            level = outside.pop()
        elif kind in _PREFIXES and (before is None or before in _PREFIXES | _OPENING):
            level += 1
        elif kind not in _PREFIXES:
            level = outside[-1] + 1 if outside else 0
        most, before = max(most, level), kind
    return most


def _levels(tree: exp.Expr) -> int:
    """How deep a tree is, found without recursion; AND and OR of many conditions are one level."""
    most = 0
    waiting = [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        most = max(most, level)
        for child in node.iter_expressions():
            is_same = isinstance(node, exp.Paren) or (isinstance(node, exp.Connector) and type(child) is type(node))
            waiting.append((child, level if is_same else level + 1))
    return most


def check_syntax(text: str, where: str) -> None:
    """Raise a DefinitionError for what is wrong whatever the columns are: syntax, and what the allow-list refuses."""
    parse_expression(text, None, where)


def parse_condition(text: str, schema: Schema, where: str) -> Expr:
    """Like ``parse_expression``, for a predicate: the type must be bool."""
    expr = parse_expression(text, schema, where)
    if expr.type.kind not in ("bool", "null"):
        raise PlanTypeError(f"{where}: {shown(text)} is {expr.type}, not a condition")
    return expr


@contextmanager
def _unlogged() -> Generator[None]:
    """Keeps sqlglot from logging texts that it takes for commands: they are errors with messages of ours."""
    thread, logger = threading.get_ident(), logging.getLogger("sqlglot")

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)

"""Queries that a user writes in an engine's own SQL: checked to be one query, and then passed on as they are."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..planner.errors import DefinitionError
from ..planner.types import folded

_FIRST_WORDS = ("select", "with", "from", "values", "table", "pivot", "unpivot")
_COMMENT = re.compile(r"[\s(]*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.DOTALL)
_WORD = re.compile(r"[\s(]*(\w*)")
_WORDS = re.compile(r"\w+")
_MAYBE_TEMPORARY: tuple[list[str], ...] = ([], ["main"], ["temp"], ["temp", "main"])
_WRITING = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Copy, exp.Drop, exp.Command, exp.Into)


def check_query(text: str, dialect: str, where: str) -> str:
    """The text of exactly one query, without a closing semicolon. Raises a DefinitionError for anything else.

    >>> check_query("SELECT 1; -- one", "duckdb", "QuerySource")
    'SELECT 1'
    """
    rest = text
    while found := _COMMENT.match(rest):
        rest = rest[found.end() :]
    word = _WORD.match(rest)
    first = word[1] if word else ""
    if not first:
        raise DefinitionError(f"{where}: the query is empty; give a SELECT")
    if first.lower() not in _FIRST_WORDS:
        raise DefinitionError(
            f"{where}: a query begins with SELECT, WITH or FROM, and this with {first!r}: {_brief(text)}"
        )
    try:
        parsed = sqlglot.parse(text, dialect=dialect)
    except SqlglotError as error:
        reason = re.sub(r"\x1b\[\d+m", "", str(error)).split("\n", 1)[0].rstrip(".")
        raise DefinitionError(f"{where}: {_brief(text)} is not a query in {dialect}'s SQL: {reason}") from None
    except RecursionError:
        raise DefinitionError(f"{where}: the query is nested too deeply") from None
    # A comment behind the last semicolon is a statement of its own to sqlglot.
    trees = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1:
        raise DefinitionError(f"{where}: {len(trees)} statements; give one query")
    tree = trees[0]
    writing = next(tree.find_all(*_WRITING), None)
    if writing is not None or not isinstance(tree, exp.Query | exp.Values | exp.Pivot):
        name = type(writing or tree).__name__.upper()
        raise DefinitionError(f"{where}: the statement is not a query ({name}); give a SELECT")
    return _without_semicolon(text, dialect)


def names_in(text: str, dialect: str, *, qualified: bool = False) -> frozenset[str]:
    """Every name in a text of SQL that a temporary table could have, as ``folded`` gives it.

    Those are its words and what it has in quotes, but for names behind that of a schema, which says where they are; a
    temporary table of DuckDB is also found in "main". With ``qualified`` names behind a schema's are there too.

    >>> sorted(names_in('SELECT "a B" FROM c.d JOIN main.e JOIN f.main.g -- h', "duckdb"))
    ['a b', 'c', 'e', 'f', 'from', 'join', 'main', 'select']
    """
    try:
        tokens = sqlglot.tokenize(text, dialect=dialect)
    except (SqlglotError, RecursionError):
        # A text that the engine reads and sqlglot doesn't is known by its words alone.
        return frozenset(folded(word) for word in _WORDS.findall(text))
    names: set[str] = set()
    above: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type == sqlglot.TokenType.DOT:
            continue
        follows = before is not None and before.token_type == sqlglot.TokenType.DOT
        above = above if follows else []
        if qualified or above in _MAYBE_TEMPORARY:
            inside = () if token.token_type == sqlglot.TokenType.IDENTIFIER else _WORDS.findall(token.text)
            names |= {folded(name) for name in (token.text, *inside)}
        above = [*above, token.text.lower()]
    return frozenset(names)


def _without_semicolon(text: str, dialect: str) -> str:
    """A text of one statement up to its semicolon, where it has one."""
    for token in sqlglot.tokenize(text, dialect=dialect):
        if token.token_type == sqlglot.TokenType.SEMICOLON:
            return text[: token.start].strip()
    return text.strip()


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else f"{line[:77]}…")

"""What a user's SQL means on a DuckDB connection: where its names are looked up, and which tables it reads.

A cursor shares the database of a connection, but not its search path, variables, temporary objects and transaction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...dialects.duckdb import DuckDBDialect
from ...dialects.queries import names_in
from ...dialects.syntax import name as quoted_name
from ...dialects.syntax import text as quoted_text
from ...planner.errors import EngineError, shown
from ...planner.types import folded

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    Connection = duckdb.DuckDBPyConnection

_DIALECT = DuckDBDialect.name
_VARIABLES = "SELECT name, type, value FROM duckdb_variables() ORDER BY name"
_VIEWS = "SELECT view_name AS name, sql AS body FROM duckdb_views() WHERE NOT internal AND NOT temporary"
_FUNCTIONS = """
SELECT function_name AS name, string_agg(macro_definition, chr(10)) AS body
FROM duckdb_functions() WHERE NOT internal GROUP BY name ORDER BY name
"""
_BUILT_IN = "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE internal"
_TABLES = "SELECT table_name AS name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
_TEMPORARY = """
SELECT table_name AS name, 'table' AS kind FROM duckdb_tables() WHERE temporary AND NOT internal
UNION ALL SELECT view_name, 'view' FROM duckdb_views() WHERE temporary AND NOT internal
UNION ALL SELECT function_name, 'macro' FROM duckdb_functions() WHERE database_name = 'temp' AND NOT internal
UNION ALL SELECT type_name, 'type' FROM duckdb_types() WHERE database_name = 'temp' AND NOT internal
UNION ALL SELECT sequence_name, 'sequence' FROM duckdb_sequences() WHERE temporary
ORDER BY name, kind
"""
# Calls of functions that read what a string names.
_DYNAMIC = re.compile(r"\bquery(_table)?\"?\s*\(", re.IGNORECASE)
# How a table of "temp" may be called: its schema is also called "main", and comes before the one of a database.
_MAYBE_TEMPORARY: tuple[list[str], ...] = ([], ["main"], ["temp"], ["temp", "main"])
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".\s]+)')


@dataclass(frozen=True)
class Place:
    """Where a connection looks names up: its search path, as SET takes it, and its variables with their types."""

    search_path: str
    variables: tuple[tuple[str, str, str], ...] = ()
    values: pa.Table | None = field(default=None, compare=False, repr=False)


def place_of(user: Connection) -> Place:
    """Where the user's connection looks names up now."""
    (path,) = _rows(user, "SELECT current_setting('search_path') AS value")
    variables = tuple((row["name"], row["type"], row["value"]) for row in _rows(user, _VARIABLES))
    if not variables:
        return Place(path["value"])
    values = ", ".join(f"getvariable({_text(name)}) AS {_name(name)}" for name, _, _ in variables)
    return Place(path["value"], variables, user.sql(f"SELECT {values}").to_arrow_table())


def move(cursor: Connection, place: Place) -> None:
    """Let a cursor look names up there. Raises an EngineError where a variable is not the same there."""
    cursor.execute(f"SET search_path = {_text(place.search_path)}")
    if place.values is None:
        return
    cursor.register("hitherto_variables", place.values)
    for name, type_, _ in place.variables:
        cursor.execute(f"SET VARIABLE {_name(name)} = (SELECT CAST({_name(name)} AS {type_}) FROM hitherto_variables)")
    cursor.unregister("hitherto_variables")
    kept = {row["name"]: (row["name"], row["type"], row["value"]) for row in _rows(cursor, _VARIABLES)}
    for variable in place.variables:
        if kept.get(variable[0]) != variable:
            raise EngineError(f"the variable {shown(variable[0])} ({variable[1]}) can't be given to a cursor; drop it")


def refuse_open_transaction(user: Connection) -> None:
    """Raise an EngineError where the user is in a transaction, which a cursor sees nothing of, or can't be asked.

    The time of a transaction is that of its begin; without one, every statement has a later time of its own. Two in one
    microsecond would look like a transaction, hence the third.
    """
    import duckdb

    try:
        times = {_rows(user, "SELECT epoch_us(now()) AS began")[0]["began"] for _ in range(3)}
    except duckdb.ResourceInUseException:
        raise EngineError(
            "the connection has an unfinished result, so it can't say where it looks names up; fetch that to its end, "
            "or call complete() on the connection"
        ) from None
    if len(times) == 1:
        raise EngineError(
            "the connection has an open transaction, and hitherto's cursor of it sees neither its changes nor what it "
            "sees; commit it, or roll it back"
        )


def refuse_temporary(user: Connection, text: str) -> None:
    """Raise an EngineError where a query reads something temporary of the user's, which a cursor does not see."""
    temporary = _rows(user, _TEMPORARY)
    if not temporary:
        return
    tables = _tables_read(user, text)
    words = names_read(user, text, functions(user), [folded(row["name"]) for row in temporary])
    for row in temporary:
        if folded(row["name"]) in (words if tables is None or row["kind"] != "table" else tables):
            raise EngineError(
                f"it reads {shown(row['name'])}, a temporary {row['kind']} of the connection, and hitherto's cursor of "
                f"it sees none; make it a {row['kind']} of the database, or give its rows with an ArrowSource"
            )


def _tables_read(user: Connection, text: str) -> set[str] | None:
    """The tables that a query reads, but no views, and none of a named database; None where DuckDB can't say.

    It can't for some queries, such as those with USING.
    """
    import duckdb

    try:
        qualified = [_parts(name) for name in user.get_table_names(text, qualified=True)]
    except duckdb.Error:
        return None
    return {folded(own) for *above, own in qualified if [each.lower() for each in above] in _MAYBE_TEMPORARY}


@dataclass(frozen=True)
class UserFunction:
    """A function that is not DuckDB's own: whether it has the name of one that is, and the body of a macro."""

    name: str
    hides: bool
    body: str


def functions(connection: Connection) -> list[UserFunction]:
    """The functions that users of a database defined, by name."""
    found = _rows(connection, _FUNCTIONS)
    built_in = {row["name"] for row in _rows(connection, _BUILT_IN)} if found else set[str]()
    return [UserFunction(row["name"], row["name"] in built_in, row["body"] or "") for row in found]


def names_read(
    connection: Connection, text: str, known: Sequence[UserFunction], temporary: Collection[str] = ()
) -> frozenset[str]:
    """Every name that a query can mean, as ``folded`` gives it: its words, and those of views and macros among them.

    Where a string may name a table, that is every name there is, also those of ``temporary`` ones.
    """
    views = ((row["name"], row["body"]) for row in _rows(connection, _VIEWS))
    bodies: dict[str, str] = {}
    for name, body in [*views, *((macro.name, macro.body) for macro in known)]:
        bodies[folded(name)] = f"{bodies.get(folded(name), '')}\n{body}"
    names: set[str] = set()
    texts = [text]
    while texts:
        words: set[str] = set()
        for each in texts:
            names |= names_in(each, _DIALECT)
            words |= names_in(each, _DIALECT, qualified=True)
            if _DYNAMIC.search(each):
                every = {folded(row["name"]) for row in _rows(connection, _TABLES)} | {*bodies, *temporary}
                names, words = names | every, words | every
        texts = [bodies.pop(name) for name in sorted(words & bodies.keys())]
    return frozenset(names)


def _parts(name: str) -> list[str]:
    """The parts of a name as DuckDB writes it: ``memory.main."a.b" AS x`` is memory, main, a.b."""
    parts: list[str] = []
    at = 0
    while found := _PART.match(name, at):
        parts.append(found[2] or found[1].replace('""', '"'))
        at = found.end()
        if name[at : at + 1] != ".":
            break
        at += 1
    return parts


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    return rows


def _name(text: str) -> str:
    return quoted_name(text).sql(_DIALECT)


def _text(text: str) -> str:
    return quoted_text(text).sql(_DIALECT)

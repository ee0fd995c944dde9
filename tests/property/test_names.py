"""What the user's tables, views and queries are called changes no answer: no name of ours stands for one of theirs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import duckdb
import hitherto as ht
import pyarrow as pa
from hitherto.planner.features.definitions import Source
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.expressions import quoted
from tests.reference import agrees
from tests.tiers import WORLDS, seed_of, shards
from tests.worlds import World, plain_rows, roles, with_sources, worlds

# What statements and documents call things, and the parts of a view.
OURS = ("spine", "spine_rows", "arrow", "query", "rows", "s", "e", "m", "w", "entity_rows", "hitherto")
OF_A_VIEW = ("{}", "{}_events", "{}_match", "{}_latest", "{}_windows")


def in_a_database(world: World, connection: duckdb.DuckDBPyConnection, shuffle: Random) -> World:
    """The world whose sources are tables, views and queries of a database, and its rows a query, called so."""
    names = [form.format(use.name) for use in world.views for form in OF_A_VIEW]
    names = list({name.casefold(): name for name in (*OURS, *names)}.values())
    shuffle.shuffle(names)

    def stored(table: pa.Table) -> str:
        """A name of the rows: of a table, or of a view over one, that calls it by a third name."""
        name, view, inner = (quoted(names.pop()) for _ in range(3))
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        connection.unregister("given")
        connection.execute(f"CREATE VIEW {view} AS WITH {inner} AS (SELECT * FROM {name}) SELECT * FROM {inner}")
        return shuffle.choice((name, view))

    sources: dict[Source, Source] = {}
    for source, table in world.tables.items():
        sources[source] = source
        if is_storable(table):
            name, inner = stored(table), quoted(names[-1])
            query = f"WITH {inner} AS (SELECT * FROM {name}) SELECT * FROM {inner} -- {names[-1]!r}"
            kinds = (ht.TableSource(name, **roles(source)), ht.QuerySource(query, **roles(source)))
            sources[source] = shuffle.choice(kinds)
    asked = f"SELECT * FROM {stored(world.spine)}" if is_storable(world.spine) else world.spine
    return replace(with_sources(world, sources), entity_df=asked)


def is_storable(table: pa.Table) -> bool:
    """Whether DuckDB has a type for every column: it has no zone beside nanoseconds."""
    return not any(str(each.type).startswith("timestamp[ns, ") for each in table.schema)


@shards(fast=1, deep=12)
def test_the_answer_does_not_depend_on_what_the_users_tables_are_called(shard: int) -> None:
    @seed(seed_of(shard))
    @settings(max_examples=WORLDS // 4)
    @given(worlds(), st.integers(0, 2**32))
    def check(world: World, order: int) -> None:
        with duckdb.connect() as connection:
            stored = in_a_database(world, connection, Random(order))
            before = connection.sql("FROM duckdb_tables() SELECT table_name ORDER BY ALL").fetchall()
            answer = stored.job(ht.LocalComputeEngine(connection=connection)).to_arrow()
            assert connection.sql("FROM duckdb_tables() SELECT table_name ORDER BY ALL").fetchall() == before
        names = [output.name for output in world.outputs]
        # A query's rows have no order to keep.
        found = {row["row number"]: row for row in plain_rows(answer.select(["row number", *names]))}
        numbers = world.spine["row number"].to_pylist()
        assert sorted(found) == numbers
        for number, wanted in zip(numbers, world.expected(), strict=True):
            assert [(number, name) for name in names if not agrees(wanted[name], found[number][name])] == []

    check()

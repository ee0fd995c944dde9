"""A query in the engine's own SQL as a source."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from ...planner.calls import checked_call
from ...planner.durations import Duration
from ...planner.errors import DefinitionError, SourceError
from ...planner.features.definitions import Source
from ...planner.features.sources import Catalog
from ...planner.ir.data import EngineQuery
from ...planner.ir.logical import Table


class QuerySource(Source):
    """The rows of one query in the engine's own SQL: ``QuerySource("SELECT … FROM …", timestamp_field="ts")``.

    The query is passed on as it is, so it means what the engine makes of it, and one that both engines read may mean
    two things. On DuckDB it runs on a cursor in UTC, with the connection's search path and variables, and is refused
    where it reads something temporary; on Spark in the user's own session, with its settings and temporary views. A job
    may read it more than once, so it has to give the same rows each time: no ``random()``, and no ``LIMIT`` without an
    order. Its columns are known to the engine alone. Other parameters are those of every ``Source``.

    Raises a DefinitionError for anything but exactly one query, and a SourceError where the engine can't run it, when a
    job is made.
    """

    sql: str

    @checked_call
    def __init__(
        self,
        sql: str,
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
    ) -> None:
        if not isinstance(sql, str) or not sql.strip():
            raise DefinitionError(f"QuerySource: {sql!r} is not a query; give the text of a SELECT")
        super().__init__(
            "query",
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence_columns,
            field_mapping=field_mapping,
            data_delay=data_delay,
            unique=unique,
            sql=sql,
        )

    def identity(self) -> Hashable:
        """The text of the query."""
        return ("query", self.sql)

    def declared(self) -> Mapping[str, str | None]:
        """The text of the query."""
        return {"query": self.sql}

    def open(self, catalog: Catalog | None = None) -> Table:
        """The query's columns, from the engine."""
        if catalog is None:
            raise SourceError("QuerySource: only an engine knows a query's columns; ask FeatureStore.features()")
        data, schema = catalog.opened(EngineQuery(catalog.query(self.sql)))
        return Table(repr(self.identity()), schema, data, name=self.name)

    def __repr__(self) -> str:
        line = " ".join(self.sql.split())
        return f"QuerySource({line if len(line) <= 60 else line[:59] + '…'}; by {self.timestamp_field})"

"""A table or view of the engine's own catalog as a source."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from ...planner.calls import checked_call
from ...planner.durations import Duration
from ...planner.errors import SourceError
from ...planner.expr.parse import parse_table_name
from ...planner.features.definitions import Source
from ...planner.features.sources import Catalog
from ...planner.ir.data import CatalogTable
from ...planner.ir.logical import Table


class TableSource(Source):
    """A table or view that the engine knows by name: "transactions", "main.transactions", 'lake.sales."2024"'.

    On DuckDB it is looked up in the connection of a ``LocalComputeEngine(connection=…)``, along its search path, or in
    the engine's database; one that is temporary is refused. On Spark it is looked up in the user's session, temporary
    views and current database included. Other parameters are those of every ``Source``. Its columns are known to the
    engine alone: ``FeatureStore.features()`` lists them.
    """

    parts: tuple[str, ...]

    @checked_call
    def __init__(
        self,
        table: str,
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
    ) -> None:
        parts = parse_table_name(table, "TableSource")
        super().__init__(
            parts[-1],
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence_columns,
            field_mapping=field_mapping,
            data_delay=data_delay,
            unique=unique,
            parts=parts,
        )

    def identity(self) -> Hashable:
        """The name as the engine reads it."""
        return ("table", self.parts)

    def declared(self) -> Mapping[str, str | None]:
        """The table's name."""
        return {"table": ".".join(self.parts)}

    def open(self, catalog: Catalog | None = None) -> Table:
        """The table's columns, from the engine. Raises a SourceError where there is no such table."""
        if catalog is None:
            raise SourceError(
                f"TableSource {'.'.join(self.parts)!r}: only an engine knows its columns; ask FeatureStore.features()"
            )
        data, schema = catalog.opened(CatalogTable(self.parts))
        return Table(repr(self.identity()), schema, data, name=self.name)

    def __repr__(self) -> str:
        return f"TableSource({'.'.join(self.parts)!r}; by {self.timestamp_field})"

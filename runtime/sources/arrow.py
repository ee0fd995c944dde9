"""In-memory data as a source."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...planner.calls import checked_call
from ...planner.durations import Duration
from ...planner.errors import DefinitionError, SourceError
from ...planner.features.definitions import Source
from ...planner.features.sources import Catalog
from ...planner.ir.data import ArrowData
from ...planner.ir.logical import Table
from ...planner.types import Schema

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowSource(Source):
    """Rows in memory: pandas, Polars, an Arrow table or batch, or anything with ``__arrow_c_stream__``.

    The data is taken as it is when the source is made; two sources are equal when they hold the same Arrow table. A
    pandas index is no column, and NaN in a pandas float column is null. ``name`` is what plans, errors and SQL call it.
    Other parameters are those of every ``Source``.
    """

    table: pa.Table

    @checked_call
    def __init__(
        self,
        data: Any,
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
        name: str | None = None,
    ) -> None:
        import pyarrow as pa

        from ..arrow import is_tabular, to_table

        if not is_tabular(data):
            raise DefinitionError(
                f"ArrowSource: {type(data).__name__} is not tabular; give pandas, Polars or Arrow data, or a FileSource"
            )
        try:
            table = to_table(data)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise SourceError(f"ArrowSource: the data cannot be read as a table: {error}") from None
        super().__init__(
            "arrow" if name is None else name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence_columns,
            field_mapping=field_mapping,
            data_delay=data_delay,
            unique=unique,
            table=table,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrowSource) or self.table is not other.table:
            return False
        return {**self.__dict__, "table": None} == {**other.__dict__, "table": None}

    def __hash__(self) -> int:
        return hash(self.identity())

    def identity(self) -> Hashable:
        """The table itself: contents are never compared."""
        return ("arrow", id(self.table))

    def known_schema(self) -> Schema | None:
        """The columns of the data; None where it has no rows, whose types say nothing."""
        return self.open().schema if self.table.num_rows else None

    def open(self, catalog: Catalog | None = None) -> Table:
        """The data's columns. Raises a SourceError where a column name is repeated."""
        import pyarrow as pa

        from ..arrow import planner_schema, readable_table

        try:
            schema = planner_schema(self.table.schema)
            table = readable_table(self.table)
        except (pa.ArrowException, ValueError) as error:
            raise SourceError(f"ArrowSource: {error}") from None
        data = ArrowData(table, is_table=True)
        return Table(repr(self.identity()), schema, data, name=self.name, is_empty=not table.num_rows)

    def __repr__(self) -> str:
        columns = ", ".join(self.table.column_names)
        return f"ArrowSource({self.table.num_rows} rows of {columns}; by {self.timestamp_field})"

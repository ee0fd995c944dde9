"""The answers of several view groups as one, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ..planner.dag.node import DAGValue
from ..planner.errors import EngineError
from ..planner.types import Schema


class AppendedColumns(DAGValue):
    """Columns of several values; each is read when the whole is."""

    def __init__(
        self, values: Sequence[DAGValue], row: str, schema: Schema, sources: Sequence[tuple[int, str]]
    ) -> None:
        self._values = values
        self._row = row
        self._schema = schema
        self._sources = sources

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        if order_by != self._row:
            raise TypeError(f"columns that are appended come in the order of {self._row!r}")
        tables = [value.to_reader(order_by=self._row).read_all() for value in self._values]
        counts = {table.num_rows for table in tables}
        if len(counts) > 1:
            raise EngineError(f"view groups have {sorted(counts)} answers for the same rows: a bug, please report it")
        names = [name for name in self._schema.names if name != self._row]
        columns = [tables[number][column] for number, column in self._sources]
        return pa.Table.from_arrays(columns, names=names).to_reader()

"""The answers of several view groups as one, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ..planner.dag.node import DAGValue
from ..planner.errors import EngineError
from ..planner.types import Schema


class AppendedColumns(DAGValue):
    """Columns of several values; each is read when the whole is."""

    def __init__(self, values: Sequence[DAGValue], row: str, schema: Schema) -> None:
        self._values = values
        self._row = row
        self._schema = schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        if order_by != self._row:
            raise TypeError(f"columns that are appended come in the order of {self._row!r}")
        columns: dict[str, pa.ChunkedArray[Any]] = {}
        counts: set[int] = set()
        for value in self._values:
            table = value.to_reader(order_by=self._row).read_all()
            counts.add(table.num_rows)
            columns.update(zip(table.column_names, table.columns, strict=True))
        if len(counts) > 1:
            raise EngineError(f"view groups have {sorted(counts)} answers for the same rows: a bug, please report it")
        names = [name for name in self._schema.names if name != self._row]
        return pa.Table.from_arrays([columns[name] for name in names], names=names).to_reader()

"""Rows that are read anew, through Arrow, each time an engine asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ...planner.errors import SourceError, UnsupportedError

Read = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, eq=False)
class RowStream:
    """Batches of a known schema. ``read`` gives those of the named columns, from the beginning."""

    schema: pa.Schema
    read: Read

    def select(self, names: Sequence[str]) -> RowStream:
        """The same rows with fewer columns; the others are not even parsed into values."""
        return RowStream(pa.schema([self.schema.field(name) for name in names]), self.read)

    def noting(self, failures: list[SourceError]) -> RowStream:
        """The same rows for an engine. An engine hides the error that was raised while it read, so that is noted."""

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            try:
                yield from self.read(names)
            except SourceError as error:
                failures.append(error)
                raise

        return RowStream(self.schema, read)

    def __getstate__(self) -> object:
        raise UnsupportedError(
            "rows of files that this process reads for its engine cannot be pickled, and so a job that has them; "
            "make the job where it is used"
        )

    def to_table(self) -> pa.Table:
        """All rows in memory; an error comes as it was raised."""
        return pa.Table.from_batches(list(self.read(self.schema.names)), schema=self.schema)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """One pass over the rows, for any library that reads Arrow's C stream interface."""
        reader = pa.RecordBatchReader.from_batches(self.schema, self.read(self.schema.names))
        stream: object = reader.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]
        return stream

"""Where rows are written to: all of them, or none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import pyarrow as pa


class Sink(ABC):
    """Takes batches of one schema, and shows them all at once. It is used for one writing.

    Whatever the methods raise, ``abort`` is called, and everything is as it was before ``begin``.
    """

    @abstractmethod
    def begin(self, schema: pa.Schema) -> None:
        """Get ready for batches of a schema. Raises an error of ours for one that can't be stored."""

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch; nobody sees it yet."""

    @abstractmethod
    def commit(self) -> int:
        """Show what was written, in the place of what was there before; returns how many rows that are."""

    @abstractmethod
    def abort(self) -> None:
        """Leave everything as it was, also where ``begin`` failed half-way."""


def written(sink: Sink, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write all batches to a sink; returns how many rows it has. After an error, or Ctrl-C, it has none of them."""
    try:
        sink.begin(schema)
        for batch in batches:
            sink.write(batch)
        return sink.commit()
    except BaseException:
        sink.abort()
        raise

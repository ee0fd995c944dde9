"""The last node of a stored view: it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..durations import format_instant
from ..errors import HithertoError, StoreError
from ..features.fingerprint import declared
from ..features.views import ViewDefinition
from ..types import INT64, Field, Schema
from .node import DAGNode, DAGValue, ExecutionContext, SpecifiedNode

if TYPE_CHECKING:
    import pyarrow as pa


class WriteNode(SpecifiedNode):
    """Writes a view's answers to the online store, in one transaction, with the definition that they are of."""

    def __init__(
        self, view: ViewDefinition, keys: Mapping[str, str], row: str, end: int, rollback: bool, answers: DAGNode
    ) -> None:
        super().__init__(f"write_{view.name}", answers)
        self.view = view.name
        self.definition = declared(view)
        self.keys = keys
        self.row = row
        self.end = end
        self.allow_rollback = rollback

    def execute(self, context: ExecutionContext) -> DAGValue:
        store = context.online_store
        if store is None:
            raise StoreError("materialize needs an online store: FeatureStore(views, online_store=…)")
        reader = context.outputs[self.inputs[0].fingerprint].to_reader(order_by=self.row)
        try:
            count = store.write(
                self.view, self.keys, reader, self.end, definition=self.definition, allow_rollback=self.allow_rollback
            )
        except HithertoError:
            raise
        except Exception as error:  # Of any class: a store may come from outside.
            what = f"{type(store).__name__} failed with {type(error).__name__}: {error}"
            raise StoreError(f"feature view {self.view!r}: {what}") from error
        return WrittenRows(count)

    def describe(self) -> str:
        return f"WriteNode {self.view} as of {format_instant(self.end)}"


class WrittenRows(DAGValue):
    """How many keys a WriteNode wrote; there are no rows to read."""

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def schema(self) -> Schema:
        return Schema([Field("rows", INT64)])

    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        raise TypeError("what was written is read from the store")

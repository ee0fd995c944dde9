"""The interface of online stores, and what their rows are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from ...planner.errors import SpineError, StoreError, UnsupportedError, shown
from ...planner.types import Schema, is_text
from ..arrow import arrow_type, data_type, planner_schema
from .encoding import can_be_stored, encode_keys, encode_rows
from .sink import Sink, written


@dataclass(frozen=True)
class StoredView:
    """What a store knows of a view: the time it was filled for, the definition it was filled under, its keys with what
    they compare as, its features with their types, and the empty answer.
    """

    as_of: int
    definition: Mapping[str, str]
    keys: Mapping[str, str]
    features: Schema
    empty: tuple[Any, ...]


class OnlineStore(ABC):
    """Keeps the newest answers of each view by key. Subclass it to bring a store of your own.

    A store has a ``sink`` for a view, or overrides ``write`` to take all of a view's batches by itself.
    """

    def sink(
        self,
        view: str,
        key_families: Mapping[str, str],
        as_of: int,
        *,
        definition: Mapping[str, str],
        allow_rollback: bool,
    ) -> Sink:
        """What replaces a view's rows by batches of keys and features, in one transaction.

        ``key_families`` are the batches' key columns, and what each compares as ("integer", "instant", "string", …);
        the other columns are features under their own names. The row whose keys are all null is the empty answer; so is
        the only row of a view without keys. ``definition`` is kept with the rows, for ``read`` to give back. The sink
        raises a StoreError where the view is stored as of a later time, unless ``allow_rollback``; its rows are those
        of known keys.
        """
        raise UnsupportedError(f"{type(self).__name__} has no sink, and no write of its own")

    def write(
        self,
        view: str,
        key_families: Mapping[str, str],
        batches: pa.RecordBatchReader,
        as_of: int,
        *,
        definition: Mapping[str, str],
        allow_rollback: bool,
    ) -> int:
        """Replace a view's rows by the batches', or change nothing; returns how many keys were written."""
        sink = self.sink(view, key_families, as_of, definition=definition, allow_rollback=allow_rollback)
        return written(sink, batches.schema, batches)

    @abstractmethod
    def read(self, view: str, keys: Sequence[bytes]) -> tuple[StoredView, dict[bytes, tuple[Any, ...]]]:
        """What is stored of a view and the features of the keys that are known, both of one moment.

        ``keys`` are as ``encode_key`` gives them. Raises a StoreError where the view was never materialized.
        """


_ROWS_AT_ONCE = 100_000
_BYTES_AT_ONCE = 64_000_000


def stored_features(schema: pa.Schema, keys: Collection[str]) -> Schema:
    """The features of batches to be stored. Raises a StoreError for a type that has no stored form."""
    features = Schema(field for field in planner_schema(schema) if field.name not in keys)
    for feature in features:
        if not can_be_stored(feature.type):
            raise StoreError(f"feature {feature.name!r} is {feature.type}, which an online store does not hold")
    return features


def encoded(batch: pa.RecordBatch, keys: Collection[str]) -> Iterator[tuple[pa.Array[Any], pa.Array[Any]]]:
    """Keys and rows as bytes, in parts of limited size, each in the order of its keys; a null key comes last."""
    plain = [_plain(column) for column in batch.columns]
    pairs = list(zip(batch.schema.names, plain, strict=True))
    for start, count in _parts(batch, 0, batch.num_rows):
        parts = {name: column.slice(start, count) for name, column in pairs}
        texts = encode_keys([parts[name] for name in keys], count)
        rows = encode_rows([column for name, column in parts.items() if name not in keys], count)
        order = pc.sort_indices(texts)
        yield texts.take(order), rows.take(order)


def _parts(batch: pa.RecordBatch, start: int, count: int) -> Iterator[tuple[int, int]]:
    """Where the parts of a batch begin, and how many rows each has."""
    if count > 1 and (count > _ROWS_AT_ONCE or batch.slice(start, count).nbytes > _BYTES_AT_ONCE):
        yield from _parts(batch, start, count // 2)
        yield from _parts(batch, start + count // 2, count - count // 2)
    elif count:
        yield start, count


def _plain(column: pa.Array[Any]) -> pa.Array[Any]:
    """The column without a large, view or dictionary form."""
    wanted = arrow_type(data_type(column.type))
    return column if column.type == wanted else cast("pa.Array[Any]", column.cast(wanted))


_KEY_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "instant": (date,),
    "string": (str,),
    "bool": (bool,),
    "binary": (bytes,),
}


def plain_key(column: str, value: Any) -> Any:
    """A key as one of Python's own objects, None where it is null. Raises a SpineError where it can't be a key."""
    if type(value).__name__ == "datetime64":  # numpy's, of which one in nanoseconds is a number to Python.
        value = value.astype("datetime64[us]")
    plain = value.item() if hasattr(value, "item") and not isinstance(value, type) else value
    # What pandas has for a value that is missing; NaT is a datetime.
    if plain is None or type(plain).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(plain, UUID):
        return str(plain)  # as sources have it
    where = f"entity_rows: key {column!r} is {shown(plain)}"
    if isinstance(plain, str) and not is_text(plain):
        raise SpineError(f"{where}, which holds half of a surrogate pair and is no text")
    if not isinstance(plain, bool | int | str | bytes | date | Decimal):
        raise SpineError(f"{where}, a {type(value).__name__}, which cannot be a key")
    if isinstance(plain, Decimal) and not plain.is_finite():
        raise SpineError(f"{where}, which cannot be a key")
    return plain


def is_key(value: Any, family: str) -> bool:
    """Whether a plain value can be a key of that family; a null is the key of nothing."""
    is_other_bool = isinstance(value, bool) and family != "bool"
    is_of_family = isinstance(value, _KEY_TYPES.get(family, (Decimal,))) and not is_other_bool
    return value is None or family == "null" or is_of_family

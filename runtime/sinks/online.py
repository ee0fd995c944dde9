"""The interface of online stores, and the typed form in which they keep keys and values."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ...planner.durations import parse_instant, to_datetime
from ...planner.errors import SpineError, shown
from ...planner.types import is_text

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class StoredView:
    """What a store knows of a view: its keys with what they compare as, its features with their Arrow types as text,
    and the empty answer.
    """

    as_of: int
    keys: Mapping[str, str]
    features: Mapping[str, str]
    empty: tuple[Any, ...]


class OnlineStore(ABC):
    """Keeps the newest answers of each view by key. Subclass it to bring a store of your own."""

    @abstractmethod
    def write(
        self,
        view: str,
        key_families: Mapping[str, str],
        batches: pa.RecordBatchReader,
        as_of: int,
        *,
        allow_rollback: bool,
    ) -> int:
        """Replace a view's rows by the batches' in one transaction; returns how many keys were written.

        ``key_families`` are the batches' key columns, and what each compares as ("integer", "instant", "string", …).
        The row whose keys are all null is the empty answer; so is the only row of a view without keys. Raises a
        StoreError, and changes nothing, where the view is stored as of a later time, unless ``allow_rollback``.
        """

    @abstractmethod
    def read(self, view: str, keys: Sequence[str]) -> tuple[StoredView, dict[str, tuple[Any, ...]]]:
        """What is stored of a view and the features of the encoded keys that are known, both of one moment.

        Raises a StoreError where the view was never materialized.
        """


_LIST = "list<item: "
_KEY_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "instant": (date,),
    "string": (str,),
    "bool": (bool,),
    "binary": (bytes,),
}


def check_key(column: str, value: Any, family: str) -> None:
    """Raise a SpineError where a value cannot be a key of that family; a null is the key of nothing."""
    plain = _plain_key(value)
    types = _KEY_TYPES.get(family, (Decimal,))
    is_other_bool = isinstance(plain, bool) and family != "bool"
    if plain is not None and (not isinstance(plain, types) or is_other_bool):
        raise SpineError(
            f"entity_rows: key {column!r} is {shown(value)}, a {type(value).__name__}, but the view's is {family}"
        )


def encode_key(values: Sequence[Any]) -> str:
    """A composite key as text: equal for equal keys, also between integer widths, zones and time units."""
    return json.dumps([_key_part(value) for value in values], ensure_ascii=False, separators=(",", ":"))


def _plain_key(value: Any) -> Any:
    """A numpy scalar as Python's."""
    return value.item() if hasattr(value, "item") and not isinstance(value, type) else value


def _key_part(value: Any) -> Any:
    if isinstance(value, str) and not is_text(value):
        raise SpineError(f"entity_rows: the key {shown(value)} holds half of a surrogate pair, which is no text")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date):
        return parse_instant(value)
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {"decimal": str(value.normalize(Context(prec=76)))}
    if _plain_key(value) is not value:
        return _key_part(_plain_key(value))
    raise SpineError(f"entity_rows: {shown(value)} is a {type(value).__name__}, which cannot be a key")


def encode_row(values: Sequence[Any]) -> str:
    """A row of feature values as text, timestamps in microseconds; NaN, infinities and the sign of zero are kept."""
    return json.dumps([_plain(value) for value in values], ensure_ascii=False, separators=(",", ":"))


def decode_row(text: str, types: Sequence[str]) -> tuple[Any, ...]:
    """The values of a row, as Python objects of the features' types."""
    return tuple(_typed(value, type_) for value, type_ in zip(json.loads(text), types, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.toordinal()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    return value


def _typed(value: Any, type_: str) -> Any:
    if value is None:
        return None
    if type_.startswith(_LIST):
        element = type_.removeprefix(_LIST).removesuffix(">")
        return [_typed(item, element) for item in value]
    if type_.startswith("timestamp"):
        moment = to_datetime(value)
        _, _, zone = type_.removesuffix("]").partition("tz=")
        return moment.astimezone(ZoneInfo(zone)) if zone else moment.replace(tzinfo=None)
    if type_.startswith("date"):
        return date.fromordinal(value)
    if type_ == "binary":
        return base64.b64decode(value)
    if type_.startswith("decimal"):
        return Decimal(value)
    return value

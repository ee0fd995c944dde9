"""Features read from an online store: what is asked, checked against what is stored, and the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..planner.durations import format_instant, parse_instant, to_datetime
from ..planner.errors import (
    DefinitionError,
    HithertoError,
    SpineError,
    StoreError,
    UnknownColumnError,
    shown,
    unknown_name,
)
from ..planner.features.definitions import FeatureView, FeatureViewProjection
from ..planner.features.fingerprint import changes, declared
from ..planner.features.resolver import resolve_view
from ..planner.features.selection import FeatureUse, default_name
from ..planner.ir.data import EngineTable
from ..planner.ir.logical import Table
from ..planner.types import DataType, folded, parse_type
from .arrow import arrow_type
from .frames import to_frame
from .retrieval import require
from .sinks.encoding import encode_key
from .sinks.online import OnlineStore, StoredView, is_key, plain_key

if TYPE_CHECKING:
    import pandas as pd

_MOST_TOLD = 10
_MOST_SHOWN = 3
_LONGEST_SHOWN = 40


class OnlineResponse:
    """Features of entity rows, read from an online store. ``as_of`` tells for which instant each view was filled."""

    def __init__(
        self,
        columns: dict[str, list[Any]],
        keys: dict[str, tuple[list[Any], str]],
        types: dict[str, DataType],
        as_of: dict[str, datetime],
    ) -> None:
        """``keys`` are the key columns: plain values, and what they compare as; ``types`` are the others' types."""
        self._columns = columns
        self._keys = keys
        self._types = types
        self.as_of = as_of

    def to_dict(self) -> dict[str, list[Any]]:
        """Column names and their values in the order of the entity rows, keys first, as they were given."""
        return {name: list(values) for name, values in self._columns.items()}

    def to_arrow(self) -> pa.Table:
        """The same as an Arrow table: features with their types, integer keys as int64, instants in UTC.

        Raises a SpineError where a key is an integer beyond 64 bits.
        """
        keys = {name: _key_array(name, values, family) for name, (values, family) in self._keys.items()}
        features = {name: pa.array(self._columns[name], arrow_type(type_)) for name, type_ in self._types.items()}
        return pa.table(keys | features)

    def to_df(self) -> pd.DataFrame:
        """The same as a pandas DataFrame. Needs pandas."""
        require("pandas")
        return to_frame(self.to_arrow())

    def __repr__(self) -> str:
        count = len(next(iter(self._columns.values()), []))
        columns = ", ".join(f"{name}={_shortened(values)}" for name, values in self._columns.items())
        filled = ", ".join(f"{view} as of {_moment(moment)}" for view, moment in self.as_of.items())
        return f"OnlineResponse({count:,} row{'s' * (count != 1)}: {columns}; {filled})"


def _moment(moment: datetime) -> str:
    return format_instant(parse_instant(moment))


def _shortened(values: Sequence[Any]) -> str:
    """The first values of a column."""
    shown = [repr(value) for value in values[:_MOST_SHOWN]]
    cut = [text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…" for text in shown]
    return f"[{', '.join([*cut, '…'] if len(values) > _MOST_SHOWN else cut)}]"


@dataclass(frozen=True)
class _Answers:
    """One use of a view: what is stored of it, the place of each feature, and the stored row of every entity row."""

    stored: StoredView
    places: dict[str, int]
    rows: list[tuple[Any, ...]]


def read_online(
    store: OnlineStore,
    chosen: Sequence[FeatureUse],
    entity_rows: Sequence[Mapping[str, Any]],
    *,
    full_feature_names: bool,
    oldest: int | None,
) -> OnlineResponse:
    """The features of every entity row. Each use of a view is read once, so all of its features are of one moment.

    Raises a SpineError for entity rows that can't be used, before anything is read, and for keys of other types than
    those stored; a StoreError where views are not stored, or were stored under another definition.
    """
    _check_rows(entity_rows)
    uses = {use.projection.name: use.projection for use in chosen}
    keys = _plain_keys(entity_rows, dict.fromkeys(key for use in uses.values() for key in _key_columns(use)))
    answers = _read_views(store, uses, keys, len(entity_rows), oldest)
    columns: dict[str, list[Any]] = {key: [row[key] for row in entity_rows] for key in keys}
    types: dict[str, DataType] = {}
    taken: dict[str, tuple[str, str]] = {folded(key): ("", key) for key in keys}
    for projection, feature, alias in chosen:
        known = answers[projection.name]
        for name in known.places if feature is None else (feature,):
            if name not in known.places:
                what = f"feature view {projection.name!r} has no stored feature"
                raise UnknownColumnError(unknown_name(what, name, known.places, listed_as="features"))
            output = alias or default_name(projection.name, name, full=full_feature_names)
            if taken.setdefault(folded(output), (projection.name, name)) != (projection.name, name):
                advice = "give one of them another name" if alias else "use full_feature_names=True"
                raise DefinitionError(f"two columns would be called {output!r}; {advice}")
            types[output] = known.stored.features[name]
            columns[output] = [row[known.places[name]] for row in known.rows]
    families = {
        column: family
        for name, use in uses.items()
        for column, family in zip(_key_columns(use), answers[name].stored.keys.values(), strict=True)
    }
    plain = {column: (values, families[column]) for column, values in keys.items()}
    return OnlineResponse(
        columns, plain, types, {name: to_datetime(each.stored.as_of) for name, each in answers.items()}
    )


def _check_rows(entity_rows: Sequence[Mapping[str, Any]]) -> None:
    if isinstance(entity_rows, Mapping | str | bytes) or not isinstance(entity_rows, Sequence):
        way = {"DataFrame": "df.to_dict('records')", "Table": "table.to_pylist()", "RecordBatch": "batch.to_pylist()"}
        kind = type(entity_rows).__name__
        hint = f", as {way[kind]} makes" if kind in way else ""
        raise SpineError(f"entity_rows: a {kind}; give a list of dictionaries{hint}")
    for number, row in enumerate(entity_rows):
        if not isinstance(row, Mapping):
            raise SpineError(f"entity_rows: row {number} is a {type(row).__name__}; give a list of dictionaries")


def _plain_keys(entity_rows: Sequence[Mapping[str, Any]], columns: Mapping[str, None]) -> dict[str, list[Any]]:
    """The values of the key columns, as Python's own objects."""
    missing = [
        f"entity_rows: row {number} has no key {column!r}"
        for number, row in enumerate(entity_rows)
        for column in columns
        if column not in row
    ]
    _raise_told(missing)
    return {column: [plain_key(column, row[column]) for row in entity_rows] for column in columns}


def _raise_told(problems: list[str]) -> None:
    """Raise the first problems as one error, where there are any."""
    if problems:
        more = len(problems) - _MOST_TOLD
        raise SpineError("\n".join([*problems[:_MOST_TOLD], *([f"and {more:,} more"] if more > 0 else [])]))


def _key_columns(projection: FeatureViewProjection) -> list[str]:
    return [projection.join_key_map.get(key, key) for key in projection.view.join_keys]


def _read_views(
    store: OnlineStore,
    uses: Mapping[str, FeatureViewProjection],
    keys: Mapping[str, list[Any]],
    count: int,
    oldest: int | None,
) -> dict[str, _Answers]:
    """What is read of each use. Raises one StoreError for all views that can't be read."""
    answers: dict[str, _Answers] = {}
    failed: dict[str, StoreError] = {}
    for name, use in uses.items():
        try:
            answers[name] = _read_view(store, use, keys, count, oldest)
        except StoreError as error:
            failed.setdefault(str(error), error)
    if len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        raise StoreError("\n".join(failed))
    return answers


def _read_view(
    store: OnlineStore, use: FeatureViewProjection, keys: Mapping[str, list[Any]], count: int, oldest: int | None
) -> _Answers:
    columns = _key_columns(use)
    parts = zip(*(keys[column] for column in columns), strict=True) if columns else [()] * count
    texts = [encode_key(part) for part in parts]
    stored, known = store.read(use.view.name, [text for text in dict.fromkeys(texts) if text is not None])
    _check_definition(use.view, stored)
    for column, family in zip(columns, stored.keys.values(), strict=True):
        wrong = dict.fromkeys(
            f"entity_rows: key {column!r} is {shown(value)}, a {type(value).__name__}, but the view's is {family}"
            for value in keys[column]
            if not is_key(value, family)
        )
        _raise_told(list(wrong))
    # In the order in which they are declared now, where that is known without the source.
    names = [*(item.name for item in use.view.aggregations), *use.view.post_aggregation] or stored.features.names
    places = {name: stored.features.names.index(name) for name in names}
    if oldest is not None and stored.as_of < oldest:
        return _Answers(stored, places, [stored.empty] * count)
    return _Answers(stored, places, [stored.empty if text is None else known.get(text, stored.empty) for text in texts])


def _check_definition(view: FeatureView, stored: StoredView) -> None:
    """Raise a StoreError that says what changed since the view was stored."""
    changed = changes(stored.definition, declared(view)) or _changed_types(view, stored)
    if changed:
        lines = "\n".join(f"  {line}" for line in changed)
        raise StoreError(
            f"feature view {view.name!r} is stored under another definition, as of {format_instant(stored.as_of)}\n"
            f"{lines}\n  call store.materialize(end) to replace it; if it is another view, give it another name"
        )


def _changed_types(view: FeatureView, stored: StoredView) -> list[str]:
    """A line for each key and feature that has another type than it was stored with, as far as that can be known."""
    schema = view.origin.known_schema()
    if schema is None:
        return []
    try:
        resolved = resolve_view(view, Table(view.name, schema, EngineTable(""), name=view.name))
    except HithertoError:
        return []  # A retrieval says what is wrong with the source; what is stored was right.
    families = {f"key {key.column}": key.family for key in resolved.keys}
    types = {f"type of {field.name}": str(field.type) for field in resolved.features}
    before = dict(zip(families, stored.keys.values(), strict=True))
    before |= {f"type of {field.name}": str(field.type) for field in stored.features}
    return changes(before, families | types)


def _key_array(column: str, values: Sequence[Any], family: str) -> pa.Array[Any]:
    try:
        match family:
            case "integer":
                return pa.array(values, pa.int64())
            case "instant":
                micros = [None if value is None else parse_instant(value) for value in values]
                return pa.array(micros, pa.timestamp("us", "UTC"))
            case _:
                return pa.array(values, arrow_type(parse_type(family)))
    except (pa.ArrowException, OverflowError) as error:
        raise SpineError(f"entity_rows: key {column!r} has no Arrow form: {error}") from None

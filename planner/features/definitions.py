"""What people declare: entities, sources, feature views, aggregations and feature services.

Every definition is immutable, compares by value (in-memory data by identity) and is checked when it is made, as far as
it can be without its source's schema; the rest is checked by the resolver, before any row is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

from ..durations import Duration, format_duration, parse_duration
from ..errors import DefinitionError, Problems, UnknownColumnError, UnsupportedError, unknown_name
from ..expr.aggregates import AGGREGATES
from ..ir.logical import Table
from ..types import Schema, names_that_differ_by_case

Closed = Literal["left", "right", "both", "neither"]


class Definition:
    """Base of the definitions: frozen after ``__init__``, equal when type and fields are."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: make a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.__dict__.get("name")))


class Entity(Definition):
    """Something that features describe, identified by one or more key columns.

    ``join_keys`` defaults to the entity's own name; several keys make a composite key.

    >>> Entity("user", join_keys=["user_id"])
    Entity('user', join_keys=['user_id'])
    """

    name: str
    join_keys: tuple[str, ...]
    description: str

    def __init__(self, name: str, join_keys: Sequence[str] | None = None, *, description: str = "") -> None:
        problems = Problems()
        keys = (name,) if join_keys is None else _names(join_keys, f"entity {name!r}: join_keys", problems)
        _check_name(f"entity {name!r}", name, problems)
        if not keys:
            problems.add(f"entity {name!r}: join_keys is empty; leave it out to use the entity's own name")
        _check_distinct(f"entity {name!r}: join_keys", keys, problems)
        problems.raise_if_any()
        super().__init__(name=name, join_keys=keys, description=description)

    def __repr__(self) -> str:
        return f"Entity({self.name!r}, join_keys={list(self.join_keys)})"


class Source(Definition, ABC):
    """Where a view's rows come from. Subclass it to bring a source of your own: ``open`` and ``identity`` are enough.

    Rows with a null ``timestamp_field`` are never visible. ``created_timestamp_column`` and then ``sequence_columns``
    break ties between rows of equal keys and timestamp. ``field_mapping`` renames feature columns (source name to
    feature name). ``unique=True`` vouches that no two rows share keys and timestamp.
    """

    name: str
    timestamp_field: str
    created_timestamp_column: str | None
    sequence_columns: tuple[str, ...]
    field_mapping: Mapping[str, str]
    data_delay: int
    unique: bool

    def __init__(
        self,
        name: str,
        *,
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        sequence_columns: Sequence[str] = (),
        field_mapping: Mapping[str, str] | None = None,
        data_delay: Duration = "0s",
        unique: bool = False,
        **fields: object,
    ) -> None:
        problems = Problems()
        where = f"source {name!r}"
        mapping = dict(field_mapping or {})
        sequence = _names(sequence_columns, f"{where}: sequence_columns", problems)
        for role in (timestamp_field, created_timestamp_column, *sequence):
            if role in mapping:
                problems.add(
                    f"{where}: field_mapping renames {role!r}, but timestamps and sequence columns keep theirs"
                )
        _check_distinct(f"{where}: field_mapping", tuple(mapping.values()), problems)
        delay = _duration(where, "data_delay", data_delay, problems) or 0
        problems.raise_if_any()
        super().__init__(
            name=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            sequence_columns=sequence,
            field_mapping=MappingProxyType(mapping),
            data_delay=delay,
            unique=unique,
            **fields,
        )

    @abstractmethod
    def open(self) -> Table:
        """The source's columns and data as they are now: globs expanded, schema read, no row read.

        Raises a SourceError where the source is missing or its files differ.
        """

    @abstractmethod
    def identity(self) -> Hashable:
        """What makes two sources read the same data; sources of one identity share their scans."""


class Aggregation(Definition):
    """One windowed aggregate of a view: ``function`` of ``column`` over the events in ``[t - time_window, t)``.

    ``time_window=None`` is a lifetime window, without a lower bound. ``offset`` moves the window into the past;
    ``slide_interval`` moves its end back to a multiple of that duration since 1970. ``closed`` says which ends belong to it: "left" [t-w, t), "right" (t-w, t], "both", "neither". ``where`` is an SQL
    predicate that keeps only some events, for this aggregation alone. Nulls in the column are ignored; ``count`` of
    ``"*"`` counts rows. Where no event is left, counts are 0 and everything else is null.

    >>> Aggregation("usd", "sum", "7d")
    Aggregation('usd', 'sum', [t-7d, t)) -> sum_usd_7d
    """

    column: str
    function: str
    time_window: int | None
    offset: int
    slide_interval: int | None
    closed: Closed
    where: str | None
    name: str

    def __init__(
        self,
        column: str,
        function: str,
        time_window: Duration | None = None,
        *,
        offset: Duration | None = None,
        slide_interval: Duration | None = None,
        closed: Closed = "left",
        where: str | None = None,
        name: str | None = None,
        **params: object,
    ) -> None:
        problems = Problems()
        where_it_is = f"aggregation {function}({column!r})"
        window = _duration(where_it_is, "time_window", time_window, problems)
        shift = _duration(where_it_is, "offset", offset, problems)
        slide = _duration(where_it_is, "slide_interval", slide_interval, problems)
        if window == 0:
            problems.add(f"{where_it_is}: time_window is zero; give a positive one, or None for a lifetime window")
        if slide == 0:
            problems.add(f"{where_it_is}: slide_interval is zero; give a positive one, or None for exact windows")
        if function not in AGGREGATES:
            problems.add(unknown_name(f"{where_it_is}: no aggregate", function, AGGREGATES, listed_as="aggregates"))
        elif column == "*" and function != "count":
            problems.add(f"{where_it_is}: only count takes '*'; name a column")
        for parameter in params:
            problems.add(f"{where_it_is}: {function} takes no parameter {parameter!r}")
        if closed not in get_args(Closed):
            problems.add(f"{where_it_is}: closed={closed!r} is none of {', '.join(map(repr, get_args(Closed)))}")
        if name is not None:
            _check_name(where_it_is, name, problems)
        problems.raise_if_any()
        super().__init__(
            column=column,
            function=function,
            time_window=window,
            offset=shift or 0,
            slide_interval=slide,
            closed=closed,
            where=where,
            name=name or _default_name(column, function, window, shift or 0),
        )

    @classmethod
    def cross(
        cls,
        columns: Sequence[str],
        functions: Sequence[str],
        time_windows: Sequence[Duration | None],
        *,
        offset: Duration | None = None,
        slide_interval: Duration | None = None,
        closed: Closed = "left",
        where: str | None = None,
    ) -> list[Aggregation]:
        """Every function of every column over every window, columns outermost, with default names.

        >>> [a.name for a in Aggregation.cross(["usd"], ["mean", "max"], ["1d", "7d"])]
        ['mean_usd_1d', 'mean_usd_7d', 'max_usd_1d', 'max_usd_7d']
        """
        return [
            cls(column, function, window, offset=offset, slide_interval=slide_interval, closed=closed, where=where)
            for column in columns
            for function in functions
            for window in time_windows
        ]

    @property
    def bound(self) -> str:
        """The window as an interval around the query time ``t``."""
        end = f"t-{format_duration(self.offset)}" if self.offset else "t"
        start = f"t-{format_duration(self.offset + (self.time_window or 0))}"
        if self.slide_interval is not None:
            end = f"floor({end}, {format_duration(self.slide_interval)})"
            start = f"{end}-{format_duration(self.time_window or 0)}"
        right = "]" if self.closed in ("right", "both") else ")"
        if self.time_window is None:
            return f"(-inf, {end}{right}"
        left = "[" if self.closed in ("left", "both") else "("
        return f"{left}{start}, {end}{right}"

    def __repr__(self) -> str:
        where = f", where={self.where!r}" if self.where else ""
        return f"Aggregation({self.column!r}, {self.function!r}, {self.bound}{where}) -> {self.name}"


class FeatureView(Definition):
    """Features of one entity, computed from the rows of one source.

    Without ``aggregations`` a view gives the latest row with ``ts <= t`` (``ts < t`` with
    ``allow_exact_matches=False``) that is not older than ``ttl``; ``features`` names the columns offered (by default
    every column but keys, timestamps and sequence columns). With ``aggregations`` it gives windowed aggregates, and
    ``post_aggregation`` computes further features from them. ``filter`` and ``columns`` are SQL over the source's rows.

    Raises a DefinitionError that lists every problem of the definition.
    """

    name: str
    entities: tuple[Entity, ...]
    source: Source
    filter: str | None
    columns: Mapping[str, str]
    features: tuple[str, ...] | None
    ttl: int | None
    allow_exact_matches: bool
    aggregations: tuple[Aggregation, ...]
    post_aggregation: Mapping[str, str]
    description: str
    tags: Mapping[str, str]

    def __init__(
        self,
        name: str,
        *,
        entities: Sequence[Entity | str],
        source: Source,
        filter: str | None = None,  # noqa: A002  # the word the field uses
        columns: Mapping[str, str] | None = None,
        features: Sequence[str] | None = None,
        ttl: Duration | None = None,
        allow_exact_matches: bool = True,
        aggregations: Sequence[Aggregation] = (),
        post_aggregation: Mapping[str, str] | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        problems = Problems()
        where = f"feature view {name!r}"
        _check_name(where, name, problems)
        if not isinstance(source, Source):  # pyright: ignore[reportUnnecessaryIsInstance]
            problems.add(f"{where}: source is a {type(source).__name__}; give a FileSource or an ArrowSource")
        if isinstance(entities, (str, Entity)):
            problems.add(f"{where}: entities is a single {type(entities).__name__}; give a list")
            entities = ()
        elif not entities:
            problems.add(f"{where}: a view without entities is not supported yet", UnsupportedError)
        declared = tuple(item if isinstance(item, Entity) else Entity(item) for item in entities)
        offered = None if features is None else _names(features, f"{where}: features", problems)
        age = _duration(where, "ttl", ttl, problems)
        made = dict(columns or {})
        after = dict(post_aggregation or {})
        aggregates = tuple(aggregations)
        _check_distinct(f"{where}: join keys", tuple(key for entity in declared for key in entity.join_keys), problems)
        _check_distinct(f"{where}: features", offered or (), problems)
        _check_distinct(f"{where}: features", (*(item.name for item in aggregates), *after), problems)
        for feature in (*(offered or ()), *made, *after):
            _check_name(where, feature, problems)
        if aggregates:
            if ttl is not None:
                problems.add(f"{where}: ttl does not apply to aggregations; use their time_window")
            if not allow_exact_matches:
                problems.add(f"{where}: allow_exact_matches does not apply to aggregations; use their closed=")
            if features is not None:
                problems.add(f"{where}: features does not apply to aggregations; each aggregation names its feature")
        elif after:
            problems.add(f"{where}: post_aggregation needs aggregations; use columns= for row-level expressions")
        problems.raise_if_any()
        super().__init__(
            name=name,
            entities=declared,
            source=source,
            filter=filter,
            columns=MappingProxyType(made),
            features=offered,
            ttl=age or None,
            allow_exact_matches=allow_exact_matches,
            aggregations=aggregates,
            post_aggregation=MappingProxyType(after),
            description=description,
            tags=MappingProxyType(dict(tags or {})),
        )

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The key columns of all entities, in order."""
        return tuple(key for entity in self.entities for key in entity.join_keys)

    @property
    def schema(self) -> Schema:
        """Names and types of the features offered. Reads the source's schema, but no row."""
        from .resolver import resolve_view

        return Schema(resolve_view(FeatureViewProjection(self), self.source.open()).features)

    def __getitem__(self, features: Sequence[str]) -> FeatureViewProjection:
        return FeatureViewProjection(self)[features]

    def with_name(self, name: str) -> FeatureViewProjection:
        """The same view under another name, so that it can be used a second time."""
        return FeatureViewProjection(self).with_name(name)

    def with_join_key_map(self, join_key_map: Mapping[str, str]) -> FeatureViewProjection:
        """The same view, with its keys read from other spine columns (view's key to spine column)."""
        return FeatureViewProjection(self).with_join_key_map(join_key_map)

    @property
    def bound(self) -> str:
        """Which rows a query at ``t`` sees."""
        if self.aggregations:
            return ", ".join(dict.fromkeys(item.bound for item in self.aggregations))
        comparison = "<=" if self.allow_exact_matches else "<"
        return f"ts {comparison} t" + (f", ttl {format_duration(self.ttl)}" if self.ttl else "")

    def __repr__(self) -> str:
        keys = ", ".join(self.join_keys)
        count = f", {len(self.aggregations)} aggregations" if self.aggregations else ""
        return f"FeatureView({self.name!r}, on {keys}, from {self.source.name}, {self.bound}{count})"


class FeatureViewProjection(Definition):
    """A use of a view: some of its features, perhaps under another name or other keys."""

    view: FeatureView
    features: tuple[str, ...] | None
    name: str
    join_key_map: Mapping[str, str]

    def __init__(
        self,
        view: FeatureView,
        features: tuple[str, ...] | None = None,
        name: str | None = None,
        join_key_map: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            view=view,
            features=features,
            name=name or view.name,
            join_key_map=MappingProxyType(dict(join_key_map or {})),
        )

    def __getitem__(self, features: Sequence[str]) -> FeatureViewProjection:
        if isinstance(features, str):
            raise DefinitionError(f"feature view {self.name!r}: project with a list, as in {self.name}[[{features!r}]]")
        problems = Problems()
        chosen = _names(features, f"feature view {self.name!r}: features", problems)
        _check_distinct(f"feature view {self.name!r}: features", chosen, problems)
        problems.raise_if_any()
        return FeatureViewProjection(self.view, chosen, self.name, self.join_key_map)

    def with_name(self, name: str) -> FeatureViewProjection:
        """The same use under another name."""
        problems = Problems()
        _check_name(f"feature view {self.name!r}: with_name", name, problems)
        problems.raise_if_any()
        return FeatureViewProjection(self.view, self.features, name, self.join_key_map)

    def with_join_key_map(self, join_key_map: Mapping[str, str]) -> FeatureViewProjection:
        """The same use, with keys read from other spine columns (view's key to spine column)."""
        for key in join_key_map:
            if key not in self.view.join_keys:
                what = f"feature view {self.name!r}: join_key_map names no key of the view:"
                raise UnknownColumnError(unknown_name(what, key, self.view.join_keys, listed_as="keys"))
        return FeatureViewProjection(self.view, self.features, self.name, join_key_map)

    @property
    def schema(self) -> Schema:
        """Names and types of the chosen features."""
        full = self.view.schema
        return full if self.features is None else Schema(field for field in full if field.name in self.features)

    def __repr__(self) -> str:
        chosen = "all features" if self.features is None else ", ".join(self.features)
        keys = "".join(f", {key} from {column}" for key, column in self.join_key_map.items())
        return f"FeatureViewProjection({self.name!r}, {chosen}{keys}, of {self.view!r})"


class FeatureService(Definition):
    """A named list of features, to be asked for together.

    >>> FeatureService("fraud", ["spend:sum_usd_7d"])
    FeatureService('fraud', ['spend:sum_usd_7d'])
    """

    name: str
    features: tuple[FeatureView | FeatureViewProjection | str, ...]

    def __init__(
        self, name: str, features: Iterable[FeatureView | FeatureViewProjection | str], *, description: str = ""
    ) -> None:
        if isinstance(features, str):
            raise DefinitionError(f"feature service {name!r}: features is a single string; give a list")
        super().__init__(name=name, features=tuple(features), description=description)

    def __repr__(self) -> str:
        return f"FeatureService({self.name!r}, {list(self.features)})"


Feature = FeatureView | FeatureViewProjection | FeatureService | str


def _default_name(column: str, function: str, window: int | None, offset: int) -> str:
    parts = [function]
    if column != "*":
        parts.append(column)
    if window is not None:
        parts.append(format_duration(window))
    if offset:
        parts.append(f"offset_{format_duration(offset)}")
    return "_".join(parts)


def _duration(where: str, what: str, value: Duration | None, problems: Problems) -> int | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except DefinitionError as error:
        problems.take(error, f"{where}: {what}")
        return None


def _names(values: Sequence[str], where: str, problems: Problems) -> tuple[str, ...]:
    if isinstance(values, str):
        problems.add(f"{where} is a single string, {values!r}; give a list")
        return (values,)
    for value in values:
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            problems.add(f"{where} holds {value!r}, which is not a name")
    return tuple(value for value in values if isinstance(value, str))  # pyright: ignore[reportUnnecessaryIsInstance]


def _check_name(where: str, name: str, problems: Problems) -> None:
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        problems.add(f"{where}: {name!r} is not a name; give a text that is not empty")
    elif ":" in name:
        problems.add(f"{where}: the name {name!r} holds a colon, which separates view and feature")


def _check_distinct(where: str, names: Sequence[str], problems: Problems) -> None:
    for first, second in names_that_differ_by_case(names):
        if first == second:
            problems.add(f"{where}: {first!r} is there twice; give one of them another name with name=")
        else:
            problems.add(f"{where}: {first!r} and {second!r} differ only by case, which engines ignore")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            problems.add(f"{where}: {name!r} is there twice; give one of them another name with name=")
        seen.add(name)

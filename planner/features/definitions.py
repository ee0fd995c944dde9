"""Feature views and services: what people declare.

Every definition is immutable, compares by value (in-memory data by identity) and is checked when it is made, as far as
it can be without its source's schema; the rest is checked by the resolver, before any row is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..calls import checked_call
from ..durations import Duration
from ..errors import DefinitionError, Problems, UnknownColumnError, UnsupportedError, shown, unknown_name
from ..types import Field, Schema
from .aggregations import Aggregation
from .checks import (
    Definition,
    check_column,
    check_distinct,
    check_duration,
    check_expression,
    check_expressions,
    check_flag,
    check_list,
    check_name,
    check_names,
    check_text,
    check_texts,
    labels,
)
from .parts import MOST_CHAINED, check_aggregations, check_entities
from .resolver import resolve_view
from .sources import Catalog, Entity, Source
from .views import ViewDefinition

__all__ = [
    "Aggregation",
    "Entity",
    "Feature",
    "FeatureService",
    "FeatureView",
    "FeatureViewProjection",
    "Source",
]


class FeatureView(ViewDefinition):
    """Features of one entity, computed from the rows of one source.

    ``entities`` says whose features they are; without any (``[]``) there is one row for all, which only time tells
    apart. ``source`` may be another view without aggregations: a chained view reads the rows of that one, after its
    filter and with its columns, timestamps and data delay, under entities of its own.

    Without ``aggregations`` a view gives the latest row with ``ts <= t`` (``ts < t`` with
    ``allow_exact_matches=False``) that is not older than ``ttl``; ``features`` names the columns offered (by default
    every column but keys, timestamps and sequence columns). With ``aggregations`` it gives windowed aggregates, and
    ``post_aggregation`` computes further features from them. ``filter`` and ``columns`` are SQL over the source's rows.

    Raises a DefinitionError that lists every problem of the definition.
    """

    @checked_call
    def __init__(
        self,
        name: str,
        *,
        entities: Sequence[Entity | str],
        source: Source | FeatureView,
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
        where = f"feature view {shown(name)}"
        check_name(where, name, problems)
        check_text(f"{where}: filter", filter, problems)
        check_text(f"{where}: description", description, problems)
        check_flag(f"{where}: allow_exact_matches", allow_exact_matches, problems)
        if isinstance(source, FeatureView):
            if len(source.chain) >= MOST_CHAINED:
                problems.add(
                    f"{where}: is chained on {len(source.chain)} views; {MOST_CHAINED} in a chain are the most"
                )
            if source.aggregations:
                problems.add(
                    f"{where}: view {source.name!r} has aggregations, and a view chained on those is not supported; "
                    "chain on a view of rows, or give its source",
                    UnsupportedError,
                )
        elif not isinstance(source, Source):
            problems.add(
                f"{where}: source is a {type(source).__name__}; give a source such as FileSource, or a feature view"
            )
        if isinstance(entities, (str, Entity)):
            problems.add(f"{where}: entities is a single {type(entities).__name__}; give a list")
            entities = ()
        declared = check_entities(entities, where, problems)
        offered = None if features is None else check_names(features, f"{where}: features", problems)
        age = check_duration(where, "ttl", ttl, problems)
        made = check_texts(columns, f"{where}: columns", problems, "names and SQL expressions")
        after = check_texts(post_aggregation, f"{where}: post_aggregation", problems, "names and SQL expressions")
        check_expression(f"{where}, filter", filter, problems)
        check_expressions(f"{where}, columns", made, problems)
        check_expressions(f"{where}, post_aggregation", after, problems)
        labels = check_texts(tags, f"{where}: tags", problems, "names and texts")
        aggregates = check_aggregations(aggregations, where, problems)
        check_distinct(f"{where}: join keys", tuple(key for entity in declared for key in entity.join_keys), problems)
        check_distinct(f"{where}: features", offered or (), problems)
        check_distinct(f"{where}: features", (*(item.name for item in aggregates), *after), problems)
        for feature in (*made, *after):
            check_name(where, feature, problems)
        if offered == () and not problems.found:
            problems.add(f"{where}: features is empty; name at least one, or leave it out for all")
        if aggregates:
            if ttl is not None:
                problems.add(f"{where}: ttl does not apply to aggregations; use their time_window")
            if allow_exact_matches is False:
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
            tags=MappingProxyType(labels),
        )

    @property
    def schema(self) -> Schema:
        """Names and types of the features offered. Reads the source's schema, but no row."""
        return self.schema_in(None)

    def schema_in(self, catalog: Catalog | None) -> Schema:
        """``schema``, with the engine's catalog for sources that only the engine knows."""
        return Schema(resolve_view(self, self.origin.open(catalog)).features)

    def __getitem__(self, features: Sequence[str | Mapping[str, str]]) -> FeatureViewProjection:
        """Some of the features: ``view[["a", {"b": "other"}]]`` has ``b`` under the name ``other``."""
        return FeatureViewProjection(self)[features]

    @checked_call
    def with_name(self, name: str) -> FeatureViewProjection:
        """The same view under another name, so that it can be used a second time."""
        return FeatureViewProjection(self).with_name(name)

    @checked_call
    def with_join_key_map(self, join_key_map: Mapping[str, str]) -> FeatureViewProjection:
        """The same view, with its keys read from other spine columns (view's key to spine column)."""
        return FeatureViewProjection(self).with_join_key_map(join_key_map)

    def __repr__(self) -> str:
        keys = ", ".join(self.join_keys) or "no key"
        count = f", {len(self.aggregations)} aggregations" if self.aggregations else ""
        about = labels(self.description, self.tags)
        return f"FeatureView({self.name!r}, on {keys}, from {self.source.name}, {self.bound}{count}{about})"


class FeatureViewProjection(Definition):
    """A use of a view: some of its features, perhaps under other names, or the view under another name or other keys.

    ``chosen`` are the features that are used, each with the name that it is to have where that is another one; None for
    all features.
    """

    view: FeatureView
    chosen: tuple[tuple[str, str | None], ...] | None
    name: str
    join_key_map: Mapping[str, str]

    @checked_call
    def __init__(
        self,
        view: FeatureView,
        features: Sequence[str | Mapping[str, str]] | None = None,
        name: str | None = None,
        join_key_map: Mapping[str, str] | None = None,
    ) -> None:
        name = name or view.name
        super().__init__(
            view=view,
            chosen=None if features is None else _chosen(features, name),
            name=name,
            join_key_map=MappingProxyType(dict(join_key_map or {})),
        )

    @property
    def features(self) -> tuple[str, ...] | None:
        """The features of the view that are used, under the names that they have there; None for all of them."""
        return None if self.chosen is None else tuple(dict.fromkeys(feature for feature, _ in self.chosen))

    def __getitem__(self, features: Sequence[str | Mapping[str, str]]) -> FeatureViewProjection:
        """Some of the features: ``view[["a", {"b": "other"}]]`` has ``b`` under the name ``other``."""
        return self._with(chosen=_chosen(features, self.name))

    def _with(self, **changes: object) -> FeatureViewProjection:
        twin = object.__new__(FeatureViewProjection)
        vars(twin).update(vars(self) | changes)
        return twin

    @checked_call
    def with_name(self, name: str) -> FeatureViewProjection:
        """The same use under another name."""
        problems = Problems()
        check_name(f"feature view {shown(self.name)}: with_name", name, problems)
        problems.raise_if_any()
        return self._with(name=name)

    @checked_call
    def with_join_key_map(self, join_key_map: Mapping[str, str]) -> FeatureViewProjection:
        """The same use, with keys read from other spine columns (view's key to spine column)."""
        problems = Problems()
        where = f"feature view {shown(self.name)}: join_key_map"
        check_texts(join_key_map, where, problems, "the view's keys and spine columns")
        for column in join_key_map.values() if isinstance(join_key_map, Mapping) else ():
            if isinstance(column, str):
                check_column(where, column, problems)
        problems.raise_if_any()
        for key in join_key_map or ():
            if key not in self.view.join_keys:
                what = f"feature view {shown(self.name)}: join_key_map names no key of the view:"
                raise UnknownColumnError(unknown_name(what, key, self.view.join_keys, listed_as="keys"))
        return self._with(join_key_map=MappingProxyType(dict(join_key_map or {})))

    @property
    def schema(self) -> Schema:
        """Names and types of the chosen features, under the names that they are to have."""
        return self.schema_in(None)

    def schema_in(self, catalog: Catalog | None) -> Schema:
        """``schema``, with the engine's catalog for sources that only the engine knows."""
        full = self.view.schema_in(catalog)
        for name in self.features or ():
            if name not in full:
                what = f"feature view {shown(self.name)} has no feature"
                raise UnknownColumnError(unknown_name(what, name, full.names, listed_as="features"))
        if self.chosen is None:
            return full
        return Schema(Field(alias or feature, full[feature]) for feature, alias in self.chosen)

    def __repr__(self) -> str:
        names = (f"{feature} as {alias}" if alias else feature for feature, alias in self.chosen or ())
        chosen = ", ".join(names) or "all features"
        keys = "".join(f", {key} from {column}" for key, column in self.join_key_map.items())
        return f"FeatureViewProjection({self.name!r}, {chosen}{keys}, of {self.view!r})"


def _chosen(given: Sequence[str | Mapping[str, str]], view: str) -> tuple[tuple[str, str | None], ...]:
    """The features that a projection names, each with its new name where it has one."""
    where = f"feature view {shown(view)}"
    if isinstance(given, str):
        raise DefinitionError(f"{where}: project with a list, as in {view[:200]}[[{shown(given)}]]")
    where = f"{where}: features"
    problems = Problems()
    chosen: list[tuple[str, str | None]] = []
    for item in check_list(given, where, problems):
        if isinstance(item, Mapping):
            renamed = check_texts(item, where, problems, "features and their new names")
            for feature, alias in renamed.items():
                check_column(where, feature, problems)
                check_name(where, alias, problems)
            chosen += renamed.items()
        elif isinstance(item, str):
            chosen += ((name, None) for name in check_names((item,), where, problems))
        else:
            problems.add(f"{where} holds {shown(item)}, which is not a name")
    problems.raise_if_any()
    check_distinct(where, tuple(alias or feature for feature, alias in chosen), problems)
    if not chosen:
        problems.add(f"{where} is empty; name at least one")
    problems.raise_if_any()
    return tuple(chosen)


class FeatureService(Definition):
    """A named list of features, to be asked for together.

    >>> FeatureService("fraud", ["spend:sum_usd_7d"])
    FeatureService('fraud', ['spend:sum_usd_7d'])
    """

    name: str
    features: tuple[FeatureView | FeatureViewProjection | str, ...]
    description: str

    @checked_call
    def __init__(
        self, name: str, features: Iterable[FeatureView | FeatureViewProjection | str], *, description: str = ""
    ) -> None:
        if isinstance(features, str):
            raise DefinitionError(f"feature service {shown(name)}: features is a single string; give a list")
        problems = Problems()
        where = f"feature service {shown(name)}"
        check_name(where, name, problems)
        check_text(f"{where}: description", description, problems)
        held = check_list(features, f"{where}: features", problems)
        if not held and not problems.found:
            problems.add(f"{where}: features is empty; name at least one")
        for item in held:
            if not isinstance(item, FeatureView | FeatureViewProjection | str):
                problems.add(f"{where}: features holds {shown(item)}; give views, projections or 'view:feature'")
        problems.raise_if_any()
        super().__init__(name=name, features=held, description=description)

    def __repr__(self) -> str:
        return f"FeatureService({self.name!r}, {list(self.features)}{labels(self.description)})"


Feature = FeatureView | FeatureViewProjection | FeatureService | str

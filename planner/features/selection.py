"""What ``features=`` names: the uses of views, and the columns of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import DefinitionError, Problems, UnknownColumnError, UnsupportedError, shown, unknown_name
from ..ir.logical import Table
from ..room import with_room
from ..types import DataType, folded, names_that_differ_by_case
from .checks import check_name
from .definitions import Feature, FeatureService, FeatureView, FeatureViewProjection, Source
from .resolver import OutputFeature, ResolvedView, no_feature, resolve_view

_RENAMED = re.compile(r"(?P<name>.*?\S)\s+as\s+(?P<alias>\S.*)", re.IGNORECASE | re.DOTALL)


class FeatureUse(NamedTuple):
    """One item of ``features=``: a view, one of its features or None for all, and its name where it is given one."""

    projection: FeatureViewProjection
    feature: str | None = None
    alias: str | None = None


class FeatureResolver:
    """Finds what ``features=`` names among a store's views and services."""

    def __init__(
        self, views: Sequence[FeatureView | FeatureViewProjection], services: Sequence[FeatureService] = ()
    ) -> None:
        problems = Problems()
        self._views: dict[str, FeatureViewProjection] = {}
        for view in views:
            projection = _projection(view)
            if projection.name in self._views and self._views[projection.name] != projection:
                problems.add(f"two feature views are called {projection.name!r}; rename one, or use with_name()")
            self._views[projection.name] = projection
        for first, second in names_that_differ_by_case(self._views):
            problems.add(f"feature views {first!r} and {second!r} differ only by case, which engines ignore")
        by_name = {folded(name): f"feature view {name!r}" for name in self._views}
        self._services: dict[str, FeatureService] = {}
        for service in services:
            if service == self._services.get(service.name):
                continue
            one = f"feature service {service.name!r}"
            other = by_name.setdefault(folded(service.name), one)
            if other != one or service.name in self._services:
                problems.add(f"{one} and {other} have one name; rename one of them")
            self._services[service.name] = service
        problems.raise_if_any()
        for service in self._services.values():
            try:
                self.select(service)
            except DefinitionError as error:
                problems.take(error, f"feature service {shown(service.name)}")
        problems.raise_if_any()

    @property
    def views(self) -> Mapping[str, FeatureViewProjection]:
        """The store's views by name."""
        return self._views

    @property
    def services(self) -> Mapping[str, FeatureService]:
        """The store's services by name."""
        return self._services

    def select(self, features: Feature | Sequence[Feature]) -> list[FeatureUse]:
        """The uses that ``features`` names, in order."""
        problems = Problems()
        chosen: list[FeatureUse] = []
        named: dict[str, FeatureViewProjection] = {}

        def add(item: Feature) -> None:
            if isinstance(item, str) and item in self._services:
                item = self._services[item]
            if isinstance(item, FeatureService):
                for part in item.features:
                    add(part)
                return
            if isinstance(item, str):
                chosen.extend(self._by_text(item, problems))
                return
            if not isinstance(item, FeatureView | FeatureViewProjection):
                problems.add(f"features: {shown(item)} is neither a view, a projection, a service nor 'view:feature'")
                return
            projection = _projection(item)
            used = named.setdefault(projection.name, projection)
            if (used.view, used.join_key_map) != (projection.view, projection.join_key_map):
                problems.add(f"two different views are used as {projection.name!r}; rename one with with_name()")
            chosen.extend(_uses(projection))

        if isinstance(features, set | frozenset):
            raise DefinitionError(f"features is {shown(features)}, which has no order; give a list")
        single = isinstance(features, str | bytes | Mapping) or not isinstance(features, Iterable)
        for item in [features] if single else features:  # type: ignore[union-attr]
            add(item)  # type: ignore[arg-type]
        problems.raise_if_any()
        if not chosen:
            raise DefinitionError("features is empty; name at least one feature")
        return chosen

    def _by_text(self, text: str, problems: Problems) -> list[FeatureUse]:
        """What "view", "view:feature" or "view:feature as name" means."""
        view, colon, feature = text.partition(":")
        renamed = _RENAMED.fullmatch(feature if colon else view)
        if view not in self._views:
            if renamed and renamed["name"] in self._views:
                advice = f"give a view another name with with_name({renamed['alias']!r})"
                problems.add(f"features: {shown(text)} names no feature; {advice}")
                return []
            if view in self._services:
                problems.add(f"features: {shown(view)} is a feature service, which is asked for as a whole")
                return []
            if not colon and (meant := self._meant(text)):
                problems.add(f"features: {shown(text)} is no view; a feature is asked for with its view: {meant}")
                return []
            options = [*self._views, *(() if colon else self._services)]
            listed = "views and services" if self._services and not colon else "views"
            problems.add(unknown_name("features: no feature view", view, options, listed_as=listed), UnknownColumnError)
            return []
        projection = self._views[view]
        if not colon:
            return _uses(projection)
        alias = None
        if renamed:
            feature, alias = renamed["name"], renamed["alias"]
            check_name(f"features: {shown(text)}", alias, problems)
        if projection.chosen is None:
            return [FeatureUse(projection, feature, alias)]
        known = {name or chosen: FeatureUse(projection, chosen, name) for chosen, name in projection.chosen}
        known = {chosen: FeatureUse(projection, chosen) for chosen, _ in projection.chosen} | known
        if feature not in known:
            what = f"feature view {shown(view)} has no feature"
            problems.add(unknown_name(what, feature, known, listed_as="features"), UnknownColumnError)
            return []
        return [known[feature]._replace(alias=alias) if alias else known[feature]]

    def _meant(self, text: str) -> str:
        """The features that a text without a colon can mean: by their own name, or as an answer or SQL has them."""
        found = [f"{name}:{text}" for name, each in self._views.items() if text in _declared(each)]
        for separator in ("__", "."):
            view, _, feature = text.partition(separator)
            if view in self._views and feature:
                found.append(f"{view}:{feature}")
        return " or ".join(map(shown, found))


def _declared(projection: FeatureViewProjection) -> Iterable[str]:
    """The features that a use names, as far as they are known without the source's columns."""
    view = projection.view
    if projection.chosen is not None:
        return [alias or feature for feature, alias in projection.chosen]
    if view.aggregations:
        return [*(item.name for item in view.aggregations), *view.post_aggregation]
    return [*(view.features or ()), *view.columns]


def _uses(projection: FeatureViewProjection) -> list[FeatureUse]:
    """The features of a projection, each by itself, or the whole view."""
    if projection.chosen is None:
        return [FeatureUse(projection)]
    return [FeatureUse(projection, feature, alias) for feature, alias in projection.chosen]


@with_room
def resolve_features(
    chosen: Sequence[FeatureUse],
    tables: Callable[[Source], Table],
    *,
    full_feature_names: bool,
) -> tuple[tuple[ResolvedView, ...], tuple[OutputFeature, ...]]:
    """The views in use, each resolved once, and the output columns in the order asked, with distinct names."""
    problems = Problems()
    views: dict[str, ResolvedView] = {}
    offered: dict[str, dict[str, DataType]] = {}
    outputs: dict[OutputFeature, None] = {}
    for projection, feature, alias in chosen:
        used = projection.name
        named: tuple[str, ...] = () if feature is None else (feature,)
        if used not in views:
            try:
                views[used] = _resolved(projection, tables(projection.view.origin))
            except DefinitionError as error:
                problems.take(error)
                continue
            offered[used] = {field.name: field.type for field in views[used].features}
            named += projection.features or ()
        withheld = {field.name: field.type for field in views[used].withheld}
        for name in named or withheld:
            if name in withheld:
                advice = "" if named else "; name the others with features="
                message = f"feature view {shown(used)}: {no_feature(name, withheld[name])}{advice}"
                problems.add(message, UnsupportedError)
            elif name not in offered[used]:
                what = f"feature view {shown(used)} has no feature"
                problems.add(unknown_name(what, name, offered[used], listed_as="features"), UnknownColumnError)
        for name in offered[used] if feature is None else (feature,):
            if name in offered[used]:
                output = alias or default_name(used, name, full=full_feature_names)
                outputs[OutputFeature(used, name, output, offered[used][name])] = None
    by_name: dict[str, OutputFeature] = {}
    for item in outputs:
        first = by_name.setdefault(folded(item.name), item)
        if first is not item:
            clash = f"{first.view}:{first.feature} and {item.view}:{item.feature}"
            advice = "rename one with with_name()" if full_feature_names else "use full_feature_names=True"
            defaults = [default_name(each.view, each.feature, full=full_feature_names) for each in (first, item)]
            if defaults != [first.name, item.name]:
                advice = "give one of them another name"
            problems.add(f"features {clash} would both be called {item.name!r}; {advice}")
    problems.raise_if_any()
    return tuple(views.values()), tuple(outputs)


def _resolved(projection: FeatureViewProjection, table: Table) -> ResolvedView:
    """The view under the name and with the keys of its use."""
    resolved, spine_columns = resolve_view(projection.view, table), projection.join_key_map
    keys = tuple(replace(key, spine_column=spine_columns.get(key.column, key.column)) for key in resolved.keys)
    return replace(resolved, name=projection.name, keys=keys)


def default_name(view: str, feature: str, *, full: bool) -> str:
    """What a feature is called in an answer where it is given no name."""
    return f"{view}__{feature}" if full else feature


def _projection(view: FeatureView | FeatureViewProjection) -> FeatureViewProjection:
    return view if isinstance(view, FeatureViewProjection) else FeatureViewProjection(view)

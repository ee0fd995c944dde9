"""FeatureStore: the definitions, an engine and the stores, and what people ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from ..planner.calls import checked_call
from ..planner.durations import Duration, parse_instant
from ..planner.errors import (
    DefinitionError,
    HithertoError,
    Problems,
    StoreError,
    shown,
    unknown_name,
)
from ..planner.features.checks import check_column, check_duration, check_flag, check_list
from ..planner.features.definitions import Feature, FeatureService, FeatureView, FeatureViewProjection
from ..planner.features.resolver import OutputFeature, ResolvedView
from ..planner.features.selection import FeatureResolver, FeatureUse, resolve_features
from ..planner.features.tasks import HistoricalRetrievalTask, MaterializationTask, retrieval_names
from ..planner.ir.logical import Table
from ..planner.options import PlannerOptions
from ..planner.statistics import NoStatistics, Statistics
from ..planner.types import Schema
from .engine import ComputeEngine
from .materialization import MaterializationJob, ViewResult
from .online import OnlineResponse, read_online
from .progress import Progress
from .retrieval import RetrievalJob
from .rows.spine import Spine
from .sinks.online import OnlineStore
from .tables import JobTables, renamed


class FeatureStore:
    """The entry point: feature views, with an engine that computes them and stores that keep them.

    ``views`` are feature views or projections, ``services`` lists of features that ``features=`` may name; their names
    are distinct. ``engine`` is a ``LocalComputeEngine`` where none is given. A job that takes more than two seconds
    shows its progress on stderr: where that is a terminal, or with ``progress`` always (True) or never (False). Raises
    a DefinitionError for names that clash, and for a service that names a view which is not there.
    """

    @checked_call
    def __init__(
        self,
        views: Sequence[FeatureView | FeatureViewProjection],
        *,
        services: Sequence[FeatureService] = (),
        engine: ComputeEngine | None = None,
        online_store: OnlineStore | None = None,
        progress: bool | None = None,
        planner_options: PlannerOptions | None = None,
    ) -> None:
        problems = Problems()
        views = check_list(views, "FeatureStore: views", problems, " of feature views")  # type: ignore[assignment]
        services = check_list(services, "FeatureStore: services", problems, " of them")  # type: ignore[assignment]
        problems.raise_if_any()
        for view in views:
            if not isinstance(view, FeatureView | FeatureViewProjection):
                problems.add(f"FeatureStore: views holds {shown(view)}, which is no feature view")
        for service in services:
            if not isinstance(service, FeatureService):
                problems.add(f"FeatureStore: services holds {shown(service)}, which is no feature service")
        problems.raise_if_any()
        _check_part("engine", engine, ComputeEngine)
        _check_part("online_store", online_store, OnlineStore)
        _check_part("planner_options", planner_options, PlannerOptions)
        if progress is not None and not isinstance(progress, bool):
            raise DefinitionError(
                f"FeatureStore: progress is {shown(progress)}; give True, False, or None for a terminal"
            )
        self._resolver = FeatureResolver(views, services)
        self._views = {view.name: view for view in views}
        for name in planner_options.forms if planner_options is not None else ():
            # A projection is stored as its view.
            known = dict.fromkeys((*self._views, *(each.view.name for each in self._resolver.views.values())))
            if name not in known:
                problems.add(unknown_name("planner_options: forms: no feature view", name, known, listed_as="views"))
        problems.raise_if_any()
        self._engine = engine or _local_engine()
        self._online_store = online_store
        self._options = planner_options or PlannerOptions()
        self._progress = progress

    @property
    def engine(self) -> ComputeEngine:
        """The engine that computes the features."""
        return self._engine

    @property
    def views(self) -> Mapping[str, FeatureView | FeatureViewProjection]:
        """The views and projections of the store by name, each with its description and tags in its ``repr``."""
        return dict(self._views)

    @property
    def services(self) -> Mapping[str, FeatureService]:
        """The services of the store by name."""
        return dict(self._resolver.services)

    def validate(self) -> None:
        """Resolve every view and service against the sources. Reads their schemas, but no row.

        Raises one DefinitionError that lists every problem of all of them: missing files, unknown columns, wrong types.
        """
        problems = Problems()
        tables = JobTables(self._engine)
        failed: set[str] = set()
        unread: dict[str, list[str]] = {}
        named = [*(("view", name) for name in self._views), *(("service", name) for name in self._resolver.services)]
        for kind, name in named:
            uses = [use for use in self._resolver.select(name) if use.projection.name not in failed]
            try:
                resolve_features(uses, tables, full_feature_names=True)
            except DefinitionError as error:
                problems.take(error, f"feature service {shown(name)}" if kind == "service" else "")
                failed.add(name)
            except HithertoError as error:
                unread.setdefault(str(error), []).append(f"feature {kind} {shown(name)}")
                failed.add(name)
        for message, readers in unread.items():
            problems.add(f"{message}\n  read by {', '.join(readers)}")
        problems.raise_if_any()

    def features(self) -> dict[str, Schema]:
        """The features of every view, with their types. Reads the sources' schemas, but no row."""
        return {name: view.schema_in(self._engine) for name, view in self._resolver.views.items()}

    @checked_call
    def get_historical_features(
        self,
        entity_df: Any,
        features: Feature | Sequence[Feature],
        *,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        entity_timestamp: str | None = None,
    ) -> RetrievalJob:
        """A lazy job for point-in-time-correct features of every row of ``entity_df``.

        ``entity_df`` holds the keys of the views and a timestamp: pandas, Polars, Arrow data, a DuckDB relation, files
        (a path, a glob, a list of either or a ``FileSource``) or SQL in the engine's dialect (a text that begins with
        SELECT, WITH, FROM, VALUES or a parenthesis), which is taken in now; or on Spark a DataFrame or SQL, which every
        run evaluates and none collects. ``features`` takes views, projections, services, names of views and of
        services, "view:feature" and "view:feature as name", in a list or alone. The timestamp is ``entity_timestamp``,
        else the one that a ``FileSource`` has, else "event_timestamp", else the only timestamp column, else the only
        date column that is no key. With ``full_feature_names`` a feature that is given no name is called
        ``view__feature``. With ``filter_by_created_timestamp`` a row counts only where its created timestamp is at or
        before the query time (a null is not), for sources that have one.

        Raises a DefinitionError, SourceError or SpineError before any source row is read.
        """
        problems = Problems()
        check_flag("full_feature_names", full_feature_names, problems)
        check_flag("filter_by_created_timestamp", filter_by_created_timestamp, problems)
        if entity_timestamp is not None:
            check_column("entity_timestamp", entity_timestamp, problems)
        problems.raise_if_any()
        chosen = self._resolver.select(features)
        tables = JobTables(self._engine, (use.projection.view.origin for use in chosen))
        views, outputs = resolve_features(chosen, tables, full_feature_names=full_feature_names)
        keys = {key.spine_column for view in views for key in view.keys}
        left = self._engine.entity_rows(entity_df, entity_timestamp, keys)
        given = left or Spine.take(entity_df, entity_timestamp, keys, self._engine.entity_query)
        spine = given.checked(views, outputs)
        task = HistoricalRetrievalTask(
            views=views,
            outputs=outputs,
            names=retrieval_names(views, outputs, spine.schema.names),
            filter_by_created_timestamp=filter_by_created_timestamp,
            options=self._options,
            statistics=self._statistics(),
            spine=renamed(self._known(spine.needed(views)), tables.spine),
            timestamp=spine.timestamp,
        )
        self._engine.planner.check_forms(task)
        return RetrievalJob(task, given, self._engine, progress=self._progress)

    def _known(self, table: Table) -> Table:
        """The table, without its bounds where statistics are off."""
        return replace(table, bounds=None) if self._options.statistics == "off" else table

    def _statistics(self) -> Statistics:
        """The oracle for the choices of a request; it knows nothing where statistics are off."""
        return NoStatistics() if self._options.statistics == "off" else self._engine.statistics()

    @checked_call
    def materialize(
        self,
        end: datetime | date | str,
        *,
        views: Sequence[str] | None = None,
        filter_by_created_timestamp: bool = False,
        allow_rollback: bool = False,
    ) -> MaterializationJob:
        """Fill the online store with what a retrieval at ``end`` answers for every known key, view by view.

        Each view is written in one transaction, with its definition: what was stored under another one is replaced. A
        view that is stored as of a later ``end`` is refused, unless ``allow_rollback``. A view that fails, whatever the
        reason, leaves the others filled: the first error is raised after all views were tried, and notes on it say what
        became of each.
        """
        store = self._store("materialize")
        problems = Problems()
        check_flag("materialize: allow_rollback", allow_rollback, problems)
        check_flag("materialize: filter_by_created_timestamp", filter_by_created_timestamp, problems)
        at = 0
        try:
            at = parse_instant(end)
        except DefinitionError as wrong:
            problems.take(wrong, "materialize: end")
        problems.raise_if_any()
        base = self._base_views(views)
        resolved, outputs, failed = self._resolved(base)
        task = MaterializationTask(
            views=resolved,
            outputs=outputs,
            names=retrieval_names(resolved, outputs, ()),
            filter_by_created_timestamp=filter_by_created_timestamp,
            options=self._options,
            statistics=self._statistics(),
            end=at,
            allow_rollback=allow_rollback,
        )
        self._engine.planner.check_forms(task)
        what = f"materialize {len(resolved)} view{'s' * (len(resolved) != 1)}"
        with Progress(what, wanted=self._progress) as observer:
            filled = self._engine.materialize(task, store, observer)
        results = {**failed, **filled.views}
        job = MaterializationJob(at, {view.name: results[view.name] for view in base if view.name in results})
        for result in job.views.values():
            if result.error is not None:
                for name, each in job.views.items():
                    result.error.add_note(f"materialize: view {name!r} {each}")
                raise result.error
        return job

    def _resolved(
        self, views: Sequence[FeatureView]
    ) -> tuple[tuple[ResolvedView, ...], tuple[OutputFeature, ...], dict[str, ViewResult]]:
        """The views and all of their features, each by itself, and the views that can't be resolved."""
        tables = JobTables(self._engine, (view.origin for view in views))
        resolved: list[ResolvedView] = []
        outputs: list[OutputFeature] = []
        failed: dict[str, ViewResult] = {}
        for view in views:
            try:
                own, features = resolve_features(
                    [FeatureUse(FeatureViewProjection(view))], tables, full_feature_names=False
                )
            except HithertoError as error:
                failed[view.name] = ViewResult("failed", error=error)
                continue
            resolved += own
            outputs += features
        return tuple(resolved), tuple(outputs), failed

    @checked_call
    def get_online_features(
        self,
        features: Feature | Sequence[Feature],
        entity_rows: Sequence[Mapping[str, Any]],
        *,
        full_feature_names: bool = False,
        max_age: Duration | None = None,
    ) -> OnlineResponse:
        """The features of entity rows, from the online store alone: no source is read.

        ``entity_rows`` are dictionaries with the views' keys. A key that is not known reads as the empty answer, and so
        does a view that was filled for an ``end`` longer than ``max_age`` ago. Raises a SpineError where entity rows
        can't be used, and a StoreError where a view was never stored, or under another definition than the one given
        here; the message says what changed.
        """
        store = self._store("get_online_features")
        problems = Problems()
        check_flag("full_feature_names", full_feature_names, problems)
        age = check_duration("get_online_features", "max_age", max_age, problems)
        problems.raise_if_any()
        chosen = self._resolver.select(features)
        oldest = None if age is None else parse_instant(datetime.now(UTC)) - age
        return read_online(store, chosen, entity_rows, full_feature_names=full_feature_names, oldest=oldest)

    def _store(self, what: str) -> OnlineStore:
        if self._online_store is None:
            raise StoreError(
                f"{what} needs an online store: FeatureStore(views, online_store=SqliteOnlineStore('online.db'))"
            )
        return self._online_store

    def _base_views(self, names: Sequence[str] | None) -> list[FeatureView]:
        """The views to store; a projection is stored as its view."""
        problems = Problems()
        names = None if names is None else check_list(names, "materialize: views", problems)  # type: ignore[assignment]
        problems.raise_if_any()
        for name in names or ():
            if not isinstance(name, str):
                problems.add(f"materialize: views holds {shown(name)}; give the names of views")
            elif name not in self._resolver.views:
                problems.add(
                    unknown_name("materialize: no feature view", name, self._resolver.views, listed_as="views")
                )
        problems.raise_if_any()
        base: dict[str, FeatureView] = {}
        for name, projection in self._resolver.views.items():
            wanted = names is None or name in names
            if wanted and base.setdefault(projection.view.name, projection.view) != projection.view:
                problems.add(f"materialize: two views are called {projection.view.name!r} in the store")
        problems.raise_if_any()
        return list(base.values())

    def __deepcopy__(self, memo: dict[int, object]) -> FeatureStore:
        return copy(self)  # Definitions never change; a copy works on the same engine and the same stores.

    def __repr__(self) -> str:
        return f"FeatureStore({', '.join(self._resolver.views)}; {self._engine!r})"


def _check_part(role: str, given: object, kind: type) -> None:
    if given is not None and not isinstance(given, kind):
        raise DefinitionError(f"FeatureStore: {role} is {shown(given)}; give one of hitherto's {kind.__name__}s")


def _local_engine() -> ComputeEngine:
    from .engines.local import LocalComputeEngine

    return LocalComputeEngine()

"""A materialization: all views of a run as one plan, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from ..planner.dag.node import ExecutionContext
from ..planner.dag.plan import ExecutionPlan, Failure
from ..planner.dag.write import WrittenRows
from ..planner.durations import format_instant
from ..planner.errors import EngineError, HithertoError
from ..planner.features.tasks import MaterializationTask
from ..planner.planning import Planner

Execute = Callable[[], AbstractContextManager[ExecutionContext]]


@dataclass(frozen=True)
class ViewResult:
    """What became of one view in a materialization: ``status`` is "done" or "failed", ``rows`` the keys written."""

    status: Literal["done", "failed"]
    rows: int = 0
    error: HithertoError | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.status}, {type(self.error).__name__}: {str(self.error).splitlines()[0]}"
        return f"{self.status}, {self.rows:,} key{'s' * (self.rows != 1)}"


@dataclass(frozen=True, repr=False)
class MaterializationJob:
    """The outcome of a materialization, view by view; ``end`` is in microseconds since 1970, UTC."""

    end: int
    views: dict[str, ViewResult]

    def __repr__(self) -> str:
        results = (f"{name}: {result}" for name, result in self.views.items())
        return f"MaterializationJob(end={format_instant(self.end)}, {'; '.join(results) or 'no view'})"


def materialized(task: MaterializationTask, planner: Planner, execute: Execute) -> MaterializationJob:
    """Fill a store, each view in a transaction of its own; ``execute`` opens a context with the store.

    A view that fails leaves the others filled: what failed for several at once is done again for each of them alone.
    """
    results: dict[str, ViewResult] = {}
    if len(task.views) > 1:
        with suppress(Exception):  # Each view that failed is tried alone below, and tells its own error.
            results = _filled(task, planner, execute)
    for view in task.views:
        if view.name not in results:
            try:
                results |= _filled(replace(task, views=(view,)), planner, execute)
            except Exception as error:  # Of any class: nodes and engines may come from outside.
                results[view.name] = _failed(view.name, error)
    return MaterializationJob(task.end, {view.name: results[view.name] for view in task.views})


def _filled(task: MaterializationTask, planner: Planner, execute: Execute) -> dict[str, ViewResult]:
    """The results of views that one plan fills, without those that failed in a node that several share."""
    pieces = planner.plan(task).pieces
    with execute() as context:
        outcomes = pieces.outcomes(context)
    results: dict[str, ViewResult] = {}
    has_failed = any(isinstance(outcome, Failure) for outcome in outcomes)
    plans = [ExecutionPlan(output, names=pieces.names) for output in pieces.outputs] if has_failed else []
    views = Counter(node.fingerprint for plan in plans for node in plan.nodes)
    for view, outcome in zip(task.views, outcomes, strict=True):
        if not isinstance(outcome, Failure):
            results[view.name] = ViewResult("done", outcome.count if isinstance(outcome, WrittenRows) else 0)
        elif views[outcome.node.fingerprint] == 1:
            results[view.name] = _failed(view.name, outcome.error)
    return results


def _failed(view: str, error: Exception) -> ViewResult:
    if isinstance(error, HithertoError):
        return ViewResult("failed", error=error)
    failure = EngineError(f"feature view {view!r}: {type(error).__name__}: {error}", view=view)
    failure.__cause__ = error
    return ViewResult("failed", error=failure)

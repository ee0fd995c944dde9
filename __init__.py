"""hitherto: point-in-time-correct features, planned and compiled to SQL.

Everything public is here: ``import hitherto as ht``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .planner.dag import DAGNode, DAGValue, ExecutionContext, ExecutionPlan, RelationalNode
    from .planner.errors import (
        DefinitionError,
        EngineError,
        HithertoError,
        PlanTypeError,
        SourceError,
        SpineError,
        StoreError,
        UnknownColumnError,
        UnsupportedError,
    )
    from .planner.features.builder import FeatureBuilder
    from .planner.features.definitions import Aggregation, Entity, FeatureService, FeatureView, Source
    from .planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
    from .planner.options import PlannerOptions
    from .runtime.engine import ComputeEngine, MaterializationJob, SqlComputeEngine
    from .runtime.engines.local import LocalComputeEngine
    from .runtime.engines.spark import SparkComputeEngine
    from .runtime.job import RetrievalJob
    from .runtime.sinks.online import OnlineStore
    from .runtime.sinks.sqlite import SqliteOnlineStore
    from .runtime.sources.arrow import ArrowSource
    from .runtime.sources.files import FileSource
    from .runtime.sources.query import QuerySource
    from .runtime.sources.table import TableSource
    from .runtime.store import FeatureStore

__version__ = "0.1.0"

_HOMES = {
    "planner.dag": "DAGNode DAGValue ExecutionContext ExecutionPlan RelationalNode",
    "planner.errors": "DefinitionError EngineError HithertoError PlanTypeError SourceError SpineError StoreError "
    "UnknownColumnError UnsupportedError",
    "planner.features.builder": "FeatureBuilder",
    "planner.features.definitions": "Aggregation Entity FeatureService FeatureView Source",
    "planner.features.tasks": "HistoricalRetrievalTask MaterializationTask",
    "planner.options": "PlannerOptions",
    "runtime.engine": "ComputeEngine MaterializationJob SqlComputeEngine",
    "runtime.engines.local": "LocalComputeEngine",
    "runtime.engines.spark": "SparkComputeEngine",
    "runtime.job": "RetrievalJob",
    "runtime.sinks.online": "OnlineStore",
    "runtime.sinks.sqlite": "SqliteOnlineStore",
    "runtime.sources.arrow": "ArrowSource",
    "runtime.sources.files": "FileSource",
    "runtime.sources.query": "QuerySource",
    "runtime.sources.table": "TableSource",
    "runtime.store": "FeatureStore",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = [
    "Aggregation",
    "ArrowSource",
    "ComputeEngine",
    "DAGNode",
    "DAGValue",
    "DefinitionError",
    "EngineError",
    "Entity",
    "ExecutionContext",
    "ExecutionPlan",
    "FeatureBuilder",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "FileSource",
    "HistoricalRetrievalTask",
    "HithertoError",
    "LocalComputeEngine",
    "MaterializationJob",
    "MaterializationTask",
    "OnlineStore",
    "PlanTypeError",
    "PlannerOptions",
    "QuerySource",
    "RelationalNode",
    "RetrievalJob",
    "Source",
    "SourceError",
    "SparkComputeEngine",
    "SpineError",
    "SqlComputeEngine",
    "SqliteOnlineStore",
    "StoreError",
    "TableSource",
    "UnknownColumnError",
    "UnsupportedError",
]


def __getattr__(name: str) -> object:
    """Import at the first use, so that ``import hitherto`` loads neither sqlglot nor pyarrow."""
    if name not in _HOME:
        raise AttributeError(f"module 'hitherto' has no attribute {name!r}")
    value: object = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

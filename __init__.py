"""hitherto: point-in-time-correct features, planned and compiled to SQL.

Everything public is here: ``import hitherto as ht``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .planner.dag.builder import FeatureBuilder
    from .planner.dag.node import DAGNode, DAGValue, EngineValue, ExecutionContext, OnlineWriter, Session
    from .planner.dag.plan import ExecutionPlan, Failure
    from .planner.dag.query import RelationalNode
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
    from .planner.features.definitions import (
        Aggregation,
        Entity,
        FeatureService,
        FeatureView,
        FeatureViewProjection,
        Source,
    )
    from .planner.features.resolver import JoinKey, OutputFeature, ResolvedAggregation, ResolvedView
    from .planner.features.sources import Catalog
    from .planner.features.tasks import HistoricalRetrievalTask, MaterializationTask
    from .planner.features.views import ViewDefinition
    from .planner.ir.data import (
        ArrowData,
        Bounds,
        CatalogTable,
        EngineData,
        EngineQuery,
        EngineTable,
        Meaning,
        ParquetFiles,
    )
    from .planner.ir.logical import Relation, Table
    from .planner.options import PlannerOptions
    from .planner.planning import PlannedRequest, Planner
    from .planner.statistics import Beaten, Choice, Cost, Fact, NoStatistics, Rates, Statistics
    from .planner.target import Target
    from .planner.types import DataType, Field, Schema
    from .runtime.engine import ComputeEngine, SqlComputeEngine
    from .runtime.engines.local import LocalComputeEngine
    from .runtime.engines.spark import SparkComputeEngine
    from .runtime.events import Event, Failed, Finished, Planned, Started, Statement
    from .runtime.explain import Explanation
    from .runtime.materialization import MaterializationJob, ViewResult
    from .runtime.metrics import Analysis, Coverage, StatementMetrics
    from .runtime.online import OnlineResponse
    from .runtime.retrieval import RetrievalJob
    from .runtime.rows.entity import EngineRows, EntityRows, RowsEngine
    from .runtime.session import SqlConnection
    from .runtime.sinks.online import OnlineStore, StoredView
    from .runtime.sinks.sink import Sink
    from .runtime.sinks.sqlite import SqliteOnlineStore
    from .runtime.sources.arrow import ArrowSource
    from .runtime.sources.files import FileSource
    from .runtime.sources.query import QuerySource
    from .runtime.sources.table import TableSource
    from .runtime.store import FeatureStore

__version__ = "0.1.0"

_HOMES = {
    "planner.dag.builder": "FeatureBuilder",
    "planner.dag.node": "DAGNode DAGValue EngineValue ExecutionContext OnlineWriter Session",
    "planner.dag.plan": "ExecutionPlan Failure",
    "planner.dag.query": "RelationalNode",
    "planner.errors": "DefinitionError EngineError HithertoError PlanTypeError SourceError SpineError StoreError "
    "UnknownColumnError UnsupportedError",
    "planner.features.definitions": "Aggregation Entity FeatureService FeatureView FeatureViewProjection Source",
    "planner.features.resolver": "JoinKey OutputFeature ResolvedAggregation ResolvedView",
    "planner.features.sources": "Catalog",
    "planner.features.tasks": "HistoricalRetrievalTask MaterializationTask",
    "planner.features.views": "ViewDefinition",
    "planner.ir.data": "ArrowData Bounds CatalogTable EngineData EngineQuery EngineTable Meaning ParquetFiles",
    "planner.ir.logical": "Relation Table",
    "planner.options": "PlannerOptions",
    "planner.planning": "PlannedRequest Planner",
    "planner.statistics": "Beaten Choice Cost Fact NoStatistics Rates Statistics",
    "planner.target": "Target",
    "planner.types": "DataType Field Schema",
    "runtime.engine": "ComputeEngine SqlComputeEngine",
    "runtime.materialization": "MaterializationJob ViewResult",
    "runtime.engines.local": "LocalComputeEngine",
    "runtime.engines.spark": "SparkComputeEngine",
    "runtime.events": "Event Failed Finished Planned Started Statement",
    "runtime.explain": "Explanation",
    "runtime.retrieval": "RetrievalJob",
    "runtime.metrics": "Analysis Coverage StatementMetrics",
    "runtime.online": "OnlineResponse",
    "runtime.rows.entity": "EngineRows EntityRows RowsEngine",
    "runtime.session": "SqlConnection",
    "runtime.sinks.online": "OnlineStore StoredView",
    "runtime.sinks.sink": "Sink",
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
    "Analysis",
    "ArrowData",
    "ArrowSource",
    "Beaten",
    "Bounds",
    "Catalog",
    "CatalogTable",
    "Choice",
    "ComputeEngine",
    "Cost",
    "Coverage",
    "DAGNode",
    "DAGValue",
    "DataType",
    "DefinitionError",
    "EngineData",
    "EngineError",
    "EngineQuery",
    "EngineRows",
    "EngineTable",
    "EngineValue",
    "Entity",
    "EntityRows",
    "Event",
    "ExecutionContext",
    "ExecutionPlan",
    "Explanation",
    "Fact",
    "Failed",
    "Failure",
    "FeatureBuilder",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "FeatureViewProjection",
    "Field",
    "FileSource",
    "Finished",
    "HistoricalRetrievalTask",
    "HithertoError",
    "JoinKey",
    "LocalComputeEngine",
    "MaterializationJob",
    "MaterializationTask",
    "Meaning",
    "NoStatistics",
    "OnlineResponse",
    "OnlineStore",
    "OnlineWriter",
    "OutputFeature",
    "ParquetFiles",
    "PlanTypeError",
    "Planned",
    "PlannedRequest",
    "Planner",
    "PlannerOptions",
    "QuerySource",
    "Rates",
    "Relation",
    "RelationalNode",
    "ResolvedAggregation",
    "ResolvedView",
    "RetrievalJob",
    "RowsEngine",
    "Schema",
    "Session",
    "Sink",
    "Source",
    "SourceError",
    "SparkComputeEngine",
    "SpineError",
    "SqlComputeEngine",
    "SqlConnection",
    "SqliteOnlineStore",
    "Started",
    "Statement",
    "StatementMetrics",
    "Statistics",
    "StoreError",
    "StoredView",
    "Table",
    "TableSource",
    "Target",
    "UnknownColumnError",
    "UnsupportedError",
    "ViewDefinition",
    "ViewResult",
]


def __getattr__(name: str) -> object:
    """Import at the first use, so that ``import hitherto`` loads neither sqlglot nor pyarrow."""
    if name not in _HOME:
        raise AttributeError(f"module 'hitherto' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    value: object = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

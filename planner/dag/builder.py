"""Builds the DAG of a task: one chain of nodes per view, joined to the spine by row or written to a store.

A ``FeatureBuilder`` of another engine overrides the ``build_…`` methods; the shape of the plan stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..expr.nodes import Column, replace_columns
from ..features.resolver import ResolvedView
from ..features.tasks import HistoricalRetrievalTask, MaterializationTask
from ..room import with_room
from ..types import folded
from .node import DAGNode
from .operations import (
    AggregationNode,
    AnswersNode,
    DedupNode,
    FilterNode,
    JoinNode,
    ProjectionNode,
    ReadNode,
    TransformationNode,
    output_columns,
)
from .plan import ExecutionPlan
from .spine import SpineNode
from .write import WriteNode

AnyTask = HistoricalRetrievalTask | MaterializationTask


class FeatureBuilder:
    """Builds the nodes of one view of one task; ``plan`` builds the whole DAG."""

    def __init__(self, task: AnyTask, view: ResolvedView) -> None:
        self.task = task
        self.view = view
        self.columns = output_columns(task.outputs, view)
        asked = {feature: name for name, feature in reversed(self.columns) if folded(name) not in task.repeated}
        self._names = {
            field.name: asked.get(field.name) or task.names.fresh(f"{view.name}__{field.name}")
            for field in view.features
        }

    @classmethod
    @with_room
    def plan(cls, task: AnyTask) -> ExecutionPlan:
        """The DAG of a task. A retrieval joins its views by row; a materialization has one chain per view."""
        task = replace(task, names=task.names.copy())
        builders = [cls(task, view) for view in task.views]
        if isinstance(task, MaterializationTask):
            return ExecutionPlan(*_written(task, builders))
        spine = SpineNode(task, task.views)
        answers = [builder.build_view(builder.build_events(), spine) for builder in builders]
        columns = (*task.carried, *(output.name for output in task.outputs))
        return ExecutionPlan(JoinNode(columns, task.names.row, spine, *answers))

    def build_events(self) -> DAGNode:
        """The view's rows: read, then filtered."""
        return self.build_filter_node(self.build_source_node())

    def build_view(self, events: DAGNode, spine: SpineNode) -> DAGNode:
        """The view's answer for every spine row, from its rows."""
        rows = self.build_transformation_node(events)
        if self.view.aggregations:
            answers = self.build_post_aggregation_node(self.build_aggregation_node(rows, spine))
        else:
            answers = self.build_dedup_node(rows, spine)
        return self.build_projection_node(answers)

    def build_source_node(self) -> DAGNode:
        """Reads the view's source, or takes the rows of the view that it is chained on."""
        if self.view.upstream is None:
            return ReadNode(self.view, self.task.names)
        upstream = type(self)(self.task, self.view.upstream)
        return upstream.build_transformation_node(upstream.build_events())

    def build_filter_node(self, node: DAGNode) -> DAGNode:
        """Applies the view's filter, where it has one."""
        return node if self.view.filter is None else FilterNode(self.view, self.view.filter, node)

    def build_transformation_node(self, node: DAGNode) -> DAGNode:
        """Adds the view's computed row columns, where it has any."""
        if not self.view.columns:
            return node
        return TransformationNode(f"{self.view.name}_columns", self.view.columns, node)

    def build_dedup_node(self, node: DAGNode, spine: SpineNode) -> DAGNode:
        """Latest values, each under the first of its names in the answer."""
        created = self.task.created_column(self.view)
        columns = tuple((self._name(feature), feature) for feature in dict.fromkeys(each for _, each in self.columns))
        form = self.task.options.forms.get(self.view.name)
        return DedupNode(self.view, columns, spine.keys, self.task.names, node, spine, created=created, form=form)

    def build_aggregation_node(self, node: DAGNode, spine: SpineNode) -> DAGNode:
        """Windowed aggregates, under names that are unique among the views of the task."""
        return AggregationNode(
            self.view,
            tuple(self._name(item.definition.name) for item in self.view.aggregations),
            spine.keys,
            self.task.names,
            node,
            spine,
            created=self.task.created_column(self.view),
            form=self.task.options.forms.get(self.view.name),
        )

    def build_post_aggregation_node(self, node: DAGNode) -> DAGNode:
        """Adds features that are computed from the aggregates, where the view has any."""
        if not self.view.post_aggregation:
            return node
        columns = tuple(
            (self._name(name), replace_columns(expr, lambda column: Column(self._name(column.name), column.type)))
            for name, expr in self.view.post_aggregation
        )
        return TransformationNode(f"{self.view.name}_post", columns, node)

    def build_projection_node(self, node: DAGNode) -> DAGNode:
        """Keeps the row number and the features asked for; of a stored view under names that no other view has."""
        is_stored = isinstance(self.task, MaterializationTask)
        columns = tuple(
            (self._name(feature) if is_stored else name, self._name(feature)) for name, feature in self.columns
        )
        return ProjectionNode(self.view, self.task.names.row, columns, node)

    def build_output_nodes(self, spine: SpineNode, joined: DAGNode) -> DAGNode:
        """Materialization: the view's part of the answers of every known key at the end, and the write."""
        task = self.task
        assert isinstance(task, MaterializationTask)
        keys = {spine.keys[key]: key.family for key in self.view.keys}
        columns = (*((key, key) for key in keys), *((name, self._name(feature)) for name, feature in self.columns))
        answers = AnswersNode(self.view, task.names.row, columns, joined)
        return WriteNode(self.view.view, keys, task.names.row, task.end, task.allow_rollback, answers)

    def stored_names(self) -> list[str]:
        """The columns of the view's features among the answers of all views that are stored."""
        return [self._name(feature) for _, feature in self.columns]

    def _name(self, feature: str) -> str:
        """The column of a feature: its first name in the answer, or an unused one where it is not asked for."""
        return self._names[feature]


# Beyond so many columns for each known key, reading the rows again is cheaper than keeping answers for later.
_MOST_SIDE_BY_SIDE = 100


@dataclass
class _SideBySide:
    """Views whose known keys are the same rows: they share these, the events, and as much of the match as they can."""

    spine: SpineNode
    columns: list[str]
    answers: list[DAGNode] = field(default_factory=list[DAGNode])

    @cached_property
    def joined(self) -> JoinNode:
        """The known keys with the answers of all views."""
        return JoinNode(tuple(self.columns), self.spine.task.names.row, self.spine, *self.answers)


def _written(task: MaterializationTask, builders: Sequence[FeatureBuilder]) -> list[DAGNode]:
    """A write for each view."""
    groups: dict[str, _SideBySide] = {}
    places: list[tuple[SpineNode, _SideBySide]] = []
    for builder in builders:
        events = builder.build_events()
        spine = SpineNode(task, (builder.view,), events)
        names = builder.stored_names()
        # Nodes of an engine that runs no SQL can't be lowered, and are compared with nothing.
        rows = spine.fingerprint if spine.is_sql else builder.view.name
        group = groups.get(rows)
        if group is None or len(group.columns) + len(names) > _MOST_SIDE_BY_SIDE:
            group = groups[rows] = _SideBySide(spine, list(dict.fromkeys(spine.keys.values())))
        group.columns += names
        group.answers.append(builder.build_view(events, spine))
        places.append((spine, group))
    return [
        builder.build_output_nodes(spine, group.joined)
        for builder, (spine, group) in zip(builders, places, strict=True)
    ]

"""The rows to answer for, as a DAG node."""

from __future__ import annotations

from ..durations import format_instant
from ..expr.functions import call
from ..expr.nodes import Call, Column, Expr, Literal
from ..features.resolver import JoinKey, ResolvedView
from ..features.tasks import HistoricalRetrievalTask, MaterializationTask, key_expression
from ..ir.logical import (
    Aggregate,
    Filter,
    NumberRows,
    Project,
    Relation,
    Scan,
    Table,
    Union,
    Values,
    identity_columns,
)
from ..types import BOOL, INT64, DataType, Field, folded
from .node import DAGNode
from .query import RelationalNode


class SpineNode(RelationalNode):
    """The rows to answer for: keys, query time and a row number.

    In a retrieval they come from the entity rows; in a materialization they are the known keys of a view at ``end``.
    """

    def __init__(
        self, task: HistoricalRetrievalTask | MaterializationTask, views: tuple[ResolvedView, ...], *events: DAGNode
    ) -> None:
        super().__init__("spine_rows", *events)
        self.task = task
        self.views = views
        self.keys = _spine_keys(task, views)

    @property
    def tables(self) -> tuple[Table, ...]:
        return () if isinstance(self.task, MaterializationTask) else (self.task.spine,)

    def lower(self, *inputs: Relation) -> Relation:
        if isinstance(self.task, MaterializationTask):
            rows = self._known_keys(self.task, self.views[0], *inputs)
        else:
            rows = self._entity_rows(self.task)
        return NumberRows(rows, self.task.names.row, label=self.name)

    def _entity_rows(self, task: HistoricalRetrievalTask) -> Relation:
        schema = task.spine.schema
        time = call("micros_down", Column(task.timestamp, schema[task.timestamp]))
        columns: dict[str, Expr] = {name: Column(name, schema[name]) for name in task.carried}
        columns[task.names.time] = time
        for key, name in self.keys.items():
            columns[name] = key_expression(key, Column(key.spine_column, schema[key.spine_column]))
        return Project(Scan(task.spine, schema.names), tuple(columns.items()))

    def _known_keys(self, task: MaterializationTask, view: ResolvedView, events: Relation) -> Relation:
        """Distinct keys of the view's rows up to ``end``, and one row of nulls, whose answer is the empty one.

        A view without keys has one answer, which needs no events to be known.
        """
        time = (task.names.time, Literal(task.end, INT64))
        if not self.keys:
            return Values((Field(task.names.time, INT64),), ((task.end,),))
        keyed: list[tuple[str, Expr]] = [
            (name, key_expression(key, Column(key.column, events.schema[key.column])))
            for key, name in self.keys.items()
        ]
        known: list[Expr] = [call("not", call("is_null", expr)) for _, expr in keyed]
        end = Literal(task.end - view.source.data_delay, INT64)
        known.append(call("le", Column(task.names.event_time, INT64), end))
        if task.created_column(view) is not None:
            known.append(call("le", Column(task.names.created, INT64), Literal(task.end, INT64)))
        visible = Filter(events, Call("and", tuple(known), BOOL))
        keys = Aggregate(Project(visible, tuple(keyed)), tuple(name for name, _ in keyed))
        unknown = Values(tuple(keys.schema.fields), (tuple(None for _ in keyed),))
        return Project(Union((keys, unknown)), (*identity_columns(keys.schema), time))

    def describe(self) -> str:
        if isinstance(self.task, MaterializationTask):
            return f"SpineNode known keys of {self.views[0].name} at {format_instant(self.task.end)}"
        return f"SpineNode {self.task.spine.name}, keys {', '.join(dict.fromkeys(self.keys.values()))}"


def _spine_keys(
    task: HistoricalRetrievalTask | MaterializationTask, views: tuple[ResolvedView, ...]
) -> dict[JoinKey, str]:
    """For each key of the views, the spine column that holds its comparable value: one for each column and type.

    It has the name of the column that it comes from, unless something else in the answer is called so. The names are
    not taken from the task's, so that views whose known keys are the same rows call them alike.
    """
    unused = task.names.copy()
    carried: dict[str, DataType] = {}
    if isinstance(task, HistoricalRetrievalTask):
        carried = {name: task.spine.schema[name] for name in task.carried}
    others = {folded(output.name) for output in task.outputs}
    by_value: dict[tuple[str, DataType], str] = {}
    names: dict[JoinKey, str] = {}
    for key in (key for view in views for key in view.keys):
        value = (key.spine_column, key.type)
        if value not in by_value:
            name = key.spine_column
            free = folded(name) not in others and name not in by_value.values()
            same = carried.get(name, key.type) == key.type and key.family != "instant"
            by_value[value] = name if free and same else unused.fresh(f"key_{name}")
        names[key] = by_value[value]
    return names

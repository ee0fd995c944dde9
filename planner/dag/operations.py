"""The operations of a feature view as DAG nodes: each lowers itself to one relation."""

from __future__ import annotations

from ..expr.aggregates import AGGREGATES
from ..expr.functions import call, coerce
from ..expr.nodes import Column, Expr, Literal
from ..features.resolver import JoinKey, OutputFeature, ResolvedView
from ..features.tasks import Names, key_expression
from ..ir.intervals import latest_interval, window_interval
from ..ir.logical import (
    AsofJoin,
    Filter,
    Join,
    Pick,
    Project,
    Relation,
    Scan,
    Table,
    WindowAggregate,
    WindowMeasure,
    identity_columns,
)
from ..ir.windows import expanded
from ..types import TIMESTAMP, DataType, free_name
from .node import DAGNode
from .query import RelationalNode


class ReadNode(RelationalNode):
    """A view's source: its columns under their feature names, with event and created time in microseconds.

    Finer timestamps are rounded down, as columns; event and created time are rounded up, so that nothing leaks.
    """

    def __init__(self, view: ResolvedView, names: Names) -> None:
        super().__init__(view.table.name)
        self.view = view
        self.names = names

    @property
    def tables(self) -> tuple[Table, ...]:
        return (self.view.table,)

    def lower(self, *inputs: Relation) -> Relation:
        table, source = self.view.table, self.view.source

        def stored(original: str, type_: DataType) -> Expr:
            column = Column(original, table.schema[original])
            return Literal(None, type_) if table.is_untyped(original) and type_ != column.type else column

        columns: list[tuple[str, Expr]] = [
            (name, coerce(stored(original, self.view.rows[name]), self.view.rows[name]))
            for name, original in self.view.mapping
        ]
        times = [(self.names.event_time, source.timestamp_field), (self.names.created, source.created_timestamp_column)]
        for name, field in times:
            if field is not None:
                columns.append((name, call("micros_up", stored(field, TIMESTAMP))))
        return Project(Scan(table, table.schema.names), tuple(columns))

    def describe(self) -> str:
        return f"ReadNode {self.view.table.name}, {len(self.view.table.schema)} columns"


class FilterNode(RelationalNode):
    """Keeps the rows for which a view's filter is true."""

    def __init__(self, view: ResolvedView, predicate: Expr, events: DAGNode) -> None:
        super().__init__(f"{view.name}_filtered", events)
        self.text = view.view.filter or ""
        self.predicate = predicate

    def lower(self, *inputs: Relation) -> Relation:
        return Filter(inputs[0], self.predicate)

    def describe(self) -> str:
        return f"FilterNode {self.text}"


class TransformationNode(RelationalNode):
    """Adds computed columns: a view's ``columns`` on its rows, or its ``post_aggregation`` on its aggregates."""

    def __init__(self, name: str, columns: tuple[tuple[str, Expr], ...], rows: DAGNode) -> None:
        super().__init__(name, rows)
        self.columns = columns

    def lower(self, *inputs: Relation) -> Relation:
        return Project(inputs[0], (*identity_columns(inputs[0].schema), *self.columns))

    def describe(self) -> str:
        return f"TransformationNode {', '.join(name for name, _ in self.columns)}"


class ProjectionNode(RelationalNode):
    """The row number and the features asked for, under their names in the answer."""

    def __init__(self, view: ResolvedView, row: str, columns: tuple[tuple[str, str], ...], answers: DAGNode) -> None:
        super().__init__(f"{view.name}_features", answers)
        self.row = row
        self.columns = columns

    def lower(self, *inputs: Relation) -> Relation:
        schema = inputs[0].schema
        chosen = ((name, Column(column, schema[column])) for name, column in self.columns)
        return Project(inputs[0], ((self.row, Column(self.row, schema[self.row])), *chosen))

    def describe(self) -> str:
        return f"ProjectionNode {', '.join(name for name, _ in self.columns)}"


class _PointInTimeNode(RelationalNode):
    """What latest values and windows share: a view's events matched with the spine by key and time."""

    def __init__(
        self, view: ResolvedView, keys: dict[JoinKey, str], names: Names, *inputs: DAGNode, created: str | None,
        form: str | None,
    ) -> None:  # fmt: skip
        super().__init__(view.name, *inputs)
        self.view = view
        self.names = names
        self.created = created
        self.form = form
        self.spine_keys = tuple(keys[key] for key in view.keys)

    def keyed_events(self, events: Relation) -> tuple[Relation, tuple[tuple[str, str], ...]]:
        """The events with each key as the value that is compared, and the pairs of spine and event column."""
        added: list[tuple[str, Expr]] = []
        pairs: list[tuple[str, str]] = []
        for key, spine_column in zip(self.view.keys, self.spine_keys, strict=True):
            column = Column(key.column, events.schema[key.column])
            expr = key_expression(key, column)
            name = key.column
            if expr != column:
                name = free_name(f"key_{key.column}", events.schema.names)
                added.append((name, expr))
            pairs.append((spine_column, name))
        keyed = Project(events, (*identity_columns(events.schema), *added)) if added else events
        return keyed, tuple(pairs)

    def event_order(self, events: Relation) -> tuple[str, ...]:
        """The created time and the sequence columns, as far as the source has them."""
        created = (self.names.created,) if self.names.created in events.schema else ()
        return (*created, *self.view.source.sequence_columns)


class DedupNode(_PointInTimeNode):
    """Latest value: of the visible events of a spine row's keys, the one that is greatest in the order of ties."""

    def __init__(
        self, view: ResolvedView, columns: tuple[tuple[str, str], ...], keys: dict[JoinKey, str], names: Names,
        events: DAGNode, spine: DAGNode, *, created: str | None = None, form: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(view, keys, names, events, spine, created=created, form=form)
        self.columns = columns

    def lower(self, *inputs: Relation) -> Relation:
        events, keys = self.keyed_events(inputs[0])
        view = self.view.view
        interval = latest_interval(
            self.names.time,
            ttl=view.ttl,
            allow_exact_matches=view.allow_exact_matches,
            data_delay=self.view.source.data_delay,
        )
        ordered = (field.name for field in self.view.features if not field.type.is_nested)
        order = dict.fromkeys((*self.event_order(events), *ordered))
        pick = Pick(interval, tuple(order), self.columns, self.view.is_unique, label=self.view.name)
        spine, time, event_time = inputs[1], self.names.time, self.names.event_time
        return AsofJoin(
            spine, events, keys, time, event_time, (pick,), created=self.created, form=self.form, label=self.view.name
        )

    def describe(self) -> str:
        return f"DedupNode {self.view.name}, {self.view.view.bound}"


class AggregationNode(_PointInTimeNode):
    """Windowed aggregates over the events of a spine row's keys."""

    def __init__(
        self, view: ResolvedView, aggregate_names: tuple[str, ...], keys: dict[JoinKey, str], names: Names,
        events: DAGNode, spine: DAGNode, *, created: str | None = None, form: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(view, keys, names, events, spine, created=created, form=form)
        self.aggregate_names = aggregate_names

    def lower(self, *inputs: Relation) -> Relation:
        events, keys = self.keyed_events(inputs[0])
        order = (self.names.event_time, *self.event_order(events))
        aggregates: list[WindowMeasure] = []
        for name, item in zip(self.aggregate_names, self.view.aggregations, strict=True):
            definition = item.definition
            interval = window_interval(
                self.names.time,
                window=definition.time_window,
                offset=definition.offset,
                slide=definition.slide_interval,
                closed=definition.closed,
                data_delay=self.view.source.data_delay,
            )
            ordered = AGGREGATES[definition.function].is_ordered
            aggregates.append(
                WindowMeasure(
                    name, definition.function, item.operand, item.where, interval, order if ordered else (), item.type,
                    definition.parameter,
                )
            )  # fmt: skip
        spine, row, time = inputs[1], self.names.row, self.names.time
        windows = WindowAggregate(
            spine, events, keys, row, time, self.names.event_time, tuple(aggregates),
            created=self.created, form=self.form, label=self.view.name,
        )  # fmt: skip
        return expanded(windows)

    def describe(self) -> str:
        given = [item.definition.call for item in self.view.aggregations if item.definition.params]
        aggregates = ", ".join([f"{len(self.aggregate_names)} aggregates", *dict.fromkeys(given)])
        return f"AggregationNode {self.view.name}, {aggregates}, {self.view.view.bound}"


class JoinNode(RelationalNode):
    """Joins the views' answers to the spine by row number: one row each, so nothing is multiplied or dropped."""

    def __init__(self, columns: tuple[str, ...], row: str, spine: DAGNode, *views: DAGNode) -> None:
        super().__init__("training_set", spine, *views)
        self.columns = columns
        self.row = row

    @property
    def row_order(self) -> str:
        return self.row

    def lower(self, *inputs: Relation) -> Relation:
        joined = Join((self._rows(inputs[0]), *inputs[1:]), (self.row,))
        schema = joined.schema
        return Project(joined, tuple((name, Column(name, schema[name])) for name in (self.row, *self.columns)))

    def _rows(self, spine: Relation) -> Relation:
        kept = [field for field in spine.schema if field.name == self.row or field.name in self.columns]
        return Project(spine, tuple((field.name, Column(field.name, field.type)) for field in kept))

    def describe(self) -> str:
        return f"JoinNode by {self.row}, {len(self.inputs) - 1} views"


class AnswersNode(RelationalNode):
    """One view's keys and features, of rows that the answers of several views were joined to."""

    def __init__(self, view: ResolvedView, row: str, columns: tuple[tuple[str, str], ...], joined: DAGNode) -> None:
        super().__init__(f"{view.name}_answers", joined)
        self.row = row
        self.columns = columns

    @property
    def row_order(self) -> str:
        return self.row

    def lower(self, *inputs: Relation) -> Relation:
        schema = inputs[0].schema
        columns = ((self.row, self.row), *self.columns)
        return Project(inputs[0], tuple((name, Column(column, schema[column])) for name, column in columns))

    def describe(self) -> str:
        return f"AnswersNode {', '.join(name for name, _ in self.columns)}"


def output_columns(outputs: tuple[OutputFeature, ...], view: ResolvedView) -> tuple[tuple[str, str], ...]:
    """Pairs of output name and feature of one view, in the order asked."""
    return tuple((output.name, output.feature) for output in outputs if output.view == view.name)

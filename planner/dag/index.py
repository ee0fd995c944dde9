"""The steps of an optimized plan that run over an event index, and not as SQL."""

from __future__ import annotations

from ..ir.index import ProbeLatest, ProbeWindows, Sorting
from ..physical.loading import Load, Numbers
from ..types import Schema
from .node import DAGNode, DAGValue, ExecutionContext, SpecifiedNode


class SortNode(SpecifiedNode):
    """Reads rows, and keeps them in memory by key and time; those of a part when it is probed, and no longer.

    With a reach there is no need of rows that are not within it of a time of their key in ``near``.
    """

    def __init__(self, name: str, sorting: Sorting, rows: DAGNode, *near: SortNode) -> None:
        super().__init__(name, rows, *near)
        self.sorting = sorting

    @property
    def is_read_later(self) -> bool:
        return self.sorting.is_part

    def execute(self, context: ExecutionContext) -> DAGValue:
        rows, *near = (context.outputs[node.fingerprint] for node in self.inputs)
        return context.session.sort(rows, self.sorting, *near)

    def describe(self) -> str:
        near = "" if self.sorting.reach is None else ", without what no row reaches"
        return f"SortNode {self.name} by {self.sorting.key}, {self.sorting.time}{near}"


class HoldNode(SpecifiedNode):
    """Keeps the rows of a value in memory, for several readers."""

    def execute(self, context: ExecutionContext) -> DAGValue:
        (rows,) = self.inputs
        return context.session.hold(context.outputs[rows.fingerprint])


class NumberNode(SpecifiedNode):
    """Gives a number to each combination of keys of data in memory, without a statement."""

    def __init__(self, name: str, numbers: Numbers, schema: Schema) -> None:
        super().__init__(name)
        self.numbers = numbers
        self.schema = schema

    @property
    def output_schema(self) -> Schema:
        return self.schema

    def execute(self, context: ExecutionContext) -> DAGValue:
        return context.session.number(self.numbers, self.schema)

    def describe(self) -> str:
        return f"NumberNode {self.name}, {len(self.numbers.columns)} columns of {self.numbers.table.name}"


class LoadNode(SpecifiedNode):
    """Reads columns of files or of data in memory without a statement, for the rows whose keys have a number."""

    def __init__(self, name: str, load: Load, schema: Schema, views: str, *numbers: DAGNode) -> None:
        super().__init__(name, *numbers)
        self.load = load
        self.schema = schema
        self.views = views

    @property
    def is_read_later(self) -> bool:
        return True

    def execute(self, context: ExecutionContext) -> DAGValue:
        numbers = next((context.outputs[node.fingerprint] for node in self.inputs), None)
        return context.session.load(self.load, self.schema, self.views, numbers)

    def describe(self) -> str:
        return f"LoadNode {self.load.table.name}, {len(self.load.columns) + 1} columns"


class ProbeNode(SpecifiedNode):
    """Answers every spine row by searching among sorted events; the answers are in the order of the spine."""

    def __init__(self, name: str, probe: ProbeLatest | ProbeWindows, spine: DAGNode, *events: DAGNode) -> None:
        super().__init__(name, spine, *events)
        self.probe = probe

    @property
    def output_schema(self) -> Schema:
        return self.probe.schema

    @property
    def is_read_later(self) -> bool:
        return len(self.inputs) > 2

    def execute(self, context: ExecutionContext) -> DAGValue:
        spine, *events = (context.outputs[node.fingerprint] for node in self.inputs)
        return context.session.probe(self.probe, self.name, self.comment, spine, events)

    @property
    def comment(self) -> str:
        """The step in a script of statements."""
        spine, events, *more = self.inputs
        parts = f", in {len(more) + 1} parts" if more else ""
        read, *_ = events.inputs
        source = f", which Arrow reads from {read.load.table.name}" if isinstance(read, LoadNode) else ""
        return f"-- searched in memory: {events.name}{source}, for each of {spine.name}{parts}"

    def describe(self) -> str:
        return f"ProbeNode {self.name}, {len(self.probe.schema) - 1} columns"

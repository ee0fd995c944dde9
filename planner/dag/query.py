"""Nodes that are SQL: the operations of a view, which lower themselves, and the queries that they become."""

from __future__ import annotations

from abc import abstractmethod

from ..ir.data import EngineTable
from ..ir.logical import Relation, Scan, Table
from ..node import digest
from .node import DAGNode, DAGValue, EngineValue, ExecutionContext, SpecifiedNode


class RelationalNode(DAGNode):
    """A node that is SQL. It lowers to a relation over its inputs', and that relation is its identity."""

    _relation: Relation | None = None

    @property
    def relation(self) -> Relation:
        """The node and all that is below it as one relation; a node that is not SQL is a scan of its value."""
        if self._relation is None:
            self._relation = self.lower(*(_relation_below(node) for node in self.inputs))
        return self._relation

    @property
    def is_sql(self) -> bool:
        """Whether the node can be lowered: what is below it is SQL too, or says what it returns."""
        return all(
            node.is_sql if isinstance(node, RelationalNode) else node.output_schema is not None for node in self.inputs
        )

    def _compute_fingerprint(self) -> str:
        return digest("relation", self.relation)

    def with_inputs(self, *inputs: DAGNode) -> DAGNode:
        copy = super().with_inputs(*inputs)
        vars(copy)["_relation"] = None
        return copy

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that the node itself reads."""
        return ()

    @property
    def row_order(self) -> str | None:
        """The column whose order the rows are wanted in, where there is one."""
        return None

    @abstractmethod
    def lower(self, *inputs: Relation) -> Relation:
        """The node as a relation over its inputs'."""

    def execute(self, context: ExecutionContext) -> DAGValue:
        """Run this node alone: for debugging, and as a test of the optimizer that costs nothing."""
        relation = self.lower(*(relation_of(node, context) for node in self.inputs))
        return context.session.run_alone(relation, self.name)


class QueryNode(SpecifiedNode):
    """One piece of an optimized plan: one statement, into a temporary table or, for the last piece, when it is read.

    ``views`` are those whose events it reads, joined by '+', where no form in it says so.
    """

    def __init__(
        self,
        name: str,
        relation: Relation,
        *inputs: DAGNode,
        is_result: bool,
        order_by: str | None = None,
        views: str = "",
    ) -> None:
        super().__init__(name, *inputs)
        self.relation = relation
        self.views = views
        self.is_result = is_result
        self.order_by = order_by

    @property
    def is_read_later(self) -> bool:
        return self.is_result

    def execute(self, context: ExecutionContext) -> DAGValue:
        for node in self.inputs:
            relation_of(node, context)
        if self.is_result:
            return context.session.view(self.relation, self.name, self.views)
        return context.session.create_table(self.relation, self.name)

    def describe(self) -> str:
        return f"QueryNode -> {'result' if self.is_result else self.name}"


def relation_of(node: DAGNode, context: ExecutionContext) -> Relation:
    """The relation that an executed node can be read as; a value outside the engine is brought in once."""
    value = context.outputs[node.fingerprint]
    if not isinstance(value, EngineValue):
        ingested_value = context.session.ingest(value, context.names[node.fingerprint])
        context.outputs[node.fingerprint] = ingested_value
        value.close()
        return ingested_value.relation
    return value.relation


def ingested(node: DAGNode, name: str) -> Scan:
    """A scan of the value of a node that is not SQL, before it is run. It has to say what it returns."""
    schema = node.output_schema
    if schema is None:
        raise TypeError(f"{node!r} is read by SQL, so it has to say its output_schema")
    return Scan(Table(node.fingerprint, schema, EngineTable(name), name=name), schema.names)


def _relation_below(node: DAGNode) -> Relation:
    return node.relation if isinstance(node, RelationalNode) else ingested(node, node.name)

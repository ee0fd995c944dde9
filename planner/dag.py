"""The DAG of operations that answers a task: nodes, their values, and the plan that runs them.

Nodes never touch data themselves: they act through the ``ExecutionContext``, whose session does the work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .errors import HithertoError, UnsupportedError
from .ir.data import EngineTable
from .ir.logical import Relation, Scan, Table
from .node import digest
from .room import with_room
from .types import Schema

if TYPE_CHECKING:
    import pyarrow as pa


class DAGValue(ABC):
    """What a node gave: rows, in Arrow or in a table of the engine's own. ``close`` drops what is temporary."""

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """Names and types of the columns."""

    @abstractmethod
    def to_reader(self, order_by: str | None = None) -> pa.RecordBatchReader:
        """The rows as Arrow batches; with ``order_by``, in that column's order and without the column."""

    def close(self) -> None:
        """Release what the value holds. Called once, after the last consumer."""
        return


class EngineValue(DAGValue):
    """A value that lives in the engine: a relation that further SQL can read."""

    relation: Relation


class Session(Protocol):
    """What relational nodes act through: an engine that runs relations, for the time of one execution."""

    def begin(self, plan: ExecutionPlan) -> None:
        """A plan is about to be run."""
        ...

    def create_table(self, relation: Relation, name: str) -> EngineValue:
        """Run a physical relation into a temporary table of that name."""
        ...

    def run_alone(self, relation: Relation, name: str) -> EngineValue:
        """Run a logical relation, without optimizing it, into a temporary table named like it."""
        ...

    def view(self, relation: Relation, name: str) -> EngineValue:
        """A relation as a value, run when it is read."""
        ...

    def ingest(self, value: DAGValue, name: str) -> EngineValue:
        """Make a value readable by SQL under that name."""
        ...


class NoSession:
    """Of an engine that runs no relations, where every node executes itself."""

    def begin(self, plan: ExecutionPlan) -> None:
        """Nothing has to be known beforehand."""

    def create_table(self, relation: Relation, name: str) -> EngineValue:
        raise _no_session(name)

    def run_alone(self, relation: Relation, name: str) -> EngineValue:
        raise _no_session(name)

    def view(self, relation: Relation, name: str) -> EngineValue:
        raise _no_session(name)

    def ingest(self, value: DAGValue, name: str) -> EngineValue:
        raise _no_session(name)


def _no_session(name: str) -> UnsupportedError:
    return UnsupportedError(f"the engine runs no relations, and {name!r} is one; give its builder nodes of your own")


class OnlineWriter(Protocol):
    """What a WriteNode needs of an online store."""

    def write(
        self,
        view: str,
        key_families: Mapping[str, str],
        batches: pa.RecordBatchReader,
        as_of: int,
        *,
        definition: Mapping[str, str],
        allow_rollback: bool,
    ) -> int:
        """Replace a view's rows in one transaction; returns how many keys were written.

        ``key_families`` are the key columns, and what each compares as: "integer", "instant", "string", …;
        ``definition`` is what the rows are the answers of.
        """
        ...


@dataclass
class ExecutionContext:
    """Everything one execution acts on; lives for that execution alone."""

    session: Session = field(default_factory=NoSession)
    online_store: OnlineWriter | None = None
    outputs: dict[str, DAGValue] = field(default_factory=dict[str, DAGValue])

    def close(self) -> None:
        """Release every value that is still held; each is tried, and the first error is raised."""
        held = list(self.outputs.values())
        self.outputs.clear()
        with ExitStack() as stack:
            for value in held:
                stack.callback(value.close)


class DAGNode(ABC):
    """One operation. Immutable: equality, sharing and caching go by ``fingerprint``, never by name."""

    def __init__(self, name: str, *inputs: DAGNode) -> None:
        self.name = name
        self.inputs = inputs
        self._fingerprint: str | None = None

    def parameters(self) -> Hashable | None:
        """What the node's result depends on besides its inputs; nodes that agree on it run once. None: this object."""
        return None

    @property
    def fingerprint(self) -> str:
        """Hash of the type, the parameters and the inputs' fingerprints."""
        if self._fingerprint is None:
            own = self.parameters()
            identity = ("object", id(self)) if own is None else ("parameters", own)
            below = tuple(node.fingerprint for node in self.inputs)
            kind = f"{type(self).__module__}.{type(self).__qualname__}"
            self._fingerprint = digest(kind, identity, below)
        return self._fingerprint

    def with_inputs(self, *inputs: DAGNode) -> DAGNode:
        """A copy over other inputs; the node itself is never changed."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self) | {"inputs": inputs, "_fingerprint": None})
        return copy

    @property
    def output_schema(self) -> Schema | None:
        """The schema of the result, where it is known beforehand; needed of a node that SQL reads from."""
        return None

    @property
    def is_read_later(self) -> bool:
        """Whether the value reads the inputs' values when it is read itself, so that they have to be kept for it."""
        return False

    @abstractmethod
    def execute(self, context: ExecutionContext) -> DAGValue:
        """Compute the value; the inputs' values are in ``context.outputs`` by fingerprint."""

    def describe(self) -> str:
        """One line for explain: what the node does, without its inputs."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class RelationalNode(DAGNode):
    """A node that is SQL: it lowers itself onto its inputs' relations."""

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


class QueryNode(DAGNode):
    """One piece of an optimized plan: one statement, into a temporary table or, for the last piece, when it is read."""

    def __init__(
        self, name: str, relation: Relation, *inputs: DAGNode, is_result: bool, order_by: str | None = None
    ) -> None:
        super().__init__(name, *inputs)
        self.relation = relation
        self.is_result = is_result
        self.order_by = order_by

    def parameters(self) -> Hashable:
        return (self.name, self.relation, self.is_result, self.order_by)

    @property
    def is_read_later(self) -> bool:
        return self.is_result

    def execute(self, context: ExecutionContext) -> DAGValue:
        for node in self.inputs:
            relation_of(node, context)
        run = context.session.view if self.is_result else context.session.create_table
        return run(self.relation, self.name)

    def describe(self) -> str:
        return f"QueryNode -> {'result' if self.is_result else self.name}"


def relation_of(node: DAGNode, context: ExecutionContext) -> Relation:
    """The relation that an executed node can be read as; a value outside the engine is brought in once."""
    value = context.outputs[node.fingerprint]
    if not isinstance(value, EngineValue):
        ingested_value = context.session.ingest(value, ingested_name(node))
        context.outputs[node.fingerprint] = ingested_value
        value.close()
        return ingested_value.relation
    return value.relation


def ingested_name(node: DAGNode) -> str:
    """The table name under which SQL reads the value of a node that is not SQL; unique in a plan."""
    return f"{node.name}_{node.fingerprint[:8]}"


def ingested(node: DAGNode) -> Relation:
    """A scan of the value of a node that is not SQL, before it is run. It has to say what it returns."""
    schema = node.output_schema
    if schema is None:
        raise TypeError(f"{node!r} is read by SQL, so it has to say its output_schema")
    table = Table(node.fingerprint, schema, EngineTable(ingested_name(node)), name=ingested_name(node))
    return Scan(table, schema.names)


class ExecutionPlan:
    """Nodes in topological order, each fingerprint once. ``outputs`` are the nodes whose values are wanted."""

    @with_room
    def __init__(self, *outputs: DAGNode) -> None:
        self.nodes = _topological(outputs)
        by_fingerprint = {node.fingerprint: node for node in self.nodes}
        self.outputs = tuple(by_fingerprint[node.fingerprint] for node in outputs)

    def validate(self) -> None:
        """Raise ValueError where an input of a node is not in the plan before it."""
        seen: set[str] = set()
        for node in self.nodes:
            for child in node.inputs:
                if child.fingerprint not in seen:
                    raise ValueError(f"{node!r} comes before its input {child!r}")
            seen.add(node.fingerprint)

    def execute(self, context: ExecutionContext) -> tuple[DAGValue, ...]:
        """The outputs' values. Every other value is closed after its last consumer, and all of them on an error."""
        run = _Execution(self, context)
        with _closed_on_error(context):
            for node in self.nodes:
                run.execute(node)
        return tuple(context.outputs[node.fingerprint] for node in self.outputs)

    def outcomes(self, context: ExecutionContext) -> tuple[DAGValue | Failure, ...]:
        """Of each output its value, or what failed on the way to it; the others are computed all the same."""
        run = _Execution(self, context)
        failures: dict[str, Failure] = {}
        with _closed_on_error(context):
            for node in self.nodes:
                below = (failures.get(child.fingerprint) for child in node.inputs)
                failed = next((each for each in below if each is not None), None)
                try:
                    if failed is None:
                        run.execute(node)
                except Exception as error:  # Of whatever class: nodes and engines may come from outside.
                    failed = Failure(node, error)
                if failed is not None:
                    failures[node.fingerprint] = failed
                    run.give_up(node)
        return tuple(failures.get(node.fingerprint) or context.outputs[node.fingerprint] for node in self.outputs)


@dataclass(frozen=True)
class Failure:
    """The node that failed on the way to an output, and its error."""

    node: DAGNode
    error: Exception


class _Execution:
    """Runs the nodes of a plan one by one, and closes every value after the last node that reads it."""

    def __init__(self, plan: ExecutionPlan, context: ExecutionContext) -> None:
        plan.validate()
        context.session.begin(plan)
        self._context = context
        self._readers = Counter(child.fingerprint for node in plan.nodes for child in node.inputs)
        self._wanted = {node.fingerprint for node in plan.outputs}

    def execute(self, node: DAGNode) -> None:
        self._context.outputs[node.fingerprint] = node.execute(self._context)
        if not node.is_read_later:
            self._let_go_of(node.inputs)

    def give_up(self, node: DAGNode) -> None:
        """Nobody computes the node: what it would have read is not kept for it."""
        self._let_go_of(node.inputs)

    def _let_go_of(self, nodes: Sequence[DAGNode]) -> None:
        for node in nodes:
            self._readers[node.fingerprint] -= 1
            if self._readers[node.fingerprint] or node.fingerprint in self._wanted:
                continue
            value = self._context.outputs.pop(node.fingerprint, None)
            if value is not None:
                value.close()
                if node.is_read_later:
                    self._let_go_of(node.inputs)


@contextmanager
def _closed_on_error(context: ExecutionContext) -> Generator[None]:
    try:
        yield
    except BaseException:
        with suppress(HithertoError):
            context.close()
        raise


def _topological(outputs: Sequence[DAGNode]) -> tuple[DAGNode, ...]:
    order: dict[str, DAGNode] = {}
    open_nodes: set[int] = set()
    done: set[int] = set()

    def visit(node: DAGNode) -> None:
        if id(node) in done:
            return
        if id(node) in open_nodes:
            raise ValueError(f"the plan has a cycle through {node!r}")
        open_nodes.add(id(node))
        for child in node.inputs:
            visit(child)
        open_nodes.discard(id(node))
        done.add(id(node))
        order.setdefault(node.fingerprint, node)

    for node in outputs:
        visit(node)
    return tuple(order.values())

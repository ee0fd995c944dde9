"""The plan that runs nodes: each once, in order, and every value closed after its last reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count

from ..errors import HithertoError
from ..ir.logical import meant_names
from ..room import with_room
from ..types import folded
from .node import DAGNode, DAGValue, ExecutionContext
from .query import RelationalNode


class ExecutionPlan:
    """Nodes in topological order, each fingerprint once. ``outputs`` are the nodes whose values are wanted.

    SQL reads the value of a node that is not SQL as a table. ``names`` are the names of these tables: the node's own
    and a number, the same in every process.
    """

    @with_room
    def __init__(self, *outputs: DAGNode, names: Mapping[str, str] | None = None) -> None:
        self.nodes = _topological(outputs)
        by_fingerprint = {node.fingerprint: node for node in self.nodes}
        self.outputs = tuple(by_fingerprint[node.fingerprint] for node in outputs)
        self.names = _table_names(self.nodes) if names is None else names

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
        """For each output its value, or the Failure that prevented it. A failure does not stop the other outputs."""
        run = _Execution(self, context)
        failures: dict[str, Failure] = {}
        with _closed_on_error(context):
            for node in self.nodes:
                below = (failures.get(child.fingerprint) for child in node.inputs)
                failed = next((each for each in below if each is not None), None)
                try:
                    if failed is None:
                        run.execute(node)
                except Exception as error:  # Of any class: nodes and engines may come from outside.
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
        context.names = plan.names
        context.session.begin(plan.nodes, plan.names.values())
        self._context = context
        self._readers = Counter(child.fingerprint for node in plan.nodes for child in node.inputs)
        self._wanted = {node.fingerprint for node in plan.outputs}

    def execute(self, node: DAGNode) -> None:
        self._context.outputs[node.fingerprint] = node.execute(self._context)
        if not node.is_read_later:
            self._let_go_of(node.inputs)

    def give_up(self, node: DAGNode) -> None:
        """The node will not be computed, so its inputs are not kept for it."""
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


def _table_names(nodes: Iterable[DAGNode]) -> dict[str, str]:
    tables = [table for node in nodes if isinstance(node, RelationalNode) for table in node.tables]
    taken = {folded(table.name) for table in tables} | meant_names(tables)
    names: dict[str, str] = {}
    for node in nodes:
        if not isinstance(node, RelationalNode) and node.output_schema is not None:
            number = next(each for each in count(1) if folded(f"{node.name}_{each}") not in taken)
            names[node.fingerprint] = f"{node.name}_{number}"
            taken.add(folded(names[node.fingerprint]))
    return names


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

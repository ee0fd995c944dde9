"""Nodes of the DAG that answers a task, their values, and what they act through.

Nodes never touch data themselves: they act through the ``ExecutionContext``, whose session does the work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Protocol, cast
from weakref import WeakKeyDictionary

from ..errors import UnsupportedError
from ..ir.index import ProbeLatest, ProbeWindows, Sorting
from ..ir.logical import Relation
from ..node import Node, digest
from ..physical.loading import Load, Numbers
from ..types import DataType, Schema

if TYPE_CHECKING:
    import pyarrow as pa


_TOKENS = count()
_PLAIN = (type(None), bool, int, float, str, bytes, Decimal, date, timedelta)
_OBJECTS: WeakKeyDictionary[object, int] = WeakKeyDictionary()


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
    """Runs the relations of nodes on an engine, for the time of one execution."""

    def begin(self, nodes: Sequence[DAGNode], names: Collection[str]) -> None:
        """A plan is about to be run; ``names`` are those by which SQL reads the values of nodes that are not SQL."""
        ...

    def create_table(self, relation: Relation, name: str) -> EngineValue:
        """Run a physical relation into a temporary table of that name."""
        ...

    def run_alone(self, relation: Relation, name: str) -> EngineValue:
        """Run a logical relation, without optimizing it, into a temporary table named like it."""
        ...

    def view(self, relation: Relation, name: str, views: str = "") -> EngineValue:
        """A relation as a value, run when it is read; ``views`` are those that it is for, where no form says so."""
        ...

    def append(
        self, values: Sequence[DAGValue], row: str, schema: Schema, sources: Sequence[tuple[int, str]]
    ) -> DAGValue:
        """Columns of several values side by side, in the order of ``row``, read when the result is read.

        ``sources`` has the number of the value and the name in it, for each column of the schema but ``row``.
        """
        ...

    def ingest(self, value: DAGValue, name: str) -> EngineValue:
        """Make a value readable by SQL under that name."""
        ...

    def hold(self, value: DAGValue) -> DAGValue:
        """The rows of a value in memory, read now."""
        ...

    def number(self, numbers: Numbers, schema: Schema) -> DAGValue:
        """A number for each combination of keys of data in memory, found now."""
        ...

    def load(self, load: Load, schema: Schema, views: str, numbers: DAGValue | None) -> DAGValue:
        """Rows that are read without a statement when they are sorted; ``views`` are those that they are for."""
        ...

    def sort(self, value: DAGValue, sorting: Sorting, *near: DAGValue) -> DAGValue:
        """The rows of a value in memory, to be probed, perhaps without those that nothing in ``near`` reaches."""
        ...

    def probe(
        self, probe: ProbeLatest | ProbeWindows, name: str, comment: str, spine: DAGValue, events: Sequence[DAGValue]
    ) -> DAGValue:
        """What a probe gives for every row of a sorted spine over sorted events, in the order of the rows' numbers.

        ``comment`` is how a script of the statements says it.
        """
        ...


class NoSession:
    """The session of an engine that runs no relations: every node executes itself."""

    def begin(self, nodes: Sequence[DAGNode], names: Collection[str]) -> None:
        """Does nothing: no name has to be reserved."""

    def create_table(self, relation: Relation, name: str) -> EngineValue:
        raise _no_session(name)

    def run_alone(self, relation: Relation, name: str) -> EngineValue:
        raise _no_session(name)

    def view(self, relation: Relation, name: str, views: str = "") -> EngineValue:
        raise _no_session(name)

    def append(
        self, values: Sequence[DAGValue], row: str, schema: Schema, sources: Sequence[tuple[int, str]]
    ) -> DAGValue:
        raise _no_session(row)

    def ingest(self, value: DAGValue, name: str) -> EngineValue:
        raise _no_session(name)

    def hold(self, value: DAGValue) -> DAGValue:
        raise _no_session("rows")

    def number(self, numbers: Numbers, schema: Schema) -> DAGValue:
        raise _no_session("keys")

    def load(self, load: Load, schema: Schema, views: str, numbers: DAGValue | None) -> DAGValue:
        raise _no_session(views)

    def sort(self, value: DAGValue, sorting: Sorting, *near: DAGValue) -> DAGValue:
        raise _no_session(sorting.key)

    def probe(
        self, probe: ProbeLatest | ProbeWindows, name: str, comment: str, spine: DAGValue, events: Sequence[DAGValue]
    ) -> DAGValue:
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
        ``definition`` is that of the view, whose answers the rows are.
        """
        ...


@dataclass
class ExecutionContext:
    """Everything one execution acts on; lives for that execution alone."""

    session: Session = field(default_factory=NoSession)
    online_store: OnlineWriter | None = None
    outputs: dict[str, DAGValue] = field(default_factory=dict[str, DAGValue])
    names: Mapping[str, str] = field(default_factory=dict[str, str])

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
        self._token = next(_TOKENS)

    def parameters(self) -> Hashable | None:
        """What the node's result depends on besides its inputs; nodes that agree on it run once.

        None means that the node equals no other one, except copies of itself over other inputs.
        """
        return None

    @property
    def fingerprint(self) -> str:
        """Hash of what the node computes; it is computed once."""
        if self._fingerprint is None:
            self._fingerprint = self._compute_fingerprint()
        return self._fingerprint

    def _compute_fingerprint(self) -> str:
        own = self.parameters()
        identity = ("object", self._token) if own is None else ("parameters", _compared(own))
        below = tuple(node.fingerprint for node in self.inputs)
        return digest(f"{type(self).__module__}.{type(self).__qualname__}", identity, below)

    def with_inputs(self, *inputs: DAGNode) -> DAGNode:
        """A copy over other inputs; the node itself is never changed."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self) | {"inputs": inputs, "_fingerprint": None})
        return copy

    @property
    def output_schema(self) -> Schema | None:
        """The schema of the result, if it is known beforehand. SQL can read only from a node that knows it."""
        return None

    @property
    def is_read_later(self) -> bool:
        """Whether the value is lazy: it reads its inputs' values when it is read, so they are kept until then."""
        return False

    @abstractmethod
    def execute(self, context: ExecutionContext) -> DAGValue:
        """Compute the value; the inputs' values are in ``context.outputs`` by fingerprint."""

    def describe(self) -> str:
        """One line for explain: what the node does, without its inputs."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _compared(value: object) -> object:
    """A parameter as a fingerprint has it, which is by its text: that of an object may leave out what differs.

    So an object that can be compared is a number, which equal ones share.
    """
    if isinstance(value, tuple):
        return tuple(map(_compared, cast("tuple[object, ...]", value)))
    if isinstance(value, (Node, DataType, *_PLAIN)):
        return value
    try:
        return "object", _OBJECTS.setdefault(value, next(_TOKENS))
    except TypeError:  # It has no hash, or can't be referred to weakly.
        return value


class SpecifiedNode(DAGNode):
    """A node that is identified by its public attributes, its name included, and its inputs."""

    def parameters(self) -> Hashable:
        return tuple((key, value) for key, value in sorted(vars(self).items()) if key[0] != "_" and key != "inputs")

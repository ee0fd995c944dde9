"""The answers of view groups side by side, in the order of the rows: cheaper than a last join of very many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..expr.nodes import Column, Expr
from ..ir.logical import Join, Project, Relation, nearest_label
from ..ir.operators import Materialize
from ..rules.temporary_results import is_light
from ..types import Schema
from .node import DAGNode, DAGValue, ExecutionContext, SpecifiedNode


def row_answers(root: Relation, row: str) -> tuple[Relation, ...] | None:
    """Join(a, b) by row -> a, b: what each input gives to the result, with the row number first; None elsewhere.

    An input that gives nothing but the row number is left out, since every input has every row.
    """
    outputs = root.columns if isinstance(root, Project) else None
    join = root.input if isinstance(root, Project) else root
    if not isinstance(join, Join) or join.on != (row,):
        return None
    if outputs is None:
        outputs = tuple((field.name, Column(field.name, field.type)) for field in join.schema)
    answers: list[Relation] = []
    for relation in map(_unkept, _flat(join)):
        wanted = [
            (name, expr)
            for name, expr in outputs
            if isinstance(expr, Column) and expr.name in relation.schema and expr.name != row
        ]
        if wanted:
            answers.append(Project(relation, ((row, Column(row, relation.schema[row])), *wanted)))
    given = sum(len(answer.schema) - 1 for answer in answers)
    return tuple(answers) if given == len(outputs) - 1 else None


def part_of(root: Relation, row: str, columns: tuple[tuple[str, str], ...], shared: frozenset[str]) -> Relation:
    """Some columns of a join by row, each under a name of its own, without the inputs that none of them is from.

    Every input has every row, so leaving one out keeps all rows. Inputs whose fingerprints are ``shared`` are run once,
    for all parts that read them.
    """
    inputs = answers_of(root, row)
    if inputs is None:
        return Project(root, _chosen(root, row, columns))
    outputs = dict(root.columns) if isinstance(root, Project) else {}
    renamed = tuple((name, _source(outputs, column)) for name, column in columns)
    wanted = {column for _, column in renamed}
    needed = [each for each in inputs if wanted & (set(each.schema.names) - {row})] or [inputs[0]]
    read = [_once(each) if each.fingerprint in shared else each for each in needed]
    joined = read[0] if len(read) == 1 else Join(tuple(read), (row,))
    return Project(joined, _chosen(joined, row, renamed))


def answers_of(root: Relation, row: str) -> tuple[Relation, ...] | None:
    """The inputs of a join by row, or of a projection that only picks its columns; None for any other relation."""
    join = root.input if isinstance(root, Project) else root
    is_choice = not isinstance(root, Project) or all(isinstance(expr, Column) for _, expr in root.columns)
    if not isinstance(join, Join) or join.on != (row,) or not is_choice:
        return None
    return tuple(_flat(join))


def _flat(join: Join) -> Iterator[Relation]:
    """The inputs of a join and of the joins inside it."""
    for relation in join.relations:
        below = _unkept(relation)
        if isinstance(below, Join) and below.on == join.on:
            yield from _flat(below)
        else:
            yield relation


def _unkept(relation: Relation) -> Relation:
    """What is run for a relation that is run as a query of its own, and so is no temporary result."""
    return relation.input if isinstance(relation, Materialize) else relation


def _once(relation: Relation) -> Relation:
    """The relation as a temporary result, unless it is one, or only renames columns of one."""
    is_done = isinstance(relation, Materialize) or is_light(relation)
    return relation if is_done else Materialize(relation, name=nearest_label(relation) or "")


def _source(outputs: Mapping[str, Expr], column: str) -> str:
    """What a column of the root is called in the join below it."""
    expr = outputs.get(column)
    return expr.name if isinstance(expr, Column) else column


def _chosen(relation: Relation, row: str, columns: tuple[tuple[str, str], ...]) -> tuple[tuple[str, Expr], ...]:
    pairs = ((row, row), *columns)
    return tuple((name, Column(column, relation.schema[column])) for name, column in pairs)


@dataclass(frozen=True)
class Part:
    """What a node gives to rows that are appended: columns, by their names there and in the node's own value."""

    node: DAGNode
    columns: tuple[tuple[str, str], ...]


def appended(name: str, row: str, schema: Schema, parts: Sequence[Part]) -> AppendNode:
    """The node that puts parts side by side. One that gives several parts is read once."""
    nodes = {part.node.fingerprint: part.node for part in parts}
    places = {fingerprint: number for number, fingerprint in enumerate(nodes)}
    sources = {column: (places[part.node.fingerprint], original) for part in parts for column, original in part.columns}
    found = tuple(sources[column] for column in schema.names if column != row)
    return AppendNode(name, row, schema, found, *nodes.values())


class AppendNode(SpecifiedNode):
    """Reads every input in the order of ``row`` and puts columns of them side by side, under the schema's names.

    ``sources`` has the number of the input and the name in it, for each column but ``row``.
    """

    def __init__(
        self, name: str, row: str, schema: Schema, sources: tuple[tuple[int, str], ...], *answers: DAGNode
    ) -> None:
        super().__init__(name, *answers)
        self.row = row
        self.schema = schema
        self.sources = sources

    @property
    def is_read_later(self) -> bool:
        return True

    def execute(self, context: ExecutionContext) -> DAGValue:
        values = [context.outputs[node.fingerprint] for node in self.inputs]
        return context.session.append(values, self.row, self.schema, self.sources)

    def describe(self) -> str:
        return f"AppendNode by {self.row}, {len(self.inputs)} answers"

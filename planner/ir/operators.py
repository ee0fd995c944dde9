"""The physical operators: what forms of point-in-time joins and windows are made of, each one clause or step of SQL.

``planner/physical`` expands a logical node to these, ``Project``, ``Filter``, ``Aggregate`` and ``Union``; a dialect
knows how to write them, and nothing of forms. Their columns are disjoint: a form renames what would collide.
"""

from __future__ import annotations

import dataclasses
from typing import Literal as OneOf

from ..expr.nodes import Expr
from ..node import label_field, node
from ..statistics import Choice
from ..types import Field, Schema
from .logical import Measure, Relation

Keys = tuple[tuple[str, str], ...]
"""Pairs of a left and a right column that are equal; a null equals nothing."""


@node
class Materialize(Relation):
    """A named temporary result: its input is run as a statement of its own, once, before its readers."""

    input: Relation
    name: str = label_field(default="", kw_only=True)

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class KeyedJoin(Relation):
    """Pairs of rows with equal keys for which the condition, over the output, is true.

    The output is the left columns and the right ones without the right keys. ``how="left"`` keeps every left row, with
    nulls where it has no pair.
    """

    left: Relation
    right: Relation
    keys: Keys
    condition: Expr | None = None
    how: OneOf["inner", "left"] = "inner"

    def derive_schema(self) -> Schema:
        return beside(self.left.schema, self.right.schema, self.keys)


@node
class AsofMatch(Relation):
    """Every left row once, with the right row of its keys that has the greatest ``ts <= at``, or nulls.

    ``at`` is over the left columns. Of several right rows with that ``ts`` any is taken: a form sees to it that they
    are equal in every column it reads.
    """

    left: Relation
    right: Relation
    keys: Keys
    at: Expr
    ts: str

    def derive_schema(self) -> Schema:
        return beside(self.left.schema, self.right.schema, self.keys)


@node
class Window(Relation):
    """The input's rows with measures over the rows of the same ``partition`` up to each row.

    "Up to" is in the order of each measure, null lowest; with ``frame="range"`` a row's peers in that order count, with
    "rows" only those that come before it.
    """

    input: Relation
    partition: tuple[str, ...]
    measures: tuple[Measure, ...]
    frame: OneOf["rows", "range"] = "rows"

    def derive_schema(self) -> Schema:
        return Schema([*self.input.schema, *(Field(each.name, each.type) for each in self.measures)])


@node
class Explode(Relation):
    """Every input row once for each value, with the value in a new last column."""

    input: Relation
    column: str
    values: tuple[Expr, ...]

    def derive_schema(self) -> Schema:
        return Schema([*self.input.schema, Field(self.column, self.values[0].type)])


@node
class Named(Relation):
    """A step that its reader sees by name: a CTE ``label_role``. The name is content: no other step takes it."""

    input: Relation
    label: str
    role: str

    def derive_schema(self) -> Schema:
        return self.input.schema


@node
class Carried(Relation):
    """Marks what a form made of a logical node. It has no content of its own, and no SQL.

    ``choice`` says which form that is and why, ``line`` is what is printed of the node; ``leaves`` are the fingerprints
    of the relations that the form was given, below which nothing is the form's.
    """

    input: Relation
    choice: Choice = dataclasses.field(kw_only=True, metadata={"fingerprint": False})
    line: str = label_field(default="", kw_only=True)
    leaves: tuple[str, ...] = dataclasses.field(default=(), kw_only=True, metadata={"fingerprint": False})

    @property
    def label(self) -> str:
        """The views that the form answers."""
        return self.choice.label

    def derive_schema(self) -> Schema:
        return self.input.schema


def beside(left: Schema, right: Schema, keys: Keys) -> Schema:
    """The left columns, and the right ones without the right keys."""
    dropped = {name for _, name in keys}
    return Schema([*left, *(field for field in right if field.name not in dropped)])


def node_name(relation: Relation) -> str:
    """What a relation is called where an error or a plan speaks of it: its form, where a form made it."""
    return relation.choice.form if isinstance(relation, Carried) else type(relation).__name__

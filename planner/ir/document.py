"""Plans as data for programs: JSON's types, one entry for each relation, which names its inputs by number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from ..expr.nodes import Expr
from ..node import Node
from ..types import DataType, Field, Schema
from .data import ParquetFiles
from .logical import Interval, Relation, Table, topological
from .printer import describe, format_expr, format_interval

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


_PRINTED = ("choice", "line", "leaves")
"""Fields of ``Carried`` that are left out: the text, nodes and choices of the document say the same."""


class Numbers:
    """One number for each node of a document, by fingerprint, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __getitem__(self, fingerprint: str) -> int:
        return self._known.setdefault(fingerprint, len(self._known) + 1)


def plan_document(roots: Iterable[Relation], numbers: Numbers) -> dict[str, Json]:
    """``nodes``, inputs before their readers, and the numbers of the ``outputs``."""
    outputs = list(roots)
    relations = {relation.fingerprint: relation for root in outputs for relation in topological(root)}
    nodes: list[Json] = [_relation_document(relation, numbers) for relation in relations.values()]
    return {"nodes": nodes, "outputs": [numbers[root.fingerprint] for root in outputs]}


def _relation_document(relation: Relation, numbers: Numbers) -> dict[str, Json]:
    """One relation: its kind, its inputs, its columns with their types, and the fields that decide what it does."""
    fields = {item.name: getattr(relation, item.name) for item in dataclasses.fields(relation)}  # type: ignore[arg-type]
    below = set(map(id, relation.inputs))
    own = {
        name: _plain(value)
        for name, value in fields.items()
        if name not in _PRINTED
        and id(value) not in below
        and not (isinstance(value, tuple) and value and isinstance(value[0], Relation))
    }
    return {**reference_document(relation, numbers), "columns": columns_document(relation.schema), "fields": own}


def reference_document(relation: Relation, numbers: Numbers) -> dict[str, Json]:
    """A relation in short, without columns and fields: for the steps of the optimizer."""
    return {
        "id": numbers[relation.fingerprint],
        "kind": type(relation).__name__,
        "inputs": [numbers[child.fingerprint] for child in relation.inputs],
        "text": describe(relation),
    }


def columns_document(schema: Schema) -> list[Json]:
    """Columns with the names of their types."""
    return [{"name": field.name, "type": str(field.type)} for field in schema]


def _plain(value: object) -> Json:
    """A field of a node: expressions and intervals in the notation of the text, all else by its own fields."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Expr():
            return format_expr(value)
        case Interval():
            return {"text": format_interval(value), "earliest": value.earliest, "latest": value.latest}
        case DataType():
            return str(value)
        case Field():
            return {"name": value.name, "type": str(value.type)}
        case Table():
            files = {"files": len(value.data.paths)} if isinstance(value.data, ParquetFiles) else {}
            return {"name": value.name, "data": type(value.data).__name__, **files}
        case Node():
            return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}  # type: ignore[arg-type]
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)

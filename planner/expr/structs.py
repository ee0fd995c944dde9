"""Expressions that only physical plans have: structs of columns, their fields, and buckets of time."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import BINARY, INT64, STRING, DataType, Field
from .functions import call
from .nodes import Call, Expr, Literal


def struct_of(fields: Sequence[tuple[str, Expr]]) -> Call:
    """One value of several named ones."""
    type_ = DataType("struct", fields=tuple(Field(name, expr.type) for name, expr in fields))
    return Call("struct_of", tuple(expr for _, expr in fields), type_)


def field_of(struct: Expr, name: str) -> Call:
    """A field of a struct, null where the struct is."""
    type_ = next(field.type for field in struct.type.fields if field.name == name)
    return Call("field_of", (struct, Literal(name, STRING)), type_)


def sort_key(struct: Expr) -> Call:
    """A value that orders as the struct's fields do in turn: null lowest, NaN highest, strings by bytes."""
    return Call("sort_key", (struct,), BINARY)


def bucket_of(time: Expr, width: int) -> Call:
    """Number of the bucket of that width that a time is in.

    Division truncates, which makes one bucket of the two around 1970: twice as wide, and on both sides of a join alike.
    """
    return Call("bucket_of", (time, Literal(width, INT64)), INT64)


def is_present(expr: Expr) -> Expr:
    """That a value is not null."""
    return call("not", call("is_null", expr))

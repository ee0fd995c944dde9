"""The one base of every immutable tree in the planner: equality by content, computed once.

A node is a frozen slotted dataclass. Its fingerprint is a hash of its class and its fields, where a child counts with
its own fingerprint; it is computed once and kept, since a plan is a DAG and shared children would otherwise be hashed
exponentially often. Two nodes are equal when their fingerprints are, so common subplans are found with a dictionary.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Literal, TypeVar, cast, dataclass_transform

from .types import DataType

_T = TypeVar("_T", bound=type)

_NOT_CONTENT = {"fingerprint": False}


def label_field(*, default: str, kw_only: Literal[True] = True) -> str:
    """A field that names a node for its reader and takes no part in equality."""
    value: str = dataclasses.field(default=default, kw_only=kw_only, metadata=_NOT_CONTENT)
    return value


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(dataclasses.field, label_field))
def node(cls: _T) -> _T:
    """Declare a node: a frozen slotted dataclass whose equality is its fingerprint."""
    decorate = cast("Callable[[_T], _T]", dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False))
    return decorate(cls)


class Node:
    """A value in a tree or DAG, compared by content."""

    __slots__ = ("__weakref__", "_fingerprint")
    _fingerprint: str

    @property
    def fingerprint(self) -> str:
        """Hash of the class, the fields and the children's fingerprints; 32 hexadecimal digits."""
        try:
            cached = self._fingerprint
        except AttributeError:
            cached = self._compute_fingerprint()
            object.__setattr__(self, "_fingerprint", cached)
        return cached

    def _compute_fingerprint(self) -> str:
        kind: type = type(self)
        parts = [kind.__name__.encode()]
        for name, label in _content_fields(kind):
            parts.append(label)
            _add_content(parts, getattr(self, name))
        return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


def digest(*values: object) -> str:
    """Hash of values that are nodes, plain values or tuples of them; 32 hexadecimal digits."""
    parts: list[bytes] = []
    _add_content(parts, values)
    return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()


@functools.cache
def _content_fields(kind: type) -> tuple[tuple[str, bytes], ...]:
    """The fields that take part in equality, as names and as bytes."""
    fields = dataclasses.fields(kind)
    return tuple((item.name, item.name.encode()) for item in fields if item.metadata.get("fingerprint", True))


def _add_content(parts: list[bytes], value: object) -> None:
    """Add bytes that differ whenever two field values do: every part carries its type and its length."""
    if isinstance(value, Node):
        parts.append(b"n" + value.fingerprint.encode())
    elif isinstance(value, tuple):
        parts.append(b"t%d:" % len(value))
        for item in value:
            _add_content(parts, item)
    elif isinstance(value, DataType):
        parts.append(_type_content(value))
    else:
        text = f"{type(value).__name__}={value!r}".encode()
        parts.append(b"v%d:" % len(text) + text)


@functools.lru_cache(maxsize=1024)
def _type_content(value: DataType) -> bytes:
    """The bytes of a type, of which a plan has few and its expressions have many."""
    text = f"DataType={value!r}".encode()
    return b"v%d:" % len(text) + text

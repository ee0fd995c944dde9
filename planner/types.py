"""Data types, fields and schemas of the planner: Arrow's types, without needing Arrow to plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "null", "bool",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "decimal",
    "string", "binary", "date", "timestamp", "list", "struct", "other",
]  # fmt: skip
TimeUnit = Literal["s", "ms", "us", "ns"]

_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})


@dataclass(frozen=True, slots=True)
class DataType:
    """A logical type. ``unit`` and ``zone`` belong to timestamps, ``precision`` and ``scale`` to decimals.

    >>> str(DataType("timestamp", unit="us", zone="UTC"))
    'timestamp[us, UTC]'
    """

    kind: Kind
    unit: TimeUnit | None = None
    zone: str | None = None
    precision: int = 0
    scale: int = 0
    element: DataType | None = None
    fields: tuple[Field, ...] = ()

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned, of any width."""
        return self.kind in _INTEGERS

    @property
    def is_float(self) -> bool:
        """float32 or float64."""
        return self.kind in ("float32", "float64")

    @property
    def is_numeric(self) -> bool:
        """Integer, float or decimal."""
        return self.is_integer or self.is_float or self.kind == "decimal"

    @property
    def is_instant(self) -> bool:
        """A timestamp, or a date, which is its midnight in UTC."""
        return self.kind in ("timestamp", "date")

    @property
    def is_nested(self) -> bool:
        """A list, a struct or a type that hitherto has no name for: never compared, ordered or computed with."""
        return self.kind in ("list", "struct", "other")

    @property
    def can_be_feature(self) -> bool:
        """Scalars, and lists and structs of them; nanoseconds within those have no engine-neutral form."""
        if self.kind in ("list", "struct"):
            inner = (self.element, *(field.type for field in self.fields))
            return all(
                type_.can_be_feature and (type_.kind, type_.unit) != ("timestamp", "ns") for type_ in inner if type_
            )
        return self.kind not in ("null", "other")

    def __str__(self) -> str:
        match self.kind:
            case "timestamp":
                return f"timestamp[{self.unit}, {self.zone}]" if self.zone else f"timestamp[{self.unit}]"
            case "decimal":
                return f"decimal({self.precision}, {self.scale})"
            case "list":
                return f"list<{self.element}>"
            case "struct":
                return f"struct<{', '.join(f'{field.name}: {field.type}' for field in self.fields)}>"
            case _:
                return self.kind


@dataclass(frozen=True, slots=True)
class Field:
    """A named, typed column. Every column is nullable."""

    name: str
    type: DataType


NULL = DataType("null")
BOOL = DataType("bool")
INT64 = DataType("int64")
FLOAT64 = DataType("float64")
STRING = DataType("string")
DATE = DataType("date")
TIMESTAMP = DataType("timestamp", unit="us")


BEYOND_TIME = 2**62
"""Microseconds that no calendar reaches: what an engine has for infinity is beyond them."""


class Schema:
    """An ordered list of fields with distinct names."""

    __slots__ = ("_by_name", "fields")

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields = tuple(fields)
        self._by_name = {field.name: field.type for field in self.fields}
        if len(self._by_name) != len(self.fields):
            names = [field.name for field in self.fields]
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"repeated column names: {', '.join(repeated)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(self._by_name)

    def __getitem__(self, name: str) -> DataType:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    def __repr__(self) -> str:
        return f"Schema({', '.join(f'{field.name}: {field.type}' for field in self.fields)})"


def folded(name: str) -> str:
    """What an engine compares a name as: Spark takes characters for one whose capitals or small forms are the same.

    >>> folded("Aſ") == folded("as")
    True
    """
    if name.isascii():
        return name.lower()
    capitals = (each.upper() if len(each.upper()) == 1 else each for each in name)
    return "".join(each.lower()[0] for each in capitals)


def names_that_differ_by_case(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that an engine would take for one, since it compares them ignoring case.

    >>> names_that_differ_by_case(["a", "b", "A"])
    [('a', 'A')]
    """
    seen: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for name in names:
        first = seen.setdefault(folded(name), name)
        if first != name:
            pairs.append((first, name))
    return pairs


def unusable_name(name: str) -> str:
    """Why nothing can have that name on an engine; empty where it can.

    >>> unusable_name(""), unusable_name("a b")
    ('is empty', '')
    """
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a NUL character"
    return "" if is_text(name) else "holds half of a surrogate pair"


def is_text(value: str) -> bool:
    """Whether a Python string is text that can be written down; half of a surrogate pair is not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def free_name(wish: str, taken: Iterable[str]) -> str:
    """The wished name, or with a number behind it where it is taken, ignoring case.

    >>> free_name("t", ["T", "t_2"])
    't_3'
    """
    known = {folded(name) for name in taken}
    number, free = 1, wish
    while folded(free) in known:
        number += 1
        free = f"{wish}_{number}"
    return free


def short_label(label: str) -> str:
    """The names of fused views, joined by '+', as one name: all of them, or the first and how many more.

    >>> short_label("spend+profile")
    'spend_profile'
    """
    names = label.split("+")
    return "_".join(names) if len(label) <= 40 or len(names) == 1 else f"{names[0]}_and_{len(names) - 1}_more"

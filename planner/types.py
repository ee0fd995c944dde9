"""Data types, fields and schemas of the planner: Arrow's types, without needing Arrow to plan."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

Kind = Literal[
    "null", "bool",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "decimal",
    "string", "binary", "date", "timestamp", "list", "struct", "other",
]  # fmt: skip
TimeUnit = Literal["s", "ms", "us", "ns"]

MOST_DIGITS = 38
"""The digits of the widest decimal."""

_DIGITS: Mapping[str, int] = {
    "int8": 3, "int16": 5, "int32": 10, "int64": 19, "uint8": 3, "uint16": 5, "uint32": 10, "uint64": 20,
}  # fmt: skip
_INTEGERS = frozenset(_DIGITS)


@dataclass(frozen=True, slots=True)
class DataType:
    """A logical type. ``unit`` and ``zone`` belong to timestamps, ``precision`` and ``scale`` to decimals.

    A timestamp with a precision is nanoseconds beyond 64 bits: a source has them as decimals of so many digits.
    ``label`` is what a type of kind "other" is called where it comes from.

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
    label: str = ""

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
                return self.label or self.kind


@dataclass(frozen=True, slots=True)
class Field:
    """A named, typed column. Every column is nullable."""

    name: str
    type: DataType


_NAMED = re.compile(r"(?P<name>[a-z0-9]+)\s*(?:[\[(<]\s*(?P<inside>.*?)\s*[\])>])?")
_PLAIN_NAMES = frozenset(get_args(Kind)) - {"null", "decimal", "timestamp", "list", "struct", "other"}


def parse_type(text: str) -> DataType:
    """The type of a name: the text of a ``DataType``. Raises ValueError for any other text.

    >>> parse_type("timestamp[ms, UTC]").zone, parse_type("decimal(10, 2)").scale, parse_type("int64").kind
    ('UTC', 2, 'int64')
    """
    found = _NAMED.fullmatch(text.strip())
    name, inside = (found["name"], found["inside"]) if found else ("", None)
    parts = [part.strip() for part in (inside or "").split(",")]
    if name in _PLAIN_NAMES and inside is None:
        return DataType(cast("Kind", name))
    if name == "timestamp" and (inside is None or parts[0] in get_args(TimeUnit)) and len(parts) <= 2:
        return DataType("timestamp", unit=cast("TimeUnit", parts[0] or "us"), zone=parts[1] if parts[1:] else None)
    if name == "decimal" and len(parts) == 2 and all(part.isdecimal() for part in parts):
        precision, scale = map(int, parts)
        if 1 <= precision <= 38 and scale <= precision:
            return DataType("decimal", precision=precision, scale=scale)
    raise ValueError(f"{text!r} is no type; give one such as int64, float64, string, bool, date, timestamp[us, UTC]")


def common_type(one: DataType, other: DataType) -> DataType | None:
    """The type that holds every value of both exactly; None where there is none.

    Of an integer and a float it is float64, although that is exact only for integers up to 2**53.

    >>> str(common_type(DataType("int32"), INT64)), str(common_type(INT64, FLOAT64)), common_type(INT64, STRING)
    ('int64', 'float64', None)
    """
    if one == other or other.kind == "null":
        return one
    if one.kind == "null":
        return other
    if one.is_integer and other.is_integer:
        return _common_integer(one, other)
    if (one.is_float or other.is_float) and all(type_.is_float or type_.is_integer for type_ in (one, other)):
        return FLOAT64
    if one.is_numeric and other.is_numeric and not (one.is_float or other.is_float):
        return _common_decimal(_as_decimal(one), _as_decimal(other))
    if one.kind == other.kind == "timestamp" and (one.zone is None) == (other.zone is None):
        zone = one.zone if one.zone == other.zone else "UTC"
        if one.unit == other.unit and one.precision == other.precision:
            return DataType("timestamp", unit=one.unit, zone=zone, precision=one.precision)
        is_fine = "ns" in (one.unit, other.unit)
        # Nanoseconds in 64 bits end in 2262, and other units do not.
        return DataType("timestamp", unit="ns", zone=zone, precision=MOST_DIGITS) if is_fine else _in_micros(zone)
    return None


def _in_micros(zone: str | None) -> DataType:
    return DataType("timestamp", unit="us", zone=zone)


def _as_decimal(type_: DataType) -> DataType:
    return type_ if type_.kind == "decimal" else DataType("decimal", precision=_DIGITS[type_.kind])


def _common_decimal(one: DataType, other: DataType) -> DataType | None:
    scale = max(one.scale, other.scale)
    precision = max(one.precision - one.scale, other.precision - other.scale) + scale
    return DataType("decimal", precision=precision, scale=scale) if precision <= MOST_DIGITS else None


def _common_integer(one: DataType, other: DataType) -> DataType | None:
    """The wider; of a signed and an unsigned one the signed integer that holds both."""
    ones, others = one.kind.removeprefix("u"), other.kind.removeprefix("u")
    width = max(int(ones[3:]), int(others[3:]))
    if one.kind.startswith("u") == other.kind.startswith("u"):
        return DataType(cast("Kind", f"{'u' if one.kind.startswith('u') else ''}int{width}"))
    unsigned = int((ones if one.kind.startswith("u") else others)[3:])
    needed = max(width, 2 * unsigned)
    return DataType(cast("Kind", f"int{needed}")) if needed <= 64 else None


NULL = DataType("null")
BOOL = DataType("bool")
INT64 = DataType("int64")
FLOAT64 = DataType("float64")
STRING = DataType("string")
BINARY = DataType("binary")
DATE = DataType("date")
TIMESTAMP = DataType("timestamp", unit="us")


BEYOND_TIME = 2**62
"""A time in microseconds that is later than every date of a calendar. An engine's infinity is later still."""


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
    """A name in the form in which engines compare it: Spark ignores case by capitals and by small letters.

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
    """Whether a Python string can be encoded as text; one with half a surrogate pair can't."""
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
    return unused_name(wish, {folded(name) for name in taken})


def unused_name(wish: str, folded_names: Container[str]) -> str:
    """``free_name`` where the taken names are ``folded`` already, so that they are not folded again.

    >>> unused_name("T", {"t"})
    'T_2'
    """
    number, free = 1, wish
    while folded(free) in folded_names:
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

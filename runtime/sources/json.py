"""Json: one object a line (ndjson), or one array of objects; parsed by Python, so that no number is changed on the way.

Integers are int64, numbers of which one has a fraction or an exponent float64, texts that are all ISO dates or
timestamps become such, other texts stay as they are ("007" is a text). Lists and objects become lists and structs. A
key that is missing is null. A column of values of several of these kinds is an error, unless ``schema=`` says what it
is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from ...planner.errors import SourceError
from ...planner.types import DataType
from ..arrow import arrow_type, data_type
from .text import TextType, read_texts

_ROWS = 50_000
_BEYOND = "integer beyond 64 bits"
_Row = dict[str, Any]


class JsonType:
    """The type of one column of json values, as far as it was seen."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kind = ""
        self._texts = TextType(("date", "timestamp"))
        self._nested: pa.DataType | None = None

    def see(self, values: list[Any], path: str) -> None:
        """Take more of the column's values into account. Raises a SourceError where kinds are mixed."""
        told = [value for value in values if value is not None]
        kinds = ({_kind(value) for value in told} | {self._kind}) - {""}
        if kinds == {"integer", "number"}:
            kinds = {"number"}
        if len(kinds) > 1 or _BEYOND in kinds:
            what = f"values of several kinds, {', '.join(sorted(kinds))}" if len(kinds) > 1 else "an " + _BEYOND
            raise SourceError(f"source: {path}: column {self._name!r} holds {what}; give its type with schema=")
        self._kind = next(iter(kinds), "")
        if self._kind == "text" and told:
            self._texts.see(pa.array(told, pa.string()))
        if self._kind in ("list", "object") and told:
            self._nested = self._nested_type(told, path)

    def _nested_type(self, told: list[Any], path: str) -> pa.DataType:
        try:
            found: pa.DataType = pa.array(told).type
            if self._nested is None:
                return found
            fields = [pa.schema([pa.field("x", type_)]) for type_ in (self._nested, found)]
            both: pa.DataType = pa.unify_schemas(fields, promote_options="permissive").field("x").type
            return both
        except (pa.ArrowException, OverflowError) as error:
            raise SourceError(f"source: {path}: column {self._name!r} has no one type: {error}") from None

    @property
    def type(self) -> pa.DataType:
        """The type that every value seen has."""
        if self._nested is not None:
            return self._nested
        plain: dict[str, pa.DataType] = {"integer": pa.int64(), "number": pa.float64(), "condition": pa.bool_()}
        return plain.get(self._kind) or arrow_type(self._texts.type)


def json_rows(file: IO[bytes], path: str) -> Iterator[list[_Row]]:
    """The objects of a file, many at a time."""
    rows = _objects(file, path)
    while some := list(islice(rows, _ROWS)):
        yield some


def read_json(file: IO[bytes], path: str, columns: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """The values of some columns. Raises a SourceError that names file, column and value where one does not fit."""
    schema = pa.schema(list(columns.items()))
    for rows in json_rows(file, path):
        values = [_read([row.get(name) for row in rows], type_, name, path) for name, type_ in columns.items()]
        yield pa.RecordBatch.from_arrays(values, schema=schema)


def _objects(file: IO[bytes], path: str) -> Iterator[_Row]:
    first = file.read(4096)
    rest = first.removeprefix(b"\xef\xbb\xbf")
    if rest.lstrip()[:1] == b"[":
        whole = _parsed(rest + file.read(), path, "")
        if not isinstance(whole, list):
            raise SourceError(f"source: {path} is not an array of objects")
        yield from (_checked(item, path, f"item {number}") for number, item in enumerate(whole))
        return
    number, more = 0, first
    while more:
        more = file.read(2**20)
        *lines, rest = (rest + more).split(b"\n")
        for line in lines if more else [*lines, rest]:
            number += 1
            if line.strip():
                yield _checked(_parsed(line, path, f"line {number}"), path, f"line {number}")


def _parsed(text: bytes, path: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        place = f", {where}," if where else ""
        raise SourceError(f"source: {path}{place} cannot be read as json: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> _Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is repeated")
    return row


def _checked(item: Any, path: str, where: str) -> _Row:
    if not isinstance(item, dict):
        raise SourceError(f"source: {path}, {where}: {type(item).__name__} instead of an object")
    return item


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "condition"
        case int():
            return "integer" if -(2**63) <= value < 2**63 else _BEYOND
        case float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


_TAKES = {
    "bool": ("condition",),
    "float32": ("integer", _BEYOND, "number"),
    "float64": ("integer", _BEYOND, "number"),
    "decimal": ("integer", _BEYOND, "number", "text"),
    "string": ("text",),
    "binary": ("text",),
    "date": ("text",),
    "timestamp": ("text",),
    "list": ("list",),
    "struct": ("object",),
}


def _read(values: list[Any], arrow: pa.DataType, name: str, path: str) -> pa.Array[Any]:
    type_ = data_type(arrow)
    takes = _TAKES.get(type_.kind, ("integer", _BEYOND))
    wrong = next((value for value in values if value is not None and _kind(value) not in takes), None)
    try:
        if wrong is not None:
            raise ValueError(f"{json.dumps(wrong)} is no {type_}")
        return _array(values, arrow, type_)
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise SourceError(f"source: {path}: column {name!r}: {error}; give another type with schema=") from None


def _array(values: list[Any], arrow: pa.DataType, type_: DataType) -> pa.Array[Any]:
    if type_.kind in ("date", "timestamp"):
        return read_texts(pa.array(values, pa.string()), type_)
    if type_.kind == "decimal":
        values = [None if value is None else Decimal(str(value)) for value in values]
    if type_.is_float:
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, arrow)

"""Json: one object a line (ndjson), or one array of objects.

Integers are int64, numbers of which one has a fraction or an exponent float64, texts that are all ISO dates or
timestamps become such, other texts stay as they are ("007" is a text). Lists and objects become lists and structs. A
key that is missing is null. A column of values of several of these kinds cannot be used, unless ``schema=`` says what
it is; a string may be any value, as its json text.

Python's parser decides what is in a file, since it changes no number on the way. Arrow's parser, which is ten times as
fast, is used where it gives the same (``lines.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice, repeat
from typing import IO, Any

import pyarrow as pa

from ...planner.errors import SourceError
from ...planner.types import DataType
from ..arrow import data_type
from .lines import Lines, as_parsed, blocks, fast_types, line_columns, seen_columns
from .seen import Parsed, TextFormat
from .text import TextType, encoding_problem, misfit, pieces, read_texts

_ROWS = 50_000
_DEEPEST = 30
_SEVERAL = "of lists or objects that differ in type"
_BEYOND = "integer beyond 64 bits"
_HALF = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_Row = dict[str, Any]


class JsonType:
    """The type of one column of json values, as far as it was seen."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._texts = TextType(("date", "timestamp"))
        self._nested: pa.DataType | None = None
        self._problem = ""

    @property
    def kind(self) -> str:
        """The only kind of value that was seen; "" where there are several, or none."""
        kinds = self._kinds - {"integer"} if "number" in self._kinds else self._kinds
        return next(iter(kinds)) if len(kinds) == 1 else ""

    def see(self, values: list[Any]) -> None:
        """Take more of the column's values into account."""
        told = [value for value in values if value is not None]
        kinds = {_kind(value) for value in told}
        self._kinds |= kinds
        if kinds == {"text"}:
            self._texts.see(pa.array(told, pa.string()))
        if kinds in ({"list"}, {"object"}):
            self._nest(told)

    def see_column(self, values: pa.Array[Any], kind: str) -> None:
        """Take values of one kind into account, or none but nulls."""
        if values.null_count == len(values):
            return
        self._kinds.add(kind)
        if kind == "text":
            self._texts.see(values)

    def joined(self, other: Any, /) -> JsonType:
        """The type of the values that either has seen."""
        both = JsonType()
        both._kinds = self._kinds | other._kinds
        both._texts = self._texts.joined(other._texts)
        both._problem = self._problem or other._problem
        both._nested = self._nested
        if other._nested is not None:
            both._widen(other._nested)
        return both

    @property
    def problem(self) -> str:
        if self._kinds - {"integer", "number"} == {_BEYOND}:
            return f"with an {_BEYOND}"
        if self._kinds and not self.kind:
            return f"of several kinds, {', '.join(sorted(self._kinds))}"
        return self._problem

    @property
    def type(self) -> pa.DataType:
        if self.problem:
            return pa.string()
        if self._nested is not None:
            return self._nested
        plain: dict[str, pa.DataType] = {"integer": pa.int64(), "number": pa.float64(), "condition": pa.bool_()}
        return plain.get(self.kind) or self._texts.type

    def _nest(self, told: list[Any]) -> None:
        try:
            self._widen(pa.array(told).type)
        except (pa.ArrowException, OverflowError):
            self._problem = _SEVERAL

    def _widen(self, found: pa.DataType) -> None:
        if _is_deep(found, _DEEPEST):
            self._problem = f"nested deeper than {_DEEPEST} levels"
        elif self._nested is None:
            self._nested = found
        else:
            try:
                fields = [pa.schema([pa.field("x", type_)]) for type_ in (self._nested, found)]
                self._nested = pa.unify_schemas(fields, promote_options="permissive").field("x").type
            except pa.ArrowException:
                self._problem = _SEVERAL


def _is_deep(type_: pa.DataType, levels: int) -> bool:
    if not pa.types.is_nested(type_):
        return False
    return levels == 0 or any(_is_deep(type_.field(index).type, levels - 1) for index in range(type_.num_fields))


@dataclass(frozen=True)
class Json(TextFormat):
    """Objects, whose keys are the columns."""

    def names(self, file: IO[bytes], path: str, given: Collection[str]) -> tuple[str, ...] | None:
        """The keys of the first lines, where they are exactly those whose types are given."""
        if not given:
            return None
        first = next(_blocks(file, path), None)
        if not isinstance(first, Lines):
            return None
        names = tuple(dict.fromkeys(name for rows in _rows(first, path) for row in rows for name in row))
        return names if set(names) == set(given) else None

    def see(self, file: IO[bytes], path: str, names: Collection[str] | None, parsed: Parsed) -> dict[str, JsonType]:
        """All columns, in the order in which they first appear."""
        seen: dict[str, JsonType] = {}
        for block in _blocks(file, path):
            known = {name: type_.kind for name, type_ in seen.items()}
            columns = seen_columns(block, known) if isinstance(block, Lines) else None
            parsed.keep(path, {name: values for name, (values, _) in columns.items()} if columns else None)
            if columns is not None:
                for name, (values, kind) in columns.items():
                    seen.setdefault(name, JsonType()).see_column(values, kind)
                continue
            for rows in _rows(block, path):
                for name in dict.fromkeys(name for row in rows for name in row):
                    seen.setdefault(name, JsonType()).see([row.get(name) for row in rows])
        return seen

    def read(
        self, file: IO[bytes], path: str, columns: Mapping[str, pa.DataType], parsed: Parsed
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema(list(columns.items()))
        fast = fast_types(columns)
        kept, is_whole = parsed.take(path)
        known = [as_parsed(block, fast) if block and fast else None for block in kept]
        if is_whole and None not in known:
            yield from (_batch(values, schema, path) for values in known if values)
            return
        for block, values in zip(_blocks(file, path), chain(known, repeat(None)), strict=False):
            if values is None and fast is not None and isinstance(block, Lines):
                values = line_columns(block, fast)
            if values is not None:
                yield _batch(values, schema, path)
                continue
            for rows in _rows(block, path):
                arrays = [_read([row.get(name) for row in rows], type_, name, path) for name, type_ in columns.items()]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _batch(values: Mapping[str, pa.Array[Any]], schema: pa.Schema, path: str) -> pa.RecordBatch:
    """What Arrow parsed, as the columns' types."""
    arrays = [_typed(values[field.name], field.type, field.name, path) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _blocks(file: IO[bytes], path: str) -> Iterator[Lines | bytes]:
    """The lines of a file, many at a time; a file that is one array as a whole."""
    some = pieces(file, path, 2**22)
    first = next(some, b"").removeprefix(_BYTE_ORDER_MARK)
    problem = encoding_problem(first[:64])
    if problem:
        raise SourceError(f"source: {path} cannot be read as json: {problem}")
    if first.lstrip()[:1] == b"[":
        yield first + b"".join(some)
    else:
        yield from blocks(first, some)


def _rows(block: Lines | bytes, path: str) -> Iterator[list[_Row]]:
    """The objects, many at a time, by Python's parser."""
    objects = _items(block, path) if isinstance(block, bytes) else _objects(block, path)
    while some := list(islice(objects, _ROWS)):
        yield some


def _items(text: bytes, path: str) -> Iterator[_Row]:
    whole = _parsed(text, path, "")
    if not isinstance(whole, list):
        raise SourceError(f"source: {path} is not an array of objects")
    may_halve = b"\\u" in text
    return (_checked(item, path, f"item {number}", may_halve) for number, item in enumerate(whole))


def _objects(lines: Lines, path: str) -> Iterator[_Row]:
    for number, line in enumerate(lines.text.split(b"\n"), lines.first):
        if line.strip():
            where = f"line {number}"
            yield _checked(_parsed(line, path, where), path, where, b"\\u" in line)


def _parsed(text: bytes, path: str, where: str) -> Any:
    try:
        return json.loads(text.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        place = f", {where}," if where else ""
        form = "; a file has one object a line, or is one array of objects" if where == "line 1" else ""
        raise SourceError(f"source: {path}{place} cannot be read as json: {error}{form}") from None


def _object(pairs: list[tuple[str, Any]]) -> _Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is repeated")
    return row


def _checked(item: Any, path: str, where: str, may_halve: bool) -> _Row:
    if not isinstance(item, dict):
        raise SourceError(f"source: {path}, {where}: {_NAMES[_kind(item)]} instead of an object")
    if may_halve:
        _refuse_halves(item, path, where)
    return item


_NAMES = {
    "condition": "true or false", "integer": "a number", _BEYOND: "a number", "number": "a number", "text": "a text",
    "list": "a list", "object": "an object", "null": "null",
}  # fmt: skip


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
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


def _refuse_halves(row: _Row, path: str, where: str) -> None:
    """Raise a SourceError for half a surrogate pair, which json can write and no text can hold."""
    for name, value in row.items():
        inner = [name, value]
        while inner:
            match inner.pop():
                case str() as text if _HALF.search(text):
                    raise SourceError(
                        f"source: {path}, {where}: column {name!a} holds half a surrogate pair, {text!a}, "
                        "which is no text"
                    )
                case dict() as pairs:
                    inner += [*pairs, *pairs.values()]
                case list() as items:
                    inner += items
                case _:
                    pass


_TAKES = {
    "bool": ("condition",),
    "float32": ("integer", _BEYOND, "number"),
    "float64": ("integer", _BEYOND, "number"),
    "decimal": ("integer", _BEYOND, "number", "text"),
    "string": ("condition", "integer", _BEYOND, "number", "text", "list", "object"),
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
            raise ValueError(f"{_text(wrong)} is no {type_}")
        return _array(values, arrow, type_)
    except (ValueError, OverflowError, RecursionError, pa.ArrowException) as error:
        raise misfit(path, name, type_, error) from None


def _array(values: list[Any], arrow: pa.DataType, type_: DataType) -> pa.Array[Any]:
    if type_.kind in ("date", "timestamp"):
        return read_texts(pa.array(values, pa.string()), type_)
    if type_.kind == "decimal":
        values = [None if value is None else Decimal(str(value)) for value in values]
    if type_.kind == "string":
        values = [value if value is None or isinstance(value, str) else _text(value) for value in values]
    if type_.is_float:
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, arrow)


def _typed(values: pa.Array[Any], arrow: pa.DataType, name: str, path: str) -> pa.Array[Any]:
    """What Arrow parsed, as a column's type."""
    type_ = data_type(arrow)
    try:
        if type_.kind in ("date", "timestamp"):
            return read_texts(values, type_)
        return values if values.type == arrow else values.cast(arrow, safe=False)
    except (ValueError, pa.ArrowException) as error:
        raise misfit(path, name, type_, error) from None


def _text(value: Any) -> str:
    """A value as compact json: ``{"a":[1,2.5]}``, keys in their order, a number as Python writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

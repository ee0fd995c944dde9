"""Lines of json objects, and their columns by Arrow's parser where Python's gives the same.

Arrow's takes a few things more than Python's: an object over several lines or several on one, a null for a row, ``Inf``
for a number. It loses integers beyond 64 bits, keeps the sign of an integer -0 among fractions, and cannot be trusted
with deep nesting. Blocks of lines that may hold such a thing, and all that Arrow refuses, are left to Python's parser,
which has the messages too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute
import pyarrow.json

from ...planner.types import DataType
from ..arrow import data_type

pc: Any = pyarrow.compute
_json: Any = pyarrow.json
_nulls: Any = pa.nulls

_FIRST = 2**18  # The first block is parsed twice, to find the kinds of the columns.
_CHUNK = 2**20
_DEEPEST = 1_000
_INTEGERS = 2.0**63  # From here on Arrow makes floats of integers.
_NO_NUMBER = re.compile(rb"[:\[,][ \t\r]*-?(?:NaN|Inf)")
_NEGATIVE_ZEROS = tuple(b"-0%c" % end for end in b",}] \t\r")
_KIND_TYPES: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "condition": pa.bool_(),
    "text": pa.string(),
}
_KINDS = {type_: kind for kind, type_ in _KIND_TYPES.items()} | {pa.null(): ""}
_TEXTUAL = ("string", "binary", "date", "timestamp")
_WITHIN = ("int64", "float64", "bool", "string", "list", "struct")


@dataclass(frozen=True)
class Lines:
    """Whole lines, the number of the first, and how many line ends there are."""

    text: bytes
    first: int
    ends: int


def blocks(first: bytes, more: Iterator[bytes]) -> Iterator[Lines]:
    """The lines of a file, whose bytes come in pieces."""
    rest: list[bytes] = []
    number = 1
    for piece in chain([first[:_FIRST], first[_FIRST:]], more):
        end = piece.rfind(b"\n") + 1
        if end:
            text = b"".join([*rest, piece[:end]])
            rest = []
            ends = text.count(b"\n")
            yield Lines(text, number, ends)
            number += ends
        rest.append(piece[end:])
    last = b"".join(rest)
    if last:
        yield Lines(last, number, 0)


def seen_columns(lines: Lines, known: Mapping[str, str]) -> dict[str, tuple[pa.Array[Any], str]] | None:
    """The values of every column and their kind, "" of nulls alone. None where Python's parser has to decide.

    ``known`` are the kinds of columns that were seen before.
    """
    plain = None if {"list", "object"} & set(known.values()) else _plain(lines)
    if plain is None or not _is_shallow(*plain):
        return None
    types = {name: _KIND_TYPES[kind] for name, kind in known.items() if kind in _KIND_TYPES}
    table = _parsed(*plain, types, "infer")
    if table is None:  # A kind may have changed, as of integers before the first fraction.
        types = {}
        table = _parsed(*plain, types, "infer")
    if table is not None and len(set(table.column_names) - set(known)) > 1:
        table = _parsed(*plain, types, "infer", chunk=len(plain[0]))  # Threads put new columns in any order.
    if table is None:
        return None
    dates = {field.name: pa.string() for field in table.schema if pa.types.is_timestamp(field.type)}
    if dates:
        order = table.column_names
        found = {field.name: field.type for field in table.schema if field.type in _KINDS}
        table = _parsed(*plain, {**found, **dates}, "infer")
        if table is None:
            return None
        table = table.select(order)
    if any(field.type not in _KINDS or _is_beyond(table[field.name], _INTEGERS) for field in table.schema):
        return None
    return {field.name: (_whole(table[field.name]), _KINDS[field.type]) for field in table.schema}


def fast_types(columns: Mapping[str, pa.DataType]) -> dict[str, pa.DataType] | None:
    """The types that Arrow parses columns as, from which theirs are made; None where one can't be made so."""
    fast: dict[str, pa.DataType] = {}
    for name, arrow in columns.items():
        type_ = data_type(arrow)
        if type_.kind in _TEXTUAL:
            fast[name] = pa.string()
        elif type_.is_float:
            fast[name] = pa.float64()
        elif type_.is_integer or (type_.kind in _WITHIN and _is_plain(type_)):
            fast[name] = arrow
        else:
            return None
    return fast


def line_columns(lines: Lines, types: Mapping[str, pa.DataType]) -> dict[str, pa.Array[Any]] | None:
    """The values of columns of known types. None where Python's parser has to decide."""
    plain = _plain(lines)
    if plain is None or (any(map(pa.types.is_nested, types.values())) and _NO_NUMBER.search(plain[0])):
        return None
    table = _parsed(*plain, types, "ignore")
    if table is None or any(_is_beyond(table[name], math.inf) for name in types):
        return None
    return {name: _whole(table[name]) for name in types}


def as_parsed(seen: Mapping[str, pa.Array[Any]], types: Mapping[str, pa.DataType]) -> dict[str, pa.Array[Any]] | None:
    """What ``line_columns`` gives, from the columns that were seen; None where their values have to be read anew."""
    (rows, *_) = map(len, seen.values())
    columns: dict[str, pa.Array[Any]] = {}
    for name, type_ in types.items():
        values = seen.get(name)
        if values is None or pa.types.is_null(values.type):
            columns[name] = _nulls(rows, type_)
        elif values.type == type_:
            columns[name] = values
        elif pa.types.is_int64(values.type) and pa.types.is_float64(type_):
            columns[name] = values.cast(type_, safe=False)
        else:
            return None
    return columns


def _plain(lines: Lines) -> tuple[bytes, int] | None:
    """The text as one object a line and nothing else, if it looks so, and the number of objects."""
    text = lines.text.rstrip(b"\r\n")
    count = lines.ends - lines.text.count(b"\n", len(text)) + 1
    is_regular = text[:1] == b"{" and text[-1:] == b"}" and text.count(b"}\n{") == count - 1
    if not is_regular:
        objects = [line for line in (line.strip(b" \t\r") for line in text.split(b"\n")) if line]
        if not objects or not all(line[:1] == b"{" and line[-1:] == b"}" for line in objects):
            return None
        text, count = b"\n".join(objects), len(objects)
    if any(zero in text for zero in _NEGATIVE_ZEROS):
        return None
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return None
    return text, count


def _is_shallow(text: bytes, count: int) -> bool:
    """Whether Arrow can infer types: a value that is nested by the hundred thousand would end the process."""
    if b"[" not in text and text.count(b"{") == count:
        return True
    return max(line.count(b"{") + line.count(b"[") for line in text.split(b"\n")) <= _DEEPEST


def _parsed(
    text: bytes,
    count: int,
    types: Mapping[str, pa.DataType],
    others: Literal["infer", "ignore"],
    chunk: int = _CHUNK,
) -> pa.Table | None:
    """A table with ``count`` rows. Each line begins with an object, so that many rows are one object a line."""
    options = _json.ParseOptions(explicit_schema=pa.schema(list(types.items())), unexpected_field_behavior=others)
    for size in (chunk, len(text)):
        try:
            table: pa.Table = _json.read_json(
                pa.BufferReader(text), read_options=_json.ReadOptions(block_size=size + 1), parse_options=options
            )
        except (pa.ArrowException, ValueError) as error:
            if "straddling" in str(error) and size < len(text):  # A line that is longer than the chunk.
                continue
            return None
        return table if table.num_rows == count else None
    return None


def _is_beyond(column: pa.ChunkedArray[Any], limit: float) -> bool:
    """Whether a float is NaN, or not below a limit."""
    if column.type != pa.float64():
        return False
    return not pc.all(pc.less(pc.abs(column), limit)).as_py()


def _is_plain(type_: DataType) -> bool:
    """Whether Arrow and Python read the nested values alike."""
    inner = [type_.element] if type_.element is not None else [field.type for field in type_.fields]
    return type_.kind in _WITHIN and all(map(_is_plain, inner))


def _whole(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)

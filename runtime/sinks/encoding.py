"""Keys and rows as bytes: columns are encoded whole, in Arrow, and a row is decoded alone, in Python.

A row is a null bit for each value (in bytes of eight, set where the value is null), then the values that have a fixed
width, zeros for a null, and the length in bytes of each of the others, all in declared order and little-endian; then
the bytes of the others. Text is UTF-8; a decimal is its digits as a whole number; instants and dates are Arrow's
numbers. A list is its elements, each as a row of one value; a struct is its fields as a row.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc

from ...planner.durations import parse_instant, to_datetime
from ...planner.errors import StoreError
from ...planner.types import DataType

Decode = Callable[[Any], Any]

_CODES = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
    "date": "i",
    "timestamp": "q",
    "decimal": "16s",
}
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_FIRST_INSTANT = datetime(1970, 1, 1)
_FIRST_DAY = date(1970, 1, 1).toordinal()
_EXACT = Context(prec=76)


def encode_keys(columns: Sequence[pa.Array[Any]], count: int) -> pa.Array[Any]:
    """Composite keys as bytes, null where a part is null; without columns, ``count`` nulls.

    A single part is its text, or its bytes; several are each preceded by their length: "2:ab1:7" is ("ab", 7).
    """
    parts = [_key_text(column) for column in columns]
    if not parts:
        return pa.nulls(count, pa.binary())
    if len(parts) == 1:
        return parts[0]
    lengths = [_lengths(part).cast(pa.string()).cast(pa.binary()) for part in parts]
    pieces = [piece for pair in zip(lengths, [b":"] * len(parts), parts, strict=True) for piece in pair]
    return _joined(pieces)


def _key_text(column: pa.Array[Any]) -> pa.Array[Any]:
    if pa.types.is_decimal(column.type):
        return pa.array([None if value is None else key_part(value) for value in column.to_pylist()], pa.binary())
    is_bytes = pa.types.is_binary(column.type) or pa.types.is_string(column.type)
    return (column if is_bytes else column.cast(pa.string())).cast(pa.binary())


def encode_key(values: Sequence[Any]) -> bytes | None:
    """The same for one key, of Python's objects: a date or datetime is its microseconds since 1970, UTC."""
    if not values or any(value is None for value in values):
        return None
    parts = [key_part(value) for value in values]
    return parts[0] if len(parts) == 1 else b"".join(b"%d:%b" % (len(part), part) for part in parts)


def key_part(value: bool | int | str | bytes | date | Decimal) -> bytes:
    """One part of a key: equal for equal values, whatever the zone of a datetime or the scale of a decimal."""
    match value:
        case bytes():
            return value
        case bool():
            return b"true" if value else b"false"
        case date():
            return str(parse_instant(value)).encode()
        case Decimal():
            exact = Context(prec=len(value.as_tuple().digits), Emax=MAX_EMAX, Emin=MIN_EMIN)
            return str(value.normalize(exact) if value else 0).encode()
        case _:
            return str(value).encode()


def can_be_stored(type_: DataType) -> bool:
    """Whether ``encode_rows`` has a form for a type."""
    inner = [*([type_.element] if type_.element else []), *(field.type for field in type_.fields)]
    is_known = type_.kind in _CODES or type_.kind in ("string", "binary", "list", "struct")
    return is_known and type_.unit != "ns" and all(map(can_be_stored, inner))


def encode_rows(columns: Sequence[pa.Array[Any]], count: int) -> pa.Array[Any]:
    """One binary value for each of ``count`` rows. The columns have the types that ``arrow_type`` gives."""
    pieces: list[Any] = [_null_bits(columns[start : start + 8]) for start in range(0, len(columns), 8)]
    tails: list[Any] = []
    for column in columns:
        if (tail := _variable(column)) is None:
            pieces.append(_fixed(column))
        else:
            pieces.append(_fixed(_lengths(tail)))
            tails.append(tail)
    if not columns:
        return pa.repeat(pa.scalar(b"", pa.binary()), count)
    return _joined([*pieces, *tails])


def _joined(pieces: Sequence[Any]) -> pa.Array[Any]:
    """The pieces of each row as one value; a piece that is no array is the same for all."""
    join: Any = pc.binary_join_element_wise
    return cast("pa.Array[Any]", join(*pieces, b""))


def _lengths(values: pa.Array[Any]) -> pa.Array[Any]:
    measure: Any = pc.binary_length
    return cast("pa.Array[Any]", measure(values))


def _null_bits(columns: Sequence[pa.Array[Any]]) -> Any:
    """A byte for each row; one for all where no value is null."""
    bits: Any = None
    for place, column in enumerate(columns):
        if column.null_count:
            bit = pc.shift_left(column.is_null().cast(pa.uint8()), pa.scalar(place, pa.uint8()))
            bits = bit if bits is None else pc.bit_wise_or(bits, bit)
    return b"\0" if bits is None else _fixed(bits)


def _fixed(column: pa.Array[Any]) -> pa.Array[Any]:
    """The bytes that Arrow itself keeps of each value."""
    whole = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
    width = whole.type.bit_width // 8
    same = pa.Array.from_buffers(pa.binary(width), len(whole), whole.buffers(), offset=whole.offset)
    return cast("pa.Array[Any]", same.cast(pa.binary()).fill_null(bytes(width)))


def _variable(column: pa.Array[Any]) -> pa.Array[Any] | None:
    """The bytes of each value, where they differ in length; None where they don't."""
    types = pa.types
    if types.is_string(column.type) or types.is_binary(column.type):
        return cast("pa.Array[Any]", column.cast(pa.binary()).fill_null(b""))
    if types.is_struct(column.type):
        return encode_rows(cast("pa.StructArray", column).flatten(), len(column))
    if not types.is_list(column.type):
        return None
    elements = cast("pa.ListArray[Any]", column).flatten()
    counts: Any = pc.list_value_length(column)
    ends: Any = pc.cumulative_sum(counts.fill_null(0))
    offsets: Any = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    lists = pa.ListArray.from_arrays(offsets, encode_rows([elements], len(elements)))
    return cast("pa.Array[Any]", pc.binary_join(lists, b""))


class RowDecoder:
    """Rows of these types, as Python's objects: lists, dictionaries, aware datetimes where the type has a zone."""

    def __init__(self, types: Sequence[DataType]) -> None:
        self._groups = -(-len(types) // 8)
        codes = (_CODES.get(type_.kind, "i") for type_ in types)
        self._fixed = struct.Struct(f"<{'B' * self._groups}{''.join(codes)}")
        forms = ((place, type_.kind not in _CODES, _decoder(type_)) for place, type_ in enumerate(types))
        self._made = tuple(form for form in forms if form[1] or form[2] is not None)

    def decode(self, row: bytes) -> tuple[Any, ...]:
        """The values of one row. Raises a StoreError for a value that Python has no object for."""
        try:
            return self.decode_from(row, 0)[0]
        except UnicodeDecodeError:
            what = "text that is not valid UTF-8"
        except (ValueError, OverflowError):
            what = "a time beyond the years 1 to 9999, for which Python has no datetime"
        raise StoreError(f"the features of a key hold {what}")

    def decode_from(self, data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
        """The values of the row that begins there, and where it ends."""
        found = self._fixed.unpack_from(data, start)
        position = start + self._fixed.size
        values: list[Any] = list(found[self._groups :])
        for place, is_variable, decode in self._made:
            value = values[place]
            if is_variable:
                end = position + value
                value, position = data[position:end], end
            values[place] = value if decode is None else decode(value)
        for group, bits in enumerate(found[: self._groups]):
            for place in range(8) if bits else ():
                if bits >> place & 1:
                    values[8 * group + place] = None
        return tuple(values), position


def _decoder(type_: DataType) -> Decode | None:
    """The function that makes a value of what is stored; None where that is the value already."""
    match type_.kind:
        case "string":
            return bytes.decode
        case "date":
            return lambda days: date.fromordinal(_FIRST_DAY + days)
        case "timestamp":
            return _instants(type_)
        case "decimal":
            return lambda digits: Decimal(int.from_bytes(digits, "little", signed=True)).scaleb(-type_.scale, _EXACT)
        case "list":
            assert type_.element is not None
            return _lists(RowDecoder([type_.element]))
        case "struct":
            names = [field.name for field in type_.fields]
            fields = RowDecoder([field.type for field in type_.fields])
            return lambda row: dict(zip(names, fields.decode_from(row, 0)[0], strict=True))
        case _:
            return None


def _instants(type_: DataType) -> Decode:
    factor = _MICROS[type_.unit or "us"]
    if type_.zone is None:
        return lambda ticks: _FIRST_INSTANT + timedelta(microseconds=ticks * factor)
    zone = _zone(type_.zone)
    return lambda ticks: to_datetime(ticks * factor).astimezone(zone)


def _zone(name: str) -> tzinfo | None:
    """A zone by its name, or by its distance from UTC, as in "+02:00"."""
    try:
        return datetime.strptime(name, "%z").tzinfo if name[:1] in ("+", "-") else ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError):
        raise StoreError(f"Python knows no time zone {name!r}, which a stored timestamp has") from None


def _lists(elements: RowDecoder) -> Decode:
    def decode(data: bytes) -> list[Any]:
        values: list[Any] = []
        position = 0
        while position < len(data):
            (value,), position = elements.decode_from(data, position)
            values.append(value)
        return values

    return decode

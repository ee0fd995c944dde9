"""Values that are written as text, in csv, in json and in the names of folders: which type they have, and the values.

A column has the first of these types that every one of its values can be read as, over all files: int64, float64, bool,
date, timestamp, string. Nothing may be lost by it, so a number with a leading zero ("007"), with a plus, with spaces
around it or beyond 64 bits makes the column a string; "nan" and "inf" are floats. A timestamp is in ISO form; it is in
microseconds, or nanoseconds where a value has more digits, and in UTC where a value has an offset. A null, and an empty
text, fits every type; a column of nothing else is a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute

from ...planner.errors import SourceError
from ...planner.types import DataType, TimeUnit
from ..arrow import arrow_type

pc: Any = pyarrow.compute  # Its stubs know no functions of texts.

_Form = Literal["int64", "float64", "bool", "date", "timestamp"]
_TEXT_FORMS: dict[_Form, str] = {
    "int64": r"^-?(?:0|[1-9][0-9]*)$",
    # An integer of more digits would not come through a float as it is.
    "float64": r"^-?(?:(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"
    r"|(?:0|[1-9][0-9]*)[eE][+-]?[0-9]+|(?:0|[1-9][0-9]{0,14})|(?i:nan|inf|infinity))$",
    "bool": r"^(?i:true|false)$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$",
}
_OFFSET = r"(?:Z|[T ][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?[+-][0-9]{2}(?::?[0-9]{2})?)$"
_FINE = r"\.[0-9]{7,9}"
_HEAD = 64


class TextType:
    """The type of one column of texts, as far as it was seen. ``forms`` are the types that may be found."""

    def __init__(self, forms: tuple[_Form, ...] = ("int64", "float64", "bool", "date", "timestamp")) -> None:
        self._forms: list[_Form] = list(forms)
        self._is_seen = self._is_zoned = self._is_fine = False

    def see(self, values: pa.Array[Any]) -> None:
        """Take more of the column's texts into account."""
        if self._is_seen and not self._forms:
            return
        empty = pc.equal(values, "")
        told = values.filter(pc.invert(empty)) if _any(empty) else values
        if told.null_count == len(told):
            return
        self._is_seen = True
        head = told.slice(0, _HEAD)  # Most forms fall with the first values, and a pattern is slow over many.
        self._forms = [form for form in self._forms if _has_form(head, form)]
        fitting: list[_Form] = []
        for form in self._forms:
            # Integers of up to 15 digits are floats too.
            is_implied = form == "float64" and "int64" in fitting and pc.max(pc.binary_length(told)).as_py() <= 15
            if is_implied or (_has_form(told, form) and _is_readable(told, form)):
                fitting.append(form)
        self._forms = fitting
        if "timestamp" in self._forms:
            self._is_zoned |= _any(pc.match_substring_regex(told, _OFFSET))
            self._is_fine |= _any(pc.match_substring_regex(told, _FINE))

    def joined(self, other: Any, /) -> TextType:
        """The type of the texts that either has seen."""
        both = TextType(tuple(form for form in self._forms if form in other._forms))
        for one in (self, other):
            both._is_seen |= one._is_seen
            both._is_zoned |= one._is_zoned
            both._is_fine |= one._is_fine
        return both

    @property
    def problem(self) -> str:
        """Nothing: every text is one."""
        return ""

    @property
    def type(self) -> pa.DataType:
        """The type that every value seen can be read as."""
        if not self._is_seen or not self._forms:
            return pa.string()
        if self._forms[0] == "timestamp":
            unit: TimeUnit = "ns" if self._is_fine else "us"
            return arrow_type(DataType("timestamp", unit=unit, zone="UTC" if self._is_zoned else None))
        return arrow_type(DataType(self._forms[0]))


def pieces(file: IO[bytes], path: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, some at a time. Raises a SourceError where they can't be read, such as a broken gzip."""
    while True:
        try:
            piece = file.read(size)
        except Exception as error:  # A file system of fsspec raises errors of its own.
            raise SourceError(f"source: {path} cannot be read: {type(error).__name__}: {error}") from None
        if not piece:
            return
        yield piece


def encoding_problem(start: bytes) -> str:
    """Why the first bytes of a file are not UTF-8 text; "" where they may be."""
    if start.startswith(b"\x1f\x8b"):
        return "it is packed by gzip; give its name the end .gz"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        return "it is UTF-16 or UTF-32 text, or no text; write it as UTF-8"
    return ""


def misfit(path: str, column: str, type_: DataType, problem: object) -> SourceError:
    """The error of a value that is not of its column's type."""
    advice = "give another type with schema="
    if type_.is_instant and re.match(r"'?-?[0-9.]+'? is no", str(problem)):
        advice = "a number is no ISO time: convert it with pandas.to_datetime(…, unit='s'), or to_timestamp in a query"
    return SourceError(f"source: {path}: column {column!r}: {problem}; {advice}")


def read_texts(values: pa.Array[Any], type_: DataType) -> pa.Array[Any]:
    """Texts as values of a type. Raises ValueError with the first text that is none."""
    if type_.kind == "string":
        return values
    told = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    try:
        read: pa.Array[Any] = pc.cast(told, arrow_type(type_)) if type_.kind != "timestamp" else _instants(told, type_)
        return read
    except pa.ArrowInvalid:
        if len(values) == 1:
            raise ValueError(f"{values[0].as_py()!r} is no {type_}") from None
        half = len(values) // 2
        read_texts(values[:half], type_)
        read_texts(values[half:], type_)
        raise


def _instants(texts: pa.Array[Any], type_: DataType) -> pa.Array[Any]:
    """Timestamps in ISO form: one without an offset is UTC, one with an offset is converted."""
    unit = type_.unit or "us"
    try:
        first = texts.slice(max(0, pc.index(pc.is_valid(texts), True).as_py()), 1)  # The others are mostly like it.
        is_zoned = _any(pc.match_substring_regex(first, _OFFSET))
        return _relabelled(pc.cast(texts, pa.timestamp(unit, "UTC") if is_zoned else pa.timestamp(unit)), type_)
    except pa.ArrowInvalid:
        pass
    days = pc.replace_substring_regex(texts, r"^([0-9]{4}-[0-9]{2}-[0-9]{2})$", r"\1T00:00")
    is_zoned = pc.match_substring_regex(days, _OFFSET)
    whole = pc.if_else(is_zoned, days, pc.binary_join_element_wise(days, "Z", ""))
    return _relabelled(pc.cast(whole, pa.timestamp(unit, "UTC")), type_)


def _relabelled(instants: pa.Array[Any], type_: DataType) -> pa.Array[Any]:
    """The same instants with another zone to show them in, or none."""
    return instants.cast(pa.int64()).cast(arrow_type(type_))


def _has_form(values: pa.Array[Any], form: _Form) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, _TEXT_FORMS[form])).as_py())


def _is_readable(values: pa.Array[Any], form: _Form) -> bool:
    """Whether no value is beyond its type, such as a 30th of February."""
    try:
        read_texts(values, DataType(form, unit="ns") if form == "timestamp" else DataType(form))
    except ValueError:
        return False
    return True


def _any(flags: pa.Array[Any]) -> bool:
    return bool(pc.any(flags).as_py())

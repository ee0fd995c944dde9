"""Values that are written as text, in csv, in json and in the names of folders: which type they have, and the values.

A column has the first of these types that every one of its values can be read as, over all files: int64, float64, bool,
date, timestamp, string. Nothing may be lost by it, so a number with a leading zero ("007"), with a plus, with spaces
around it or beyond 64 bits makes the column a string; "nan" and "inf" are floats. A timestamp is in ISO form; it is in
microseconds, or nanoseconds where a value has more digits, and in UTC where a value has an offset. A null, and an empty
text, fits every type; a column of nothing else is a string.
"""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute

from ...planner.types import DataType
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
_OFFSET = r"(?:Z|:[0-9]{2}(?:\.[0-9]+)?[+-][0-9]{2}(?::?[0-9]{2})?|[0-9]{2}:[0-9]{2}[+-][0-9]{2}(?::?[0-9]{2})?)$"
_FINE = r"\.[0-9]{7,9}"


class TextType:
    """The type of one column of texts, as far as it was seen. ``forms`` are the types that may be found."""

    def __init__(self, forms: tuple[_Form, ...] = ("int64", "float64", "bool", "date", "timestamp")) -> None:
        self._forms: list[_Form] = list(forms)
        self._is_seen = self._is_zoned = self._is_fine = False

    def see(self, values: pa.Array[Any]) -> None:
        """Take more of the column's texts into account."""
        told = values.drop_null()
        told = told.filter(pc.not_equal(told, ""))
        if not len(told) or (self._is_seen and not self._forms):
            return
        self._is_seen = True
        if "timestamp" in self._forms:
            self._is_zoned |= _any(pc.match_substring_regex(told, _OFFSET))
            self._is_fine |= _any(pc.match_substring_regex(told, _FINE))
        self._forms = [form for form in self._forms if self._fits(told, form)]

    @property
    def type(self) -> DataType:
        """The type that every value seen can be read as."""
        if not self._is_seen or not self._forms:
            return DataType("string")
        form = self._forms[0]
        if form != "timestamp":
            return DataType(form)
        return DataType("timestamp", unit="ns" if self._is_fine else "us", zone="UTC" if self._is_zoned else None)

    def _fits(self, told: pa.Array[Any], form: _Form) -> bool:
        if not pc.all(pc.match_substring_regex(told, _TEXT_FORMS[form])).as_py():
            return False
        kind = DataType(form, unit="ns") if form == "timestamp" else DataType(form)
        try:
            read_texts(told, kind)
        except ValueError:
            return False
        return True


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
    days = pc.replace_substring_regex(texts, r"^([0-9]{4}-[0-9]{2}-[0-9]{2})$", r"\1T00:00")
    is_zoned = pc.match_substring_regex(days, _OFFSET)
    whole = pc.if_else(is_zoned, days, pc.binary_join_element_wise(days, "Z", ""))
    unit = type_.unit or "us"
    instants: pa.Array[Any] = pc.cast(pc.cast(whole, pa.timestamp(unit, "UTC")), pa.int64())
    return instants.cast(arrow_type(type_))


def _any(flags: pa.Array[Any]) -> bool:
    return bool(pc.any(flags).as_py())

"""Which aggregates the event index answers; all others are left to SQL."""

from __future__ import annotations

from collections.abc import Mapping

from ..types import DataType

_ANY = 38
"""Digits of the widest decimal: of it the function takes all."""

_DIGITS: Mapping[str, int] = {
    "count": _ANY,
    "count_distinct": _ANY,
    "sum": 18,
    "mean": 18,
    "min": _ANY,
    "max": _ANY,
    "var_samp": 15,
    "var_pop": 15,
    "first": _ANY,
    "last": _ANY,
    "first_n": _ANY,
    "last_n": _ANY,
    "median": 15,
    "percentile": 15,
    "bool_and": _ANY,
    "bool_or": _ANY,
}
"""The functions, each with the most digits of a decimal that it takes: the integers of sums have 64 bits, and a float
has 15 digits."""


def supports(function: str, operand: DataType | None) -> bool:
    """Whether the index answers ``function`` of a column of that type, None for whole rows.

    >>> supports("sum", DataType("decimal", precision=18, scale=2)), supports("mode", DataType("int64"))
    (True, False)
    """
    if operand is None or function not in _DIGITS:
        return function == "count"
    if operand.kind == "uint64" or (operand.kind == "timestamp" and operand.precision):
        return False
    if operand.is_nested or operand.kind == "null":
        return function == "count"
    return operand.kind != "decimal" or operand.precision <= _DIGITS[function]

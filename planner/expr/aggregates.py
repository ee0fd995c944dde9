"""The one table of windowed aggregates: which types they take, what they return, and cases for every dialect.

The cases are executed on every engine, so an entry without a form in each dialect and a case does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import index
from typing import Literal, SupportsIndex

from ..types import BOOL, FLOAT64, INT64, STRING, DataType
from .type_rules import TypeRuleError

Value = int | float | str | None
AggregateCase = tuple[DataType, tuple[Value, ...], Value | tuple[Value, ...]]
_NAN = math.nan
# DuckDB takes no longer heap.
_MOST = 999_999


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an aggregate needs beside its column: ``wanted`` says which; the cases are run with ``example``."""

    name: str
    wanted: str
    example: int | float
    accept: Callable[[object], int | float | None]
    """The number as it is planned with, or None where it is not a wanted one."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One entry of the table. ``empty`` is the value of a window without events, where () stands for an empty list.

    ``cases`` pairs values of a type, in the order of their events, with the aggregate of them on every engine.
    ``is_ordered`` aggregates depend on the order of the events: (ts, created, sequence columns, value).
    """

    name: str
    type_rule: Callable[[DataType], DataType]
    cases: tuple[AggregateCase, ...]
    empty: int | tuple[()] | None = None
    is_ordered: bool = False
    parameter: Parameter | None = None


def _any(type_: DataType) -> DataType:
    del type_
    return INT64


def _sum(type_: DataType) -> DataType:
    _numeric(type_)
    if type_.kind == "decimal":
        return DataType("decimal", precision=38, scale=type_.scale)
    return INT64 if type_.is_integer else FLOAT64


def _numeric(type_: DataType) -> DataType:
    if not type_.is_numeric:
        raise TypeRuleError(f"takes numbers, not {type_}")
    return FLOAT64


def _scalar(type_: DataType) -> DataType:
    if type_.is_nested or type_.kind == "null":
        raise TypeRuleError(f"takes scalars, not {type_}")
    return DataType("timestamp", unit="us", zone=type_.zone) if type_.kind == "timestamp" else type_


def _count_distinct(type_: DataType) -> DataType:
    _scalar(type_)
    return INT64


def _list(type_: DataType) -> DataType:
    return DataType("list", element=_scalar(type_))


def _condition(type_: DataType) -> DataType:
    if type_.kind != "bool":
        raise TypeRuleError(f"takes conditions, not {type_}")
    return BOOL


def _fraction(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value) + 0.0


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    number = index(value)
    return number if 1 <= number <= _MOST else None


_P = Parameter("p", "a number from 0 to 1", 0.25, _fraction)
_N = Parameter("n", f"a whole number from 1 to {_MOST}", 2, _count)
_K = Parameter("k", f"a whole number from 1 to {_MOST}", 2, _count)

_ENTRIES = (
    Aggregate("count", _any, ((INT64, (7, None, 7), 2), (STRING, (None,), 0)), empty=0),
    Aggregate("sum", _sum, ((INT64, (2, None, 5), 7), (FLOAT64, (0.5, _NAN), _NAN), (INT64, (None,), None))),
    Aggregate("mean", _numeric, ((INT64, (1, None, 2), 1.5), (FLOAT64, (math.inf, 1.0), math.inf))),
    Aggregate("min", _scalar, ((FLOAT64, (_NAN, 2.0, None), 2.0), (STRING, ("b", "B", "ä"), "B"))),
    Aggregate("max", _scalar, ((FLOAT64, (_NAN, math.inf), _NAN), (STRING, ("b", "B", "ä"), "ä"))),
    Aggregate("var_samp", _numeric, ((INT64, (2, 4, None), 2.0), (INT64, (2,), None))),
    Aggregate("var_pop", _numeric, ((INT64, (2, 4, None), 1.0), (INT64, (2,), 0.0), (FLOAT64, (math.inf,), _NAN))),
    Aggregate("stddev_samp", _numeric, ((INT64, (1, 3, 5), 2.0), (INT64, (2,), None))),
    Aggregate("stddev_pop", _numeric, ((INT64, (2, 4, None), 1.0), (FLOAT64, (math.inf,), _NAN))),
    Aggregate("count_distinct", _count_distinct, (
        (FLOAT64, (0.0, -0.0, _NAN, _NAN, None), 2),
        (STRING, ("a", "A", "a "), 3),
    ), empty=0),
    Aggregate("first", _scalar, ((INT64, (None, 7, 8), 7), (FLOAT64, (_NAN, 1.0), _NAN)), is_ordered=True),
    Aggregate("last", _scalar, ((INT64, (7, 8, None), 8), (STRING, ("b", ""), "")), is_ordered=True),
    Aggregate("median", _numeric, ((INT64, (4, 1, None, 2, 8), 3.0), (FLOAT64, (-math.inf, 2.5), _NAN))),
    Aggregate("percentile", _numeric, (
        (INT64, (4, 1, None, 2, 8), 1.75),
        (FLOAT64, (math.inf, math.inf), math.inf),
    ), parameter=_P),
    Aggregate("first_n", _list, (
        (INT64, (None, 9, 7, 8), (9, 7)),
        (STRING, ("b",), ("b",)),
    ), empty=(), is_ordered=True, parameter=_N),
    Aggregate("last_n", _list, (
        (INT64, (9, 7, 8, None), (7, 8)),
        (STRING, (None,), ()),
    ), empty=(), is_ordered=True, parameter=_N),
    Aggregate("first_distinct_n", _list, (
        (INT64, (9, 9, 7, 9, 8), (9, 7)),
        (FLOAT64, (0.0, -0.0, _NAN, _NAN), (0.0, _NAN)),
    ), empty=(), is_ordered=True, parameter=_N),
    Aggregate("last_distinct_n", _list, (
        (INT64, (8, 7, 9, 7, 7), (9, 7)),
        (FLOAT64, (_NAN, 0.0, -0.0), (_NAN, 0.0)),
    ), empty=(), is_ordered=True, parameter=_N),
    Aggregate("mode", _scalar, ((INT64, (8, 7, None, None, None, 7, 8), 7), (STRING, ("b", "a", "b"), "b"))),
    Aggregate("top_k", _list, (
        (INT64, (8, 9, 7, None, 7, 8), (7, 8)),
        (STRING, ("b", "a", "b", "c"), ("b", "a")),
    ), empty=(), parameter=_K),
    Aggregate("bool_and", _condition, ((BOOL, (True, None, False), False), (BOOL, (True, None), True))),
    Aggregate("bool_or", _condition, ((BOOL, (True, None, False), True), (BOOL, (False, None), False))),
)  # fmt: skip

AggregateName = Literal[
    "count", "sum", "mean", "min", "max", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "count_distinct",
    "first", "last", "median", "percentile", "first_n", "last_n", "first_distinct_n", "last_distinct_n",
    "mode", "top_k", "bool_and", "bool_or",
]  # fmt: skip
"""The names in the table, written out for type checkers."""

AGGREGATES: Mapping[str, Aggregate] = {aggregate.name: aggregate for aggregate in _ENTRIES}

PLANNER_AGGREGATES = frozenset({"any", "max_by", "newest", "last_present"})
"""Aggregates of physical plans alone.

``any`` is the operand of any row; ``max_by`` that of the greatest in the measure's order (null lowest, NaN highest);
``newest`` the greatest struct, by its fields in turn in that order; ``last_present`` the last operand that is not
null.
"""

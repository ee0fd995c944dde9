"""The one table of windowed aggregates: which types they take, what they return, and cases for every dialect.

The cases are executed on every engine, so an entry without a form in each dialect and a case does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..types import FLOAT64, INT64, STRING, DataType
from .functions import TypeRuleError

Value = int | float | str | None
AggregateCase = tuple[DataType, tuple[Value, ...], Value]
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One entry of the table. ``empty`` is the value of a window without events.

    ``cases`` pairs values of a type, in the order of their events, with the aggregate of them on every engine.
    ``is_ordered`` aggregates depend on the order of the events: (ts, created, sequence columns, value).
    """

    name: str
    type_rule: Callable[[DataType], DataType]
    cases: tuple[AggregateCase, ...]
    empty: int | None = None
    is_ordered: bool = False


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
)  # fmt: skip

AGGREGATES: Mapping[str, Aggregate] = {aggregate.name: aggregate for aggregate in _ENTRIES}

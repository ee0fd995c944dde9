"""The one table of windowed aggregates: which types they take, what they return, and what an empty window gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..types import FLOAT64, INT64, DataType
from .functions import TypeRuleError


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One entry of the table. ``empty`` is the value of a window without events.

    ``is_ordered`` aggregates depend on the order of the events: (ts, created, sequence columns, value).
    """

    name: str
    type_rule: Callable[[DataType], DataType]
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
    Aggregate("count", _any, empty=0),
    Aggregate("sum", _sum),
    Aggregate("mean", _numeric),
    Aggregate("min", _scalar),
    Aggregate("max", _scalar),
    Aggregate("var_samp", _numeric),
    Aggregate("var_pop", _numeric),
    Aggregate("stddev_samp", _numeric),
    Aggregate("stddev_pop", _numeric),
    Aggregate("count_distinct", _count_distinct, empty=0),
    Aggregate("first", _scalar, is_ordered=True),
    Aggregate("last", _scalar, is_ordered=True),
)

AGGREGATES: Mapping[str, Aggregate] = {aggregate.name: aggregate for aggregate in _ENTRIES}

"""The one table of windowed aggregates: which types they take, what they return, and cases for every dialect.

Each dialect has a form for every name (``dialects.aggregates``), but for those that are written with others. The cases
are executed on every engine, so an entry without form and cases does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Literal as OneOf
from typing import SupportsIndex

from ..types import BOOL, FLOAT64, INT64, STRING, DataType
from .functions import call, coerce
from .nodes import Cast, Column, Expr, Literal
from .type_rules import TypeRuleError

Value = int | float | str | None
AggregateCase = tuple[DataType, tuple[Value, ...], Value | tuple[Value, ...]]
_NAN = math.nan
# The most values that DuckDB keeps.
_MOST = 999_999


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that an aggregate needs beside its column: ``wanted`` says which; the cases are run with ``example``."""

    name: str
    wanted: str
    example: int | float
    accept: Callable[[object], int | float | None]
    """The number as a plan has it, or None where it is not allowed."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """How an aggregate is written with others: ``value`` of those ``parts``, each of the same column and rows.

    Called, it is the type rule that follows.
    """

    parts: tuple[str, ...]
    value: Callable[..., Expr]

    def __call__(self, type_: DataType) -> DataType:
        return self.value(*(Column(part, AGGREGATES[part].type_rule(type_)) for part in self.parts)).type


@dataclass(frozen=True, slots=True)
class State:
    """What is kept of a part of the rows: an aggregate ``function`` of the operand, cast to ``as_`` of its type.

    ``merge`` is the aggregate that makes the state of all rows from those of the parts. Where one depends on others
    (``weighed``), it is not over the states themselves, but over an expression of all states of a part, and of the
    states of all rows that stand before this one.
    """

    function: str
    merge: str
    as_: Callable[[DataType], DataType] = lambda type_: type_
    weighed: Callable[[Sequence[Expr], Sequence[Expr]], Expr] | None = None


def _as_planned(states: Sequence[Expr], type_: DataType) -> Expr:
    return states[0] if states[0].type == type_ else Cast(states[0], type_)


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """One entry of the table. ``empty`` is the value of a window without events, where () stands for an empty list.

    ``cases`` pairs values of a type, in the order of their events, with the aggregate of them on every engine.
    ``is_ordered`` aggregates depend on the order of the events: (ts, created, sequence columns, value). One that
    ``may_overflow`` is an error where its integer or decimal is beyond the type. ``states`` are there where the value
    can be made from those of parts of the rows, by ``finish`` of the states of all.
    """

    name: str
    type_rule: Callable[[DataType], DataType]
    cases: tuple[AggregateCase, ...]
    empty: int | tuple[()] | None = None
    is_ordered: bool = False
    may_overflow: bool = False
    parameter: Parameter | None = None
    states: tuple[State, ...] = ()
    finish: Callable[[Sequence[Expr], DataType], Expr] = _as_planned

    @property
    def expansion(self) -> Expansion | None:
        """How it is written with other aggregates, if it is: then no dialect has a form of it."""
        return self.type_rule if isinstance(self.type_rule, Expansion) else None


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


def _as_float(type_: DataType) -> DataType:
    del type_
    return FLOAT64


def _wide(type_: DataType) -> DataType:
    """The type in which a part of an integer sum is kept: it may be beyond 64 bits where the whole is not."""
    return DataType("decimal", precision=19) if type_.is_integer else _as_float(type_) if type_.is_float else type_


def _mean(states: Sequence[Expr], type_: DataType) -> Expr:
    del type_
    return call("divide", states[1], coerce(states[0], FLOAT64))


def _spread(part: Sequence[Expr], whole: Sequence[Expr]) -> Expr:
    """A part's share of the variance of all rows: its own, and how far its mean is from theirs."""
    apart = call("subtract", _mean(part, FLOAT64), _mean(whole, FLOAT64))
    return call("multiply", call("divide", part[0], whole[0]), call("add", part[2], call("multiply", apart, apart)))


def _sample_variance(states: Sequence[Expr], type_: DataType) -> Expr:
    """Null for a single value, since n / (n - 1) is null then."""
    del type_
    others = call("subtract", states[0], Literal(1, INT64))
    return call("multiply", states[2], call("divide", states[0], others))


def _itself(function: str) -> tuple[State, ...]:
    return (State(function, function),)


_COUNT = State("count", "sum")
_MOMENTS = (_COUNT, State("sum", "sum", _as_float))
_VARIANCE = (*_MOMENTS, State("var_pop", "sum", _as_float, _spread))


_P = Parameter("p", "a number from 0 to 1", 0.25, _fraction)
_N = Parameter("n", f"a whole number from 1 to {_MOST}", 2, _count)
_K = Parameter("k", f"a whole number from 1 to {_MOST}", 2, _count)

_ENTRIES = (
    AggregateFunction("count", _any, ((INT64, (7, None, 7), 2), (STRING, (None,), 0)), empty=0, states=(_COUNT,)),
    AggregateFunction("sum", _sum, (
        (INT64, (2, None, 5), 7), (FLOAT64, (0.5, _NAN), _NAN), (INT64, (None,), None),
    ), may_overflow=True, states=(State("sum", "sum", _wide),)),
    AggregateFunction("mean", _numeric, (
        (INT64, (1, None, 2), 1.5), (FLOAT64, (math.inf, 1.0), math.inf),
    ), states=_MOMENTS, finish=_mean),
    AggregateFunction("min", _scalar, (
        (FLOAT64, (_NAN, 2.0, None), 2.0), (STRING, ("b", "B", "ä"), "B"),
    ), states=_itself("min")),
    AggregateFunction("max", _scalar, (
        (FLOAT64, (_NAN, math.inf), _NAN), (STRING, ("b", "B", "ä"), "ä"),
    ), states=_itself("max")),
    AggregateFunction("var_samp", _numeric, (
        (INT64, (2, 4, None), 2.0), (INT64, (2,), None),
    ), states=_VARIANCE, finish=_sample_variance),
    AggregateFunction("var_pop", _numeric, (
        (INT64, (2, 4, None), 1.0), (INT64, (2,), 0.0), (FLOAT64, (math.inf,), _NAN),
    ), states=_VARIANCE, finish=lambda states, type_: states[2]),
    AggregateFunction("stddev_samp", Expansion(("var_samp",), partial(call, "plain_sqrt")), (
        (INT64, (1, 3, 5), 2.0), (INT64, (2,), None),
    )),
    AggregateFunction("stddev_pop", Expansion(("var_pop",), partial(call, "plain_sqrt")), (
        (INT64, (2, 4, None), 1.0), (FLOAT64, (math.inf,), _NAN),
    )),
    AggregateFunction("count_distinct", _count_distinct, (
        (FLOAT64, (0.0, -0.0, _NAN, _NAN, None), 2),
        (STRING, ("a", "A", "a "), 3),
    ), empty=0),
    AggregateFunction("first", _scalar, ((INT64, (None, 7, 8), 7), (FLOAT64, (_NAN, 1.0), _NAN)), is_ordered=True),
    AggregateFunction("last", _scalar, ((INT64, (7, 8, None), 8), (STRING, ("b", ""), "")), is_ordered=True),
    AggregateFunction("median", _numeric, ((INT64, (4, 1, None, 2, 8), 3.0), (FLOAT64, (-math.inf, 2.5), _NAN))),
    AggregateFunction("percentile", _numeric, (
        (INT64, (4, 1, None, 2, 8), 1.75),
        (FLOAT64, (math.inf, math.inf), math.inf),
    ), parameter=_P),
    AggregateFunction("first_n", _list, (
        (INT64, (None, 9, 7, 8), (9, 7)),
        (STRING, ("b",), ("b",)),
    ), empty=(), is_ordered=True, parameter=_N),
    AggregateFunction("last_n", _list, (
        (INT64, (9, 7, 8, None), (7, 8)),
        (STRING, (None,), ()),
    ), empty=(), is_ordered=True, parameter=_N),
    AggregateFunction("first_distinct_n", _list, (
        (INT64, (9, 9, 7, 9, 8), (9, 7)),
        (FLOAT64, (0.0, -0.0, _NAN, _NAN), (0.0, _NAN)),
    ), empty=(), is_ordered=True, parameter=_N),
    AggregateFunction("last_distinct_n", _list, (
        (INT64, (8, 7, 9, 7, 7), (9, 7)),
        (FLOAT64, (_NAN, 0.0, -0.0), (_NAN, 0.0)),
    ), empty=(), is_ordered=True, parameter=_N),
    AggregateFunction("mode", _scalar, ((INT64, (8, 7, None, None, None, 7, 8), 7), (STRING, ("b", "a", "b"), "b"))),
    AggregateFunction("top_k", _list, (
        (INT64, (8, 9, 7, None, 7, 8), (7, 8)),
        (STRING, ("b", "a", "b", "c"), ("b", "a")),
    ), empty=(), parameter=_K),
    AggregateFunction("bool_and", _condition, ((BOOL, (True, None, False), False), (BOOL, (True, None), True)),
                      states=_itself("bool_and")),
    AggregateFunction("bool_or", _condition, ((BOOL, (True, None, False), True), (BOOL, (False, None), False)),
                      states=_itself("bool_or")),
)  # fmt: skip

AggregateName = OneOf[
    "count", "sum", "mean", "min", "max", "var_samp", "var_pop", "stddev_samp", "stddev_pop", "count_distinct",
    "first", "last", "median", "percentile", "first_n", "last_n", "first_distinct_n", "last_distinct_n",
    "mode", "top_k", "bool_and", "bool_or",
]  # fmt: skip
"""The names in the table, written out for type checkers."""

AGGREGATES: Mapping[str, AggregateFunction] = {aggregate.name: aggregate for aggregate in _ENTRIES}

PLANNER_AGGREGATES = frozenset({"any", "max_by", "newest", "last_present"})
"""Aggregates of physical plans alone.

``any`` is the operand of any row; ``max_by`` that of the greatest in the measure's order (null lowest, NaN highest);
``newest`` the greatest struct, by its fields in turn in that order; ``last_present`` the last operand that is not
null.
"""

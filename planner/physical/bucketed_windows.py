"""Windows by a join on buckets of time, grouped by row."""

from __future__ import annotations

from ..durations import format_duration
from ..expr.aggregates import AGGREGATES
from ..expr.functions import call
from ..expr.nodes import Column, Expr, Literal, columns_of, conjunction, conjuncts
from ..ir.logical import (
    Aggregate,
    Interval,
    Measure,
    Project,
    Relation,
    WindowAggregate,
    WindowMeasure,
    identity_columns,
)
from ..ir.operators import KeyedJoin
from ..statistics import Cost, Rates
from .form import Beside, Expansion, Form
from .pairs import pairs_cost, pairs_in_time
from .sizes import Sizes, intervals, longest


class BucketedWindows(Form[WindowAggregate]):
    """A join on keys and bucket of time, grouped by row, each aggregate with its interval as a filter.

    A bucket is as long as the span that holds every window of a row, so a row's events lie in at most two of them and
    all windows are answered in one pass. Where a window has no lower bound there is no bucket, and the join is on keys
    alone.
    """

    name = "BucketedWindows"
    on = WindowAggregate
    makes_pairs = True

    def applies_to(self, node: WindowAggregate) -> bool:
        return bool(node.aggregates)

    def cost(self, node: WindowAggregate, sizes: Sizes, rates: Rates) -> Cost | None:
        """Each event meets the rows of two buckets, or all of its keys; each aggregate takes those of the longest."""
        taken = len(node.aggregates) * rates.measured
        return pairs_cost(sizes, rates, self._bucket(node), taken=taken, held=16 * len(node.aggregates))

    def _bucket(self, node: WindowAggregate) -> int | None:
        """The length of a bucket, if there is one."""
        return longest(node)

    def expand(self, node: WindowAggregate) -> Relation:
        made = Expansion(node)
        read = [column for each in node.aggregates for column in read_by(each)]
        pairs, beside = pairs_in_time(made, read, self._bucket(node))
        time = beside.column(node.event_time)
        bounds = {interval: within(interval, time) for interval in intervals(node)}
        measures = tuple(_measure(each, bounds[each.interval], beside) for each in node.aggregates)
        found = made.step(Aggregate(pairs, (node.row,), measures), "windows")
        every_row = KeyedJoin(node.spine, found, ((node.row, node.row),), how="left")
        answers = tuple((each.name, or_empty(each, Column(each.name, each.type))) for each in node.aggregates)
        return Project(every_row, (*identity_columns(node.spine.schema), *answers))

    def detail(self, node: WindowAggregate) -> str:
        bucket = self._bucket(node)
        return ", no bucket" if bucket is None else f", bucket {format_duration(bucket)}"


class RangeWindows(BucketedWindows):
    """The same by a join on keys alone: for few rows a key, where rows in two buckets cost more than the pairs."""

    name = "RangeWindows"

    def applies_to(self, node: WindowAggregate) -> bool:
        """Where there would be a bucket: without one the other form is this one."""
        return bool(node.aggregates) and longest(node) is not None

    def _bucket(self, node: WindowAggregate) -> int | None:
        del node
        return None


def read_by(each: WindowMeasure) -> tuple[str, ...]:
    """The event columns that an aggregate is of."""
    operand = () if each.operand is None else (each.operand,)
    return (*operand, *each.order, *(() if each.where is None else columns_of(each.where)))


def within(interval: Interval, time: Column) -> Expr:
    """That an event is in an interval; one expression for all aggregates over it."""
    lower = () if interval.lower is None else (call("ge", time, interval.lower),)
    return conjunction((*lower, call("lt", time, interval.upper)))


def _measure(each: WindowMeasure, bounds: Expr, beside: Beside) -> Measure:
    return Measure(
        each.name,
        each.function,
        None if each.operand is None else beside.column(each.operand),
        each.type,
        where=bounds if each.where is None else conjunction((*conjuncts(bounds), beside.over(each.where))),
        order=tuple(beside.column(name) for name in each.order),
        parameter=each.parameter,
    )


def or_empty(each: WindowMeasure, value: Expr) -> Expr:
    """A row without events has no aggregates, and gets the empty values."""
    empty = AGGREGATES[each.function].empty
    return value if empty is None else call("coalesce", value, Literal(empty, each.type))

"""The physical forms of windowed aggregates, as CTEs of a statement, and what all forms share.

The aliases are the same everywhere: s a spine row, e an event, m a match, w a winner, a the aggregates of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from ..planner.expr.aggregates import AGGREGATES
from ..planner.expr.nodes import Column
from ..planner.ir.logical import AsofJoin, WindowAggregate, WindowedAggregate
from ..planner.ir.physical import BucketedRangeJoinAggregate, RangeMax, RunningMaximum
from ..planner.types import BEYOND_TIME, free_name
from . import syntax as sql
from .block import Block
from .expressions import Operand
from .statement import Statement
from .syntax import Sql
from .windowed import Windowed


def bucketed_range_join_aggregate(to: Statement, node: BucketedRangeJoinAggregate) -> Block:
    """Spine rows with the buckets of their windows, joined to events, grouped by row; then every spine row."""
    label = to.label(node, "")
    spine = to.named(node.spine)
    events = to.named(node.events, f"{label}_events")
    ts = node.event_time
    on: list[Sql] = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
    probe = spine
    if node.bucket is not None:
        probe, bucket = _probe(to, node, spine, label)
        on.append(exp.EQ(this=sql.column(bucket, "s"), expression=_bucket(lambda: sql.column(ts, "e"), node.bucket)))
        earliest = node.latest - node.bucket
        on.append(exp.GTE(this=sql.column(ts, "e"), expression=shifted(node.time, earliest)))
    on += [exp.LT(this=sql.column(ts, "e"), expression=shifted(node.time, node.latest)), *is_known(node)]
    aggregates = [(each.name, _windowed(to, node, each)) for each in node.aggregates]
    found = grouped_by_row(to, node, probe, events, on, aggregates, f"{label}_windows")
    measured = {each.name: each for each in node.aggregates}

    def base(name: str) -> Sql:
        """A row without events has no aggregates, and gets the empty values."""
        if name not in measured:
            return sql.column(name, "s")
        default = _empty(to, measured[name])
        value = sql.column(name, "a")
        return value if default is None else sql.function("coalesce", value, default)

    return every_row(node, spine, found, base)


def _empty(to: Statement, aggregate: WindowedAggregate) -> Sql | None:
    """The value of a window without events; None for null."""
    empty = AGGREGATES[aggregate.function].empty
    if empty is None or isinstance(empty, int):
        return None if empty is None else sql.number(empty)
    return sql.cast(exp.Array(expressions=[]), to.dialect.expressions.type_name(aggregate.type))


def grouped_by_row(
    to: Statement,
    node: RangeMax | BucketedRangeJoinAggregate,
    spine: str,
    events: str,
    on: list[Sql],
    measures: Sequence[tuple[str, Sql]],
    name: str,
) -> str:
    """CTE: spine rows joined to events, grouped by row; a row without events is not in it."""
    grouped = sql.select(
        [(node.row, sql.column(node.row, "s")), *measures],
        sql.table(spine, "s"),
        joins=[sql.join(sql.table(events, "e"), on)],
        group=[sql.column(node.row, "s")],
    )
    return to.add_cte(name, grouped)


def every_row(node: RangeMax | BucketedRangeJoinAggregate, spine: str, found: str, base: Callable[[str], Sql]) -> Block:
    """Every spine row once, beside what was found for it."""

    def joins() -> list[exp.Join]:
        same_row = exp.EQ(this=sql.column(node.row, "s"), expression=sql.column(node.row, "a"))
        return [sql.join(sql.table(found, "a"), [same_row], side="LEFT")]

    columns = {field.name: Column(field.name, field.type) for field in node.schema}
    return Block(source=lambda: sql.table(spine, "s"), joins=joins, base=base, columns=columns)


def _probe(to: Statement, node: BucketedRangeJoinAggregate, spine: str, label: str) -> tuple[str, str]:
    """CTE: each spine row twice, with the two buckets that can hold its events."""
    width = node.bucket
    assert width is not None
    bucket = free_name("bucket", (*node.spine.schema.names, *node.events.schema.names))
    last = node.latest - 1

    def newest() -> Sql:
        return _bucket(lambda: shifted(node.time, last, None), width)

    both = to.dialect.unnest([newest(), sql.binary(exp.Sub, newest(), sql.number(1))])
    columns = [(column, sql.column(column)) for column in node.spine.schema.names]
    return to.add_cte(f"{label}_probe", sql.select([*columns, (bucket, both)], sql.table(spine))), bucket


def _windowed(to: Statement, node: BucketedRangeJoinAggregate, aggregate: WindowedAggregate) -> Sql:
    interval = aggregate.interval

    def within() -> Sql:
        ts = node.event_time
        parts: list[Sql] = []
        if interval.lower is not None:
            parts.append(exp.GTE(this=sql.column(ts, "e"), expression=to.over(interval.lower, "s")))
        parts.append(exp.LT(this=sql.column(ts, "e"), expression=to.over(interval.upper, "s")))
        if aggregate.where is not None:
            parts.append(_in_and(to.over(aggregate.where, "e")))
        condition = sql.all_of(parts)
        assert condition is not None
        return condition

    column = aggregate.operand

    def operand() -> Sql:
        return sql.column(column or "", "e")

    def order() -> list[Sql]:
        return [sql.column(each, "e") for each in aggregate.order]

    def key() -> Sql:
        return to.dialect.sort_key([*order(), operand()])

    type_ = None if column is None else node.events.schema[column]
    return to.dialect.windowed(aggregate, Windowed(operand, type_, within, key, order, aggregate.parameter))


def _bucket(value: Operand, width: int) -> Sql:
    """Number of the bucket. Truncation instead of floor before 1970 makes one bucket of two, on both sides alike."""
    return sql.binary(exp.IntDiv, value(), sql.number(width))


def is_known(node: AsofJoin | WindowAggregate) -> list[Sql]:
    """The condition that an event was created by the time of a spine row, where only such events count."""
    if node.created is None:
        return []
    return [exp.LTE(this=sql.column(node.created, "e"), expression=sql.column(node.time, "s"))]


def created_column(node: RunningMaximum) -> str:
    """The event column of the created time, which every node has that this form applies to."""
    assert node.created is not None
    return node.created


def visible_from(node: RunningMaximum, table: str | None = None) -> Sql:
    """The first query time at which an event is visible: when it has happened and was created."""
    happened = shifted(node.event_time, node.delay, table)
    return sql.function("greatest", happened, sql.column(created_column(node), table))


def visible_at_all(node: RunningMaximum, table: str | None = None) -> list[Sql]:
    """The conditions that an event is ever visible; a time beyond all calendars, as infinity is, has no sum."""
    created = exp.Is(this=sql.column(created_column(node), table), expression=exp.Not(this=exp.Null()))
    return [created, exp.LT(this=sql.column(node.event_time, table), expression=sql.number(BEYOND_TIME))]


def shifted(time: str, micros: int, table: str | None = "s") -> Sql:
    """The time, moved by microseconds."""
    t = sql.column(time, table)
    if micros == 0:
        return t
    kind: type[exp.Binary] = exp.Add if micros > 0 else exp.Sub
    return kind(this=t, expression=sql.number(abs(micros)))


def _in_and(condition: Sql) -> Sql:
    return exp.Paren(this=condition) if isinstance(condition, exp.Connector) else condition

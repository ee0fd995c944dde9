"""The physical forms of point-in-time joins and windowed aggregates, as CTEs of a statement.

The aliases are the same everywhere: s a spine row, e an event, m a match, w a winner, a the aggregates of a row.
"""

from __future__ import annotations

from sqlglot import exp

from ..planner.expr.aggregates import AGGREGATES
from ..planner.expr.nodes import Column
from ..planner.ir.logical import Pick, WindowedAggregate
from ..planner.ir.physical import BucketedRangeJoinAggregate, NarrowAsofThenFetch
from ..planner.types import free_name
from . import syntax as sql
from .block import Block
from .expressions import Operand
from .statement import Forms, Statement
from .syntax import Sql


def narrow_asof_then_fetch(to: Statement, node: NarrowAsofThenFetch) -> Block:
    """Match on keys and time; for each pick the winner among the matched keys and times; both put together."""
    label = to.label(node, "")
    spine = to.named(node.spine)
    events = to.named(node.events, f"{label}_events")
    ts, matched = node.event_time, free_name(f"matched_{node.event_time}", node.schema.names)
    upper = node.picks[0].interval.upper
    keys = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
    later = exp.GT(this=to.over(upper, "s"), expression=sql.column(ts, "e"))
    spine_columns = [(column, sql.column(column, "s")) for column in node.spine.schema.names]
    narrow = sql.select(
        [(column, sql.column(column)) for column in (*(r for _, r in node.keys), ts)], sql.table(events)
    )
    match = sql.select(
        [*spine_columns, (matched, sql.column(ts, "e"))],
        sql.table(spine, "s"),
        joins=[
            sql.join(exp.Subquery(this=narrow, alias=exp.TableAlias(this=sql.name("e"))), [*keys, later],
                     side="LEFT", method="ASOF")
        ],
    )  # fmt: skip
    match_name = to.add_cte(f"{label}_match", match)
    winners = [_winner(to, node, pick, events, match_name, matched) for pick in node.picks]
    return _fetch(to, node, match_name, matched, winners)


def _winner(to: Statement, node: NarrowAsofThenFetch, pick: Pick, events: str, match: str, matched: str) -> str:
    """CTE: of the events at a matched (keys, time), the features of the greatest in the pick's order."""
    by = [*(right for _, right in node.keys), node.event_time]
    on_match = [*(left for left, _ in node.keys), matched]
    wanted = sql.select(
        [(event, sql.column(spine)) for event, spine in zip(by, on_match, strict=True)],
        sql.table(match),
        where=exp.Is(this=sql.column(matched), expression=exp.Not(this=exp.Null())),
        distinct=True,
    )
    fields = [(name, sql.column(column, "e")) for name, column in pick.features]
    order = [sql.column(column, "e") for column in pick.order]
    key = to.dialect.sort_key(order) if order and not pick.unique else None
    latest = sql.select(
        [
            *((column, sql.column(column, "e")) for column in by),
            (_winner_column(node), to.dialect.greatest_row(fields, key)),
        ],
        sql.table(events, "e"),
        joins=[
            sql.join(
                exp.Subquery(this=wanted, alias=exp.TableAlias(this=sql.name("m"))),
                [exp.EQ(this=sql.column(column, "e"), expression=sql.column(column, "m")) for column in by],
            )
        ],
        group=[sql.column(column, "e") for column in by],
    )
    return to.add_cte(f"{pick.label or 'view'}_latest", latest)


def _fetch(to: Statement, node: NarrowAsofThenFetch, match: str, matched: str, winners: list[str]) -> Block:
    """Each spine row with the winners of its match, which count only within their own interval."""
    aliases = [f"w{index}" if len(winners) > 1 else "w" for index in range(len(winners))]
    home = {name: alias for pick, alias in zip(node.picks, aliases, strict=True) for name, _ in pick.features}

    def joins() -> list[exp.Join]:
        made: list[exp.Join] = []
        for pick, winner, alias in zip(node.picks, winners, aliases, strict=True):
            on: list[Sql] = [
                exp.EQ(this=sql.column(left, "m"), expression=sql.column(right, alias)) for left, right in node.keys
            ]
            on.append(exp.EQ(this=sql.column(matched, "m"), expression=sql.column(node.event_time, alias)))
            if pick.interval.lower is not None:
                lower = to.over(pick.interval.lower, "m")
                on.append(exp.GTE(this=sql.column(matched, "m"), expression=lower))
            made.append(sql.join(sql.table(winner, alias), on, side="LEFT"))
        return made

    def base(name: str) -> Sql:
        if name in home:
            return to.dialect.struct_field(sql.column(_winner_column(node), home[name]), name)
        return sql.column(name, "m")

    columns = {field.name: Column(field.name, field.type) for field in node.schema}
    return Block(source=lambda: sql.table(match, "m"), joins=joins, base=base, columns=columns)


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
        on.append(exp.GTE(this=sql.column(ts, "e"), expression=_shifted(node.time, earliest)))
    on.append(exp.LT(this=sql.column(ts, "e"), expression=_shifted(node.time, node.latest)))
    aggregates = [(each.name, _windowed(to, node, each)) for each in node.aggregates]
    windows = sql.select(
        [(node.row, sql.column(node.row, "s")), *aggregates],
        sql.table(probe, "s"),
        joins=[sql.join(sql.table(events, "e"), on)],
        group=[sql.column(node.row, "s")],
    )
    name = to.add_cte(f"{label}_windows", windows)
    return _every_row(to, node, spine, name)


def _probe(to: Statement, node: BucketedRangeJoinAggregate, spine: str, label: str) -> tuple[str, str]:
    """CTE: each spine row twice, with the two buckets that can hold its events."""
    assert node.bucket is not None
    bucket = free_name("bucket", (*node.spine.schema.names, *node.events.schema.names))
    last = node.latest - 1

    def newest() -> Sql:
        return _bucket(lambda: _shifted(node.time, last, None), node.bucket or 1)

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

    def key() -> Sql:
        columns = (*aggregate.order, *((aggregate.operand,) if aggregate.operand is not None else ()))
        return to.dialect.sort_key([sql.column(column, "e") for column in columns])

    column = aggregate.operand
    operand = None if column is None else lambda: sql.column(column, "e")
    return to.dialect.windowed(aggregate, operand, within, key)


def _every_row(to: Statement, node: BucketedRangeJoinAggregate, spine: str, windows: str) -> Block:
    """The spine with its aggregates; a row without events has none in ``windows``, and gets the empty values."""
    empty = {each.name: AGGREGATES[each.function].empty for each in node.aggregates}

    def base(name: str) -> Sql:
        if name not in empty:
            return sql.column(name, "s")
        value = sql.column(name, "a")
        default = empty[name]
        return value if default is None else sql.function("coalesce", value, sql.number(default))

    def joins() -> list[exp.Join]:
        on = exp.EQ(this=sql.column(node.row, "s"), expression=sql.column(node.row, "a"))
        return [sql.join(sql.table(windows, "a"), [on], side="LEFT")]

    columns = {field.name: Column(field.name, field.type) for field in node.schema}
    return Block(source=lambda: sql.table(spine, "s"), joins=joins, base=base, columns=columns)


def _winner_column(node: NarrowAsofThenFetch) -> str:
    return free_name("winner", [*(right for _, right in node.keys), node.event_time])


def _bucket(value: Operand, width: int) -> Sql:
    """Number of the bucket. Truncation instead of floor before 1970 makes one bucket of two, on both sides alike."""
    return sql.binary(exp.IntDiv, value(), sql.number(width))


def _shifted(time: str, micros: int, table: str | None = "s") -> Sql:
    t = sql.column(time, table)
    if micros == 0:
        return t
    kind: type[exp.Binary] = exp.Add if micros > 0 else exp.Sub
    return kind(this=t, expression=sql.number(abs(micros)))


def _in_and(condition: Sql) -> Sql:
    return exp.Paren(this=condition) if isinstance(condition, exp.Connector) else condition


FORMS: Forms = {
    NarrowAsofThenFetch: narrow_asof_then_fetch,
    BucketedRangeJoinAggregate: bucketed_range_join_aggregate,
}

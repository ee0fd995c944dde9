"""The physical forms of point-in-time joins and windowed aggregates, as CTEs of a statement.

The aliases are the same everywhere: s a spine row, e an event, m a match, w a winner, a the aggregates of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from ..planner.expr.aggregates import AGGREGATES
from ..planner.expr.functions import call
from ..planner.expr.nodes import Column, Literal
from ..planner.ir.logical import AsofJoin, Pick, WindowedAggregate
from ..planner.ir.physical import BucketedRangeJoinAggregate, NarrowAsofThenFetch, RangeMax, UnionLastValue
from ..planner.types import INT64, free_name
from . import syntax as sql
from .block import Block
from .expressions import Operand
from .statement import Statement
from .syntax import Sql
from .windowed import Windowed


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


def union_last_value(to: Statement, node: UnionLastValue) -> Block:
    """Spine rows and events in one stream by keys and time; the last event before each spine row, for each pick.

    At the time of a row's upper bound the row comes first, since the bound is exclusive. An event with a null key
    would stand beside the spine rows with one, and is left out.
    """
    label = to.label(node, "")
    spine, events = to.named(node.spine), to.named(node.events, f"{label}_events")
    ts, event_key = node.event_time, dict(node.keys)
    taken = (*node.schema.names, *node.events.schema.names)
    at, is_event = free_name("at", taken), free_name("is_event", taken)
    payloads = [free_name(f"event_{number}", taken) for number, _ in enumerate(node.picks)]
    types = to.dialect.expressions
    rows = sql.select(
        [
            *((field.name, sql.column(field.name, "s")) for field in node.spine.schema),
            (at, to.over(node.picks[0].interval.upper, "s")),
            (is_event, sql.number(0)),
            *((payload, exp.Null()) for payload in payloads),
        ],
        sql.table(spine, "s"),
    )
    known = [
        exp.Is(this=sql.column(key, "e"), expression=exp.Not(this=exp.Null())) for key in (*event_key.values(), ts)
    ]
    past = sql.select(
        [
            *(
                (
                    field.name,
                    sql.column(event_key[field.name], "e")
                    if field.name in event_key
                    else sql.cast(exp.Null(), types.type_name(field.type)),
                )
                for field in node.spine.schema
            ),
            (at, sql.column(ts, "e")),
            (is_event, sql.number(1)),
            *((payload, _payload(to, node, pick)) for payload, pick in zip(payloads, node.picks, strict=True)),
        ],
        sql.table(events, "e"),
        where=sql.all_of(known),
    )
    stream = to.add_cte(f"{label}_stream", exp.Union(this=rows, expression=past, distinct=False))
    last = [(payload, _last(payload, [left for left, _ in node.keys], [at, is_event, payload])) for payload in payloads]
    columns = [(name, sql.column(name)) for name in (*node.spine.schema.names, is_event)]
    matched = to.add_cte(f"{label}_match", sql.select([*columns, *last], sql.table(stream)))
    is_row = call("eq", Column(is_event, INT64), Literal(0, INT64))
    fields = {field.name: Column(field.name, field.type) for field in node.schema}
    base = _payload_columns(to, node, payloads, "s")
    return Block(source=lambda: sql.table(matched, "s"), joins=list, base=base, columns=fields, where=(is_row,))


def range_max(to: Statement, node: RangeMax) -> Block:
    """For each spine row and pick the greatest payload of the events in range; then every spine row."""
    label = to.label(node, "")
    spine, events = to.named(node.spine), to.named(node.events, f"{label}_events")
    payloads = [free_name(f"event_{number}", node.schema.names) for number, _ in enumerate(node.picks)]
    on: list[Sql] = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
    on.append(exp.LT(this=sql.column(node.event_time, "e"), expression=to.over(node.picks[0].interval.upper, "s")))
    oldest = [pick.interval.earliest for pick in node.picks]
    bounds = [start for start in oldest if start is not None]
    if len(bounds) == len(oldest):
        on.append(exp.GTE(this=sql.column(node.event_time, "e"), expression=_shifted(node.time, min(bounds))))
    greatest = [
        (payload, sql.function("max", _payload(to, node, pick)))
        for payload, pick in zip(payloads, node.picks, strict=True)
    ]
    found = _grouped_by_row(to, node, spine, events, on, greatest, f"{label}_latest")
    return _every_row(node, spine, found, _payload_columns(to, node, payloads, "a"))


def _payload(to: Statement, node: AsofJoin, pick: Pick) -> Sql:
    """An event's time, order and features: a struct that sorts as ties are broken."""
    columns = dict.fromkeys((node.event_time, *pick.order, *(column for _, column in pick.features)))
    return to.dialect.struct([(column, sql.column(column, "e")) for column in columns])


def _payload_columns(to: Statement, node: AsofJoin, payloads: list[str], alias: str) -> Callable[[str], Sql]:
    """A column of the answer: a feature from its pick's payload, null where that is too old; others as they are."""
    home = {
        name: (payload, pick, column)
        for payload, pick in zip(payloads, node.picks, strict=True)
        for name, column in pick.features
    }

    def base(name: str) -> Sql:
        payload, pick, column = home[name]
        value = to.dialect.struct_field(sql.column(payload, alias), column)
        if pick.interval.lower is None:
            return value
        time = to.dialect.struct_field(sql.column(payload, alias), node.event_time)
        return sql.case([(exp.GTE(this=time, expression=to.over(pick.interval.lower, "s")), value)])

    return lambda name: base(name) if name in home else sql.column(name, "s")


def _last(column: str, keys: list[str], order: list[str]) -> Sql:
    return exp.Window(
        this=sql.function("last", sql.column(column), exp.Boolean(this=True)),
        partition_by=[sql.column(key) for key in keys],
        order=exp.Order(
            expressions=[exp.Ordered(this=sql.column(each), desc=False, nulls_first=True) for each in order]
        ),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )


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
    found = _grouped_by_row(to, node, probe, events, on, aggregates, f"{label}_windows")
    measured = {each.name: each for each in node.aggregates}

    def base(name: str) -> Sql:
        """A row without events has no aggregates, and gets the empty values."""
        if name not in measured:
            return sql.column(name, "s")
        default = _empty(to, measured[name])
        value = sql.column(name, "a")
        return value if default is None else sql.function("coalesce", value, default)

    return _every_row(node, spine, found, base)


def _empty(to: Statement, aggregate: WindowedAggregate) -> Sql | None:
    """The value of a window without events; None for null."""
    empty = AGGREGATES[aggregate.function].empty
    if empty is None or isinstance(empty, int):
        return None if empty is None else sql.number(empty)
    return sql.cast(exp.Array(expressions=[]), to.dialect.expressions.type_name(aggregate.type))


def _grouped_by_row(
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


def _every_row(
    node: RangeMax | BucketedRangeJoinAggregate, spine: str, found: str, base: Callable[[str], Sql]
) -> Block:
    """Every spine row once, beside what was found for it."""

    def joins() -> list[exp.Join]:
        same_row = exp.EQ(this=sql.column(node.row, "s"), expression=sql.column(node.row, "a"))
        return [sql.join(sql.table(found, "a"), [same_row], side="LEFT")]

    columns = {field.name: Column(field.name, field.type) for field in node.schema}
    return Block(source=lambda: sql.table(spine, "s"), joins=joins, base=base, columns=columns)


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

    column = aggregate.operand

    def operand() -> Sql:
        return sql.column(column or "", "e")

    def order() -> list[Sql]:
        return [sql.column(each, "e") for each in aggregate.order]

    def key() -> Sql:
        return to.dialect.sort_key([*order(), operand()])

    type_ = None if column is None else node.events.schema[column]
    return to.dialect.windowed(aggregate, Windowed(operand, type_, within, key, order, aggregate.parameter))


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

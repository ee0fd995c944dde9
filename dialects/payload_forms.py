"""The physical forms of the latest value whose events are structs that sort as ties are broken."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from ..planner.expr.functions import call
from ..planner.expr.nodes import Column, Literal
from ..planner.ir.logical import AsofJoin, Pick
from ..planner.ir.physical import RangeMax, RunningMaximum, UnionLastValue
from ..planner.types import INT64, Field, free_name
from . import syntax as sql
from .block import Block
from .forms import every_row, grouped_by_row, is_known, shifted, visible_at_all, visible_from
from .statement import Statement
from .syntax import Sql


def union_last_value(to: Statement, node: UnionLastValue) -> Block:
    """Spine rows and events in one stream by keys and time; the last event before each spine row, for each pick.

    At the time of a row's upper bound the row comes first, since the bound is exclusive.
    """
    ts = node.event_time
    stream = _Stream(to, node)
    stream.unite(to.over(node.picks[0].interval.upper, "s"), sql.column(ts, "e"), [_is_present(ts)])
    return stream.every_row(
        lambda payload: stream.up_to_row(
            sql.function("last", sql.column(payload), exp.Boolean(this=True)),
            [_ascending(stream.at), _ascending(stream.is_event), _ascending(payload)],
        )
    )


def running_maximum(to: Statement, node: RunningMaximum) -> Block:
    """Spine rows and events in one stream by keys and the time of being visible; the greatest event up to each row.

    An event that becomes visible at the time of a row comes before it.
    """
    stream = _Stream(to, node)
    visible = visible_from(node, "e")
    stream.unite(sql.column(node.time, "s"), visible, visible_at_all(node, "e"))
    return stream.every_row(
        lambda payload: stream.up_to_row(
            sql.function("max", sql.column(payload)), [_ascending(stream.at), _descending(stream.is_event)]
        )
    )


class _Stream:
    """Spine rows and events as one relation, for window functions that carry events on to the rows after them."""

    def __init__(self, to: Statement, node: AsofJoin) -> None:
        self._to = to
        self._node = node
        self._label = to.label(node, "")
        taken = (*node.schema.names, *node.events.schema.names)
        self.at, self.is_event = free_name("at", taken), free_name("is_event", taken)
        self._payloads = [free_name(f"event_{number}", taken) for number, _ in enumerate(node.picks)]

    def unite(self, row_at: Sql, event_at: Sql, where: list[Sql]) -> None:
        """CTE: spine rows and the events for which ``where`` is true, each with its place in time.

        An event with a null key would stand beside the spine rows with one, and is left out.
        """
        to, node = self._to, self._node
        spine, events = to.named(node.spine), to.named(node.events, f"{self._label}_events")
        rows = sql.select(
            [
                *((field.name, sql.column(field.name, "s")) for field in node.spine.schema),
                (self.at, row_at),
                (self.is_event, sql.number(0)),
                *((payload, exp.Null()) for payload in self._payloads),
            ],
            sql.table(spine, "s"),
        )
        event_key: dict[str, str] = {}
        known: list[Sql] = []
        for left, right in node.keys:
            same = event_key.setdefault(left, right)
            both = exp.EQ(this=sql.column(same, "e"), expression=sql.column(right, "e"))
            known.append(_is_present(right) if same == right else both)
        past = sql.select(
            [
                *((field.name, self._event_column(field, event_key)) for field in node.spine.schema),
                (self.at, event_at),
                (self.is_event, sql.number(1)),
                *((name, _payload(to, node, pick)) for name, pick in zip(self._payloads, node.picks, strict=True)),
            ],
            sql.table(events, "e"),
            where=sql.all_of([*known, *where]),
        )
        self._name = to.add_cte(f"{self._label}_stream", exp.Union(this=rows, expression=past, distinct=False))

    def _event_column(self, field: Field, event_key: dict[str, str]) -> Sql:
        """A spine column for an event: its key, or nothing."""
        if field.name in event_key:
            return sql.column(event_key[field.name], "e")
        return sql.cast(exp.Null(), self._to.dialect.expressions.type_name(field.type))

    def up_to_row(self, value: Sql, order: list[exp.Ordered]) -> Sql:
        """An aggregate over what the keys' stream has up to here, in an order that ties cannot change."""
        return exp.Window(
            this=value,
            partition_by=[sql.column(key) for key in dict.fromkeys(left for left, _ in self._node.keys)],
            order=exp.Order(expressions=order),
            spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
        )

    def every_row(self, carried: Callable[[str], Sql]) -> Block:
        """The spine rows, each with the payloads carried to it."""
        to, node = self._to, self._node
        found = [(payload, carried(payload)) for payload in self._payloads]
        columns = [(name, sql.column(name)) for name in (*node.spine.schema.names, self.is_event)]
        matched = to.add_cte(f"{self._label}_match", sql.select([*columns, *found], sql.table(self._name)))
        is_row = call("eq", Column(self.is_event, INT64), Literal(0, INT64))
        fields = {field.name: Column(field.name, field.type) for field in node.schema}
        base = _payload_columns(to, node, self._payloads, "s")
        return Block(source=lambda: sql.table(matched, "s"), joins=list, base=base, columns=fields, where=(is_row,))


def _is_present(column: str) -> Sql:
    return exp.Is(this=sql.column(column, "e"), expression=exp.Not(this=exp.Null()))


def _ascending(column: str) -> exp.Ordered:
    return exp.Ordered(this=sql.column(column), desc=False, nulls_first=True)


def _descending(column: str) -> exp.Ordered:
    return exp.Ordered(this=sql.column(column), desc=True, nulls_first=False)


def range_max(to: Statement, node: RangeMax) -> Block:
    """For each spine row and pick the greatest payload of the events in range; then every spine row."""
    label = to.label(node, "")
    spine, events = to.named(node.spine), to.named(node.events, f"{label}_events")
    payloads = [free_name(f"event_{number}", node.schema.names) for number, _ in enumerate(node.picks)]
    on: list[Sql] = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
    on.append(exp.LT(this=sql.column(node.event_time, "e"), expression=to.over(node.picks[0].interval.upper, "s")))
    on += is_known(node)
    oldest = [pick.interval.earliest for pick in node.picks]
    bounds = [start for start in oldest if start is not None]
    if len(bounds) == len(oldest):
        on.append(exp.GTE(this=sql.column(node.event_time, "e"), expression=shifted(node.time, min(bounds))))
    greatest = [
        (payload, sql.function("max", _payload(to, node, pick)))
        for payload, pick in zip(payloads, node.picks, strict=True)
    ]
    found = grouped_by_row(to, node, spine, events, on, greatest, f"{label}_latest")
    return every_row(node, spine, found, _payload_columns(to, node, payloads, "a"))


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

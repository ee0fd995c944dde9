"""The physical forms of the latest value that begin with an ASOF join: a narrow match, then its winners."""

from __future__ import annotations

from sqlglot import exp

from ..planner.expr.nodes import Column
from ..planner.ir.logical import AsofJoin, Pick
from ..planner.ir.physical import NarrowAsofThenFetch, RunningMaximum
from ..planner.types import free_name
from . import syntax as sql
from .block import Block
from .forms import created_column, visible_at_all, visible_from
from .statement import Statement
from .syntax import Sql


def narrow_asof_then_fetch(to: Statement, node: NarrowAsofThenFetch) -> Block:
    """Match on keys and time; for each pick the winner among the matched keys and times; both put together."""
    ts = node.event_time
    match = _Match(to, node, {ts: sql.column(ts, "e")})
    columns = [(column, sql.column(column)) for column in (*(right for _, right in node.keys), ts)]
    narrow = sql.select(columns, sql.table(match.events))
    upper = to.over(node.picks[0].interval.upper, "s")
    match.join(narrow, exp.GT(this=upper, expression=sql.column(ts, "e")))
    return match.fetch([match.winner(pick) for pick in node.picks])


def running_maximum_asof(to: Statement, node: RunningMaximum) -> Block:
    """The greatest (time, created) up to each moment that an event becomes visible; the last such moment is the match.

    The winners are found among the events of the matched keys, time and created time, which were all visible by then.
    """
    ts, created = node.event_time, created_column(node)
    keys = [right for _, right in node.keys]
    visible, newest = (free_name(wish, node.events.schema.names) for wish in ("visible_from", "newest"))
    found = {name: to.dialect.struct_field(sql.column(newest, "e"), name) for name in (ts, created)}
    match = _Match(to, node, found)
    greatest = exp.Window(
        this=sql.function("max", to.dialect.struct([(name, sql.column(name)) for name in (ts, created)])),
        partition_by=[sql.column(key) for key in keys],
        order=exp.Order(expressions=[exp.Ordered(this=visible_from(node), desc=False, nulls_first=False)]),
    )
    columns = [*((key, sql.column(key)) for key in keys), (visible, visible_from(node)), (newest, greatest)]
    seen = sql.select(columns, sql.table(match.events), where=sql.all_of(visible_at_all(node)))
    known = to.add_cte(f"{match.label}_known", seen)
    match.join(sql.table(known), exp.GTE(this=sql.column(node.time, "s"), expression=sql.column(visible, "e")))
    return match.fetch([match.winner(pick) for pick in node.picks])


class _Match:
    """The spine with what it matches: the times of an event, by which the winners are found and fetched."""

    def __init__(self, to: Statement, node: AsofJoin, times: dict[str, Sql]) -> None:
        self.label = to.label(node, "")
        self._spine = to.named(node.spine)
        self.events = to.named(node.events, f"{self.label}_events")
        self._to = to
        self._node = node
        self._times = times
        self._matched = {name: free_name(f"matched_{name}", node.schema.names) for name in times}
        self._name = ""
        self._winner = free_name("winner", [*(right for _, right in node.keys), *times])

    def join(self, events: Sql, earlier: Sql) -> None:
        """CTE: every spine row with the times of the last of these events of its keys that is ``earlier``."""
        node = self._node
        aliased = (
            exp.Subquery(this=events, alias=exp.TableAlias(this=sql.name("e")))
            if isinstance(events, exp.Select)
            else sql.table(events.name, "e")
        )
        keys = [exp.EQ(this=sql.column(left, "s"), expression=sql.column(right, "e")) for left, right in node.keys]
        match = sql.select(
            [
                *((column, sql.column(column, "s")) for column in node.spine.schema.names),
                *((self._matched[name], value) for name, value in self._times.items()),
            ],
            sql.table(self._spine, "s"),
            joins=[sql.join(aliased, [*keys, earlier], side="LEFT", method="ASOF")],
        )
        self._name = self._to.add_cte(f"{self.label}_match", match)

    def winner(self, pick: Pick) -> str:
        """CTE: of the events at a match, the features of the greatest in the pick's order."""
        to, node = self._to, self._node
        by = {**{right: left for left, right in node.keys}, **self._matched}
        wanted = sql.select(
            [(event, sql.column(spine)) for event, spine in by.items()],
            sql.table(self._name),
            where=exp.Is(this=sql.column(self._matched[node.event_time]), expression=exp.Not(this=exp.Null())),
            distinct=True,
        )
        fields = [(name, sql.column(column, "e")) for name, column in pick.features]
        order = [sql.column(column, "e") for column in pick.order]
        key = to.dialect.sort_key(order) if order and not pick.unique else None
        latest = sql.select(
            [
                *((column, sql.column(column, "e")) for column in by),
                (self._winner, to.dialect.greatest_row(fields, key)),
            ],
            sql.table(self.events, "e"),
            joins=[
                sql.join(
                    exp.Subquery(this=wanted, alias=exp.TableAlias(this=sql.name("m"))),
                    [exp.EQ(this=sql.column(column, "e"), expression=sql.column(column, "m")) for column in by],
                )
            ],
            group=[sql.column(column, "e") for column in by],
        )
        return to.add_cte(f"{pick.label or 'view'}_latest", latest)

    def fetch(self, winners: list[str]) -> Block:
        """Each spine row with the winners of its match, which count only within their own interval."""
        to, node = self._to, self._node
        aliases = [f"w{index}" if len(winners) > 1 else "w" for index in range(len(winners))]
        home = {name: alias for pick, alias in zip(node.picks, aliases, strict=True) for name, _ in pick.features}

        def joins() -> list[exp.Join]:
            made: list[exp.Join] = []
            for pick, winner, alias in zip(node.picks, winners, aliases, strict=True):
                pairs = [*node.keys, *((matched, name) for name, matched in self._matched.items())]
                on: list[Sql] = [
                    exp.EQ(this=sql.column(left, "m"), expression=sql.column(right, alias)) for left, right in pairs
                ]
                if pick.interval.lower is not None:
                    time = sql.column(self._matched[node.event_time], "m")
                    on.append(exp.GTE(this=time, expression=to.over(pick.interval.lower, "m")))
                made.append(sql.join(sql.table(winner, alias), on, side="LEFT"))
            return made

        def base(name: str) -> Sql:
            if name in home:
                return to.dialect.struct_field(sql.column(self._winner, home[name]), name)
            return sql.column(name, "m")

        columns = {field.name: Column(field.name, field.type) for field in node.schema}
        return Block(source=lambda: sql.table(self._name, "m"), joins=joins, base=base, columns=columns)

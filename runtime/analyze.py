"""A retrieval run and observed: time and rows of its statements, and the coverage of its views."""

from __future__ import annotations

from ..planner.dag.node import ExecutionContext
from ..planner.dag.plan import ExecutionPlan
from ..planner.expr.functions import call
from ..planner.expr.nodes import Call, Column, Expr, Literal
from ..planner.features.tasks import HistoricalRetrievalTask
from ..planner.ir.logical import (
    Aggregate,
    AsofJoin,
    Interval,
    Measure,
    Pick,
    Project,
    Relation,
    WindowAggregate,
    WindowMeasure,
    topological,
)
from ..planner.planning import PlannedRequest, lower_plan
from ..planner.types import BOOL, INT64, STRING, free_name
from .metrics import Analysis, Coverage, Metrics, peak_memory
from .session import SqlSession


def observe(session: SqlSession, task: HistoricalRetrievalTask, planned: PlannedRequest, metrics: Metrics) -> Analysis:
    """Run what was planned with every row counted; the counting stands beside the statements, not in their time."""
    context = ExecutionContext(session)
    metrics.count = session.count_rows
    (value,) = planned.pieces.execute(context)
    rows = sum(batch.num_rows for batch in value.to_reader(order_by=task.names.row))
    statements, memory = tuple(metrics.statements), peak_memory()
    seconds = sum(each.seconds for each in statements)
    session.reserve(planned.dag.nodes)
    return Analysis(statements, _coverages(planned.dag, session), rows, seconds, memory)


def _coverages(plan: ExecutionPlan, session: SqlSession) -> tuple[Coverage, ...]:
    """The coverage of every view of a plan.

    It is taken on the plan as it was lowered, since the optimizer leaves out events that are too old to be used. A
    node may lower to more than its match: aggregates that are written with others stand above it.
    """
    lowered = {each.fingerprint: each for relation in lower_plan(plan).values() for each in topological(relation)}
    return tuple(
        _coverage(relation, session)
        for relation in lowered.values()
        if isinstance(relation, AsofJoin | WindowAggregate)
    )


def _coverage(relation: AsofJoin | WindowAggregate, session: SqlSession) -> Coverage:
    classes = _classes(relation)
    value = session.run_alone(classes, f"{relation.label}_coverage")
    counts: dict[str, int] = {}
    future = 0
    for row in value.to_reader().read_all().to_pylist():
        counts[row["class"]] = row["rows"]
        future += row["future"] or 0
    value.close()
    view = relation.label
    return Coverage(view, counts.get("matched", 0), counts.get("expired", 0), counts.get("unmatched", 0), future)


def _classes(relation: AsofJoin | WindowAggregate) -> Relation:
    """Rows per class: an event in time, only older ones, or none; and how many rows use an event after them."""
    windows = relation.aggregates if isinstance(relation, WindowAggregate) else ()
    intervals = list(dict.fromkeys(each.interval for each in windows)) or [relation.picks[0].interval]  # type: ignore[union-attr]
    last = max(intervals, key=lambda interval: interval.latest)
    ever = Interval(None, last.upper, None, last.latest)
    taken = (*relation.spine.schema.names, *relation.events.schema.names)
    seen = free_name("last_event", taken)
    pick = Pick(ever, (), ((seen, relation.event_time),), unique=True, label=relation.label)
    keys, time, event_time = relation.keys, relation.time, relation.event_time
    rows: Relation = AsofJoin(
        relation.spine, relation.events, keys, time, event_time, (pick,),
        created=relation.created, label=relation.label,
    )  # fmt: skip
    newest: list[Expr] = [Column(seen, INT64)]
    in_time: list[Expr] = [_within(newest[0], intervals[0])]
    if isinstance(relation, WindowAggregate):
        names = [f"{seen}_{number}" for number, _ in enumerate(intervals, 1)]
        used = tuple(
            WindowMeasure(name, "max", event_time, None, interval, (), INT64)
            for name, interval in zip(names, intervals, strict=True)
        )
        rows = WindowAggregate(
            rows, relation.events, keys, relation.row, time, event_time, used,
            created=relation.created, label=relation.label,
        )  # fmt: skip
        newest = [Column(name, INT64) for name in names]
        in_time = [call("not", call("is_null", column)) for column in newest]
    matched = in_time[0] if len(in_time) == 1 else Call("or", tuple(in_time), BOOL)
    after = [call("coalesce", call("gt", column, Column(time, INT64)), Literal(False, BOOL)) for column in newest]
    leaks = after[0] if len(after) == 1 else Call("or", tuple(after), BOOL)
    is_used, is_old, is_none = (Literal(text, STRING) for text in ("matched", "expired", "unmatched"))
    found = call("not", call("is_null", Column(seen, INT64)))
    kind = call("case", matched, is_used, found, is_old, is_none)
    future = call("case", call("and", matched, leaks), Literal(1, INT64), Literal(0, INT64))
    classes = Project(rows, (("class", kind), ("future", future)))
    count = Measure("rows", "count", None, INT64)
    return Aggregate(classes, ("class",), (count, Measure("future", "sum", Column("future", INT64), INT64)))


def _within(event: Expr, interval: Interval) -> Expr:
    found = call("not", call("is_null", event))
    return found if interval.lower is None else call("and", found, call("ge", event, interval.lower))

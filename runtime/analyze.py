"""A retrieval run and observed: time and rows of its statements, and the coverage of its views."""

from __future__ import annotations

import time

from ..planner.compiler import lower_plan
from ..planner.dag import ExecutionContext, ExecutionPlan
from ..planner.expr.functions import call
from ..planner.expr.nodes import Column, Literal
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
)
from ..planner.types import INT64, STRING
from .engine import SqlComputeEngine, SqlSession
from .explain import Analysis, Coverage
from .metrics import MetricsObserver, peak_memory


def observe(engine: SqlComputeEngine, task: HistoricalRetrievalTask, plan: ExecutionPlan) -> Analysis:
    """Run an optimized plan with every row counted; the counting stands beside the statements, not in their time."""
    with engine.session(task.options, task.statistics) as context:
        session = context.engine
        assert isinstance(session, SqlSession)
        context.observer = observer = MetricsObserver(session.count_rows)
        (value,) = plan.execute(context)
        started = time.perf_counter()
        rows = sum(batch.num_rows for batch in value.to_reader(order_by=task.names.row))
        seconds = sum(each.seconds for each in observer.statements) + time.perf_counter() - started
        statements, memory = tuple(observer.statements), peak_memory()
        lowered = engine.plan(task)
        session.reserve(lowered)
        return Analysis(statements, _coverages(lowered, context), rows, seconds, memory)


def _coverages(plan: ExecutionPlan, context: ExecutionContext) -> tuple[Coverage, ...]:
    """The coverage of every view of a plan.

    It is taken on the plan as it was lowered, since the optimizer leaves out events that are too old to be used.
    """
    return tuple(
        _coverage(relation, context)
        for relation in lower_plan(plan).values()
        if isinstance(relation, AsofJoin | WindowAggregate)
    )


def _coverage(relation: AsofJoin | WindowAggregate, context: ExecutionContext) -> Coverage:
    classes = _classes(relation)
    value = context.engine.run_alone(classes, f"{relation.label}_coverage", context)
    counts: dict[str, int] = {}
    future = 0
    for row in value.to_reader().read_all().to_pylist():
        counts[row["class"]] = row["rows"]
        future += row["future"] or 0
    value.close()
    view = relation.label
    return Coverage(view, counts.get("matched", 0), counts.get("expired", 0), counts.get("unmatched", 0), future)


def _classes(relation: AsofJoin | WindowAggregate) -> Relation:
    """Rows per class: the last event before the latest upper bound is in time, too old, or not there."""
    interval = _span(relation)
    taken = {name.lower() for name in (*relation.spine.schema.names, *relation.events.schema.names)}
    last = "last_event" if "last_event" not in taken else "last_event_of_coverage"
    pick = Pick(
        Interval(None, interval.upper, None, interval.latest),
        (),
        ((last, relation.event_time),),
        unique=True,
        label=relation.label,
    )
    match = AsofJoin(
        relation.spine,
        relation.events,
        relation.keys,
        relation.time,
        relation.event_time,
        (pick,),
        label=relation.label,
    )
    event, t = Column(last, INT64), Column(relation.time, INT64)
    none, old, used = (Literal(text, STRING) for text in ("unmatched", "expired", "matched"))
    branches = [call("is_null", event), none]
    if interval.lower is not None:
        branches += [call("lt", event, interval.lower), old]
    after = call("case", call("gt", event, t), Literal(1, INT64), Literal(0, INT64))
    classes = Project(match, (("class", call("case", *branches, used)), ("future", after)))
    rows = Measure("rows", "count", None, INT64)
    return Aggregate(classes, ("class",), (rows, Measure("future", "sum", Column("future", INT64), INT64)))


def _span(relation: AsofJoin | WindowAggregate) -> Interval:
    """The interval that holds those of all features: the latest upper bound and the earliest lower one."""
    if isinstance(relation, AsofJoin):
        return relation.picks[0].interval
    intervals = [aggregate.interval for aggregate in relation.aggregates]
    latest = max(intervals, key=lambda interval: interval.latest)
    unbounded = next((interval for interval in intervals if interval.earliest is None), None)
    earliest = unbounded or min(intervals, key=lambda interval: interval.earliest or 0)
    return Interval(earliest.lower, latest.upper, earliest.earliest, latest.latest)

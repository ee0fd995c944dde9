"""From a task to what is run: a DAG is built, lowered, rewritten and cut, once.

Every region of relational nodes is lowered to one relation, all regions are rewritten by the rules of ``PHASES``, and
each is cut into pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from .dag.builder import FeatureBuilder
from .dag.index import ProbeNode
from .dag.plan import ExecutionPlan
from .dag.query import RelationalNode, ingested
from .errors import DefinitionError, Problems
from .features.tasks import HistoricalRetrievalTask, MaterializationTask
from .ir.data import EngineTable
from .ir.logical import AsofJoin, Relation, Scan, Table, WindowAggregate, topological
from .ir.operators import Carried
from .options import PlannerOptions
from .phases import PHYSICAL
from .physical.choose import forced
from .pieces import Compiler, Region, lowered
from .room import with_room
from .rules import RuleContext, Trace, rewrite
from .statistics import Choice, Statistics
from .target import Target


@dataclass(frozen=True)
class PlannedRequest:
    """What a request became, and the way to it: explain and scripts show what is run here.

    ``collected`` and ``joined`` give the same rows. ``collected`` is for rows that leave the engine: instead of a last
    join, columns may be appended in the order of the rows. ``joined`` is for rows that stay there: one query has them.
    """

    dag: ExecutionPlan
    collected: ExecutionPlan
    regions: tuple[Region, ...]
    trace: Trace
    options: PlannerOptions
    _joined: Callable[[], ExecutionPlan] = field(repr=False, compare=False)

    @cached_property
    def joined(self) -> ExecutionPlan:
        """The plan whose last query has all columns."""
        return self._joined()

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "joined": self.joined, "_joined": None}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The forms that carry out the matches of the request, and why."""
        relations = (each for region in self.regions for each in topological(region.physical))
        return tuple(each.choice for each in relations if isinstance(each, Carried))

    @property
    def pieces(self) -> ExecutionPlan:
        """What is run where the answer is collected; with ``unfused`` every node of the DAG, alone."""
        return self.dag if self.options.unfused else self.collected

    @property
    def is_indexed(self) -> bool:
        """Whether an index answers a part of it, so that what is run is not SQL alone."""
        return any(isinstance(node, ProbeNode) for node in self.pieces.nodes)

    @property
    def pieces_of_a_frame(self) -> ExecutionPlan:
        """What is run where the answer stays in the engine."""
        return self.dag if self.options.unfused else self.joined


@dataclass(frozen=True)
class Planner:
    """Plans tasks for one engine; nothing is run."""

    target: Target
    builder: type[FeatureBuilder] = FeatureBuilder

    def plan(
        self, task: HistoricalRetrievalTask | MaterializationTask, statistics: Statistics | None = None
    ) -> PlannedRequest:
        """What is run for a task, with what is known of its data."""
        known = task.statistics if statistics is None else statistics
        return self.plan_dag(self.builder.plan(task), task.options, known)

    def check_forms(self, task: HistoricalRetrievalTask | MaterializationTask) -> None:
        """Raise a DefinitionError that names every view whose forced form doesn't answer it here; nothing is read."""
        if not task.options.forms:
            return
        problems = Problems()
        if not self.target.forms:
            problems.add("planner_options: forms: the engine has none, since it doesn't carry out plans of relations")
        lacks = self.target.in_sql.lacks if task.options.unfused else self.target.lacks
        lowered = lower_plan(self.builder.plan(task)).values()
        for node in {each.fingerprint: each for relation in lowered for each in topological(relation)}.values():
            if isinstance(node, AsofJoin | WindowAggregate) and node.form is not None:
                alone = node.with_inputs(*map(_as_table, node.inputs)) if task.options.unfused else node
                try:
                    forced(alone, lacks)
                except DefinitionError as error:
                    problems.take(error)
        problems.raise_if_any()

    @property
    def in_sql(self) -> Planner:
        """The planner of plans that are SQL alone, which a person can run by hand."""
        return Planner(self.target.in_sql, self.builder)

    @with_room
    def plan_dag(self, dag: ExecutionPlan, options: PlannerOptions, statistics: Statistics) -> PlannedRequest:
        """The DAG with its relational regions replaced by optimized queries."""
        target, disabled = self.target, frozenset(options.disabled_rules)
        context = RuleContext(
            statistics, disabled, options.verify_each, target.forms, target.widest_join, target.lacks,
            target.rates, target.memory,
        )  # fmt: skip
        regions: dict[str, Region] = {}
        trace: Trace = []
        collected = Compiler(dag, context, regions, trace, target.append).compile()

        @with_room
        def joined() -> ExecutionPlan:
            return Compiler(dag, context, regions, trace).compile() if target.append else collected

        return PlannedRequest(dag, collected, tuple(regions.values()), trace, options, joined)


@with_room
def lower_plan(plan: ExecutionPlan) -> dict[str, Relation]:
    """Every relational node of a plan as it lowers, by fingerprint; a node that is not SQL is a scan of its value."""
    made: dict[str, Relation] = {}
    for node in plan.nodes:
        if isinstance(node, RelationalNode):
            made[node.fingerprint] = lowered(node, [made[child.fingerprint] for child in node.inputs])
        elif node.output_schema is not None:
            made[node.fingerprint] = ingested(node, plan.names[node.fingerprint])
    return made


@with_room
def lower_alone(relation: Relation, options: PlannerOptions, target: Target) -> Relation:
    """One relation with its physical forms, and no other rule: what a node that runs alone is run as, in SQL."""
    lacks = target.in_sql.lacks
    return rewrite(relation, PHYSICAL, RuleContext(verify_each=options.verify_each, forms=target.forms, lacks=lacks))


def _as_table(relation: Relation) -> Scan:
    """What is left of a relation for a node that runs alone: the table of its rows."""
    return Scan(Table("", relation.schema, EngineTable("")), relation.schema.names)

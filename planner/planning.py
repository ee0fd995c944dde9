"""From a task to what is run: a DAG is built, lowered, rewritten and cut, once.

Every region of relational nodes is lowered to one relation, all regions are rewritten by the rules of ``PHASES``, and
each is cut at its Materialize nodes into pieces. A piece becomes a QueryNode, that is one statement; nodes that are not
SQL stay as they are, between the pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .dag.append import AppendNode, answers_of, part_of, row_answers
from .dag.builder import FeatureBuilder
from .dag.node import DAGNode
from .dag.operations import AnswersNode
from .dag.plan import ExecutionPlan
from .dag.query import QueryNode, RelationalNode, ingested
from .errors import DefinitionError, Problems
from .features.tasks import HistoricalRetrievalTask, MaterializationTask
from .ir.data import EngineTable
from .ir.logical import AsofJoin, Relation, Scan, Table, WindowAggregate, meant_names, nearest_label, topological
from .ir.operators import Carried, Materialize
from .options import PlannerOptions
from .physical.choose import choose_asof_form, choose_window_form, forced
from .room import with_room
from .rules import LOGICAL_PHASES, RuleContext, Trace, rewrite
from .rules.driver import Phase, Rule
from .rules.temporary_results import materialize_numbered_rows, materialize_view_groups, split_wide_joins
from .statistics import Choice, Statistics
from .target import Append, Target
from .types import folded, short_label, unused_name

PHYSICAL = (
    Phase("results", (materialize_numbered_rows, materialize_view_groups, split_wide_joins), is_physical=True),
    # Last: nothing is rewritten below what a form was given.
    Phase("physical", (choose_asof_form, choose_window_form), is_physical=True),
)
PHASES = (*LOGICAL_PHASES, *PHYSICAL)

RULES: dict[str, Rule] = {rule.name: rule for phase in PHASES for rule in phase.rules}


@dataclass(frozen=True)
class Region:
    """Relational nodes that became one relation: as lowered, after the logical phases, and with physical forms."""

    name: str
    logical: Relation
    optimized: Relation
    physical: Relation


@dataclass(frozen=True)
class PlannedRequest:
    """What a request became, and the way to it: explain and scripts show what is run here.

    ``collected`` and ``joined`` give the same rows. ``collected`` is for rows that leave the engine: instead of a last
    join, columns may be appended in the order of the rows. ``joined`` is for rows that stay there: one query has them.
    """

    dag: ExecutionPlan
    joined: ExecutionPlan
    collected: ExecutionPlan
    regions: tuple[Region, ...]
    trace: Trace
    options: PlannerOptions

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
        lowered = lower_plan(self.builder.plan(task)).values()
        for node in {each.fingerprint: each for relation in lowered for each in topological(relation)}.values():
            if isinstance(node, AsofJoin | WindowAggregate) and node.form is not None:
                alone = node.with_inputs(*map(_as_table, node.inputs)) if task.options.unfused else node
                try:
                    forced(alone, self.target.lacks)
                except DefinitionError as error:
                    problems.take(error)
        problems.raise_if_any()

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
        joined = _Compiler(dag, context, regions, trace).compile()
        collected = _Compiler(dag, context, regions, trace, target.append).compile() if target.append else joined
        return PlannedRequest(dag, joined, collected, tuple(regions.values()), trace, options)


@with_room
def lower_plan(plan: ExecutionPlan) -> dict[str, Relation]:
    """Every relational node of a plan as it lowers, by fingerprint; a node that is not SQL is a scan of its value."""
    lowered: dict[str, Relation] = {}
    for node in plan.nodes:
        if isinstance(node, RelationalNode):
            lowered[node.fingerprint] = _lowered(node, [lowered[child.fingerprint] for child in node.inputs])
        elif node.output_schema is not None:
            lowered[node.fingerprint] = ingested(node, plan.names[node.fingerprint])
    return lowered


@with_room
def lower_alone(relation: Relation, options: PlannerOptions, target: Target) -> Relation:
    """One relation with its physical forms, and no other rule: what a node that runs alone is run as."""
    return rewrite(
        relation, PHYSICAL, RuleContext(verify_each=options.verify_each, forms=target.forms, lacks=target.lacks)
    )


def _as_table(relation: Relation) -> Scan:
    """What is left of a relation for a node that runs alone: the table of its rows."""
    return Scan(Table("", relation.schema, EngineTable("")), relation.schema.names)


def _lowered(node: RelationalNode, inputs: Sequence[Relation]) -> Relation:
    """The node over its inputs' relations; lowered again only where these are not the ones of before."""
    before = [child.relation if isinstance(child, RelationalNode) else None for child in node.inputs]
    is_known = all(old is new for old, new in zip(before, inputs, strict=True))
    return node.relation if is_known else node.lower(*inputs)


class _Compiler:
    def __init__(
        self,
        plan: ExecutionPlan,
        context: RuleContext,
        regions: dict[str, Region],
        trace: Trace,
        append: Append | None = None,
    ) -> None:
        self._plan = plan
        self._context = context
        read = [table for node in plan.nodes if isinstance(node, RelationalNode) for table in node.tables]
        self._taken = {folded(table.name) for table in read} | meant_names(read) | set(map(folded, plan.names.values()))
        self._names: dict[str, str] = {}
        self._append = append
        self._trace = trace
        self._regions = regions
        self._relations: dict[str, Relation] = {}
        self._sources: dict[str, DAGNode] = {}
        self._queries: dict[str, QueryNode] = {}
        self._tables: dict[str, Scan] = {}
        self._done: dict[str, DAGNode] = {}

    def compile(self) -> ExecutionPlan:
        return ExecutionPlan(*map(self._node, self._plan.outputs), names=self._names)

    def _node(self, node: DAGNode) -> DAGNode:
        """The node in the new plan: a query for a relational one, otherwise itself over its new inputs."""
        if node.fingerprint not in self._done:
            if isinstance(node, RelationalNode):
                self._done[node.fingerprint] = self._query(node)
            else:
                compiled = self._done[node.fingerprint] = node.with_inputs(*map(self._node, node.inputs))
                if node.fingerprint in self._plan.names:
                    self._names[compiled.fingerprint] = self._plan.names[node.fingerprint]
        return self._done[node.fingerprint]

    def _query(self, node: RelationalNode) -> DAGNode:
        row = node.row_order
        physical = self._part(node) if isinstance(node, AnswersNode) else self._region(node).physical
        answers = row_answers(physical, row) if row is not None and self._append is not None else None
        if row is None or answers is None or self._append is None or not self._append.wanted_for(answers):
            return self._cut((physical,), (node.name,), row)[0]
        names = [short_label(nearest_label(answer) or node.name) for answer in answers]
        pieces = self._cut(answers, names, row)
        return pieces[0] if len(pieces) == 1 else AppendNode(node.name, row, physical.schema, *pieces)

    def _part(self, node: AnswersNode) -> Relation:
        """One view's part of a join of several views. Inputs that several parts read are run once."""
        (below,) = node.inputs
        if not isinstance(below, RelationalNode):
            return self._region(node).physical
        physical = self._region(below).physical
        answers = (each for each in self._plan.nodes if isinstance(each, AnswersNode))
        parts = [each for each in answers if each.inputs[0].fingerprint == below.fingerprint]
        wanted = [{column for _, column in part.columns} for part in parts]
        inputs = answers_of(physical, node.row) or ()
        readers = {each.fingerprint: sum(bool(names & set(each.schema.names)) for names in wanted) for each in inputs}
        shared = frozenset(fingerprint for fingerprint, count in readers.items() if count > 1)
        return part_of(physical, node.row, node.columns, shared)

    def _region(self, node: RelationalNode) -> Region:
        logical = self._lower(node)
        if logical.fingerprint not in self._regions:
            optimized = rewrite(logical, LOGICAL_PHASES, self._context, self._trace)
            physical = rewrite(optimized, PHYSICAL, self._context, self._trace)
            self._regions[logical.fingerprint] = Region(node.name, logical, optimized, physical)
        return self._regions[logical.fingerprint]

    def _lower(self, node: DAGNode) -> Relation:
        """A relational node over its inputs' relations; any other node as a scan of its value."""
        if node.fingerprint not in self._relations:
            if isinstance(node, RelationalNode):
                relation = _lowered(node, list(map(self._lower, node.inputs)))
            else:
                compiled = self._node(node)
                relation = ingested(compiled, self._names.get(compiled.fingerprint, node.name))
                self._sources[compiled.fingerprint] = compiled
            self._relations[node.fingerprint] = relation
        return self._relations[node.fingerprint]

    def _cut(self, roots: Sequence[Relation], names: Sequence[str], order_by: str | None) -> list[QueryNode]:
        """One QueryNode per Materialize, and one for the rest of each root; each reads the others as tables."""
        tables: dict[str, Relation] = {}
        everything = {relation.fingerprint: relation for root in roots for relation in topological(root)}
        scanned = [scan.table for scan in everything.values() if isinstance(scan, Scan)]
        self._taken |= {folded(table.name) for table in scanned} | meant_names(scanned)
        for relation in everything.values():
            rest: Relation | None = self._tables.get(relation.fingerprint)
            if rest is None:
                rest = relation.with_inputs(*(tables[child.fingerprint] for child in relation.inputs))
            if isinstance(rest, Materialize):
                table = self._unique(rest.name)
                self._queries[table] = self._piece(table, rest.input, is_result=False)
                token = f"{table} {relation.fingerprint}"
                columns = rest.schema.names
                rest = Scan(Table(token, rest.schema, EngineTable(table), name=table), columns)
                self._tables[relation.fingerprint] = rest
            tables[relation.fingerprint] = rest
        return [
            self._piece(name, tables[root.fingerprint], is_result=True, order_by=order_by)
            for root, name in zip(roots, names, strict=True)
        ]

    def _piece(
        self,
        name: str,
        relation: Relation,
        *,
        is_result: bool,
        order_by: str | None = None,
    ) -> QueryNode:
        read = [item.table for item in topological(relation) if isinstance(item, Scan)]
        names = dict.fromkeys(table.data.name for table in read if isinstance(table.data, EngineTable))
        inputs: list[DAGNode] = [self._queries[table] for table in names if table in self._queries]
        inputs += [self._sources[table.token] for table in read if table.token in self._sources]
        return QueryNode(name, relation, *inputs, is_result=is_result, order_by=order_by)

    def _unique(self, label: str) -> str:
        """A table name from the views' names: all of them where it is short, else the first and how many more."""
        unique = unused_name(short_label(label or "result"), self._taken)
        self._taken.add(folded(unique))
        return unique

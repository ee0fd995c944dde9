"""From a task to what is run: a DAG is built, lowered, rewritten and cut, once.

Every region of relational nodes is lowered to one relation, all regions are rewritten by the rules of ``PHASES``, and
each is cut at its Materialize nodes into pieces. A piece becomes a QueryNode, that is one statement; nodes that are not
SQL stay as they are, between the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .dag.append import Part, answers_of, appended, part_of, row_answers
from .dag.builder import FeatureBuilder
from .dag.index import HoldNode, LoadNode, ProbeNode, SortNode
from .dag.node import DAGNode
from .dag.operations import AnswersNode
from .dag.plan import ExecutionPlan
from .dag.query import QueryNode, RelationalNode, ingested
from .errors import DefinitionError, Problems
from .expr.nodes import Column
from .features.tasks import HistoricalRetrievalTask, MaterializationTask
from .ir.data import EngineTable
from .ir.index import ProbeLatest, ProbeWindows, Sorted
from .ir.logical import (
    AsofJoin,
    Project,
    Relation,
    Scan,
    Table,
    WindowAggregate,
    meant_names,
    nearest_label,
    topological,
)
from .ir.operators import Carried, KeyedJoin, Materialize, Named
from .options import PlannerOptions
from .physical.choose import choose_asof_form, choose_window_form, forced
from .physical.loading import load_of
from .physical.sharing import share_sorted_rows
from .physical.split import split_windows
from .room import with_room
from .rules import LOGICAL_PHASES, RuleContext, Trace, rewrite
from .rules.driver import Phase, Rule
from .rules.temporary_results import materialize_numbered_rows, materialize_view_groups, split_wide_joins
from .statistics import Choice, Statistics
from .target import Append, Target
from .types import folded, short_label, unused_name

PHYSICAL = (
    Phase(
        "results",
        (materialize_numbered_rows, split_windows, materialize_view_groups, split_wide_joins),
        is_physical=True,
    ),
    # Nothing is rewritten any more below what a form was given.
    Phase("physical", (choose_asof_form, choose_window_form), is_physical=True),
    Phase("index", (share_sorted_rows,), is_physical=True),
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
        return self.plan_dag(self.builder.plan(task), task.options, statistics or task.statistics)

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
        collected = _Compiler(dag, context, regions, trace, target.append).compile()

        @with_room
        def joined() -> ExecutionPlan:
            return _Compiler(dag, context, regions, trace).compile() if target.append else collected

        return PlannedRequest(dag, collected, tuple(regions.values()), trace, options, joined)


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
    """One relation with its physical forms, and no other rule: what a node that runs alone is run as, in SQL."""
    lacks = target.in_sql.lacks
    return rewrite(relation, PHYSICAL, RuleContext(verify_each=options.verify_each, forms=target.forms, lacks=lacks))


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
        self._tables: dict[str, Relation] = {}
        self._sorted: dict[str, Sorted] = {}
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
        if row is None or answers is None or self._append is None or not self._is_appended(answers, self._append):
            (rest,) = self._cut((physical,))
            return self._piece(node.name, rest, is_result=True, order_by=row)
        parts: list[Part] = []
        for answer, rest in zip(answers, self._cut(answers), strict=True):
            part = self._chosen(rest)
            if part is None:
                name = short_label(nearest_label(answer) or node.name)
                query = self._piece(name, rest, is_result=True, order_by=row)
                part = Part(query, tuple((column, column) for column in rest.schema.names))
            parts.append(part)
        if len(parts) == 1 and isinstance(parts[0].node, QueryNode):
            return parts[0].node
        return appended(node.name, row, physical.schema, parts)

    def _is_appended(self, answers: Sequence[Relation], append: Append) -> bool:
        """Whether answers are put side by side: where they are many, and where any of them is not from SQL anyway."""
        parts = (part for answer in answers for part in topological(answer))
        return append.wanted_for(answers) or any(isinstance(part, ProbeLatest | ProbeWindows) for part in parts)

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

    def _cut(self, roots: Sequence[Relation]) -> list[Relation]:
        """What is left of each root; what a Materialize or an index gives is a node of its own, and read as a table."""
        tables: dict[str, Relation] = {}
        everything = {relation.fingerprint: relation for root in roots for relation in topological(root)}
        scanned = [scan.table for scan in everything.values() if isinstance(scan, Scan)]
        self._taken |= {folded(table.name) for table in scanned} | meant_names(scanned)
        for relation in everything.values():
            rest: Relation | None = self._tables.get(relation.fingerprint)
            if rest is None:
                rest = relation.with_inputs(*(tables[child.fingerprint] for child in relation.inputs))
            if isinstance(rest, ProbeLatest | ProbeWindows) and isinstance(relation, ProbeLatest | ProbeWindows):
                rest = self._tables[relation.fingerprint] = self._probed(relation)
            elif isinstance(rest, Sorted):
                self._sorted[relation.fingerprint] = rest
            elif isinstance(rest, Materialize) and (part := self._chosen(rest.input)) is not None:
                # It is in memory already.
                read = ingested(part.node, self._names[part.node.fingerprint])
                columns = tuple((name, Column(column, read.schema[column])) for name, column in part.columns)
                rest = Project(read, columns)
            elif isinstance(rest, Materialize):
                table = self._unique(rest.name)
                self._queries[table] = self._piece(table, rest.input, is_result=False)
                token = f"{table} {relation.fingerprint}"
                rest = Scan(Table(token, rest.schema, EngineTable(table), name=table), rest.schema.names)
                self._tables[relation.fingerprint] = rest
            tables[relation.fingerprint] = rest
        return [tables[root.fingerprint] for root in roots]

    def _sort(self, rows: Relation, *, is_part: bool = False) -> SortNode:
        rest = self._sorted[rows.fingerprint]
        name = f"{short_label(rest.label)}_events" if rest.label else "spine_times"
        read = self._rows_to_sort(name, rest, is_part=is_part)
        return SortNode(name, rest.key, rest.time, read, is_part=is_part, is_alone=rest.is_alone)

    def _rows_to_sort(self, name: str, rest: Sorted, *, is_part: bool) -> DAGNode:
        """A statement; or no statement, where they are columns that are there, and numbers of their keys."""
        found = None if is_part else load_of(rest.input, rest.key, rest.time)
        if found is None:
            return self._piece(name, rest.input, is_result=True, views=rest.label)
        load, ids = found
        numbers = [] if ids is None else [HoldNode("key_numbers", self._piece("key_numbers", ids, is_result=True))]
        return LoadNode(name, load, rest.input.schema, rest.label, *numbers)

    def _probed(self, probe: ProbeLatest | ProbeWindows) -> Relation:
        """What a probe gives, as a table."""
        is_part = len(probe.events) > 1
        name = self._unique(probe.label)
        events = (self._sort(each, is_part=is_part) for each in probe.events)
        node = ProbeNode(name, probe, self._sort(probe.spine), *events)
        self._names[node.fingerprint] = name
        self._sources[node.fingerprint] = node
        return ingested(node, name)

    def _chosen(self, root: Relation) -> Part | None:
        """Columns of one node that is not SQL, where a root is no more than that: they need no statement."""
        found = self._origins(root, root.schema.names)
        if found is None or len({token for token, _ in found}) != 1:
            return None
        columns = ((name, column) for name, (_, column) in zip(root.schema.names, found, strict=True))
        return Part(self._sources[found[0][0]], tuple(columns))

    def _origins(self, relation: Relation, names: Sequence[str]) -> list[tuple[str, str]] | None:
        """The nodes, not SQL, that columns come from as they are, and their names there; None if any does not."""
        match relation:
            case Scan() if relation.table.token in self._sources:
                return [(relation.table.token, name) for name in names]
            case Project():
                defined = dict(relation.columns)
                below = [expr.name for name in names if isinstance(expr := defined[name], Column)]
                return self._origins(relation.input, below) if len(below) == len(names) else None
            case Carried() | Named():
                return self._origins(relation.input, names)
            case KeyedJoin(how="left", right=Scan() as probed) if set(names) <= set(probed.schema.names):
                # What an index gives has every row of the spine once, so the row's number is that of either side.
                return self._origins(probed, names) if relation.keys == (probed.schema.names[:1] * 2,) else None
            case _:
                return None

    def _piece(
        self,
        name: str,
        relation: Relation,
        *,
        is_result: bool,
        order_by: str | None = None,
        views: str = "",
    ) -> QueryNode:
        read = [item.table for item in topological(relation) if isinstance(item, Scan)]
        names = dict.fromkeys(table.data.name for table in read if isinstance(table.data, EngineTable))
        inputs: list[DAGNode] = [self._queries[table] for table in names if table in self._queries]
        inputs += [self._sources[table.token] for table in read if table.token in self._sources]
        return QueryNode(name, relation, *inputs, is_result=is_result, order_by=order_by, views=views)

    def _unique(self, label: str) -> str:
        """A table name from the views' names: all of them where it is short, else the first and how many more."""
        unique = unused_name(short_label(label or "result"), self._taken)
        self._taken.add(folded(unique))
        return unique

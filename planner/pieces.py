"""From lowered nodes to pieces: each region becomes one relation, is rewritten, and is cut into what is run.

A region is cut at its Materialize nodes and at what an index does. A piece becomes a QueryNode, that is one statement,
or a step over an index; nodes that are not SQL stay as they are, between the pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .dag.append import Part, answers_of, appended, part_of, row_answers
from .dag.index import HoldNode, LoadNode, NumberNode, ProbeNode, SortNode
from .dag.node import DAGNode
from .dag.operations import AnswersNode
from .dag.plan import ExecutionPlan
from .dag.query import QueryNode, RelationalNode, ingested
from .expr.nodes import Column, columns_of, replace_columns
from .ir.data import EngineTable
from .ir.index import ProbeLatest, ProbeWindows, Sorted, Sorting
from .ir.logical import Project, Relation, Scan, Table, meant_names, nearest_label, topological
from .ir.operators import Carried, KeyedJoin, Materialize, Named
from .phases import PHYSICAL
from .physical.loading import Numbers, load_of, numbers_of
from .rules import LOGICAL_PHASES, RuleContext, Trace, rewrite
from .target import Append
from .types import folded, short_label, unused_name


@dataclass(frozen=True)
class Region:
    """Relational nodes that became one relation: as lowered, after the logical phases, and with physical forms."""

    name: str
    logical: Relation
    optimized: Relation
    physical: Relation


class Compiler:
    """Compiles one plan: what it rewrote is kept in ``regions``, for another plan of the same nodes."""

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
        self._made: dict[str, Relation] = {}
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
                relation = lowered(node, list(map(self._lower, node.inputs)))
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
            elif isinstance(rest, Materialize) and (numbers := numbers_of(relation)) is not None:
                rest = self._tables[relation.fingerprint] = self._numbered(rest, numbers)
            elif isinstance(rest, Materialize):
                table = self._unique(rest.name)
                self._made[table] = rest.input
                self._queries[table] = self._piece(table, rest.input, is_result=False)
                token = f"{table} {relation.fingerprint}"
                rest = Scan(Table(token, rest.schema, EngineTable(table), name=table), rest.schema.names)
                self._tables[relation.fingerprint] = rest
            elif isinstance(rest, Project) and (probed := self._probed_below(rest)) is not None:
                rest = probed
            tables[relation.fingerprint] = rest
        return [tables[root.fingerprint] for root in roots]

    def _sort(self, rows: Relation, spine: SortNode | None = None, *, is_part: bool = False) -> SortNode:
        rest = self._sorted[rows.fingerprint]
        name = f"{short_label(rest.label)}_events" if rest.label else "spine_times"
        read = self._rows_to_sort(name, rest, is_part=is_part)
        near = [] if spine is None or rest.reach is None else [spine]
        sorting = Sorting(rest.key, rest.time, rest.is_alone, is_part, rest.reach)
        return SortNode(name, sorting, read, *near)

    def _rows_to_sort(self, name: str, rest: Sorted, *, is_part: bool) -> DAGNode:
        """A statement; or no statement, where they are columns that are there, and numbers of their keys."""
        found = None if is_part else load_of(rest.input, rest.key, rest.time, self._made)
        if found is None:
            return self._piece(name, rest.input, is_result=True, views=rest.label)
        load, ids = found
        numbers = [] if ids is None else [self._held(ids)]
        return LoadNode(name, load, rest.input.schema, rest.label, *numbers)

    def _held(self, ids: Scan) -> DAGNode:
        """The numbers of keys, in memory."""
        numbers = self._sources.get(ids.table.token)
        if numbers is not None and ids.columns == ids.table.schema.names:
            return numbers
        return HoldNode("key_numbers", self._piece("key_numbers", ids, is_result=True))

    def _numbered(self, rest: Materialize, numbers: Numbers) -> Scan:
        """Numbers of keys as a table, which no statement makes."""
        name = self._unique(rest.name)
        node = NumberNode(name, numbers, rest.schema)
        self._names[node.fingerprint] = name
        self._sources[node.fingerprint] = node
        return ingested(node, name)

    def _probed(self, probe: ProbeLatest | ProbeWindows) -> Relation:
        """What a probe gives, as a table."""
        is_part = len(probe.events) > 1
        name = self._unique(probe.label)
        spine = self._sort(probe.spine)
        events = (self._sort(each, spine, is_part=is_part) for each in probe.events)
        node = ProbeNode(name, probe, spine, *events)
        self._names[node.fingerprint] = name
        self._sources[node.fingerprint] = node
        return ingested(node, name)

    def _probed_below(self, root: Project) -> Project | None:
        """Project(KeyedJoin(spine, probed)) -> Project(probed), where it reads nothing else of the spine."""
        needed = dict.fromkeys(name for _, expr in root.columns for name in columns_of(expr))
        found = self._origins(root.input, list(needed))
        if found is None or len({token for token, _ in found}) != 1:
            return None
        node = self._sources[found[0][0]]
        read = ingested(node, self._names[node.fingerprint])
        origins = {name: Column(column, read.schema[column]) for name, (_, column) in zip(needed, found, strict=True)}
        columns = ((name, replace_columns(expr, lambda each: origins[each.name])) for name, expr in root.columns)
        return Project(read, tuple(columns))

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
            case KeyedJoin(how="left", right=Scan() as probed) if isinstance(
                self._sources.get(probed.table.token), ProbeNode
            ) and set(names) <= set(probed.schema.names):
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


def lowered(node: RelationalNode, inputs: Sequence[Relation]) -> Relation:
    """The node over its inputs' relations; lowered again only where these are not the ones of before."""
    before = [child.relation if isinstance(child, RelationalNode) else None for child in node.inputs]
    is_known = all(old is new for old, new in zip(before, inputs, strict=True))
    return node.relation if is_known else node.lower(*inputs)

"""explain(): the plan before, every rule that changed it, the plan after, the SQL; and with analyze, what it did."""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ..dialects.compiler import SqlCompiler
from ..planner.dag.append import AppendNode
from ..planner.dag.index import HoldNode, LoadNode, NumberNode, ProbeNode, SortNode
from ..planner.dag.node import DAGNode
from ..planner.dag.operations import AggregationNode, DedupNode
from ..planner.dag.plan import ExecutionPlan
from ..planner.dag.query import QueryNode
from ..planner.errors import DefinitionError, HithertoError, UnsupportedError, shown, unknown_name
from ..planner.features.checks import labels
from ..planner.features.resolver import OutputFeature, ResolvedView
from ..planner.ir.document import Numbers, columns_document, plan_document, reference_document
from ..planner.ir.logical import Relation, Scan, topological
from ..planner.ir.printer import describe, draw, tree
from ..planner.ir.properties import literal_bounds
from ..planner.phases import RULES
from ..planner.planning import PlannedRequest, lower_plan
from ..planner.rules import Step
from ..planner.statistics import Choice, Cost
from .metrics import Analysis
from .sources.footers import Reached, reached
from .sources.parquet import LocalFiles
from .target import SqlTarget

Level = Literal["all", "dag", "logical", "optimized", "physical", "sql"]
Format = Literal["text", "json"]


@dataclass(frozen=True)
class Query:
    """What is asked for: of which engine, for how many rows (None: they are in the engine), and which columns."""

    engine: str
    rows: int | None = None
    features: tuple[OutputFeature, ...] = ()

    def __str__(self) -> str:
        if not self.features:
            return f"Query   {self.engine}"
        views, features = len({output.view for output in self.features}), len(self.features)
        rows = f"spine {self.rows:,} rows" if self.rows is not None else "spine in the engine"
        counts = f"{views} view{'s' * (views != 1)}, {features} feature{'s' * (features != 1)}"
        return f"Query   {counts}, {rows}, {self.engine}"


@dataclass(frozen=True, repr=False)
class Explanation:
    """The text or JSON of a plan. It prints nothing: ``str()`` and ``repr()`` give it, and notebooks show it."""

    _planned: PlannedRequest
    _target: SqlTarget | None
    _query: Query
    level: Level = "all"
    format: Format = "text"
    verbose: bool = False
    analysis: Analysis | None = None

    @property
    def plan(self) -> ExecutionPlan:
        """The DAG of what was asked, before it was optimized."""
        return self._planned.dag

    def at(self, level: Level, format: Format, *, verbose: bool) -> Explanation:  # noqa: A002
        """The same plan at another level or in another format.

        Raises a DefinitionError for an unknown one, and an UnsupportedError for the SQL of an engine that runs none.
        """
        for what, value, options in (("level", level, get_args(Level)), ("format", format, get_args(Format))):
            if not isinstance(value, str):
                raise DefinitionError(f"explain: {what} is {shown(value)}; give one of {', '.join(options)}")
            if value not in options:
                raise DefinitionError(unknown_name(f"explain: no {what}", value, options, listed_as=f"{what}s"))
        if level == "sql" and self._target is None:
            raise UnsupportedError(f"explain('sql') needs an engine that runs SQL; {self._query.engine} does not")
        return replace(self, level=level, format=format, verbose=verbose)

    def to_dict(self) -> dict[str, Any]:
        """Everything that the level asks for, as JSON types.

        ``query`` says what is asked for. ``dag``, ``logical``, ``optimized`` and ``physical`` are plans: ``nodes``,
        each with its ``id``, ``kind``, ``inputs`` (ids) and ``columns``, and ``outputs`` (ids); one id is one node, in
        whichever plan. ``rules`` are those that changed something, with the node before and after; ``choices`` say
        why a view has its physical form, by which facts, and which forms it beat; ``reads`` how much is
        read of parquet files whose times are bounded; ``statements`` are the SQL, in order.
        """
        numbers = Numbers()
        regions = self._planned.regions
        sections: dict[str, tuple[str, Callable[[], Any]]] = {
            "dag": ("dag", lambda: self._dag_document(numbers)),
            "logical": ("logical", lambda: plan_document((region.logical for region in regions), numbers)),
            "rules": ("optimized", lambda: [_step_document(step, numbers) for step in self._rules()]),
            "optimized": ("optimized", lambda: plan_document((region.optimized for region in regions), numbers)),
            "physical": ("physical", lambda: plan_document((region.physical for region in regions), numbers)),
            "choices": ("physical", lambda: list(map(_choice_document, self._planned.choices))),
            "reads": ("physical", lambda: {name: vars(each) for name, each in self._reached()}),
            "statements": ("sql", lambda: [
                {"name": name, "sql": text}
                for name, text in (self._statements(self._target) if self._target else [])
            ]),
        }  # fmt: skip
        result: dict[str, Any] = {"query": self._query_document()}
        result.update({name: make() for name, (level, make) in sections.items() if self._shows(level)})
        if self.analysis is not None:
            result["analysis"] = _as_json(self.analysis)
        return result

    def __str__(self) -> str:
        if self.format == "json":
            return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        lines = [str(self._query)]
        if self._shows("dag"):
            lines += ["dag", *_indented([*self._dag(), *self._labels()])]
        if self._shows("logical"):
            lines += ["logical", *_indented(self._trees(lambda region: region.logical))]
        if self._shows("optimized"):
            lines += ["rules", *_indented(self._rule_lines())]
            lines += ["optimized", *_indented(self._trees(lambda region: region.optimized))]
        if self._shows("physical"):
            lines += [
                "physical",
                *_indented([*self._trees(lambda region: region.physical, verbose=self.verbose), *self._choices()]),
            ]
        if self._shows("sql") and self._target is not None:
            lines += ["sql", self._script(self._target)]
        if self.analysis is not None:
            lines += ["analysis", *_indented(_analysis_lines(self.analysis, self._planned.choices))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Explanation:
        return self  # It never changes, and a plan may hold much data.

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def _statements(self, target: SqlTarget) -> list[tuple[str, str]]:
        return statements(self._planned.collected, target.compiler, sorts_results=target.sorts_results)

    def _script(self, target: SqlTarget) -> str:
        """The statements as they are run, with what they need in a session of one's own."""
        queries = (node for node in self._planned.collected.nodes if isinstance(node, QueryNode))
        defined = target.compiler.definitions(node.relation for node in queries)
        parts = [target.compiler.session_settings, *defined, *(text for _, text in self._statements(target))]
        return "\n\n".join(part if part.startswith("--") or part.endswith(";") else f"{part};" for part in parts)

    def _shows(self, section: str) -> bool:
        return self.level in ("all", section)

    def _query_document(self) -> dict[str, Any]:
        query = self._query
        return {
            "engine": query.engine,
            "rows": query.rows,
            "views": [
                {"name": used.name, "bound": used.view.bound, "description": used.view.description,
                 "tags": dict(used.view.tags)}
                for used in self._views()
            ],
            "features": [
                {"name": output.name, "view": output.view, "feature": output.feature, "type": str(output.type)}
                for output in query.features
            ],
        }  # fmt: skip

    def _views(self) -> list[ResolvedView]:
        return [node.view for node in self.plan.nodes if isinstance(node, DedupNode | AggregationNode)]

    def _dag_document(self, numbers: Numbers) -> dict[str, Any]:
        lowered = lower_plan(self.plan)
        return {
            "nodes": [
                {
                    "id": numbers[node.fingerprint],
                    "kind": type(node).__name__,
                    "name": node.name,
                    "inputs": [numbers[child.fingerprint] for child in node.inputs],
                    "columns": _columns(lowered.get(node.fingerprint)),
                    "text": node.describe(),
                }
                for node in self.plan.nodes
            ],
            "outputs": [numbers[node.fingerprint] for node in self.plan.outputs],
        }

    def _dag(self) -> list[str]:
        seen: set[str] = set()

        def line(node: DAGNode) -> tuple[str, Sequence[DAGNode]]:
            if node.fingerprint in seen and node.inputs:
                return f"{node.describe()}  (as above)", ()
            seen.add(node.fingerprint)
            return node.describe(), node.inputs

        return [text for output in self.plan.outputs for text in draw(output, line)]

    def _labels(self) -> list[str]:
        """Descriptions and tags of the views that are used, where there are any."""
        described = ((used.name, labels(used.view.description, used.view.tags)) for used in self._views())
        return [f"{name}: {text.removeprefix(', ')}" for name, text in described if text]

    def _trees(self, part: Callable[[Any], Relation], *, verbose: bool = False) -> list[str]:
        return [line for region in self._planned.regions for line in tree(part(region), verbose=verbose)]

    def _rules(self) -> list[Step]:
        return [step for step in self._planned.trace if step.phase not in ("results", "physical")]

    def _rule_lines(self) -> list[str]:
        lines: list[str] = []
        width = max((len(step.rule) for step in self._rules()), default=0)
        for step in self._rules():
            lines.append(f"{step.rule.ljust(width)}  {summary(step)}")
            if self.verbose:
                lines += [f"  {RULES[step.rule].description}", *(f"  {line}" for line in _difference(step))]
        counted = {line: lines.count(line) for line in lines} if not self.verbose else dict.fromkeys(lines, 1)
        return [line if count == 1 else f"{line}  ({count} times)" for line, count in counted.items()]

    def _choices(self) -> list[str]:
        """The physical forms that were chosen, the facts that decided, and the forms that they beat."""
        lines = [f"{_views(choice)}: {choice.reason}" for choice in self._planned.choices]
        lines += [f"{name}: reads {part}" for name, part in self._reached()]
        appended = next((node for node in self._planned.collected.nodes if isinstance(node, AppendNode)), None)
        if appended is not None:
            count = len(appended.inputs)
            answers = f"{count} answer{'s' * (count != 1)}"
            lines.append(f"collected: {answers}, appended by {appended.row} without the last join")
        return lines

    def _reached(self) -> list[tuple[str, Reached]]:
        """For each source of several row groups whose times are bounded: how much of it has such times."""
        relations = {
            each.fingerprint: each for region in self._planned.regions for each in topological(region.physical)
        }
        found: dict[str, Reached] = {}
        for scan in relations.values():
            if not isinstance(scan, Scan) or not isinstance(scan.table.data, LocalFiles) or scan.predicate is None:
                continue
            for column, (first, last) in literal_bounds(scan.predicate).items():
                with suppress(HithertoError):
                    part = reached(scan.table.data.parts, column, first, last)
                    if part.of_groups > 1:
                        found[scan.table.name] = part
        return list(found.items())


def summary(step: Step) -> str:
    """What a firing changed, in one line: the node, or the input of it that is another one now."""
    before, after, where = step.before, step.after, ""
    if describe(before) == describe(after):
        changed = ((old, new) for old, new in zip(before.inputs, after.inputs, strict=False) if old != new)
        old, new = next(changed, (before, after))
        where, before, after = f"{_title(before)}: ", old, new
    if _title(before) == _title(after):
        return f"{where}{_title(before)}  {_details(before)}  ->  {_details(after)}"
    return f"{where}{describe(before)}  ->  {describe(after)}"


def _step_document(step: Step, numbers: Numbers) -> dict[str, Any]:
    return {
        "phase": step.phase,
        "rule": step.rule,
        "description": RULES[step.rule].description,
        "change": summary(step),
        "before": reference_document(step.before, numbers),
        "after": reference_document(step.after, numbers),
    }


def _choice_document(choice: Choice) -> dict[str, Any]:
    return {
        "view": _views(choice),
        "form": choice.form,
        "reason": choice.reason,
        "forced": choice.is_forced,
        "cost": _cost_document(choice.cost),
        "events": choice.events,
        "beaten": [
            {"form": each.form, "cost": _cost_document(each.cost), "reason": each.why} for each in choice.beaten
        ],
        "facts": [
            {"fact": fact.question, "value": list(fact.answer) if isinstance(fact.answer, tuple) else fact.answer}
            for fact in choice.facts
        ],
    }


def _cost_document(cost: Cost | None) -> dict[str, Any] | None:
    return None if cost is None else {"cpu": round(cost.cpu, 6), "memory": cost.memory}


def _views(choice: Choice) -> str:
    return choice.label.replace("+", ", ")


def _columns(relation: Relation | None) -> list[Any]:
    """The columns of a node's rows; a node that writes has none."""
    return [] if relation is None else columns_document(relation.schema)


def _title(relation: Relation) -> str:
    """The node and its name, without what decides it."""
    return describe(relation).split("  ", 1)[0]


def _details(relation: Relation) -> str:
    return describe(relation).partition("  ")[2]


def statements(plan: ExecutionPlan, compiler: SqlCompiler, *, sorts_results: bool = True) -> list[tuple[str, str]]:
    """The statements of an optimized plan in order, by name; a node that is not SQL is a comment."""
    found: list[tuple[str, str]] = []
    read = {below.fingerprint for node in plan.nodes if isinstance(node, QueryNode) for below in node.inputs}
    for node in plan.nodes:
        if isinstance(node, AppendNode):
            columns = ", ".join(answer.name for answer in node.inputs)
            found.append((node.name, f"-- appended by {node.row}, without a join: {columns}"))
            continue
        if isinstance(node, NumberNode) and node.fingerprint in read:
            found.append((node.name, f"-- numbered in memory: the keys of {node.numbers.table.name}"))
        if isinstance(node, SortNode | HoldNode | LoadNode | NumberNode):
            continue  # It is a part of what reads it.
        if not isinstance(node, QueryNode):
            comment = node.comment if isinstance(node, ProbeNode) else f"-- runs in Python: {node.name}"
            found.append((node.name, comment))
            continue
        if node.is_result:
            text = compiler.to_text(compiler.compile(node.relation, node.order_by if sorts_results else None))
        else:
            text = compiler.to_text(compiler.create_table(node.name, node.relation))
        found.append((node.name, text))
    return found


def _difference(step: Step) -> list[str]:
    lines = difflib.unified_diff(tree(step.before), tree(step.after), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _analysis_lines(analysis: Analysis, choices: Sequence[Choice]) -> list[str]:
    lines = [f"{analysis.rows:,} rows in {analysis.seconds:.2f} s, peak memory {analysis.peak_memory / 2**20:,.0f} MiB"]
    for statement in analysis.statements:
        expected = "" if statement.estimated is None else f"  (est. {Cost(statement.estimated)})"
        lines.append(f"{statement.name}  {statement.seconds:.3f} s{expected}")
        for name, count in statement.rows.items():
            about = f"  (est. {statement.expected[name]:,})" if name in statement.expected else ""
            lines.append(f"  {name}  {count:,} rows{about}")
    weighed = (each for each in choices if each.cost is not None)
    lines += [f"{_views(each)}: est. {each.cost} for {each.events or 0:,} events" for each in weighed]
    for view in analysis.coverage:
        counts = f"matched {view.matched:,}, expired {view.expired:,}, unmatched {view.unmatched:,}"
        check = "no used event after its row" if view.future == 0 else f"{view.future:,} EVENTS AFTER THEIR ROW"
        lines.append(f"{view.view}: {counts}; {check}")
    return lines


def _as_json(analysis: Analysis) -> dict[str, Any]:
    return {
        "rows": analysis.rows,
        "seconds": analysis.seconds,
        "peak_memory": analysis.peak_memory,
        "statements": [vars(statement) for statement in analysis.statements],
        "views": [vars(view) for view in analysis.coverage],
    }


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]

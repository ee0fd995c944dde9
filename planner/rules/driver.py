"""The rewrite driver: named rules in ordered phases, verified, with a trace of every change.

A rule is a function from a node to its replacement, or None where it does not apply. Within a phase the rules run
bottom-up until nothing changes, memoised by fingerprint. A rule that breaks the plan or its schema, or a phase that
goes in circles, raises an error that names the rule: a failing rule is never skipped.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from ..errors import HithertoError
from ..ir.logical import Relation
from ..ir.verify import InvalidPlanError, verify
from ..room import with_room
from ..statistics import NoStatistics, Rates, Statistics

N = TypeVar("N", bound=Relation)
# A phase that fires more often goes in circles. Each firing may deepen the plan: there is room for so many levels.
_MOST_FIRINGS = 20_000


class RuleError(HithertoError):
    """A rule broke a plan, or a phase went in circles: a bug in the planner. Disable the rule to go on."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a rule may know besides the node. ``verify_each`` checks the plan after every firing.

    ``forms`` are the names of the physical forms among which the engine chooses, ``widest_join`` how many relations it
    joins in one query; None for all, and for any number. ``lacks`` are the operators that it can't run. ``rates`` and
    ``memory`` are the engine's, as far as it has them.
    """

    statistics: Statistics = field(default_factory=NoStatistics)
    disabled: frozenset[str] = frozenset()
    verify_each: bool = False
    forms: frozenset[str] | None = None
    widest_join: int | None = None
    lacks: frozenset[type[Relation]] = frozenset()
    rates: Rates | None = None
    memory: int | None = None

    def offers(self, form: str) -> bool:
        """Whether a form is among those that the engine chooses from."""
        return self.forms is None or form in self.forms


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rewrite of one kind of node, or (``on`` is None) of a whole plan."""

    name: str
    on: type[Relation] | None
    apply: Callable[[Relation, RuleContext], Relation | None]

    @property
    def description(self) -> str:
        """The first line of the rule's docstring."""
        return (inspect.getdoc(self.apply) or "").split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class Phase:
    """Rules that run together until none of them changes anything. Physical phases cannot be disabled."""

    name: str
    rules: tuple[Rule, ...]
    is_physical: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One firing: what a rule replaced by what."""

    phase: str
    rule: str
    before: Relation
    after: Relation


Trace = list[Step]


def rule(on: type[N]) -> Callable[[Callable[[N, RuleContext], Relation | None]], Rule]:
    """Declare a rule on one kind of node."""

    def declare(function: Callable[[N, RuleContext], Relation | None]) -> Rule:
        return Rule(function.__name__, on, cast("Callable[[Relation, RuleContext], Relation | None]", function))

    return declare


def plan_rule(function: Callable[[Relation, RuleContext], Relation | None]) -> Rule:
    """Declare a rule that looks at the whole plan."""
    return Rule(function.__name__, None, function)


def rewrite(root: Relation, phases: tuple[Phase, ...], context: RuleContext, trace: Trace | None = None) -> Relation:
    """The plan after all phases. Firings are appended to the trace."""
    root, steps = _rewritten(root, phases, context)
    if trace is not None:
        trace += steps
    return root


@with_room
def _rewritten(root: Relation, phases: tuple[Phase, ...], context: RuleContext) -> tuple[Relation, Trace]:
    steps: Trace = []
    for phase in phases:
        before = root
        root = _Run(phase, context, steps).run(root)
        _check(before, root, f"phase {phase.name}")
    return root, steps


class _Run:
    def __init__(self, phase: Phase, context: RuleContext, trace: Trace) -> None:
        active = [r for r in phase.rules if phase.is_physical or r.name not in context.disabled]
        self._local = [r for r in active if r.on is not None]
        self._global = [r for r in active if r.on is None]
        self._phase = phase
        self._context = context
        self._trace = trace
        self._firings = 0
        self._memo: dict[str, Relation] = {}

    def run(self, root: Relation) -> Relation:
        while True:
            before = root
            root = self._visit(root)
            for each in self._global:
                root = self._fire(each, root) or root
            if root is before or root == before:
                return root

    def _visit(self, relation: Relation) -> Relation:
        passed: list[Relation] = []
        while (current := self._memo.get(relation.fingerprint)) is None:
            passed.append(relation)
            current = relation.with_inputs(*map(self._visit, relation.inputs))
            replacement = self._replacement(current)
            if replacement is None:
                break
            relation = replacement
        for each in (*passed, current):
            self._memo[each.fingerprint] = current
        return current

    def _replacement(self, relation: Relation) -> Relation | None:
        """What the first rule that fires makes of the node alone."""
        fired = (self._fire(each, relation) for each in self._local if type(relation) is each.on)
        return next((made for made in fired if made is not None), None)

    def _fire(self, each: Rule, relation: Relation) -> Relation | None:
        replacement = each.apply(relation, self._context)
        if replacement is None or replacement == relation:
            return None
        self._firings += 1
        if self._firings > _MOST_FIRINGS:
            raise RuleError(f"phase {self._phase.name} goes in circles; last rule: {each.name}")
        if self._context.verify_each:
            _check(relation, replacement, f"rule {each.name}")
        self._trace.append(Step(self._phase.name, each.name, relation, replacement))
        return replacement


def _check(before: Relation, after: Relation, who: str) -> None:
    try:
        verify(after)
    except InvalidPlanError as error:
        raise RuleError(f"{who} broke the plan: {error}") from error
    if before.schema != after.schema:
        raise RuleError(f"{who} changed the schema from {before.schema} to {after.schema}")

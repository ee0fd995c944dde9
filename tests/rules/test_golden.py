"""Golden plans: one text file per rule family, with what a plan is before and after, and the rules that must fire.

A case is a name line ``=== …``, settings (``plan`` or ``request``, ``rules`` or ``phases``, ``bounds: unknown``,
``index: yes``, ``expect``, ``expect-not``), and sections ``--- before``, ``after``, ``physical``, and for each engine,
by its name, the SQL, that ``pytest --update-golden`` fills in. SQL is for what no plan shows: how a form is written.
``#`` starts a comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hitherto.planner.ir.printer import tree
from hitherto.planner.phases import PHASES, RULES
from hitherto.planner.planning import PlannedRequest
from hitherto.planner.rules import RULE_NAMES
from hitherto.runtime.engine import SqlComputeEngine
from hitherto.runtime.explain import statements

from tests.engines import ENGINES
from tests.relations import ENGINE, NO_STATISTICS, compiled, unbounded
from tests.rules.plans import PLANS
from tests.rules.requests import REQUESTS

FOLDER = Path(__file__).parent / "golden"
COMPILED = {name: entry.make() for name, entry in ENGINES.items()}
SECTIONS = ("before", "after", "physical", *COMPILED)


@dataclass
class Case:
    """One case of a golden file: its settings in order, and the text of its sections."""

    file: str
    name: str
    settings: list[tuple[str, str]] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)

    def values(self, setting: str) -> list[str]:
        """All values of a setting, which may be given on several lines."""
        return [item.strip() for name, text in self.settings if name == setting for item in text.split(",")]

    @property
    def rules(self) -> tuple[str, ...]:
        """The logical rules of the case: those named, those of the phases named, or all."""
        phases, rules = self.values("phases"), self.values("rules")
        chosen = {rule.name for phase in PHASES if phase.name in phases for rule in phase.rules} | set(rules)
        return tuple(name for name in RULE_NAMES if name in chosen) if phases or rules else RULE_NAMES

    @property
    def is_indexed(self) -> bool:
        """Whether the plan is that of rows that are collected, for which an engine may use its index."""
        return self.values("index") == ["yes"]

    def compiled(self, engine: SqlComputeEngine = ENGINE) -> PlannedRequest:
        """The case's plan with its rules, for an engine. Nothing is run."""
        for request in self.values("request"):
            task = REQUESTS[request]()._task
            return (engine.planner if self.is_indexed else engine.planner.in_sql).plan(task, NO_STATISTICS)
        (plan,) = self.values("plan")
        given = unbounded(PLANS[plan]()) if self.values("bounds") == ["unknown"] else PLANS[plan]()
        return compiled(given, self.rules, engine=engine, in_sql=not self.is_indexed)

    def sql(self, engine: SqlComputeEngine) -> str:
        """The statements of the plan."""
        planned = self.compiled(engine)
        found = statements(planned.collected if self.is_indexed else planned.joined, engine.compiler)
        return "\n\n".join(text if text.startswith("--") else f"{text};" for _, text in found)

    def __str__(self) -> str:
        lines = [f"=== {self.name}", *(f"{name}: {text}" for name, text in self.settings)]
        for name, text in self.sections.items():
            lines += [f"--- {name}", text]
        return "\n".join(lines)


def read(path: Path) -> tuple[str, list[Case]]:
    """The comment at the top of a file, and its cases."""
    head, *parts = re.split("^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    cases: list[Case] = []
    for part in parts:
        top, *sections = re.split("^--- ", part, flags=re.MULTILINE)
        name, *settings = top.strip().split("\n")
        case = Case(path.stem, name.strip())
        for line in settings:
            setting, _, text = line.partition(":")
            case.settings.append((setting.strip(), text.strip()))
        for section in sections:
            title, _, body = section.partition("\n")
            case.sections[title.strip()] = body.rstrip()
        cases.append(case)
    return head.strip(), cases


def write(path: Path, changed: Case) -> None:
    """The file with one case replaced."""
    head, cases = read(path)
    texts = [str(changed if case.name == changed.name else case) for case in cases]
    path.write_text("\n\n".join([head, *texts]) + "\n", encoding="utf-8")


FILES = sorted(FOLDER.glob("*.txt"))
CASES = [case for path in FILES for case in read(path)[1]]


def each_case(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[f"{case.file}: {case.name}" for case in cases])


@each_case(CASES)
def test_the_plan_is_the_golden_one(case: Case, update_golden: bool) -> None:
    plan = case.compiled()
    made = {
        "before": lambda: "\n".join(line for region in plan.regions for line in tree(region.logical)),
        "after": lambda: "\n".join(line for region in plan.regions for line in tree(region.optimized)),
        "physical": lambda: "\n".join(line for region in plan.regions for line in tree(region.physical)),
    }
    sections = {name: made[name]() if name in made else case.sql(COMPILED[name]) for name in case.sections}
    if update_golden:
        write(FOLDER / f"{case.file}.txt", Case(case.file, case.name, case.settings, sections))
    else:
        assert sections == case.sections


@each_case(CASES)
def test_the_expected_rules_fire_and_the_others_do_not(case: Case) -> None:
    fired = {step.rule for step in case.compiled().trace}
    assert [rule for rule in case.values("expect") if rule not in fired] == []
    assert [rule for rule in case.values("expect-not") if rule in fired] == []


@each_case([case for case in CASES if case.values("expect-not")])
def test_a_rule_that_must_not_fire_is_not_disabled(case: Case) -> None:
    disabled = set(RULE_NAMES) - set(case.rules)
    assert [rule for rule in case.values("expect-not") if rule in disabled or rule not in RULES] == []


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("setting", ["expect", "expect-not"])
def test_every_rule_has_a_golden_case(rule: str, setting: str) -> None:
    assert any(rule in case.values(setting) for case in CASES)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_cases_of_a_file_are_told_apart(path: Path) -> None:
    names = [case.name for case in read(path)[1]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_golden_file_is_written_as_it_was_read(path: Path) -> None:
    head, cases = read(path)
    assert path.read_text(encoding="utf-8") == "\n\n".join([head, *map(str, cases)]) + "\n"


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}: {case.name}" for case in CASES])
def test_a_case_has_known_sections(case: Case) -> None:
    assert case.sections
    assert set(case.sections) <= set(SECTIONS)


def test_sql_stands_where_no_plan_shows_what_a_case_is_about_and_in_every_dialect() -> None:
    with_sql = [case for case in CASES if set(COMPILED) & set(case.sections)]
    assert {case.file for case in with_sql} == {"requests", "windows"}
    # An index is of some engines alone.
    assert [case.name for case in with_sql if not case.is_indexed and not set(COMPILED) <= set(case.sections)] == []

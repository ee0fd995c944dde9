"""Options of the planner, for tests, bisection and explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from .calls import checked_call
from .errors import DefinitionError, Problems, shown, unknown_name
from .rules import RULE_NAMES

StatisticsLevel = Literal["full", "metadata", "off"]


@dataclass(frozen=True)
class PlannerOptions:
    """How a request is planned; the answer never depends on it.

    ``disabled_rules`` are names of optimizer rules that are not applied. ``unfused`` runs every node of the DAG alone.
    ``statistics`` is "off", or "full" or "metadata", which are alike as long as only the spine's times are looked at.

    >>> PlannerOptions(disabled_rules=("merge_filters",)).unfused
    False
    """

    disabled_rules: tuple[str, ...] = ()
    unfused: bool = False
    statistics: StatisticsLevel = "full"
    verify_each: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.disabled_rules, str):
            raise DefinitionError(
                f"disabled_rules is a single string, {shown(self.disabled_rules)}; give a tuple of names"
            )
        if not isinstance(self.disabled_rules, tuple | list | frozenset | set):
            raise DefinitionError(f"disabled_rules is {shown(self.disabled_rules)}; give a tuple of names")
        problems = Problems()
        if not isinstance(self.unfused, bool):
            problems.add(f"unfused is {shown(self.unfused)}; give True or False")
        for name in self.disabled_rules:
            if not isinstance(name, str):
                problems.add(f"disabled_rules holds {shown(name)}, which is not a name")
            elif name not in RULE_NAMES:
                problems.add(unknown_name("disabled_rules: no rule", name, RULE_NAMES, listed_as="rules"))
        if not isinstance(self.statistics, str) or self.statistics not in get_args(StatisticsLevel):
            problems.add(
                f"statistics={shown(self.statistics)} is none of {', '.join(map(repr, get_args(StatisticsLevel)))}"
            )
        problems.raise_if_any()


# The generated one tells nothing of a misspelt name.
PlannerOptions.__init__ = checked_call(PlannerOptions.__init__)  # type: ignore[method-assign]

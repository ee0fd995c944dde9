"""Options of the planner, for tests, bisection and explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from .calls import checked_call
from .errors import DefinitionError, Problems, shown, unknown_name
from .physical import FORM_NAMES
from .rules import RULE_NAMES

StatisticsLevel = Literal["full", "off"]


@dataclass(frozen=True)
class PlannerOptions:
    """How a request is planned; the answer never depends on it.

    ``disabled_rules`` are names of optimizer rules that are not applied. ``unfused`` runs every node of the DAG alone.
    ``forms`` are physical forms by view, for views that are not to be carried out as the planner chooses: an error
    where the form doesn't answer the view on the engine. ``statistics`` are "full", or "off" where no data is looked at
    to choose.

    >>> PlannerOptions(forms={"spend": "BucketedWindows"}).forms["spend"]
    'BucketedWindows'
    """

    disabled_rules: tuple[str, ...] = ()
    unfused: bool = False
    forms: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
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
        if not isinstance(self.forms, Mapping):
            raise DefinitionError(f"forms is {shown(self.forms)}; give a dictionary of forms by view")
        for view, form in self.forms.items():
            if not isinstance(view, str) or not isinstance(form, str):
                problems.add(f"forms: {shown(view)} has {shown(form)}; give the name of a form by the name of a view")
            elif form not in FORM_NAMES:
                what = f"forms: view {shown(view)} has no form"
                problems.add(unknown_name(what, form, FORM_NAMES, listed_as="forms"))
        if not isinstance(self.statistics, str) or self.statistics not in get_args(StatisticsLevel):
            problems.add(
                f"statistics={shown(self.statistics)} is none of {', '.join(map(repr, get_args(StatisticsLevel)))}"
            )
        problems.raise_if_any()
        object.__setattr__(self, "forms", MappingProxyType(dict(self.forms)))

    def __reduce__(self) -> tuple[type[PlannerOptions], tuple[object, ...]]:
        given = (self.disabled_rules, self.unfused, dict(self.forms), self.statistics, self.verify_each)
        return PlannerOptions, given


# The generated one tells nothing of a misspelt name.
PlannerOptions.__init__ = checked_call(PlannerOptions.__init__)  # type: ignore[method-assign]

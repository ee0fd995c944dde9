"""What an engine offers to the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from .ir.index import INDEX_OPERATORS
from .ir.logical import Relation
from .statistics import Rates


@dataclass(frozen=True)
class Append:
    """The most view groups and the most columns that one query joins: beyond either, columns are appended."""

    groups: int
    columns: int

    def wanted_for(self, answers: Sequence[Relation]) -> bool:
        """Whether these answers are appended instead of joined."""
        return len(answers) > self.groups or sum(len(each.schema) - 1 for each in answers) > self.columns


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the planner has to know of an engine. The defaults are those of an engine that runs no SQL.

    ``forms`` are the names of the physical forms among which it chooses, ``lacks`` the operators that it can't run.
    ``append`` says when answers that are collected are appended instead of joined. ``widest_join`` is the most view
    groups that one query joins, or None for any number. ``rates`` are how fast it is: without them it takes the first
    of its forms that gives an answer. ``memory`` is how many bytes a request may hold, None for any number.
    """

    forms: frozenset[str] = frozenset()
    lacks: frozenset[type[Relation]] = INDEX_OPERATORS
    append: Append | None = None
    widest_join: int | None = None
    rates: Rates | None = None
    memory: int | None = None

    @property
    def in_sql(self) -> Self:
        """The same for plans that are SQL alone."""
        return replace(self, lacks=self.lacks | INDEX_OPERATORS)

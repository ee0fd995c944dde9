"""What an engine offers to the planner."""

from __future__ import annotations

from dataclasses import dataclass

from .ir.logical import Relation


@dataclass(frozen=True)
class Append:
    """From where on columns are appended: more view groups, or more columns, than are joined in one query."""

    groups: int
    columns: int

    def wanted_for(self, answers: tuple[Relation, ...]) -> bool:
        """Whether these answers are rather appended than joined."""
        return len(answers) > self.groups or sum(len(each.schema) - 1 for each in answers) > self.columns


@dataclass(frozen=True, kw_only=True)
class Target:
    """The engine that a request is planned for. Of one that runs no SQL, the answers are as they are declared.

    ``forms`` are the names of the physical forms among which it chooses, ``lacks`` the operators that it can't run.
    ``append`` says from where on answers are appended when they are collected, and ``widest_join`` is how many view
    groups it joins in one query, where it can't join any number.
    """

    forms: frozenset[str] = frozenset()
    lacks: frozenset[type[Relation]] = frozenset()
    append: Append | None = None
    widest_join: int | None = None

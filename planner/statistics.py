"""What a choice may ask about data, and what was chosen. A wrong answer costs time, and never changes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .ir.logical import Relation, nearest_label

Keys = Sequence[tuple[str, str]]
Answer = int | tuple[int, int] | None
A = TypeVar("A", bound=Answer)


class Statistics(Protocol):
    """An oracle over relations. Any answer may be None, and is None where finding out would cost much.

    Answers are of rows as they are stored, so that a filter may leave fewer.
    """

    def rows(self, relation: Relation) -> int | None:
        """How many rows there are."""
        return None

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        """The least and greatest value of a column of integers, or of times in microseconds."""
        return None

    def distinct(self, relation: Relation, columns: Sequence[str]) -> int | None:
        """How many combinations of values the columns have, without those with a null."""
        return None

    def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
        """The most rows that have the same values in the columns; one with a null is the same as no other."""
        return None

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        """How many pairs of a spine row and an event have equal keys."""
        return None

    def width(self, relation: Relation) -> int | None:
        """How many bytes a row has."""
        return None


class NoStatistics(Statistics):
    """Nothing is known of any relation."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a choice asked, and the answer that it was given."""

    question: str
    answer: Answer

    def __str__(self) -> str:
        match self.answer:
            case None:
                return f"{self.question}: unknown"
            case int():
                return f"{self.question}: {self.answer:,}"
            case first, last:
                return f"{self.question}: {first:,} to {last:,}"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which form carries out a match, and what that rests on.

    ``label`` are the views that it answers, joined by '+'. ``beaten`` are the other forms that would give the answer,
    each with its cost and why it was not taken; a cost is None where the form has none. A form that ``is_forced`` was
    asked for by the user, and nothing was weighed.
    """

    label: str
    form: str
    cost: float | None = None
    beaten: tuple[tuple[str, float | None, str], ...] = ()
    facts: tuple[Fact, ...] = ()
    is_forced: bool = False

    @property
    def reason(self) -> str:
        """The form, the facts, and what it beat, in a line."""
        if self.is_forced:
            return f"{self.form}, forced"
        if not self.beaten:
            return f"{self.form}, the only candidate"
        beaten = ", ".join(f"{form}: {why}" for form, _, why in self.beaten)
        return f"{', '.join([self.form, *map(str, self.facts)])}   ({beaten})"


class Asked(Statistics):
    """An oracle that notes what it is asked."""

    def __init__(self, oracle: Statistics) -> None:
        self.facts: dict[Fact, None] = {}
        self._oracle = oracle

    def rows(self, relation: Relation) -> int | None:
        return self._noted(f"rows of {_name(relation)}", self._oracle.rows(relation))

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        return self._noted(f"{column} of {_name(relation)}", self._oracle.span(relation, column))

    def distinct(self, relation: Relation, columns: Sequence[str]) -> int | None:
        question = f"different {', '.join(columns)} of {_name(relation)}"
        return self._noted(question, self._oracle.distinct(relation, columns))

    def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
        question = f"most {_name(relation)} for one {', '.join(columns)}" if columns else f"rows of {_name(relation)}"
        return self._noted(question, self._oracle.most(relation, columns))

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        question = f"pairs of {_name(spine)} and {_name(events)}"
        return self._noted(question, self._oracle.pairs(spine, events, keys))

    def width(self, relation: Relation) -> int | None:
        return self._noted(f"bytes of a row of {_name(relation)}", self._oracle.width(relation))

    def _noted(self, question: str, answer: A) -> A:
        self.facts[Fact(question, answer)] = None
        return answer


def _name(relation: Relation) -> str:
    return nearest_label(relation) or "rows"

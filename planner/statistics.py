"""What a choice may ask about data, and what was chosen. A wrong answer costs time, and never changes a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Protocol, TypeVar, cast

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Seconds of CPU that an engine takes for a row, all threads together; ``statement`` is what each one takes anyway.

    ``python -m benchmarks rates`` measures them. A row is ``scanned`` where it is read, ``sorted`` for an as-of join or
    a window, ``built`` into the hash table of a join and ``probed`` against one; ``paired`` is each pair of rows with
    equal keys whose condition is evaluated, ``grouped`` each row that is taken into a group, ``measured`` each value
    that an aggregate takes, and ``compared`` each row whose order among others is found by several columns. An event is
    ``bucketed`` where it is joined on a bucket of its time, too. Of an event index, ``indexed`` is each event that is
    handed over and sorted, and ``searched`` each end of an interval.
    """

    statement: float
    scanned: float
    sorted: float
    built: float
    probed: float
    paired: float
    grouped: float
    measured: float
    compared: float
    bucketed: float = 0.0
    indexed: float = 0.0
    searched: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a form takes: seconds of CPU, all threads together, and the most bytes that it holds at once."""

    cpu: float
    memory: int = 0

    def __str__(self) -> str:
        return f"{_rounded(self.cpu)} CPU s"


@dataclass(frozen=True, slots=True)
class Beaten:
    """A form that would give the answer, and why it was not taken; its cost, where there was something to go by."""

    form: str
    cost: Cost | None
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which form carries out a match, and what that rests on.

    ``label`` are the views that it answers, joined by '+'. ``cost`` is None where nothing was weighed, or nothing was
    known; ``events`` are about how many are within the times of the rows. ``beaten`` are the other forms that would
    give the answer. A form that ``is_forced`` was asked for by the user.
    """

    label: str
    form: str
    cost: Cost | None = None
    events: int | None = None
    beaten: tuple[Beaten, ...] = ()
    facts: tuple[Fact, ...] = ()
    is_forced: bool = False

    @property
    def reason(self) -> str:
        """The form, its cost, the facts, and what it beat, in a line."""
        if self.is_forced:
            return f"{self.form}, forced"
        if not self.beaten:
            return f"{self.form}, the only candidate"
        reasons = dict.fromkeys(each.why for each in self.beaten)
        forms = {why: ", ".join(each.form for each in self.beaten if each.why == why) for why in reasons}
        beaten = "; ".join(f"{names}: {why}" for why, names in forms.items())
        form = self.form if self.cost is None else f"{self.form} est. {self.cost}"
        return f"{', '.join([form, *map(str, self.facts)])}   ({beaten})"


class Asked(Statistics):
    """An oracle that is asked nothing twice, and notes what it was asked."""

    def __init__(self, oracle: Statistics) -> None:
        self._oracle = oracle
        self._answers: dict[tuple[object, ...], Fact] = {}

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The questions and their answers, each once."""
        return tuple(dict.fromkeys(self._answers.values()))

    def rows(self, relation: Relation) -> int | None:
        key = ("rows", relation.fingerprint)
        return self._once(key, f"rows of {_name(relation)}", lambda: self._oracle.rows(relation))

    def span(self, relation: Relation, column: str) -> tuple[int, int] | None:
        key = ("span", relation.fingerprint, column)
        return self._once(key, f"{column} of {_name(relation)}", lambda: self._oracle.span(relation, column))

    def distinct(self, relation: Relation, columns: Sequence[str]) -> int | None:
        key = ("distinct", relation.fingerprint, *columns)
        question = f"different {', '.join(columns)} of {_name(relation)}"
        return self._once(key, question, lambda: self._oracle.distinct(relation, columns))

    def most(self, relation: Relation, columns: Sequence[str]) -> int | None:
        key = ("most", relation.fingerprint, *columns)
        question = f"most {_name(relation)} for one {', '.join(columns)}" if columns else f"rows of {_name(relation)}"
        return self._once(key, question, lambda: self._oracle.most(relation, columns))

    def pairs(self, spine: Relation, events: Relation, keys: Keys) -> int | None:
        key = ("pairs", spine.fingerprint, events.fingerprint, *keys)
        question = f"pairs of {_name(spine)} and {_name(events)}"
        return self._once(key, question, lambda: self._oracle.pairs(spine, events, keys))

    def width(self, relation: Relation) -> int | None:
        key = ("width", relation.fingerprint)
        return self._once(key, f"bytes of a row of {_name(relation)}", lambda: self._oracle.width(relation))

    def _once(self, key: tuple[object, ...], question: str, ask: Callable[[], A]) -> A:
        if key not in self._answers:
            self._answers[key] = Fact(question, ask())
        return cast("A", self._answers[key].answer)


def _name(relation: Relation) -> str:
    return nearest_label(relation) or "rows"


def _rounded(number: float) -> str:
    """Two digits that count, and no exponent.

    >>> [_rounded(number) for number in (0.00042, 0.0, 3.14, 12345.6)]
    ['0.00042', '0', '3.1', '12,000']
    """
    if number == 0:
        return "0"
    digits = 1 - floor(log10(abs(number)))
    return f"{round(number, digits):,.{max(0, digits)}f}"

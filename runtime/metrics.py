"""What a run is observed to do: statements with their time and rows, and peak memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ..planner.ir.logical import Relation, topological
from ..planner.ir.operators import Carried
from ..planner.types import short_label
from .events import Event, Finished


@dataclass(frozen=True)
class StatementMetrics:
    """One statement: what it filled or gave, how long it took, and the rows of it and of the CTEs in it.

    ``estimated`` are the seconds of CPU that were expected of its forms, and ``expected`` the rows of CTEs, where
    choices rest on such numbers.
    """

    name: str
    seconds: float
    rows: dict[str, int]
    estimated: float | None = None
    expected: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Coverage:
    """How many spine rows of a view have an event in time, only older ones (``expired``), or none (``unmatched``).

    ``future`` counts rows whose used event lies after them, which must be 0.
    """

    view: str
    matched: int
    expired: int
    unmatched: int
    future: int


@dataclass(frozen=True)
class Analysis:
    """What a run was observed to do. ``peak_memory`` is the process's, in bytes."""

    statements: tuple[StatementMetrics, ...]
    coverage: tuple[Coverage, ...]
    rows: int
    seconds: float
    peak_memory: int


@dataclass
class Metrics:
    """Keeps the time of every statement and, through ``count``, the rows of each of its CTEs.

    They are counted when the statement was run, outside the time that was measured.
    """

    count: Callable[[Relation], dict[str, int]] = field(default=lambda relation: {})
    statements: list[StatementMetrics] = field(default_factory=list[StatementMetrics])

    def __call__(self, event: Event) -> None:
        """Note a statement that was run."""
        if not isinstance(event, Finished):
            return
        name, relation = event.statement.name, event.statement.relation
        if relation is None:
            known = {} if event.rows is None else {name: event.rows}
            self.statements.append(StatementMetrics(name, event.seconds, known))
            return
        made = [each.choice for each in topological(relation) if isinstance(each, Carried)]
        costs = [each.cost.cpu for each in made if each.cost is not None]
        expected = {f"{short_label(each.label)}_events": each.events for each in made if each.events is not None}
        whole = sum(costs) if costs and len(costs) == len(made) else None
        self.statements.append(StatementMetrics(name, event.seconds, self.count(relation), whole, expected))


def peak_memory() -> int:
    """The most memory that this process has had so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024

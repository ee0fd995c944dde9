"""What an execution is observed to do: statements with their time, tables with their rows, peak memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ..planner.dag import ExecutionObserver, Statement
from ..planner.ir.logical import Relation


@dataclass(frozen=True)
class StatementMetrics:
    """One statement: what it filled, how long it took, and the rows of it and of the CTEs in it."""

    name: str
    seconds: float
    rows: dict[str, int]


@dataclass
class MetricsObserver(ExecutionObserver):
    """Keeps the time of every statement and, through ``count``, the rows of each of its CTEs."""

    count: Callable[[Relation], dict[str, int]]
    statements: list[StatementMetrics] = field(default_factory=list[StatementMetrics])
    _seconds: dict[str, float] = field(default_factory=dict[str, float])

    def finished(self, statement: Statement, seconds: float) -> None:
        """Note the time; the rows follow when the table is there."""
        self._seconds[statement.name] = seconds

    def table(self, name: str, relation: Relation) -> None:
        """Count the rows, outside the time that was measured."""
        self.statements.append(StatementMetrics(name, self._seconds[name], self.count(relation)))


def peak_memory() -> int:
    """The most memory that this process has had so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024

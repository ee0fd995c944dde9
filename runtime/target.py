"""What an engine that runs SQL offers."""

from __future__ import annotations

from dataclasses import dataclass

from ..dialects.compiler import SqlCompiler
from ..planner.target import Target


@dataclass(frozen=True, kw_only=True)
class SqlTarget(Target):
    """An engine that runs SQL, which ``compiler`` writes.

    ``sorts_results`` says whether a statement brings its result into the order of the rows. Otherwise it is sorted when
    it was collected.
    """

    compiler: SqlCompiler
    sorts_results: bool = True

"""Engines whose answers can stay where they are computed, as a frame that nobody has collected."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..planner.dag import ExecutionPlan
from ..planner.features.tasks import HistoricalRetrievalTask
from ..planner.ir.data import TableData
from .engine import SqlComputeEngine


class DistributedEngine(SqlComputeEngine):
    """A SQL engine that gives frames of its own, and writes them itself."""

    @abstractmethod
    def frame(
        self, task: HistoricalRetrievalTask, own: TableData, plan: ExecutionPlan | None = None
    ) -> AbstractContextManager[Any]:
        """A lazy frame of the rows' own columns and the features, which can be used while the context is open.

        A plan that was optimized before is not optimized again.
        """

    @abstractmethod
    def write_parquet(self, frame: Any, folder: Path) -> None:
        """Write a frame to a folder that appears whole or not at all."""

"""What an aggregate's form is made from."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ..planner.types import DataType
from .expressions import Operand
from .syntax import Sql


@dataclass(frozen=True)
class Windowed:
    """The operand and its type (None for whole rows), the condition of the window, and the key of the events' order."""

    operand: Operand
    type: DataType | None
    within: Operand
    key: Operand

    def valued(self) -> Sql:
        """Within the window, and not null."""
        present = exp.Is(this=self.operand(), expression=exp.Not(this=exp.Null()))
        return exp.And(this=self.within(), expression=present)

"""Partial states of aggregates in columns: made of events, merged, and finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..expr.aggregates import AGGREGATES
from ..expr.functions import coerce
from ..expr.nodes import Column, Expr
from ..ir.logical import Aggregate, Measure, Relation
from ..ir.operators import KeyedJoin
from ..types import INT64, DataType
from .form import Expansion


@dataclass(frozen=True)
class States:
    """The columns of one aggregate's states."""

    function: str
    columns: tuple[Column, ...]

    @classmethod
    def fresh(cls, made: Expansion, function: str, operand: Column | None, wish: str) -> States:
        """New columns for the states of a function of an operand, or of whole rows."""
        states, type_ = AGGREGATES[function].states, INT64 if operand is None else operand.type
        names = [wish if len(states) == 1 else f"{wish}_{state.function}" for state in states]
        types = [AGGREGATES[state.function].type_rule(state.as_(type_)) for state in states]
        return cls(function, tuple(Column(made.fresh(name), type_) for name, type_ in zip(names, types, strict=True)))

    def of(self, operand: Expr | None, where: Expr | None) -> tuple[Measure, ...]:
        """What makes the states of rows."""
        return tuple(
            Measure(
                column.name,
                state.function,
                None if operand is None else coerce(operand, state.as_(operand.type)),
                column.type,
                where=where,
            )
            for state, column in zip(AGGREGATES[self.function].states, self.columns, strict=True)
        )

    def finished(self, type_: DataType) -> Expr:
        """The aggregate's value; null where there are no states."""
        return AGGREGATES[self.function].finish(self.columns, type_)


@dataclass(frozen=True)
class Merge:
    """States of parts, those of all parts, and the condition on the parts that count."""

    parts: States
    whole: States
    where: Expr | None = None


def merged(parts: Relation, by: tuple[str, ...], merges: Sequence[Merge]) -> Relation:
    """The states of all parts with the same values, none of them null where a state depends on those of the whole.

    Such a state needs the parts a second time, beside the states that don't.
    """
    plain: list[Measure] = []
    weighed: list[Measure] = []
    for each in merges:
        ours, theirs = each.whole.columns, each.parts.columns
        for number, state in enumerate(AGGREGATES[each.parts.function].states):
            name, type_ = ours[number].name, ours[number].type
            if state.weighed is None:
                plain.append(Measure(name, state.merge, theirs[number], type_, where=each.where))
            else:
                share = state.weighed(theirs[: number + 1], ours[:number])
                weighed.append(Measure(name, state.merge, share, type_, where=each.where))
    whole = Aggregate(parts, by, tuple(plain))
    if not weighed:
        return whole
    both = KeyedJoin(parts, whole, tuple((name, name) for name in by))
    known = tuple(Measure(each.name, "any", Column(each.name, each.type), each.type) for each in plain)
    return Aggregate(both, by, (*known, *weighed))

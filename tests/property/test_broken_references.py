"""The comparison would notice: a reference that is wrong in one small place disagrees with the engine in some world."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import hitherto as ht
import pytest
from hypothesis import Phase, find, settings

from tests.reference import Reference, Row, value_order
from tests.worlds import World, differences, worlds


class WindowsReachAMicrosecondTooFar(Reference):
    def window_start(self, end: int, width: int) -> int:
        return super().window_start(end, width) - 1


class TiesGoToTheLeastFeatures(Reference):
    def tie_order(self, features: Sequence[str], row: Row) -> tuple[Any, ...]:
        return tuple(_Reversed(each) for each in super().tie_order(features, row))


class NullCreatedTimesAreTheGreatest(Reference):
    def age_order(self, source: Any, row: Row) -> tuple[Any, ...]:
        age = super().age_order(source, row)
        return tuple((3,) if each == value_order(None) else each for each in age)


class NullsEqualNulls(Reference):
    def may_match(self, key: tuple[Any, ...]) -> bool:
        return True


class TiesOfFrequencyGoToTheGreatestValue(Reference):
    def frequency_tie(self, value: Any) -> Any:
        return _Reversed(value_order(value))


class ListsOfTheLastValuesAreNewestFirst(Reference):
    def oldest_first(self, newest_first: list[Any]) -> list[Any]:
        return newest_first


class PercentilesAreTheLowerValue(Reference):
    def percentile(self, ordered: Sequence[float], p: float) -> float:
        return ordered[math.floor(p * (len(ordered) - 1))]


class _Reversed:
    def __init__(self, value: Any) -> None:
        self._value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other._value < self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


BROKEN = (
    WindowsReachAMicrosecondTooFar,
    TiesGoToTheLeastFeatures,
    NullCreatedTimesAreTheGreatest,
    NullsEqualNulls,
    TiesOfFrequencyGoToTheGreatestValue,
    ListsOfTheLastValuesAreNewestFirst,
    PercentilesAreTheLowerValue,
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_reference_is_found_out(broken: type[Reference]) -> None:
    engine = ht.LocalComputeEngine(threads=1)

    def is_found_out(world: World) -> bool:
        # The engine is asked only where the broken reference departs from the true one: it is the slow part.
        wrong = world.expected(broken)
        return wrong != world.expected() and bool(differences(world, wrong, world.job(engine).to_arrow()))

    # Without shrinking, ``find`` stops at the first world; it raises where there is none.
    once = settings(max_examples=400, phases=[Phase.generate])
    assert find(worlds(), is_found_out, settings=once, random=Random(1))

"""Spark engines with some of their physical forms, to see each give the answer."""

from __future__ import annotations

from typing import Any

import hitherto as ht
from hitherto.dialects.compiler import SqlCompiler
from hitherto.dialects.spark import SparkDialect
from hitherto.planner.ir.logical import Relation
from hitherto.planner.ir.physical import BucketedRangeJoinAggregate, RunningMaximum, UnionLastValue


class _Only(SparkDialect):
    """Spark with one of its forms of the latest value; one that can't tell what was known has another for that."""

    def __init__(self, form: type[Relation]) -> None:
        known = (RunningMaximum,) if form is UnionLastValue else ()
        self._only = (form, *known, BucketedRangeJoinAggregate)

    @property
    def forms(self) -> dict[type[Relation], Any]:
        return {form: write for form, write in super().forms.items() if form in self._only}


def spark_with(session: Any, form: type[Relation]) -> ht.SparkComputeEngine:
    """An engine whose latest values are computed by one form."""
    engine = ht.SparkComputeEngine(session)
    engine.compiler = SqlCompiler(_Only(form))  # type: ignore[misc]
    return engine

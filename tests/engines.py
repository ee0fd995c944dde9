"""The engines under test: one entry for each. What every engine and every dialect must do is tested on all of them.

A test that takes the fixture ``engine`` runs on each; one that takes ``other_engine``, on each but DuckDB. Where an
engine refuses what a test asks, the test says so, with the reason:

- ``@pytest.mark.notimpl("spark", reason=...)``: it could, and does not yet;
- ``@pytest.mark.never("spark", reason=...)``: it can't.

The marked test must end in an error of ours there. Where it passes or fails otherwise, it fails, so no mark outlives
its reason. ``@pytest.mark.deep("spark")`` leaves a test out of the fast tier on that engine alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import hitherto as ht
import pytest
from hitherto.dialects.base import Dialect
from hitherto.planner.ir.logical import Relation
from hitherto.planner.statistics import Rates
from hitherto.runtime.engine import SqlComputeEngine
from hitherto.runtime.engines.spark import SparkComputeEngine


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine: its name in documents, and how tests make it, with what the fixture ``session`` gives, if any.

    ``choices`` are the forms of the latest value among which it chooses by statistics: tests see each give the answer.
    """

    title: str
    make: Callable[..., SqlComputeEngine]
    choices: tuple[str, ...] = ()
    session: str | None = None

    @property
    def lacks(self) -> frozenset[type[Relation]]:
        """The operators that its SQL can't say."""
        return self.make().lacks

    @property
    def dialect(self) -> Dialect:
        return self.make().compiler.dialect


ENGINES: Mapping[str, EngineUnderTest] = {
    "duckdb": EngineUnderTest("DuckDB", lambda: ht.LocalComputeEngine(threads=2)),
    "spark": EngineUnderTest(
        "Spark",
        SparkComputeEngine,
        ("RangeMax", "UnionLast"),
        session="spark",
    ),
}
SLOW = Rates(
    statement=1, scanned=1, sorted=10, built=2, probed=1, paired=2, grouped=2, measured=1, compared=8,
)  # fmt: skip
"""An engine so slow that every row counts: on others a few rows decide nothing."""
DIALECTS = {name: entry.dialect for name, entry in ENGINES.items()}


def with_form(engine: SqlComputeEngine, form: str) -> SqlComputeEngine:
    """The engine, whose latest values are computed by one form, but for what that form can't tell."""
    known = ("RunningMaximumStream",) if form == "UnionLast" else ()
    return with_forms(engine, form, *known, "BucketedWindows")


def with_forms(engine: SqlComputeEngine, *forms: str) -> SqlComputeEngine:
    """The engine with these forms and no other, which weighs them for however few rows."""
    engine.forms = frozenset(forms)  # type: ignore[misc]
    engine.rates = SLOW  # type: ignore[misc]
    return engine


def made(request: pytest.FixtureRequest, name: str) -> SqlComputeEngine:
    """An engine by its name."""
    entry = ENGINES[name]
    return entry.make() if entry.session is None else entry.make(request.getfixturevalue(entry.session))


def engine_of(item: pytest.Item) -> str | None:
    """The engine that a test runs on by parameter."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return params.get("engine", params.get("other_engine"))


def is_on_spark(item: pytest.Item) -> bool:
    """Whether a test needs the run's Spark."""
    return "spark_of_the_run" in getattr(item, "fixturenames", ()) or engine_of(item) == "spark"


def refusals(item: pytest.Item) -> Iterator[pytest.MarkDecorator]:
    """What is expected of a test that says that its engine refuses it."""
    for kind in ("notimpl", "never"):
        for mark in item.iter_markers(kind):
            unknown = [name for name in mark.args if name not in ENGINES]
            if not mark.args or unknown or not mark.kwargs.get("reason"):
                raise pytest.UsageError(f"{item.nodeid}: {kind} takes names of {list(ENGINES)} and a reason")
            if engine_of(item) in mark.args:
                reason = f"{kind}: {mark.kwargs['reason']}"
                yield pytest.mark.xfail(reason=reason, raises=ht.HithertoError, strict=True)


def is_deep(item: pytest.Item) -> bool:
    """Whether a test is of the deep tier, on its engine."""
    return any(not mark.args or engine_of(item) in mark.args for mark in item.iter_markers("deep"))

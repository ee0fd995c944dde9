"""Every form gives the reference's answer: in plain Python without any engine, and forced on DuckDB."""

from __future__ import annotations

import hitherto as ht
import pytest
from hitherto.planner.physical import FORMS
from hypothesis import given, seed, settings

from tests.interpreter import Interpreted
from tests.options import latest_grid, windows_grid
from tests.worlds import World, differences, plain_worlds

KNOWN = ("RunningMaximum", "RunningMaximumStream")
LATEST = ("NarrowAsof", "RangeMax", "UnionLast")
WINDOWS = ("BucketedWindows",)
LEGAL = [*((form, False) for form in LATEST), ("RangeMax", True), *((form, True) for form in KNOWN)]


def test_every_form_is_here() -> None:
    assert {*LATEST, *KNOWN, *WINDOWS} == {form.name for form in FORMS}


def forced(form: str) -> tuple[str, ...]:
    """The form with those that answer what it doesn't."""
    others = () if form == "RangeMax" else ("RangeMax",)
    return (form, *others, *WINDOWS)


def duckdb_with(*forms: str) -> ht.LocalComputeEngine:
    """DuckDB, which offers every operator, with these forms."""
    engine = ht.LocalComputeEngine(threads=1)
    engine.forms = frozenset(forms)  # type: ignore[misc]
    return engine


@pytest.mark.parametrize("form", [*LATEST, *KNOWN])
def test_random_worlds_without_an_engine(form: str) -> None:
    engine = Interpreted(*(forced(form) if form not in KNOWN else (form, "UnionLast", *WINDOWS)))

    @seed(1)
    @settings(max_examples=20)
    @given(plain_worlds())
    def check(world: World) -> None:
        job = world.job(engine)
        assert not differences(world, world.expected(), job.to_arrow())

    check()


@pytest.mark.parametrize(("form", "known"), LEGAL)
def test_latest_values_without_an_engine(form: str, known: bool) -> None:
    assert latest_grid(keys=(2,), uniques=(False,)).differences(Interpreted(form), known=known) == []


@pytest.mark.parametrize("known", [False, True])
def test_windows_without_an_engine(known: bool) -> None:
    assert windows_grid(keys=(1,)).differences(Interpreted(*WINDOWS), known=known) == []


@pytest.mark.parametrize(("form", "known"), LEGAL)
def test_latest_values_forced_on_duckdb(form: str, known: bool) -> None:
    assert latest_grid().differences(duckdb_with(form), known=known) == []

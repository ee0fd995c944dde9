"""What the marks of refusals do: run as a suite of its own, with the hooks of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import ENGINES

ROOT = Path(__file__).parents[1]
SUITE = """
import hitherto as ht
import pytest


@pytest.fixture(params=["duckdb", "spark"])
def engine(request):
    return request.param


def refused(engine):
    if engine == "spark":
        raise ht.UnsupportedError("spark can't")


@pytest.mark.{mark}
def test_it(engine):
    {body}
"""
MARK = 'never("spark", reason="by its nature")'


def outcome(folder: Path, mark: str, body: str, *options: str) -> str:
    """What pytest says of a test that is marked so, last line or error."""
    (folder / "test_suite.py").write_text(SUITE.format(mark=mark, body=body))
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest", *options, "."]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("mark", [MARK, 'notimpl("spark", reason="not yet")'])
def test_an_engine_may_refuse_what_its_mark_says(tmp_path: Path, mark: str) -> None:
    assert "1 passed, 1 xfailed" in outcome(tmp_path, mark, "refused(engine)")


@pytest.mark.parametrize("mark", [MARK, 'notimpl("spark", reason="not yet")'])
def test_a_mark_whose_engine_does_what_is_asked_fails(tmp_path: Path, mark: str) -> None:
    assert "1 failed, 1 passed" in outcome(tmp_path, mark, "pass")


def test_a_wrong_answer_is_no_refusal(tmp_path: Path) -> None:
    assert "1 failed, 1 passed" in outcome(tmp_path, MARK, 'assert engine == "duckdb"')


@pytest.mark.parametrize("mark", ["never", 'never("spark")', 'never("sprak", reason="x")', 'notimpl(reason="x")'])
def test_a_mark_needs_an_engine_and_a_reason(tmp_path: Path, mark: str) -> None:
    assert f"takes names of {list(ENGINES)} and a reason" in outcome(tmp_path, mark, "pass")


def test_deep_tests_run_with_deep_alone(tmp_path: Path) -> None:
    assert "2 deselected" in outcome(tmp_path, "deep", "pass")
    assert "1 passed, 1 deselected" in outcome(tmp_path, 'deep("spark")', "pass")
    assert "2 passed" in outcome(tmp_path, "deep", "pass", "--deep")

"""How contenders are measured: in processes of their own, and never with a wrong answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.compare import difference
from benchmarks.coordinator import Effort, measured
from benchmarks.data import Events, Size, written
from benchmarks.peers import contenders
from tests.benchmarks.shapes_with_faults import FAULTY

NAN = float("nan")


def measured_in_processes(
    folder: Path, names: Sequence[str], forms: tuple[str, ...] = (), timeout: float = 300
) -> dict[str, dict[str, Any]]:
    chosen = [each for each in contenders(FAULTY, forms) if each.name in names]
    effort = Effort(processes=1, repeat=2, timeout=timeout)
    registry = "tests.benchmarks.shapes_with_faults"
    entry = measured(FAULTY, "S", chosen, effort, folder, forms=forms, registry=registry)
    assert entry["rows"] == {"spine": 300, "events": 3_000, "keys": 10}
    assert entry["seed"] == 7
    return dict(zip(names, entry["contenders"], strict=True))


def test_what_is_right_is_timed_cold_and_warm_and_what_is_wrong_is_refused(tmp_path: Path) -> None:
    timed = measured_in_processes(tmp_path, ["hitherto", "wrong value"])
    assert timed["hitherto"]["status"] == "ok", timed
    assert [len(timed["hitherto"]["first"]), len(timed["hitherto"]["warm"])] == [1, 2]
    runs = timed["hitherto"]["first"] + timed["hitherto"]["warm"]
    assert all(run["wall"] > 0 and run["cpu"] > 0 and run["peak"] >= 0 for run in runs)
    assert timed["wrong value"]["status"] == "differs"
    assert timed["wrong value"]["note"].startswith("from hitherto: column 'amount', row ")
    assert timed["wrong value"]["first"] == timed["wrong value"]["warm"] == []


@pytest.mark.deep
def test_what_can_go_wrong_with_a_contender_is_told(tmp_path: Path) -> None:
    forms = ("NarrowAsof", "BucketedWindows")
    names = [
        "hitherto",
        *(f"hitherto: {form}" for form in forms),
        "same",
        "other order",
        "too few rows",
        "broken",
        "too slow",
    ]
    timed = measured_in_processes(tmp_path, names, forms, timeout=20)
    assert {name: each["status"] for name, each in timed.items()} == {
        "hitherto": "ok",
        "hitherto: NarrowAsof": "ok",
        "hitherto: BucketedWindows": "does not apply",
        "same": "ok",
        "other order": "differs",
        "too few rows": "differs",
        "broken": "failed",
        "too slow": "too slow",
    }
    assert timed["too few rows"]["note"] == "from hitherto: 299 rows instead of 300"
    assert timed["broken"]["note"] == "ValueError: no answer today"
    assert timed["too slow"]["note"] == "more than 20 s"


def test_data_is_written_once_and_is_the_same_each_time(tmp_path: Path) -> None:
    size = Size(100, 1_000, 10)
    folder = written(Events(keys="composite", texts=True, zipf=1.1), size, tmp_path / "one")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert written(Events(keys="composite", texts=True, zipf=1.1), size, tmp_path / "one") == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    again = written(Events(keys="composite", texts=True, zipf=1.1), size, tmp_path / "two")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }
    assert written(Events(keys="composite", texts=True), size, tmp_path / "one") != folder


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ([1, None], [1, 0]),
        ([1, 2], [1, 3]),
        ([1.0, None], [1.0, NAN]),
        ([1.0, NAN], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, 2.0000000001]),
        (["a", "b"], ["a", None]),
        ([True, False], [True, True]),
    ],
)
def test_another_value_is_a_difference(expected: list[Any], given: list[Any]) -> None:
    found = difference(pa.table({"a": expected}), pa.table({"a": given}), ())
    assert found is not None
    assert found.startswith("column 'a', row 1: ")


def test_a_float_that_was_summed_may_differ_in_its_last_bits() -> None:
    one, other = pa.table({"a": [1.0, 3e9]}), pa.table({"a": [1.0, 3e9 + 2.0]})
    assert difference(one, other, ()) is not None
    assert difference(one, other, ("a",)) is None
    assert difference(one, pa.table({"a": [1.0, 3e9 + 4.0]}), ("a",)) is not None


def test_the_width_of_a_type_is_no_difference() -> None:
    one = pa.table({"a": pa.array([1, None]), "b": pa.array(["x", None])})
    other = pa.table({"b": pa.array(["x", None], pa.large_string()), "a": pa.array([1, None], pa.uint32())})
    assert difference(one, other, ()) is None
    assert difference(one, other.drop_columns(["a"]), ()) == "no column 'a'"

"""Every shape runs, and all that take part give one answer, before anybody measures them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.compare import difference
from benchmarks.data import Size, written
from benchmarks.peers import contenders
from benchmarks.shape import Contender, Inputs, Shape
from benchmarks.shapes import SHAPES

# Hundreds of columns take seconds, however few their rows.
HEAVY = {"columns-1000", "planning-20-views", "planning-100-views"}
# As another, but for the number of views or rows.
REPEATED = {
    "views-12", "views-12-strings", "views-10-equal", "views-20-on-4", "views-4-equal", "twenty-sums", "growth",
    "latest-equal", "latest-equal-strings", "latest-large", "latest-zipf", "latest-ordered", "latest-many-keys",
    "percentile-dense", "distinct-dense",
}  # fmt: skip
LOCAL = [
    pytest.param(shape, id=name, marks=[pytest.mark.deep] * (name in HEAVY | REPEATED))
    for name, shape in SHAPES.items()
    if not shape.spark
]
ON_SPARK = [shape for shape in SHAPES.values() if shape.spark]

pytest.importorskip("polars")
pytest.importorskip("pandas")


def tiny(shape: Shape) -> Size:
    """The smallest size of a shape, or less: with a window of its events for most rows of the spine."""
    smallest = next(iter(shape.sizes.values()))
    return Size(min(smallest.spine, 150), min(smallest.events, 3_000), min(smallest.keys, 20))


def first_of_each_peer(shape: Shape) -> list[Contender]:
    found: dict[str, Contender] = {}
    for contender in contenders(shape):
        # Of another environment: only in a process. Without statistics: one of the others.
        if contender.python is None and " without " not in contender.peer:
            found.setdefault(contender.peer, contender)
    return list(found.values())


def the_others(shape: Shape) -> list[Contender]:
    first = first_of_each_peer(shape)
    return [first[0], *(each for each in contenders(shape) if each not in first and each.python is None)]


def differences(shape: Shape, chosen: list[Contender], folder: Path) -> Iterator[str]:
    data = written(shape.data, tiny(shape), folder)
    expected = None
    for contender in chosen:
        scratch = Path(tempfile.mkdtemp(dir=folder))
        answer = contender.prepare(Inputs(data, tiny(shape), scratch))()
        expected = expected or answer
        if found := difference(expected, answer, shape.sums):
            yield f"{contender.name}: {found}"


@pytest.mark.parametrize("shape", LOCAL)
def test_every_peer_gives_the_answer_of_hitherto(shape: Shape, tmp_path: Path) -> None:
    assert list(differences(shape, first_of_each_peer(shape), tmp_path)) == []


@pytest.mark.deep
@pytest.mark.parametrize("shape", [shape for shape in SHAPES.values() if not shape.spark], ids=lambda shape: shape.name)
def test_every_form_of_a_peer_gives_the_answer_of_hitherto(shape: Shape, tmp_path: Path) -> None:
    assert list(differences(shape, the_others(shape), tmp_path)) == []


@pytest.mark.deep
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("shape", ON_SPARK, ids=lambda shape: shape.name)
def test_every_form_on_spark_gives_the_answer_of_hitherto(shape: Shape, tmp_path: Path) -> None:
    assert list(differences(shape, list(contenders(shape)), tmp_path)) == []


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_sizes_grow_and_say_how_large_they_are(shape: Shape) -> None:
    sizes = list(shape.sizes.values())
    assert [size.spine + size.events for size in sizes] == sorted(size.spine + size.events for size in sizes)

"""The two tiers of the tests: the fast one that ``pytest`` runs, and the deep one that ``pytest --deep`` adds to it.

A test is of the fast tier unless it is marked ``deep``. Tests of random examples come in shards, each with a seed of
its own, so that a run is repeatable and no two shards share an example: the first are fast, the others deep.

``HITHERTO_WORLDS`` is how many worlds a shard draws, ``HITHERTO_SEED`` moves all shards to other ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

WORLDS = int(os.environ.get("HITHERTO_WORLDS", "50"))
SEED = int(os.environ.get("HITHERTO_SEED", "0"))
_MOST = 1_000  # shards of one test: two seeds share none


def shards(*, fast: int, deep: int) -> pytest.MarkDecorator:
    """Parametrizes a test by ``shard``: so many of the fast tier, and so many more of the deep one."""
    numbers: list[Any] = list(range(fast))
    numbers += [pytest.param(number, marks=pytest.mark.deep) for number in range(fast, fast + deep)]
    return pytest.mark.parametrize("shard", numbers)


def few(cases: Sequence[Any], *, fast: int, on: str | None = None) -> list[Any]:
    """Cases for a test: the first ones are of the fast tier, the others deep, on one engine or on all."""
    mark = pytest.mark.deep if on is None else pytest.mark.deep(on)
    return [*cases[:fast], *(pytest.param(case, marks=mark) for case in cases[fast:])]


def seed_of(shard: int) -> int:
    """What a shard draws with."""
    return SEED * _MOST + shard

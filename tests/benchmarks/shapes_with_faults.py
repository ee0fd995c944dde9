"""A shape whose contenders go wrong, each in its own way; workers find it by the name of this module."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from benchmarks.data import Events, Size
from benchmarks.shape import Contender, Inputs, Latest, Run, Shape


def of(change: Callable[[pa.Table], Any]) -> Callable[[Inputs], Run]:
    """A contender that gives a changed answer of the first one."""

    def prepare(inputs: Inputs) -> Run:
        from benchmarks.peers.ours import prepared

        run = prepared(FAULTY, inputs)
        return lambda: change(run())

    return prepare


def last_amount_is_off(table: pa.Table) -> pa.Table:
    """The smallest change of a value: one unit in the last place."""
    import numpy as np

    amounts = table["amount"].to_numpy().copy()
    row = np.flatnonzero(~np.isnan(amounts))[-1]
    amounts[row] = np.nextafter(amounts[row], 0)
    return table.set_column(0, "amount", pa.array(amounts, from_pandas=True))


def too_late(table: pa.Table) -> pa.Table:
    time.sleep(600)
    return table


def broken(table: pa.Table) -> pa.Table:
    raise ValueError("no answer today")


FAULTY = Shape(
    "faulty",
    "contenders that go wrong",
    Events(),
    {"S": Size(300, 3_000, 10)},
    views=(Latest(),),
    extra=(
        Contender("same", "", of(lambda table: table)),
        Contender("wrong value", "", of(last_amount_is_off)),
        Contender("other order", "", of(lambda table: table.take(list(reversed(range(table.num_rows)))))),
        Contender("too few rows", "", of(lambda table: table.slice(1))),
        Contender("broken", "", of(broken)),
        Contender("too slow", "", of(too_late)),
    ),
)
SHAPES = {"faulty": FAULTY}

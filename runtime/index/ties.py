"""The order of rows that share a key and a time: by one column after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .columns import Bools, Ints, Positions, taken
from .ranks import Words, grouped, ranked


def order_of(columns: Sequence[pa.ChunkedArray[Any]], candidates: Positions, runs: Positions) -> Ints:
    """The permutation that orders ``candidates`` by run, then by the columns in turn.

    ``candidates`` are rows of the columns, and ``runs`` has the run of each, not negative. Of a column null is lowest
    and NaN highest, -0.0 is 0.0, false comes before true, strings and binary go by their bytes, and decimals and
    instants by value. What ties in all columns stays in the order given. A column is read only at the candidates that
    tie in all columns before it. O(k log k) a column.

    >>> order_of([pa.chunked_array([[7, None, 5]])], np.array([0, 1, 2]), np.array([1, 1, 0])).tolist()
    [2, 1, 0]
    """
    order = np.argsort(runs, kind="stable")
    in_order = runs[order]
    is_new = np.ones(len(order), np.bool_)
    np.not_equal(in_order[1:], in_order[:-1], out=is_new[1:])
    # What is still to be ordered: its places in ``order``, and for each the number of the tie that it is in.
    places, ties = _tied(np.arange(len(order)), is_new)
    for column in columns:
        if not len(places):
            break
        here = ranked(taken(column, candidates[order[places]]))
        above_null = here.ranks.astype(np.uint64)
        above_null += 1
        if here.valid is not None:
            above_null[~here.valid] = 0
        moved, is_new = grouped(ties * np.uint64(len(here.places) + 1) + above_null)
        order[places] = order[places[moved]]
        places, ties = _tied(places, is_new)
    return order


def _tied(places: Ints, is_new: Bools) -> tuple[Ints, Words]:
    """The places that are not alone in their tie, and the numbers of the ties; each begins where ``is_new``."""
    is_tied = ~is_new
    is_tied[:-1] |= is_tied[1:]
    return places[is_tied], np.cumsum(is_new[is_tied], dtype=np.uint64)

"""The order of rows that share a key and a time: by one column after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .columns import Ints, Positions, taken
from .ranks import ranked


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
    # What is still to be ordered: its places in ``order``, and for each the number of the tie that it is in.
    places, ties = _tied(np.arange(len(order)), runs[order])
    for column in columns:
        if not len(places):
            break
        here = ranked(taken(column, candidates[order[places]]))
        words = here.ranks.astype(np.uint64)
        words += 1
        if here.valid is not None:
            words[~here.valid] = 0
        words |= ties.astype(np.uint64) << np.uint64(32)
        moved = np.argsort(words, kind="stable")
        order[places] = order[places[moved]]
        places, ties = _tied(places, words[moved])
    return order


def _tied(places: Ints, keys: Positions) -> tuple[Ints, Ints]:
    """The places whose key is that of a neighbour, and the numbers of their ties; equal keys stand together."""
    is_new = np.ones(len(keys) + 1, np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_new[1 : len(keys)])
    is_tied = ~(is_new[:-1] & is_new[1:])
    return places[is_tied], np.cumsum(is_new[:-1], dtype=np.int64)[is_tied]

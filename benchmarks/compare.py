"""Whether two answers are the same: exactly, but for floats whose last bits depend on the order of summation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CLOSE = 1e-9  # relative; what is summed here is positive, so a sum is the sum of its absolute values too


def difference(expected: pa.Table, given: pa.Table, sums: Collection[str]) -> str | None:
    """What differs first, or None. Columns are compared by name, values by value: 3 as int32 is 3 as int64.

    A null equals only a null, NaN equals NaN, and -0.0 equals 0.0.
    """
    if given.num_rows != expected.num_rows:
        return f"{given.num_rows:,} rows instead of {expected.num_rows:,}"
    missing = [name for name in expected.column_names if name not in given.column_names]
    if missing:
        return f"no column {missing[0]!r}"
    for name in expected.column_names:
        one, other = expected[name].combine_chunks(), given[name].combine_chunks()
        try:
            other = pc.cast(_plain(other), _plain(one).type)
        except pa.ArrowInvalid as error:
            return f"column {name!r} does not cast from {given[name].type}: {error}"
        wrong = _wrong(_plain(one), other, name in sums)
        if len(wrong):
            row = int(wrong[0])
            values = f"{other[row].as_py()!r} instead of {one[row].as_py()!r}"
            return f"column {name!r}, row {row:,}: {values}; {len(wrong):,} rows differ"
    return None


def _plain(array: Any) -> Any:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array


def _wrong(one: Any, other: Any, is_sum: bool) -> np.ndarray:
    """The rows that differ."""
    present = one.is_valid().to_numpy(zero_copy_only=False)
    differ = present != other.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(one.type):
        left, right = (array.to_numpy(zero_copy_only=False) for array in (one, other))
        with np.errstate(invalid="ignore"):
            close = np.abs(left - right) <= CLOSE * np.abs(left) if is_sum else left == right
        same = close | (left == right) | (np.isnan(left) & np.isnan(right))
        differ |= present & ~same
    else:
        same = pc.fill_null(pc.equal(one, other), False).to_numpy(zero_copy_only=False)
        differ |= present & ~same
    return np.flatnonzero(differ)

"""Values as small integers in the order of values: null apart, NaN highest, false before true, bytes as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Bools, Ints, Positions, Values, is_short_decimal, valid_of, values_of

Ranks = npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]
Unsigned = npt.NDArray[np.unsignedinteger[Any]]

TABLE_SPAN = 4
"""Values whose span is at most so many times their number are ranked by a table instead of a sort."""

WORD_BITS = 64
"""Bits of a word that is sorted: high bits of a value and its row."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rank of each value among the distinct ones that are not null, and those values in ascending order.

    -0.0 is 0.0, and every NaN one NaN. ``ranks`` of nulls mean nothing; ``valid`` says which those are, and is None
    where there are none.
    """

    ranks: Ranks
    valid: Bools | None
    distinct: pa.Array[Any]


def ranked(array: pa.Array[Any]) -> Ranked:
    """The ranks of a scalar column of any type. O(n log n)."""
    valid = valid_of(array)
    if has_words(array.type):
        words = ordered_words(values_of(array))
        ranks, firsts = ranks_of_words(words, valid)
        return Ranked(ranks, valid, array.take(firsts))
    encoded = cast("pa.DictionaryArray[Any, Any]", pc.dictionary_encode(array))
    order = pc.array_sort_indices(encoded.dictionary)
    places = np.empty(len(order) + 1, np.uint32)
    places[values_of(order)] = np.arange(len(order), dtype=np.uint32)
    places[-1] = 0
    codes = values_of(encoded.indices)
    if valid is not None:
        codes = np.where(valid, codes, len(order))
    return Ranked(places[codes], valid, encoded.dictionary.take(order))


def has_words(type_: pa.DataType) -> bool:
    """Whether values are of fixed width and at most 64 bits."""
    is_plain = pa.types.is_boolean(type_) or pa.types.is_integer(type_) or pa.types.is_floating(type_)
    return is_plain or pa.types.is_temporal(type_) or pa.types.is_null(type_) or is_short_decimal(type_)


def ordered_words(values: Values) -> Unsigned:
    """Unsigned integers in the order of the values, as wide as those. O(n)."""
    kind, width = values.dtype.kind, values.dtype.itemsize
    if kind in "bu":
        plain: Unsigned = values.view(f"u{width}")
        return plain
    sign = np.array(1 << (8 * width - 1), f"u{width}")
    if kind == "i":
        above: Unsigned = np.bitwise_xor(values.view(f"u{width}"), sign)
        return above
    with np.errstate(invalid="ignore"):
        folded = values + values.dtype.type(0)
        folded[np.isnan(folded)] = np.nan
    bits: Unsigned = folded.view(f"u{width}")
    # A negative number is turned whole, so that the greater of two is the nearer one to zero.
    turned = (folded.view(f"i{width}") >> (8 * width - 1)).view(f"u{width}") | sign
    np.bitwise_xor(bits, turned, out=bits)
    return bits


def ranks_of_words(words: Unsigned, valid: Bools | None) -> tuple[Ranks, Positions]:
    """The rank of each word among the distinct valid ones, and a row of each of those in ascending order.

    By a table where their span is small, O(n + span), else by one sort, O(n log n).
    """
    rows = None if valid is None else np.flatnonzero(valid)
    taken = words if rows is None else words[rows]
    ranks, firsts = _dense(taken)
    if rows is None:
        return ranks, firsts
    spread = np.zeros(len(words), np.uint32)
    spread[rows] = ranks
    return spread, rows[firsts]


def _dense(words: Unsigned) -> tuple[Ranks, Positions]:
    if not len(words):
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    least = words.min()
    span = int(words.max()) - int(least)
    if span <= TABLE_SPAN * len(words):
        above = words - least
        of_value = np.full(span + 1, -1, np.int64)
        of_value[above] = np.arange(len(words))
        is_there = of_value >= 0
        places = np.cumsum(is_there, dtype=np.uint32) - np.uint32(1)
        return places[above], of_value[is_there]
    order = sorted_rows(words, least, span)
    ascending = words[order]
    is_new = np.empty(len(words), np.bool_)
    is_new[0] = True
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    ranks = np.empty(len(words), np.uint32)
    ranks[order] = np.cumsum(is_new, dtype=np.uint32) - np.uint32(1)
    return ranks, order[is_new]


def sorted_rows(words: Unsigned, least: np.unsignedinteger[Any], span: int) -> Ints:
    """The rows in ascending order of their words, equal ones in the order of rows. O(n log n).

    One word holds the high bits of a value and its row; the few rows whose high bits are equal are put right by the
    rest. ``span`` is how far the greatest word is above ``least``.
    """
    row_bits = max(len(words) - 1, 1).bit_length()
    lost = max(span.bit_length() + row_bits - WORD_BITS, 0)
    packed = (words - least).astype(np.uint64)
    packed >>= np.uint64(lost)
    packed <<= np.uint64(row_bits)
    packed |= np.arange(len(words), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << row_bits) - 1)).view(np.int64)
    if lost:
        packed >>= np.uint64(row_bits)
        _put_right(order, packed, words)
    return order


def _put_right(order: Ints, coarse: Words, words: Unsigned) -> None:
    """Sort the rows of equal coarse words by their whole words, in place."""
    is_same = coarse[1:] == coarse[:-1]
    if not is_same.any():
        return
    inside = np.zeros(len(order), np.bool_)
    inside[1:] = is_same
    inside[:-1] |= is_same
    places = np.flatnonzero(inside)
    rows = order[places]
    order[places] = rows[np.lexsort((words[rows], coarse[places]))]

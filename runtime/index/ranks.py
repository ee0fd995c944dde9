"""Values as small integers in the order of values: null apart, NaN highest, false before true, bytes as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .columns import Bools, Ints, Values, is_short_decimal, pieces, valid_of, values_of

Ranks = npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]
Unsigned = npt.NDArray[np.unsignedinteger[Any]]

TABLE_SPAN = 4
"""Values whose span is at most so many times their number are ranked by a table instead of a sort."""

WORD_BITS = 64
"""Bits of a word that is sorted: high bits of a value and its row."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rank of each value among the distinct ones that are not null.

    -0.0 is 0.0, and every NaN one NaN. ``ranks`` of nulls mean nothing; ``valid`` says which those are, and is None
    where there are none. A value of rank r is ``values`` at ``places[r]``.
    """

    ranks: Ranks
    valid: Bools | None
    values: pa.Array[Any]
    places: Ints


def ranked(array: pa.Array[Any]) -> Ranked:
    """The ranks of a scalar column of any type. O(n log n)."""
    valid = valid_of(array)
    if has_words(array.type):
        ranks, places = ranks_of(values_of(array), valid)
        return Ranked(ranks, valid, array, places)
    encoded = cast("pa.DictionaryArray[Any, Any]", pc.dictionary_encode(array))
    places = values_of(pc.array_sort_indices(encoded.dictionary)).astype(np.int64)
    of_code = np.zeros(len(places) + 1, np.uint32)
    of_code[places] = np.arange(len(places), dtype=np.uint32)
    codes = values_of(encoded.indices)
    if valid is not None:
        # A code beside a null may be any number.
        codes = np.where(valid, codes, len(places))
    return Ranked(of_code[codes], valid, encoded.dictionary, places)


def has_words(type_: pa.DataType) -> bool:
    """Whether values are of fixed width and at most 64 bits."""
    is_plain = pa.types.is_boolean(type_) or pa.types.is_integer(type_) or pa.types.is_floating(type_)
    return is_plain or pa.types.is_temporal(type_) or pa.types.is_null(type_) or is_short_decimal(type_)


def ranks_of(values: Values, valid: Bools | None = None) -> tuple[Ranks, Ints]:
    """The rank of each valid value among the distinct ones, and a position of each of those in ascending order.

    By a table where their span is small, O(n + span), else by one sort, O(n log n).
    """
    if valid is not None:
        rows = np.flatnonzero(valid)
        ranks, places = ranks_of(values[rows])
        spread = np.zeros(len(values), np.uint32)
        spread[rows] = ranks
        return spread, rows[places]
    if not len(values):
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    least, span = _span(values)
    ranks = np.empty(len(values), np.uint32)
    if span <= TABLE_SPAN * len(values):
        of_word = np.full(span + 1, -1, np.int64)
        for piece in pieces(len(values)):
            of_word[ordered_words(values[piece]) - least] = np.arange(piece.start, piece.stop)
        is_there = of_word >= 0
        rank_of_word = np.cumsum(is_there, dtype=np.uint32) - np.uint32(1)
        for piece in pieces(len(values)):
            ranks[piece] = rank_of_word[ordered_words(values[piece]) - least]
        return ranks, np.compress(is_there, of_word)
    order, is_new = grouped(values)
    before = np.uint32(0)
    for piece in pieces(len(values)):
        counted = np.cumsum(is_new[piece], dtype=np.uint32) + before
        ranks[order[piece]] = counted - np.uint32(1)
        before = counted[-1]
    return ranks, order[is_new]


def grouped(values: Values) -> tuple[Ints, Bools]:
    """The positions in ascending order of their values, equal ones in their own order, and which begin a new value.

    What is sorted is one word a value, of its high bits and its position; the few whose high bits are equal, but not
    their other bits, are put right after. O(n log n).
    """
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.bool_)
    least, span = _span(values)
    position_bits = max(len(values) - 1, 1).bit_length()
    lost = max(span.bit_length() + position_bits - WORD_BITS, 0)
    below = np.uint64(position_bits)
    packed = np.empty(len(values), np.uint64)
    for piece in pieces(len(values)):
        words = (ordered_words(values[piece]) - least).astype(np.uint64)
        words >>= np.uint64(lost)
        words <<= below
        words |= np.arange(piece.start, piece.stop, dtype=np.uint64)
        packed[piece] = words
    packed.sort()
    is_new = np.ones(len(values), np.bool_)
    for piece in pieces(len(values) - 1):
        after = packed[piece.start + 1 : piece.stop + 1] >> below
        np.not_equal(after, packed[piece] >> below, out=is_new[piece.start + 1 : piece.stop + 1])
    packed &= np.uint64((1 << position_bits) - 1)
    order = packed.view(np.int64)
    if lost:
        _put_right(order, is_new, values)
    return order, is_new


def _put_right(order: Ints, is_new: Bools, values: Values) -> None:
    """Sort positions of equal high bits by their values, in place, and mark the values that are new after all."""
    same = np.flatnonzero(~is_new)
    differs = ordered_words(values[order[same]]) != ordered_words(values[order[same - 1]])
    if not differs.any():
        return
    # Bins of several positions with equal high bits, of which those that hold several values are sorted.
    is_inside = np.zeros(len(order), np.bool_)
    is_inside[same] = is_inside[same - 1] = True
    places = np.flatnonzero(is_inside)
    bins = np.cumsum(is_new[places], dtype=np.int64)
    is_mixed = np.zeros(len(places) + 1, np.bool_)
    is_mixed[bins[np.searchsorted(places, same[differs])]] = True
    places, bins = places[is_mixed[bins]], bins[is_mixed[bins]]
    words = ordered_words(values[order[places]])
    moved = np.lexsort((words, bins))
    order[places] = order[places[moved]]
    words = words[moved]
    is_new[places[1:]] |= words[1:] != words[:-1]


def _span(values: Values) -> tuple[np.unsignedinteger[Any], int]:
    """The least word, and how far the greatest is above it."""
    ends = [(words.min(), words.max()) for words in (ordered_words(values[piece]) for piece in pieces(len(values)))]
    least = min(low for low, _ in ends)
    return least, int(max(high for _, high in ends)) - int(least)


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

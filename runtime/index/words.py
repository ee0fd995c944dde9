"""Rows by key and time, sorted as 64-bit words: many times faster than to sort positions by two columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .columns import Bools, Ints, Positions

Rows = npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]

_LAST = 2**63 - 1
_ALL = slice(None)

WORD = 64
"""Bits of a word: a test sets fewer, so that small data take the ways of big ones."""
BLOCK = 32_768
"""Rows that are packed at once, so that what is made in between stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Rows by key and, for one key, by time; rows that agree in both are in any order.

    ``rows`` are the positions in the input, None where nobody needs them. ``first`` and ``last`` are the least and the
    greatest time, ``most`` is the greatest key. Where key and time fit into one word, ``packed`` has them: the key
    above ``bits`` bits of ``time - first``. Otherwise they are in ``keys`` and ``times``, and to search takes longer.
    """

    rows: Rows | None
    most: int
    first: int
    last: int
    bits: int
    packed: Words | None
    keys: Rows | None
    times: Ints | None

    def __len__(self) -> int:
        kept = self.packed if self.packed is not None else self.times
        return 0 if kept is None else len(kept)

    def search(self, keys: Positions, times: Ints) -> Ints:
        """How many rows are before each (key, time). O(s log n); fast where the needles are in order."""
        if self.packed is not None:
            return np.searchsorted(self.packed, self.words(keys, times)).astype(np.int64, copy=False)
        assert self.keys is not None
        assert self.times is not None
        low = np.searchsorted(self.keys, keys)
        high = np.searchsorted(self.keys, keys, side="right")
        return _searched(self.times, low, high, self._clipped(times))

    def is_at_or_after(self, positions: Ints, keys: Positions, times: Ints) -> Bools:
        """Whether the row at each position has the key, and that time or a later one. O(s)."""
        same: Bools
        after: Bools
        if self.packed is not None:
            found, least = self.packed[positions], self.words(keys, times)
            after, same = found >= least, (found ^ least) >> np.uint64(self.bits) == 0
        else:
            assert self.keys is not None
            assert self.times is not None
            after, same = self.times[positions] >= times, self.keys[positions] == keys
        return same & after

    def same_as_before(self, positions: Ints) -> Bools:
        """Whether the row at each position has the key and time of the one before it. O(s)."""
        before = np.maximum(positions - 1, 0)
        same: Bools = positions > 0
        for column in (self.packed, self.keys, self.times):
            if column is not None:
                same &= column[positions] == column[before]
        return same

    def starts_of_runs(self, positions: Ints) -> Ints:
        """The first row that has the key and time of the row at each position. O(s log n)."""
        if self.packed is not None:
            return np.searchsorted(self.packed, self.packed[positions])
        assert self.keys is not None
        assert self.times is not None
        return self.search(self.keys[positions], self.times[positions])

    def sorted_keys(self, part: slice = _ALL) -> Rows:
        """The keys of all rows, or of a part of them. O(n)."""
        if self.packed is not None:
            return (self.packed[part] >> np.uint64(self.bits)).astype(np.uint32)
        assert self.keys is not None
        return self.keys[part]

    def sorted_times(self, part: slice = _ALL) -> Ints:
        """The times of all rows, or of a part of them. O(n)."""
        if self.packed is not None:
            return (self.packed[part] & np.uint64((1 << self.bits) - 1)).astype(np.int64) + self.first
        assert self.times is not None
        return self.times[part]

    def times_at(self, positions: Ints) -> Ints:
        """The times of the rows at positions. O(s)."""
        if self.packed is not None:
            return (self.packed[positions] & np.uint64((1 << self.bits) - 1)).astype(np.int64) + self.first
        assert self.times is not None
        return self.times[positions]

    def pieces(self, places: Ints) -> Iterator[tuple[Rows, Ints, Ints]]:
        """Keys and times in their order, with the place of each, in pieces that stay in the processor's cache."""
        for start in range(0, len(self), BLOCK):
            part = slice(start, start + BLOCK)
            yield self.sorted_keys(part), self.sorted_times(part), places[part]

    def runs(self) -> Rows:
        """The number of the run of equal key and time that each row is in. O(n)."""
        numbers = np.zeros(len(self), np.uint32)
        if self.packed is not None:
            np.cumsum(self.packed[1:] != self.packed[:-1], out=numbers[1:])
        elif self.keys is not None and self.times is not None:
            differs = (self.keys[1:] != self.keys[:-1]) | (self.times[1:] != self.times[:-1])
            np.cumsum(differs, out=numbers[1:])
        return numbers

    def words(self, keys: Positions, times: Ints) -> Words:
        """Keys and times as the rows have them; a time outside of the rows' is the nearest that tells as much."""
        words = np.minimum(keys, self.most + 1).astype(np.uint64)
        words <<= np.uint64(self.bits)
        words |= (self._clipped(times) - self.first).view(np.uint64)
        return words

    def _clipped(self, times: Ints) -> Ints:
        """Times between the first one and what is just after the last: no needle reaches into another key."""
        return np.clip(times, self.first, min(self.last + 1, _LAST))


def sorted_rows(chunks: Sequence[tuple[Positions, Ints]], *, with_rows: bool = True) -> Sorted:
    """Rows by (key, time), given in chunks, for keys from 0 on. O(n log n), on words of 8 bytes in place.

    A word is the key, as many high bits of the time as fit, and the row. Rows that agree in what fits are few, and are
    put right by their exact times. Without rows a word is key and time alone, where these fit.
    """
    chunks = [(keys, times) for keys, times in chunks if len(times)]
    n = sum(len(times) for _, times in chunks)
    if not n:
        nothing = np.zeros(0, np.uint32)
        return Sorted(nothing, 0, 0, 0, 1, nothing.astype(np.uint64), None, None)
    most = max(int(keys.max()) for keys, _ in chunks)
    first, last = min(int(times.min()) for _, times in chunks), max(int(times.max()) for _, times in chunks)
    bits = (last + 1 - first).bit_length()
    key_bits = (most + 1).bit_length()
    fits = key_bits + bits <= WORD
    words = pooled(n, np.uint64)
    if fits and not with_rows:
        _pack(words, chunks, first, 0, bits, 0)
        words.sort()
        return Sorted(None, most, first, last, bits, words, None, None)
    row_bits = max(n - 1, 1).bit_length()
    coarse = max(min(bits, WORD - key_bits - row_bits), 0)
    _pack(words, chunks, first, bits - coarse, coarse, row_bits)
    words.sort()
    is_continued = _continued(words, row_bits) if coarse < bits else None
    times = chunks[0][1] if len(chunks) == 1 else np.concatenate([each for _, each in chunks])
    rows = pooled(n, np.uint32)
    exact = None if fits else pooled(n, np.int64)
    sorted_keys = None if fits else pooled(n, np.uint32)
    mask = np.uint64((1 << row_bits) - 1)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        np.bitwise_and(words[part], mask, out=rows[part], casting="unsafe")
        if coarse == bits and fits:
            words[part] >>= np.uint64(row_bits)
            continue
        words[part] >>= np.uint64(coarse + row_bits)
        found = times[rows[part]]
        if exact is not None and sorted_keys is not None:
            sorted_keys[part] = words[part]
            exact[part] = found
        else:
            words[part] <<= np.uint64(bits)
            words[part] |= (found - first).view(np.uint64)
    if is_continued is not None:
        wrong = _disordered(is_continued, words if exact is None else exact)
        by = (words[wrong],) if exact is None else (exact[wrong], words[wrong])
        order = np.lexsort(by)
        for array in (rows, exact, words if exact is None else None):
            if array is not None:
                array[wrong] = array[wrong][order]
    return Sorted(rows, most, first, last, bits, words if fits else None, sorted_keys, exact)


def pooled(n: int, kind: Any) -> Any:
    """An array without values, from Arrow's pool: memory that was used before is not touched for the first time."""
    memory: Any = pa.allocate_buffer(n * np.dtype(kind).itemsize)
    return np.frombuffer(memory, kind)


def _pack(
    words: Words, chunks: Sequence[tuple[Positions, Ints]], first: int, dropped: int, coarse: int, row_bits: int
) -> None:
    done = 0
    for keys, times in chunks:
        for start in range(0, len(times), BLOCK):
            part = slice(start, start + BLOCK)
            block = (times[part] - first).view(np.uint64)
            block >>= np.uint64(dropped)
            block |= keys[part].astype(np.uint64) << np.uint64(coarse)
            if row_bits:
                block <<= np.uint64(row_bits)
                block |= np.arange(done, done + len(block), dtype=np.uint64)
            words[done : done + len(block)] = block
            done += len(block)


def _continued(words: Words, row_bits: int) -> Bools | None:
    """Which rows have the key and coarse time of the row before; None where none has. O(n)."""
    found = np.zeros(len(words), np.bool_)
    for start in range(0, len(words), BLOCK):
        low = max(start - 1, 0)
        block = words[low : start + BLOCK] >> np.uint64(row_bits)
        np.equal(block[1:], block[:-1], out=found[low + 1 : low + len(block)])
    return found if found.any() else None


def _disordered(is_continued: Bools, values: Words | Ints) -> Ints:
    """The rows of runs that are not in the order of their values. O(n) where there are any."""
    found: list[Ints] = []
    for start in range(1, len(values), BLOCK):
        part, before = values[start : start + BLOCK], values[start - 1 : start - 1 + BLOCK]
        found.append(np.flatnonzero(is_continued[start : start + BLOCK] & (part < before[: len(part)])) + start)
    wrong = np.concatenate(found) if found else np.zeros(0, np.int64)
    if not len(wrong):
        return wrong
    starts = np.append(np.flatnonzero(~is_continued), len(values))
    runs = np.unique(np.searchsorted(starts, wrong, side="right") - 1)
    lengths = starts[runs + 1] - starts[runs]
    firsts = np.cumsum(lengths) - lengths
    rows: Ints = np.arange(lengths.sum()) + np.repeat(starts[runs] - firsts, lengths)
    return rows


def _searched(times: Ints, low: Ints, high: Ints, needles: Ints) -> Ints:
    """The first position from ``low`` on whose time is at or after the needle, or ``high``; all at once."""
    low, high = low.copy(), high.copy()
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        is_before = (middle < high) & (times[np.minimum(middle, len(times) - 1)] < needles)
        np.copyto(low, middle + 1, where=is_before)
        np.copyto(high, middle, where=~is_before)
    return low

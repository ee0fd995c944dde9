"""Durations and instants as integer microseconds: the only unit of time inside the planner."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from .errors import DefinitionError, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_PRINTED_UNITS = ("d", "h", "m", "s", "ms", "us")
# Words and pandas' abbreviations, in any case. "M" alone is a month in pandas and a minute here.
_WORDS = {
    "w": ("w", "wk", "wks", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("msec", "msecs", "milli", "millis", "millisecond", "milliseconds"),
    "us": ("us", "µs", "μs", "usec", "usecs", "micro", "micros", "microsecond", "microseconds"),
}
_UNITS = {word: unit for unit, words in _WORDS.items() for word in words}
_CALENDAR = ("mo", "mon", "month", "months", "y", "yr", "yrs", "year", "years", "q", "quarter", "quarters")
_PART = re.compile(r"\s*([0-9]+)\s*([^\W\d_]+)\s*")
# Ten thousand years: sums of a few such spans and any timestamp stay far inside 64 bits.
_LONGEST = 3_652_425 * _MICROSECONDS["d"]
_LONGEST_TEXT = 100

Duration = timedelta | str


def parse_duration(value: Duration) -> int:
    """Microseconds of a ``timedelta`` or of a text such as ``"1h30m"``; months and years are refused.

    Units are w, d, h, m, s, ms and us, or their words: ``"7 days"``, ``"15 sec"``. Words, and w, d, h, s and us, may be
    written in upper case, as pandas has them (``"7D"``); ``"1M"`` is refused, since it is a month there.

    >>> parse_duration("1h30m") == parse_duration("1 hour 30 minutes") == 5_400_000_000
    True
    """
    if isinstance(value, timedelta):
        micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    elif isinstance(value, str):
        micros = _parse_text(value)
    else:
        raise DefinitionError(f"{shown(value)} is not a duration: give a timedelta or a text such as '7d' or '1h30m'")
    if micros < 0:
        raise DefinitionError(f"the duration {shown(value)} is negative")
    if micros > _LONGEST:
        raise DefinitionError(f"the duration {shown(value)} is longer than 10,000 years; leave it out for no bound")
    return micros


def _parse_text(text: str) -> int:
    unsigned = text.strip().removeprefix("-")
    parts = _PART.findall(unsigned) if len(text) <= _LONGEST_TEXT else []
    if not parts or _PART.sub("", unsigned):
        raise DefinitionError(
            f"{shown(text)} is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"
        )
    total = 0
    for number, given in parts:
        unit = given if given in _MICROSECONDS else _UNITS.get(given.lower())
        if unit is None:
            raise DefinitionError(f"{shown(text)} is not a duration: {_unit_problem(given)}; use w d h m s ms us")
        total += int(number) * _MICROSECONDS[unit]
    return total if unsigned == text.strip() else -max(1, total)


def _unit_problem(unit: str) -> str:
    if unit == "M":
        return "'M' may be minutes, which are 'm' or 'min', or months, which have no fixed length"
    if unit.lower() in _CALENDAR:
        return "months and years have no fixed length"
    if unit.lower() in ("ns", "nanosecond", "nanoseconds"):
        return "a nanosecond is finer than the microsecond of times"
    return f"unknown unit {unit!r}"


def format_duration(micros: int) -> str:
    """The duration in the largest of d, h, m, s, ms, us that divides it.

    >>> format_duration(5_400_000_000), format_duration(604_800_000_000)
    ('90m', '7d')
    """
    unit = next(unit for unit in _PRINTED_UNITS if micros % _MICROSECONDS[unit] == 0)
    return f"{micros // _MICROSECONDS[unit]}{unit}"


def format_span(micros: int) -> str:
    """The duration in several units, the largest first, as bounds are printed.

    >>> format_span(5_400_000_000), format_span(30 * 86_400_000_000 + 600_000_000), format_span(0)
    ('1h30m', '30d10m', '0s')
    """
    parts: list[str] = []
    for unit in _PRINTED_UNITS:
        count, micros = divmod(micros, _MICROSECONDS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def parse_instant(value: datetime | date | str) -> int:
    """Microseconds since 1970-01-01 UTC; without a zone the value is UTC, a date is its midnight.

    >>> parse_instant("2024-01-01T02:00:00+02:00") == parse_instant("2024-01-01")
    True
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise DefinitionError(
                f"{shown(value)} is not an instant: write it like '2024-01-31T18:00:00+00:00'"
            ) from None
    elif not isinstance(value, date) or value != value:  # pandas' NaT is a datetime that equals nothing.
        raise DefinitionError(f"{shown(value)} is not an instant: give a datetime or an ISO text")
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def to_datetime(micros: int) -> datetime:
    """The instant in UTC. Raises OverflowError beyond the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=micros)


def format_instant(micros: int) -> str:
    """ISO text of an instant, in UTC, with microseconds only where there are any.

    >>> format_instant(parse_instant("2024-01-01"))
    '2024-01-01 00:00:00'
    """
    try:
        return to_datetime(micros).replace(tzinfo=None).isoformat(sep=" ")
    except OverflowError:
        return f"{micros} us since 1970"

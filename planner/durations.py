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
_PART = re.compile(r"([0-9]+)(ms|us|[a-zA-Z]+)")
# Ten thousand years: sums of a few such spans and any timestamp stay far inside 64 bits.
_LONGEST = 3_652_425 * _MICROSECONDS["d"]
_LONGEST_TEXT = 100

Duration = timedelta | str


def parse_duration(value: Duration) -> int:
    """Microseconds of a ``timedelta`` or of a text such as ``"1h30m"``; months and years are refused.

    >>> parse_duration("1h30m")
    5400000000
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
    if text.lstrip().startswith("-") and _PART.match(text.replace(" ", "")[1:]):
        return -max(1, _parse_text(text.replace(" ", "")[1:]))
    parts = _PART.findall(text.replace(" ", "")) if len(text) <= _LONGEST_TEXT else []
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise DefinitionError(
            f"{shown(text)} is not a duration: write it like '7d', '1h30m' or '250ms' (w d h m s ms us)"
        )
    total = 0
    for number, unit in parts:
        if unit not in _MICROSECONDS:
            calendar = unit.lower() in ("mo", "mon", "month", "months", "y", "yr", "year", "years", "q", "quarter")
            why = "months and years have no fixed length" if calendar else f"unknown unit {unit!r}"
            raise DefinitionError(f"{shown(text)} is not a duration: {why}; use w d h m s ms us")
        total += int(number) * _MICROSECONDS[unit]
    return total


def format_duration(micros: int) -> str:
    """The duration in the largest of d, h, m, s, ms, us that divides it.

    >>> format_duration(5_400_000_000), format_duration(604_800_000_000)
    ('90m', '7d')
    """
    unit = next(unit for unit in _PRINTED_UNITS if micros % _MICROSECONDS[unit] == 0)
    return f"{micros // _MICROSECONDS[unit]}{unit}"


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

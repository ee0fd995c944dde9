"""What the rules may ask about the data. Every answer may be None, where statistics are off or unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """Facts about one request's data: ``rows_per_key`` is the most spine rows that share the keys of any view."""

    rows_per_key: int | None = None

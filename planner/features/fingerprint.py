"""The definition of a stored view as texts, which differ wherever two definitions do.

Descriptions, tags, the locations of files and the identity of data in memory are no part of it. An option that is not
used is left out, so one that a later version adds changes no view that does not use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..durations import format_duration
from ..room import with_room
from .aggregations import Aggregation
from .sources import Source
from .views import ViewDefinition

_MOST_LISTED = 10
_LONGEST_TEXT = 120


@with_room
def declared(view: ViewDefinition) -> dict[str, str]:
    """The parts of a view's definition that its answers depend on, and what each says.

    Two views with equal parts give the same answers over the same rows. A chained view has the parts of its upstream
    as well, with "upstream" before their names, those of the view above that with "upstream 2", and so on.
    """
    parts = _own(view)
    prefix, level = "", 0
    while isinstance(view.source, ViewDefinition):
        view, level = view.source, level + 1
        prefix = "upstream " if level == 1 else f"upstream {level} "
        parts |= {f"{prefix}{part}": text for part, text in _own(view).items()}
    parts |= {f"{prefix}{part}": text for part, text in _source(view.origin).items()}
    return {part: text for part, text in parts.items() if text}


def changes(stored: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One line for each part that differs, with what was stored and what is declared now; a long list is cut."""
    parts = [part for part in dict.fromkeys((*stored, *now)) if stored.get(part) != now.get(part)]
    lines = [f"{part}: {_shown(stored.get(part), now.get(part))}" for part in parts[:_MOST_LISTED]]
    more = len(parts) - len(lines)
    return [*lines, f"and {more:,} more"] if more else lines


def _own(view: ViewDefinition) -> dict[str, str | None]:
    """The parts of a view without those of what it reads."""
    return {
        "entities": ", ".join(f"{_name(item.name)} ({_names(item.join_keys)})" for item in view.entities),
        "filter": view.filter,
        # Their order is that in which ties are broken.
        "columns": None if view.aggregations else _names(view.columns),
        **{f"column {_name(name)}": text for name, text in view.columns.items()},
        "features": None if view.features is None else _names(view.features),
        "ttl": None if view.ttl is None else format_duration(view.ttl),
        "allow_exact_matches": None if view.allow_exact_matches else "False",
        **{f"aggregation {_name(item.name)}": _aggregation(item) for item in view.aggregations},
        **{f"post_aggregation {_name(name)}": text for name, text in view.post_aggregation.items()},
    }


def _source(source: Source) -> dict[str, str | None]:
    return {
        "timestamp_field": source.timestamp_field,
        "created_timestamp_column": source.created_timestamp_column,
        "sequence_columns": _names(source.sequence_columns),
        "field_mapping": ", ".join(
            f"{_name(old)} to {_name(new)}" for old, new in sorted(source.field_mapping.items())
        ),
        "data_delay": format_duration(source.data_delay) if source.data_delay else None,
        "unique": "True" if source.unique else None,
        **source.declared(),
    }


def _aggregation(item: Aggregation) -> str:
    params = "".join(f", {name}={value!r}" for name, value in item.params.items())
    column = "*" if item.column == "*" else _name(item.column)
    options = [
        f"{item.function}({column}{params})",
        "lifetime" if item.time_window is None else f"time_window {format_duration(item.time_window)}",
        f"offset {format_duration(item.offset)}" if item.offset else "",
        "" if item.slide_interval is None else f"slide_interval {format_duration(item.slide_interval)}",
        f"closed {item.closed}",
        "" if item.where is None else f"where {item.where}",
    ]
    return ", ".join(filter(None, options))


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(_name, names))


def _name(name: str) -> str:
    """A name, in quotes unless it is an identifier."""
    return name if name.isidentifier() else repr(name)


def _shown(old: str | None, new: str | None) -> str:
    """Two texts on one line, cut to begin shortly before their first difference."""
    pairs = enumerate(zip(old or "", new or "", strict=False))
    same = next((place for place, (one, other) in pairs if one != other), 0)
    start = max(0, same - _LONGEST_TEXT // 2)
    return f"{_cut(old, start)} -> {_cut(new, start)}"


def _cut(text: str | None, start: int) -> str:
    if text is None:
        return "none"
    part = text[start : start + _LONGEST_TEXT].replace("\n", "\\n")
    return f"{'…' if start else ''}{part}{'…' if len(text) > start + _LONGEST_TEXT else ''}"

"""What all definitions share: immutability, equality by value, and checks of names and durations."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from ..durations import Duration, parse_duration
from ..errors import DefinitionError, Problems
from ..types import names_that_differ_by_case


class Definition:
    """Base of the definitions: frozen after ``__init__``, equal when type and fields are."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: make a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __getstate__(self) -> dict[str, object]:
        return {key: dict(value) if isinstance(value, MappingProxyType) else value for key, value in vars(self).items()}

    def __setstate__(self, state: dict[str, object]) -> None:
        frozen = {key: MappingProxyType(value) if isinstance(value, dict) else value for key, value in state.items()}
        self.__dict__.update(frozen)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.__dict__.get("name")))


def check_duration(where: str, what: str, value: Duration | None, problems: Problems) -> int | None:
    """Microseconds of a duration, or None; a problem is noted."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except DefinitionError as error:
        problems.take(error, f"{where}: {what}")
        return None


def check_names(values: Sequence[str], where: str, problems: Problems) -> tuple[str, ...]:
    """The names of a list; anything else is noted as a problem."""
    if isinstance(values, str):
        problems.add(f"{where} is a single string, {values!r}; give a list")
        return (values,)
    for value in values:
        if not isinstance(value, str):
            problems.add(f"{where} holds {value!r}, which is not a name")
    return tuple(value for value in values if isinstance(value, str))


def check_name(where: str, name: str, problems: Problems) -> None:
    """Note a name that is empty, not a text, or holds a colon."""
    if not isinstance(name, str) or not name:
        problems.add(f"{where}: {name!r} is not a name; give a text that is not empty")
    elif ":" in name:
        problems.add(f"{where}: the name {name!r} holds a colon, which separates view and feature")


def check_distinct(where: str, names: Sequence[str], problems: Problems) -> None:
    """Note names that are repeated, or that differ only by case."""
    for first, second in names_that_differ_by_case(names):
        problems.add(f"{where}: {first!r} and {second!r} differ only by case, which engines ignore")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            problems.add(f"{where}: {name!r} is there twice; give one of them another name with name=")
        seen.add(name)

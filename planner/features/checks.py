"""What all definitions share: immutability, equality by value, and checks of names, texts and durations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Self

from ..durations import Duration, parse_duration
from ..errors import DefinitionError, Problems, shown
from ..types import DataType, is_text, names_that_differ_by_case, unusable_name


def no_time(where: str, name: str, type_: DataType) -> str:
    """A message about a column that should be a time: what it is, and how it becomes one."""
    told = f"{where} {name!r} is {type_}, not a timestamp or date"
    if type_.kind == "string":
        return (
            f"{told}\n  make it one: pandas.to_datetime, a cast in a query, or for csv and json a FileSource with "
            f"schema={{{name!r}: 'timestamp[us]'}}, which tells the first text that is no ISO time"
        )
    if type_.is_numeric:
        return (
            f"{told}\n  make it one: pandas.to_datetime(…, unit='s'), or to_timestamp({name}) in a query (Spark: "
            f"timestamp_seconds({name})); milliseconds are unit='ms', epoch_ms and timestamp_millis"
        )
    return told


class Definition:
    """Base of the definitions: frozen after ``__init__``, equal when type and fields are."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: make a new one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __getstate__(self) -> dict[str, object]:
        return {key: dict(value) if isinstance(value, MappingProxyType) else value for key, value in vars(self).items()}

    def __setstate__(self, state: dict[str, object]) -> None:
        frozen = {key: MappingProxyType(value) if isinstance(value, dict) else value for key, value in state.items()}
        self.__dict__.update(frozen)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.__dict__.get("name")))


def labels(description: str, tags: Mapping[str, str] = MappingProxyType({})) -> str:
    """A description and tags as text, as a ``repr`` has them behind everything else; empty where there are none.

    >>> labels("what was paid last", {"team": "risk"})
    ", 'what was paid last', tags team=risk"
    """
    named = ", ".join(f"{name}={value}" for name, value in tags.items())
    return (f", {description!r}" if description else "") + (f", tags {named}" if named else "")


def check_duration(where: str, what: str, value: Duration | None, problems: Problems) -> int | None:
    """Microseconds of a duration, or None; a problem is noted."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except DefinitionError as error:
        problems.take(error, f"{where}: {what}")
        return None


def check_list(values: object, where: str, problems: Problems, holds: str = "") -> tuple[object, ...]:
    """The items of a list, or of anything else that has an order; a problem is noted."""
    if isinstance(values, str):
        problems.add(f"{where} is a single string, {shown(values)}; give a list{holds}")
        return (values,)
    if not isinstance(values, Iterable) or isinstance(values, bytes | bytearray | Mapping | set | frozenset):
        problems.add(f"{where} is {shown(values)}; give a list{holds}")
        return ()
    return tuple(values)


def check_names(values: Sequence[str], where: str, problems: Problems) -> tuple[str, ...]:
    """The names of a list; anything else is noted as a problem."""
    names: list[str] = []
    for value in check_list(values, where, problems):
        if not isinstance(value, str):
            problems.add(f"{where} holds {shown(value)}, which is not a name")
            continue
        wrong = unusable_name(value)
        if wrong:
            problems.add(f"{where} holds {shown(value)}: a name that {wrong}")
        names.append(value)
    return tuple(names)


def check_column(where: str, name: str, problems: Problems) -> None:
    """Note a name that no column can have."""
    if not isinstance(name, str) or not name:
        problems.add(f"{where}: {shown(name)} is not a name; give a text that is not empty")
    elif wrong := unusable_name(name):
        problems.add(f"{where}: the name {shown(name)} {wrong}")


def check_name(where: str, name: str, problems: Problems) -> None:
    """Note a name that is empty, not a text, or holds a colon."""
    check_column(where, name, problems)
    if isinstance(name, str) and ":" in name:
        problems.add(f"{where}: the name {shown(name)} holds a colon, which separates view and feature")


def check_text(where: str, value: object, problems: Problems) -> None:
    """Note what is neither a text nor None."""
    if value is not None and not isinstance(value, str):
        problems.add(f"{where} is {shown(value)}; give a text")
    elif value is not None and not is_text(value):
        problems.add(f"{where} is {shown(value)}, which holds half of a surrogate pair")


def check_texts(values: Mapping[str, object] | None, where: str, problems: Problems, holds: str) -> dict[str, str]:
    """The names and texts of a dictionary; ``holds`` says what belongs into it."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        problems.add(f"{where} is {shown(values)}; give a dictionary of {holds}")
        return {}
    for name, value in values.items():
        if not isinstance(name, str):
            problems.add(f"{where} holds {shown(name)}, which is not a name")
        elif value is None:
            problems.add(f"{where}: {shown(name)} is None; give a text")
        check_text(f"{where}: {shown(name)}", value, problems)
    return {name: value for name, value in values.items() if isinstance(name, str) and isinstance(value, str)}


def check_expression(where: str, text: object, problems: Problems) -> None:
    """Note a text that is no allowed SQL expression, whatever the schema: bad syntax, or something refused."""
    from ..expr.parse import check_syntax

    if isinstance(text, str) and is_text(text):
        try:
            check_syntax(text, where)
        except DefinitionError as error:
            problems.take(error)


def check_expressions(where: str, texts: Mapping[str, str], problems: Problems) -> None:
    """``check_expression`` of every text, by name."""
    for name, text in texts.items():
        check_expression(f"{where} {shown(name)}", text, problems)


def check_flag(where: str, value: bool, problems: Problems) -> None:
    """Note what is neither True nor False."""
    if not isinstance(value, bool):
        problems.add(f"{where} is {shown(value)}; give True or False")


def check_distinct(where: str, names: Sequence[str], problems: Problems) -> None:
    """Note names that are repeated, or that differ only by case."""
    for first, second in names_that_differ_by_case(names):
        problems.add(f"{where}: {shown(first)} and {shown(second)} differ only by case, which engines ignore")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            problems.add(f"{where}: {shown(name)} is there twice; give one of them another name with name=")
        seen.add(name)

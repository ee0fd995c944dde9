"""Calls of what is public: an argument that is unknown, missing or one too many is a DefinitionError."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TypeVar, cast

from .errors import DefinitionError, shown, unknown_name

F = TypeVar("F", bound=Callable[..., object])

# Names of arguments in other tools, and here. An error suggests the one that the function has.
_OF_OTHER_TOOLS = {
    "window": "time_window", "windows": "time_windows", "window_size": "time_window",
    "slide": "slide_interval", "aggregation_interval": "slide_interval", "lag": "offset", "shift": "offset",
    "func": "function", "operation": "function", "agg": "function", "condition": "where", "alias": "name",
    "q": "p", "quantile": "p", "entity": "entities", "keys": "join_keys", "key": "join_keys",
    "batch_source": "source", "schema": "features", "query": "sql",
    "event_timestamp_column": "timestamp_field", "timestamp_column": "timestamp_field", "timestamp": "timestamp_field",
    "timestamp_key": "timestamp_field", "created_timestamp": "created_timestamp_column", "delay": "data_delay",
    "feature_views": "views", "feature_refs": "features", "spine": "entity_df", "end_date": "end",
}  # fmt: skip
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def checked_call(function: F) -> F:
    """The same function, whose unfitting arguments are told as a DefinitionError with the nearest name.

    >>> @checked_call
    ... def total(column: str, *, time_window: str | None = None) -> str: ...
    >>> total("usd", time_windw="7d")
    Traceback (most recent call last):
    hitherto.planner.errors.DefinitionError: total: no argument 'time_windw'
      arguments: column, time_window
      did you mean 'time_window'?
    """

    @wraps(function)
    def call(*given: object, **named: object) -> object:
        try:
            return function(*given, **named)
        except TypeError:
            problems = list(_misfits(function, given, named))
            if not problems:
                raise
        raise DefinitionError(*problems)

    return cast("F", call)


def _misfits(function: Callable[..., object], given: Sequence[object], named: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with a call's arguments before their values are looked at."""
    where = function.__qualname__.removesuffix(".__init__").rpartition("<locals>.")[2]
    parameters = {
        name: each for name, each in inspect.signature(function).parameters.items() if name not in ("self", "cls")
    }
    own = len(inspect.signature(function).parameters) - len(parameters)
    takes_any = {each.kind for each in parameters.values()} & set(_MANY)
    names = [name for name, each in parameters.items() if each.kind not in _MANY]
    positional = [name for name in names if parameters[name].kind in _BY_POSITION]
    by_position = positional[: len(given) - own]
    for name in named:
        if name in by_position:
            yield f"{where}: {name} is given twice, by position and by name"
        elif name not in names and inspect.Parameter.VAR_KEYWORD not in takes_any:
            yield _unknown(where, name, names)
    extra = len(given) - own - len(positional)
    if extra > 0 and inspect.Parameter.VAR_POSITIONAL not in takes_any:
        rest = [name for name in names if name not in positional]
        advice = f"; give {', '.join(f'{name}=' for name in rest)} by name" if rest else ""
        count = f"{extra} argument{'s' * (extra > 1)} too many"
        yield f"{where}: {count} by position, after {', '.join(positional)}{advice}"
    required = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    missing = [name for name in required if name not in named and name not in by_position]
    if missing and extra <= 0:
        yield f"{where}: {', '.join(f'{name}=' for name in missing)} {'is' if len(missing) == 1 else 'are'} missing"


def _unknown(where: str, name: str, names: Sequence[str]) -> str:
    meant = _OF_OTHER_TOOLS.get(name.lower())
    if meant in names:
        return f"{where}: no argument {shown(name)}; it is called {meant} here"
    return unknown_name(f"{where}: no argument", name, names, listed_as="arguments")

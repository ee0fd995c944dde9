"""The error classes, and the one way in which several problems become one error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date, timedelta


class HithertoError(Exception):
    """Base of every error that hitherto raises on purpose."""


class DefinitionError(HithertoError):
    """A definition, or a request over definitions, is wrong. ``problems`` holds every one that was found."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__(problems[0] if len(problems) == 1 else _listed(problems))


class UnknownColumnError(DefinitionError):
    """A column, feature or view of that name does not exist; the message offers the nearest one."""


class PlanTypeError(DefinitionError):
    """An expression or aggregation is applied to a type that it is not defined for."""


class UnsupportedError(DefinitionError):
    """Something that is valid, but that this engine or this version does not offer."""


class SourceError(HithertoError):
    """A source cannot be read as it was declared: a missing file, a missing or mistyped column."""


class SpineError(HithertoError):
    """The entity rows are not usable: keys or timestamp missing, of the wrong type, or null timestamps."""


class StoreError(HithertoError):
    """An online or offline store is missing, not filled, or refuses what was asked of it."""


class EngineError(HithertoError):
    """The engine failed while it ran a statement.

    ``view`` and ``node`` say which part of the plan, ``condition`` is the engine's own name of the failure, ``sql`` the
    statement, and ``transient`` is true where the same statement may succeed when it is run again.
    """

    def __init__(
        self,
        message: str,
        *,
        view: str | None = None,
        node: str | None = None,
        condition: str | None = None,
        sql: str | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.view = view
        self.node = node
        self.condition = condition
        self.sql = sql
        self.transient = transient


class Problems:
    """Collects the problems of one definition, so that all of them are told at once."""

    def __init__(self) -> None:
        self._found: list[tuple[type[DefinitionError], str]] = []

    @property
    def found(self) -> bool:
        """Whether anything was noted."""
        return bool(self._found)

    def add(self, message: str, error: type[DefinitionError] = DefinitionError) -> None:
        """Note one problem and the class of error it would be on its own."""
        if (error, message) not in self._found:
            self._found.append((error, message))

    def take(self, error: DefinitionError, where: str = "") -> None:
        """Note all problems of an error that was raised further down, each prefixed with where it arose."""
        for problem in error.problems:
            self.add(f"{where}: {problem}" if where else problem, type(error))

    def raise_if_any(self) -> None:
        """Raise everything noted so far, in the class of the problems if they all share one."""
        if not self._found:
            return
        classes = {error for error, _ in self._found}
        error = classes.pop() if len(classes) == 1 else DefinitionError
        raise error(*(message for _, message in self._found))


_LONGEST_SHOWN = 200
_MOST_LISTED = 200


def shown(value: object) -> str:
    """A value that was given, as a message names it: texts and numbers as they are written, all else by its type.

    >>> shown("usd"), shown([1]), shown("x" * 1_000)[-20:]
    ("'usd'", 'a list of 1', '… (1,000 characters)')
    """
    if isinstance(value, str):
        text = repr(value)
        if len(text) <= _LONGEST_SHOWN + 50:
            return text
        return f"{value[:_LONGEST_SHOWN]!r}… ({len(value):,} characters)"
    if value is None or isinstance(value, bool | float | date | timedelta):
        return repr(value)
    if isinstance(value, int):
        return (
            repr(value) if value.bit_length() < 10 * _LONGEST_SHOWN // 3 else f"an int of {value.bit_length():,} bits"
        )
    kind = type(value).__name__
    article = "an" if kind[:1] in "aeiouAEIO" else "a"
    return (
        f"{article} {kind} of {len(value)}"
        if isinstance(value, bytes | list | tuple | dict | set)
        else f"{article} {kind}"
    )


def unknown_name(what: str, name: str, options: Iterable[str], *, listed_as: str = "columns") -> str:
    """Message for a name that is not among the options: what was there, and the nearest of them.

    >>> print(unknown_name("source 'tx' has no column", "amuont", ["user_id", "amount"]))
    source 'tx' has no column 'amuont'
      columns: user_id, amount
      did you mean 'amount'?
    """
    choices = list(options)
    listed = ", ".join(each if len(each) <= _LONGEST_SHOWN else shown(each) for each in choices[:_MOST_LISTED])
    more = f" and {len(choices) - _MOST_LISTED:,} more" if len(choices) > _MOST_LISTED else ""
    lines = [f"{what} {shown(name)}", f"  {listed_as}: {listed or 'none'}{more}"]
    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name[:_LONGEST_SHOWN].lower(), folded, n=1, cutoff=0.5)
    if near:
        lines.append(f"  did you mean {shown(folded[near[0]])}?")
    return "\n".join(lines)


def _listed(problems: tuple[str, ...]) -> str:
    numbered = (f"{number}. {problem}" for number, problem in enumerate(problems, 1))
    return "\n".join([f"{len(problems)} problems", *numbered])

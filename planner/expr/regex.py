r"""Regular expressions that mean the same to RE2 (DuckDB) and to Java (Spark): which they are, and Java's form of them.

A pattern has characters, ``.``, ``^`` and ``$`` (the ends of the text), classes such as ``[a-z]`` and ``[^0-9]``,
``\d`` ``\w`` ``\s`` and their negations (ASCII), alternatives, groups ``(…)`` and ``(?:…)``, and the quantifiers ``*``
``+`` ``?`` ``{n}`` ``{n,}`` ``{n,m}``, each also lazy with a ``?`` behind it. A group that is taken out or that may be
empty can only have ``?`` behind it: which repetition is taken, and when it ends, is not the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .type_rules import TypeRuleError

_MOST_REPETITIONS = 1000
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??")
_TOKEN = re.compile(
    r"\\.|\[\^?(?:\\.|[^\[\]\\])+\]|\(\?:|\((?!\?)|[)|.^$]|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^\\\[\](){}*+?]", re.DOTALL
)
_CLASSES = "dDwWs"
_PUNCTUATION = frozenset(r"""\.[]{}()*+?^$|-/"'#&~ ,:;<>=!@%`_""") - frozenset("<>_`'\"")
_SPACE = r"\t\n\f\r "


@dataclass(slots=True)
class _Group:
    """A group that is being read: its last item, and whether what is before and with that may be empty.

    ``last`` is empty where no quantifier may follow.
    """

    opening: str
    last: str = ""
    is_last_empty: bool = False
    before: bool = True
    so_far: bool = True
    is_an_alternative_empty: bool = False

    def add(self, item: str, *, may_be_empty: bool) -> None:
        self.last, self.is_last_empty = item, may_be_empty
        self.before, self.so_far = self.so_far, self.so_far and may_be_empty

    def end_alternative(self) -> None:
        self.is_an_alternative_empty |= self.so_far
        self.last, self.before, self.so_far = "", True, True


def check(pattern: str) -> int:
    """How many groups a pattern has. Raises a TypeRuleError for what has another meaning on another engine."""
    groups, around = 0, [_Group("")]
    for token in _tokens(pattern):
        group = around[-1]
        if _QUANTIFIER.fullmatch(token):
            _check_quantifier(pattern, token, group)
            group.last = ""
            group.so_far = group.before if token[0] in "*?" or token.startswith("{0") else group.so_far
        elif token in ("(", "(?:"):
            groups += token == "("
            around.append(_Group(token))
        elif token == ")":
            if len(around) == 1:
                raise TypeRuleError(f"the pattern {pattern!r} has a ')' without its '('")
            group.end_alternative()
            around.pop()
            around[-1].add("()" if group.opening == "(" else ")", may_be_empty=group.is_an_alternative_empty)
        elif token == "|":
            group.end_alternative()
        elif token in ("^", "$"):
            group.last = ""
        else:
            _check_token(pattern, token)
            group.add(token, may_be_empty=False)
    if len(around) > 1:
        raise TypeRuleError(f"the pattern {pattern!r} has a '(' without its ')'")
    return groups


def java(pattern: str) -> str:
    r"""The checked pattern in Java's notation: ``$`` is the very end, a dot all but a line feed, ``\s`` RE2's."""
    return "(?d)" + "".join(map(_in_java, _tokens(pattern)))


def _tokens(pattern: str) -> Iterator[str]:
    position = 0
    while position < len(pattern):
        found = _TOKEN.match(pattern, position)
        if found is None:
            rest = pattern[position:]
            raise TypeRuleError(
                f"the pattern {pattern!r} has, from {rest!r} on, what engines read differently; "
                "write characters, classes, groups, alternatives and quantifiers alone"
            )
        yield found[0]
        position = found.end()


def _check_quantifier(pattern: str, token: str, group: _Group) -> None:
    if not group.last:
        raise TypeRuleError(f"the pattern {pattern!r} has a {token!r} with nothing to repeat")
    if token[0] != "?" and group.last == "()":
        raise TypeRuleError(f"the pattern {pattern!r} repeats a group that is taken out; write it as (?:…)")
    if token[0] != "?" and group.is_last_empty:
        raise TypeRuleError(
            f"the pattern {pattern!r} repeats a group that may be empty, which engines read differently"
        )
    counted = _QUANTIFIER.fullmatch(token)
    bounds = [int(bound) for bound in (counted.groups() if counted else ()) if bound]
    if any(bound > _MOST_REPETITIONS for bound in bounds) or bounds != sorted(bounds):
        raise TypeRuleError(f"the pattern {pattern!r} has the bounds {token}; there are 0 to {_MOST_REPETITIONS}")


def _check_token(pattern: str, token: str) -> None:
    if token[0] == "\\":
        _check_escape(pattern, token, _CLASSES + "Stnfr")
    elif token[0] == "[":
        _check_class(pattern, token)


def _check_escape(pattern: str, token: str, letters: str) -> None:
    if token[1] not in letters and token[1] not in _PUNCTUATION:
        raise TypeRuleError(f"the pattern {pattern!r} has {token!r}, which engines read differently")


def _check_class(pattern: str, token: str) -> None:
    inside = token[2:-1] if token[1] == "^" else token[1:-1]
    for escape in re.findall(r"\\.", inside, re.DOTALL):
        _check_escape(pattern, escape, "dws" + "tnfr")
    plain = re.sub(r"\\.", "e", inside, flags=re.DOTALL)
    if "&&" in plain or "^" in plain or re.search(r".-.-|\\[dws]-|-\\[dws]", inside):
        raise TypeRuleError(f"the pattern {pattern!r} has the class {token!r}, which engines read differently")
    for first, last in re.findall(r"(?<!\\)([^\\])-([^\\])", inside):
        if first > last:
            raise TypeRuleError(
                f"the pattern {pattern!r} has the range {first}-{last}, whose ends are the wrong way round"
            )


def _in_java(token: str) -> str:
    if token == "$":
        return r"\z"
    if token in (r"\s", r"\S"):
        return f"[{'^' if token == chr(92) + 'S' else ''}{_SPACE}]"
    if token[0] == "[":
        return re.sub(r"\\(.)", lambda found: _SPACE if found[1] == "s" else found[0], token, flags=re.DOTALL)
    return token

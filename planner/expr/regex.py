r"""Regular expressions that mean the same to RE2 (DuckDB) and to Java (Spark): which they are, and Java's form of them.

A pattern has characters, ``.``, ``^`` and ``$`` (the ends of the text), classes such as ``[a-z]`` and ``[^0-9]``,
``\d`` ``\w`` ``\s`` and their negations (ASCII), alternatives, groups ``(…)`` and ``(?:…)``, and the quantifiers ``*``
``+`` ``?`` ``{n}`` ``{n,}`` ``{n,m}``, each also lazy with a ``?`` behind it. A group that is taken out may only have
``?`` behind it: which repetition is taken is not the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .type_rules import TypeRuleError

_MOST_REPETITIONS = 1000
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:,(\d*))?\})\??")
_TOKEN = re.compile(
    r"\\.|\[\^?(?:\\.|[^\[\]\\])+\]|\(\?:|\((?!\?)|[)|.^$]|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^\\\[\](){}*+?]", re.DOTALL
)
_CLASSES = "dDwWs"
_PUNCTUATION = frozenset(r"""\.[]{}()*+?^$|-/"'#&~ ,:;<>=!@%`_""") - frozenset("<>_`'\"")
_SPACE = r"\t\n\f\r "


def check(pattern: str) -> int:
    """How many groups a pattern has. Raises a TypeRuleError for what has another meaning on another engine."""
    groups, depth, may_repeat = 0, [], ""
    for token in _tokens(pattern):
        if _QUANTIFIER.fullmatch(token):
            _check_quantifier(pattern, token, may_repeat)
            may_repeat = ""
            continue
        may_repeat = token
        if token in ("(", "(?:"):
            groups += token == "("
            depth.append(token)
            may_repeat = ""
        elif token == ")":
            if not depth:
                raise TypeRuleError(f"the pattern {pattern!r} has a ')' without its '('")
            may_repeat = ")" if depth.pop() == "(?:" else "()"
        elif token in ("|", "^", "$"):
            may_repeat = ""
        elif token[0] == "\\":
            _check_escape(pattern, token, _CLASSES + "Stnfr")
        elif token[0] == "[":
            _check_class(pattern, token)
    if depth:
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


def _check_quantifier(pattern: str, token: str, repeated: str) -> None:
    if not repeated:
        raise TypeRuleError(f"the pattern {pattern!r} has a {token!r} with nothing to repeat")
    if repeated == "()" and token[0] != "?":
        raise TypeRuleError(f"the pattern {pattern!r} repeats a group that is taken out; write it as (?:…)")
    counted = _QUANTIFIER.fullmatch(token)
    bounds = [int(bound) for bound in (counted.groups() if counted else ()) if bound]
    if any(bound > _MOST_REPETITIONS for bound in bounds) or bounds != sorted(bounds):
        raise TypeRuleError(f"the pattern {pattern!r} has the bounds {token}; there are 0 to {_MOST_REPETITIONS}")


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

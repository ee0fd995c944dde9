"""Random patterns of those that are let through: DuckDB's RE2 and other engines' libraries find the same in texts."""

from __future__ import annotations

import random

import pyarrow as pa
from hitherto.planner.expr.regex import check
from hitherto.planner.expr.type_rules import TypeRuleError
from hitherto.runtime.engine import SqlComputeEngine

from tests.dialects.test_semantics import DUCKDB, plain_values
from tests.tiers import SEED

LETTERS = "abAB01_ .-\t\n\r\v\f\u0085\u00a0\u2028éÉßſKσΣ٣😀$^\\"
ATOMS = (
    "a", "b", "A", "0", "_", " ", "é", "ß", "😀", "٣", ".", ".", "\n", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\.",
    r"\$", r"\\", r"\n", r"\t", "[ab]", "[^ab]", "[a-c0-9]", r"[\w-]", r"[^\s]", r"[\d.]", "[é-😀]", "[^a]", "^", "$",
    "-",
)  # fmt: skip
QUANTIFIERS = ("", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{0,2}", "{1,2}?")


def pattern(rng: random.Random, depth: int = 0) -> str:
    """Alternatives of sequences of atoms and groups, some repeated."""
    alternatives: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        parts: list[str] = []
        for _ in range(rng.randint(0 if depth else 1, 4)):
            is_group = depth < 3 and rng.random() < 0.25
            atom = rng.choice(("({})", "(?:{})")).format(pattern(rng, depth + 1)) if is_group else rng.choice(ATOMS)
            parts.append(atom + rng.choice(QUANTIFIERS))
        alternatives.append("".join(parts))
    return "|".join(alternatives)


def groups_of(text: str) -> int | None:
    """How many groups a pattern has; None where it is refused."""
    try:
        return check(text)
    except TypeRuleError:
        return None


def test_patterns_find_the_same_on_every_engine(other_engine: SqlComputeEngine) -> None:
    rng = random.Random(SEED)
    made = [pattern(rng) for _ in range(1500)]
    allowed = [(text, groups) for text in made if (groups := groups_of(text)) is not None][:400]
    assert len(allowed) == 400
    texts = ["".join(rng.choices(LETTERS, k=rng.randint(0, 8))) for _ in range(60)]
    quoted = [(text.replace("'", "''"), groups) for text, groups in allowed]
    calls = [f"regexp_matches(s, '{text}')" for text, _ in quoted]
    calls += [f"regexp_extract(s, '{text}', {group})" for text, groups in quoted for group in range(groups + 1)]
    rows = pa.table({"s": texts})
    different = [
        (call, text, one, other)
        for start in range(0, len(calls), 200)
        for some in [calls[start : start + 200]]
        for found in [[plain_values(engine, some, rows) for engine in (DUCKDB, other_engine)]]
        for call, ones, others in zip(some, *found, strict=True)
        for text, one, other in zip(texts, ones, others, strict=True)
        if one != other
    ]
    assert different[:20] == []

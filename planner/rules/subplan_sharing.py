"""Subplans that several parts of a plan read are run once, into a temporary result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..ir.logical import Aggregate, AsofJoin, Join, Relation, WindowAggregate, topological
from ..ir.operators import Materialize
from .driver import RuleContext, plan_rule

_WORTH_KEEPING = (Aggregate, AsofJoin, WindowAggregate, Join)


@plan_rule
def materialize_shared_subplans(root: Relation, context: RuleContext) -> Relation | None:
    """X read twice -> Materialize(x) read twice, for joins and aggregates.

    Not for a scan with filters and projections: its readers often want other columns of it, and reading a file twice
    is cheaper than writing and reading back a copy.
    """
    del context
    readers: Counter[str] = Counter()
    kept: set[str] = set()
    for relation in topological(root):
        for child in dict.fromkeys(relation.inputs):
            readers[child.fingerprint] += 1
            if isinstance(relation, Materialize):
                kept.add(child.fingerprint)
    shared = {
        relation.fingerprint: Materialize(relation, name=getattr(relation, "label", "") or "shared")
        for relation in topological(root)
        if readers[relation.fingerprint] > 1
        and relation.fingerprint not in kept
        and isinstance(relation, _WORTH_KEEPING)
    }
    return replace(root, shared) if shared else None


def replace(root: Relation, replacements: Mapping[str, Relation]) -> Relation:
    """The plan with some relations replaced where they are read, each of their readers once."""
    memo: dict[str, Relation] = {}

    def visit(relation: Relation) -> Relation:
        if relation.fingerprint not in memo:
            below = relation.with_inputs(*map(visit, relation.inputs))
            found = replacements.get(relation.fingerprint)
            if isinstance(found, Materialize):
                found = Materialize(below, name=found.name)
            memo[relation.fingerprint] = below if found is None else found
        return memo[relation.fingerprint]

    return visit(root)

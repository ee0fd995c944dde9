"""Rules for temporary results: what is run into one, and how many relations a join has."""

from __future__ import annotations

from ..ir.logical import Join, NumberRows, Relation, Scan, nearest_label, topological
from ..ir.operators import Materialize
from .driver import RuleContext, plan_rule
from .subplan_sharing import replace


@plan_rule
def materialize_numbered_rows(root: Relation, context: RuleContext) -> Relation | None:
    """NumberRows(x) -> Materialize(NumberRows(x)), always: a row's number is its identity.

    Not left in place where it is read once: a re-run of a part of the query may see the rows in another order.
    """
    del context
    return _materialize(root, [relation for relation in topological(root) if isinstance(relation, NumberRows)])


@plan_rule
def materialize_view_groups(root: Relation, context: RuleContext) -> Relation | None:
    """Join(a, b) -> Join(Materialize(a), Materialize(b)), for inputs that hold a point-in-time join or aggregate.

    Not one query for all: twenty views in one statement cost twice the CPU and eight times the memory. Not for an
    input that only renames a temporary result.
    """
    del context
    groups = [
        child
        for join in topological(root)
        if isinstance(join, Join)
        for child in join.relations
        if not isinstance(child, Materialize | Scan) and not is_light(child)
    ]
    return _materialize(root, groups)


@plan_rule
def split_wide_joins(root: Relation, context: RuleContext) -> Relation | None:
    """Join(s, a, b, c, d) -> Join(s, Materialize(Join(a, b)), Materialize(Join(c, d))), for engines that join few.

    Not for the first input, which says what rows there are, nor for a left join: a part without it would have no rows
    to keep.
    """
    widest = context.widest_join
    if widest is None:
        return None
    wide: dict[str, Relation] = {}
    for join in topological(root):
        if isinstance(join, Join) and join.how == "inner" and len(join.relations) > widest + 1:
            first, *rest = join.relations
            parts = [rest[start : start + widest] for start in range(0, len(rest), widest)]
            joined = [_joined(part, join) for part in parts]
            wide[join.fingerprint] = Join((first, *joined), join.on)
    return replace(root, wide) if wide else None


def _joined(part: list[Relation], join: Join) -> Relation:
    if len(part) == 1:
        return part[0]
    return Materialize(Join(tuple(part), join.on), name=f"{nearest_label(part[0])}_and_{len(part) - 1}_more")


def _materialize(root: Relation, relations: list[Relation]) -> Relation | None:
    done = {relation.input.fingerprint for relation in topological(root) if isinstance(relation, Materialize)}
    wanted = {
        relation.fingerprint: Materialize(relation, name=nearest_label(relation))
        for relation in relations
        if relation.fingerprint not in done
    }
    return replace(root, wanted) if wanted else None


def is_light(relation: Relation) -> bool:
    """Whether the relation does no more than rename columns of a temporary result or a table."""
    return all(isinstance(child, Materialize | Scan) for child in relation.inputs)

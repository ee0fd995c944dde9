"""The physical form of the latest value. The first form that applies and that the engine has."""

from __future__ import annotations

from ..ir.logical import AsofJoin, Join, NumberRows, Relation, Scan, nearest_label, topological
from ..ir.physical import Materialize, NarrowAsofThenFetch, UnionLastValue
from .driver import RuleContext, plan_rule, rule
from .subplan_sharing import replace

ASOF_FORMS = (NarrowAsofThenFetch, UnionLastValue)


@rule(on=AsofJoin)
def choose_asof_form(node: AsofJoin, context: RuleContext) -> Relation | None:
    """AsofJoin -> the cheapest physical form that gives its answer.

    Not a form that only orders by time: with a created filter the latest event may not be visible yet.
    """
    offered = (form for form in ASOF_FORMS if context.offers(form))
    return next((form.of(node) for form in offered if form.applies_to(node)), None)


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
        if not isinstance(child, Materialize | Scan) and not _is_light(child)
    ]
    return _materialize(root, groups)


def _materialize(root: Relation, relations: list[Relation]) -> Relation | None:
    done = {relation.input.fingerprint for relation in topological(root) if isinstance(relation, Materialize)}
    wanted = {
        relation.fingerprint: Materialize(relation, name=nearest_label(relation))
        for relation in relations
        if relation.fingerprint not in done
    }
    return replace(root, wanted) if wanted else None


def _is_light(relation: Relation) -> bool:
    """Whether the relation does no more than rename columns of a temporary result or a table."""
    return all(isinstance(child, Materialize | Scan) for child in relation.inputs)

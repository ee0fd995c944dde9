"""The latest value by a range join, grouped by row."""

from __future__ import annotations

from ..durations import format_duration
from ..expr.nodes import Column
from ..ir.logical import Aggregate, AsofJoin, Measure, Project, Relation, identity_columns
from ..ir.operators import KeyedJoin
from ..ir.properties import row_identity
from ..statistics import Cost, Rates
from .form import Expansion, Form
from .latest import features_of_payload, payload
from .pairs import pairs_cost, pairs_in_time
from .sizes import Sizes, longest


class RangeMax(Form[AsofJoin]):
    """A join on keys and time, grouped by row: the greatest struct of time, order and features.

    One pass without a sort, and the full order of ties costs nothing; but every pair of a row and a visible event is
    made, so it is for spines with few rows for each key. All picks share the pass: each takes its own greatest.
    """

    name = "RangeMax"
    on = AsofJoin
    makes_pairs = True

    def applies_to(self, node: AsofJoin) -> bool:
        """Where a spine column identifies the row: any condition may stand in a range join."""
        return row_identity(node.spine) is not None

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Every pair with equal keys is made, and each within the longest ttl is compared, once for each pick."""
        return _cost(node, sizes, rates, None)

    def expand(self, node: AsofJoin) -> Relation:
        return _greatest(node, None)


class BucketedMax(Form[AsofJoin]):
    """The same, joined on a bucket of time too, which is as long as the longest ttl: for spines with many rows a key.

    A row's events lie in at most two buckets.
    """

    name = "BucketedMax"
    on = AsofJoin
    makes_pairs = True

    def applies_to(self, node: AsofJoin) -> bool:
        """Where each pick has a ttl."""
        return row_identity(node.spine) is not None and longest(node) is not None

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Each event meets the rows of two buckets, and each within the longest ttl is compared, once for each pick."""
        return _cost(node, sizes, rates, longest(node))

    def expand(self, node: AsofJoin) -> Relation:
        return _greatest(node, longest(node))

    def detail(self, node: AsofJoin) -> str:
        return f", bucket {format_duration(longest(node) or 0)}"


def _greatest(node: AsofJoin, bucket: int | None) -> Relation:
    """Each pick's greatest event among the pairs of each row."""
    made, row = Expansion(node), row_identity(node.spine)
    assert row is not None
    read = [column for pick in node.picks for column in (*pick.order, *(column for _, column in pick.features))]
    pairs, beside = pairs_in_time(made, read, bucket)
    payloads = [payload(node, pick, beside) for pick in node.picks]
    greatest = [Column(made.fresh(f"event_{number}"), each.type) for number, each in enumerate(payloads)]
    measures = tuple(
        Measure(column.name, "newest", each, each.type) for column, each in zip(greatest, payloads, strict=True)
    )
    found = made.step(Aggregate(pairs, (row,), measures), "latest")
    every_row = KeyedJoin(node.spine, found, ((row, row),), how="left")
    features = (
        feature
        for pick, column in zip(node.picks, greatest, strict=True)
        for feature in features_of_payload(node, pick, column)
    )
    return Project(every_row, (*identity_columns(node.spine.schema), *features))


def _cost(node: AsofJoin, sizes: Sizes, rates: Rates, bucket: int | None) -> Cost | None:
    held = sum(16 * len(pick.features) for pick in node.picks)
    return pairs_cost(sizes, rates, bucket, taken=len(node.picks) * rates.compared, held=held)

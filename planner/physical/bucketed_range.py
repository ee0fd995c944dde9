"""The latest value by a join on buckets of time; then ties, order and features among the matched only."""

from __future__ import annotations

from dataclasses import replace

from ..durations import format_duration
from ..ir.logical import Aggregate, AsofJoin, Measure, Relation
from ..ir.operators import KeyedJoin
from ..ir.properties import row_identity
from ..statistics import Cost, Rates
from ..types import INT64
from .form import Expansion, Form
from .latest import late_seconds, resolved_late
from .pairs import pairs_cost, pairs_in_time
from .sizes import Sizes, longest


class BucketedRange(Form[AsofJoin]):
    """A join on keys and bucket of time, grouped by row: the greatest time within the longest ttl.

    A bucket is as long as that, so a row's events lie in at most two of them. The greatest time of all picks is that of
    each, where it is not too old for it.
    """

    name = "BucketedRange"
    on = AsofJoin
    makes_pairs = True

    def applies_to(self, node: AsofJoin) -> bool:
        """Where each pick has a ttl, and visibility is a bound on the event time alone."""
        return node.created is None and longest(node) is not None and row_identity(node.spine) is not None

    def cost(self, node: AsofJoin, sizes: Sizes, rates: Rates) -> Cost | None:
        """Nothing is sorted: each event meets the rows of two buckets, and ties are resolved among the matched."""
        made = pairs_cost(sizes, rates, longest(node), taken=0)
        if made is None or sizes.spine is None or sizes.events is None:
            return None
        return replace(made, cpu=made.cpu + late_seconds(node, sizes.spine, sizes.events, rates))

    def expand(self, node: AsofJoin) -> Relation:
        made, row = Expansion(node), row_identity(node.spine)
        assert row is not None
        pairs, beside = pairs_in_time(made, (), longest(node))
        matched = made.fresh(f"matched_{node.event_time}")
        newest = Measure(matched, "max", beside.column(node.event_time), INT64)
        found = made.step(Aggregate(pairs, (row,), (newest,)), "newest")
        match = made.step(KeyedJoin(node.spine, found, ((row, row),), how="left"), "match")
        return resolved_late(made, node, made.events, match, {node.event_time: matched})

    def detail(self, node: AsofJoin) -> str:
        return f", bucket {format_duration(longest(node) or 0)}"

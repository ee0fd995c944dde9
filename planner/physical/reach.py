"""Events that no row of the spine can use need not be sorted."""

from __future__ import annotations

import dataclasses

from ..ir.index import ProbeLatest, ProbeWindows, Sorted
from ..ir.logical import Interval, Relation, topological
from ..rules.driver import RuleContext, plan_rule
from ..rules.subplan_sharing import replace


@plan_rule
def bound_sorted_rows(root: Relation, context: RuleContext) -> Relation | None:
    """Probe(spine, Sorted(events)) -> Probe(spine, Sorted(events, within reach)), where all intervals have two ends.

    The reach is that of all probes of the events. Whether it leaves out enough to be worth its cost is told by the rows
    of the spine themselves, when they are there. Not for a latest value of any age, nor for a window without a start.
    """
    del context
    events: dict[str, Sorted] = {}
    spines: dict[str, set[str]] = {}
    intervals: dict[str, list[Interval]] = {}
    for probe in topological(root):
        if isinstance(probe, ProbeLatest | ProbeWindows):
            items = probe.picks if isinstance(probe, ProbeLatest) else probe.measures
            for rows in probe.events:
                if isinstance(rows, Sorted) and rows.reach is None:
                    events[rows.fingerprint] = rows
                    spines.setdefault(rows.fingerprint, set()).add(probe.spine.fingerprint)
                    intervals.setdefault(rows.fingerprint, []).extend(item.interval for item in items)
    bounded: dict[str, Relation] = {}
    for fingerprint, rows in events.items():
        reach = _reach(intervals[fingerprint])
        if reach is not None and len(spines[fingerprint]) == 1:
            bounded[fingerprint] = dataclasses.replace(rows, reach=reach)
    return replace(root, bounded) if bounded else None


def _reach(intervals: list[Interval]) -> tuple[int, int] | None:
    starts = [each.earliest for each in intervals if each.earliest is not None]
    return (min(starts), max(each.latest for each in intervals)) if len(starts) == len(intervals) else None

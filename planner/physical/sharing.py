"""Rows that several probes search are read and sorted once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..expr.nodes import Expr
from ..ir.index import ProbeLatest, ProbeWindows, Sorted
from ..ir.logical import Project, Relation, topological
from ..ir.operators import Carried, KeyedJoin
from ..rules.driver import RuleContext, plan_rule
from ..rules.subplan_sharing import replace
from ..rules.view_fusion import Renaming, merge_rows, renamed, renamed_measure, renamed_pick
from ..types import folded, unused_name

Probe = ProbeLatest | ProbeWindows


@plan_rule
def share_sorted_rows(root: Relation, context: RuleContext) -> Relation | None:
    """Probe(Sorted(a)), Probe(Sorted(b)) -> both of Sorted(a and b), where a and b are columns of the same rows.

    The bounds of time that each read within may differ: a probe sees to its own interval. Not for rows in parts, which
    are in memory one after another, nor for keys and times alone with others.
    """
    del context
    shared: list[_Shared] = []
    for carried in topological(root):
        probe = _probe_of(carried) if isinstance(carried, Carried) else None
        if isinstance(carried, Carried) and probe is not None and len(probe.events) == 1:
            own = None if any(group.takes(carried, probe) for group in shared) else _Shared.of(carried, probe)
            shared += [] if own is None else [own]
    changed = {old: new for group in shared if len(group.members) > 1 for old, new in group.replacements()}
    return replace(root, changed) if changed else None


@dataclass
class _Shared:
    """Sorted rows as they were read for the first probe, with the columns of others, and who probes them."""

    rows: Sorted
    read: Project
    members: list[tuple[Carried, Probe, Renaming]]

    @classmethod
    def of(cls, carried: Carried, probe: Probe) -> _Shared | None:
        (rows,) = probe.events
        if not isinstance(rows, Sorted) or rows.reach is not None or not isinstance(rows.input, Project):
            return None
        return cls(rows, rows.input, [(carried, probe, {name: name for name, _ in rows.input.columns})])

    def takes(self, carried: Carried, probe: Probe) -> bool:
        """Whether the probe's rows are the same: then their columns are among these."""
        (rows,) = probe.events
        if not isinstance(rows, Sorted) or rows.reach is not None or not isinstance(rows.input, Project):
            return False
        own, (mine, ids, keys), (theirs, their_ids, their_keys) = rows.input, _parts(self.read), _parts(rows.input)
        is_alike = ids == their_ids and self.rows.is_alone == rows.is_alone
        merged = merge_rows(mine, theirs) if is_alike else None
        if merged is None:
            return False
        events, names = merged
        same_keys = tuple((names[left], right) for left, right in their_keys) == keys
        columns, renaming = _with(self.read, own, names)
        same_time = renaming[rows.time] == self.rows.time and renaming[rows.key] == self.rows.key
        if not same_keys or not same_time:
            return False
        below = events if ids is None else KeyedJoin(events, ids, keys)
        self.read = Project(below, columns)
        label = f"{self.rows.label}+{rows.label}"
        self.rows = Sorted(self.read, self.rows.key, self.rows.time, self.rows.is_alone, label=label)
        self.members.append((carried, probe, renaming))
        return True

    def replacements(self) -> list[tuple[str, Relation]]:
        """Each member over the shared rows."""
        events, *_ = _parts(self.read)
        found: list[tuple[str, Relation]] = []
        for carried, probe, renaming in self.members:
            (rows,) = probe.events
            before, *_ = _parts(rows.input) if isinstance(rows, Sorted) and isinstance(rows.input, Project) else (rows,)
            made = replace(carried.input, {probe.fingerprint: _renamed(probe, self.rows, renaming)})
            leaves = tuple(events.fingerprint if leaf == before.fingerprint else leaf for leaf in carried.leaves)
            found.append((carried.fingerprint, dataclasses.replace(carried, input=made, leaves=leaves)))
        return found


def _probe_of(carried: Carried) -> Probe | None:
    """The probe that a form expanded to, if it did."""
    probes = [each for each in topological(carried.input) if isinstance(each, ProbeLatest | ProbeWindows)]
    return probes[-1] if probes else None


def _parts(read: Project) -> tuple[Relation, Relation | None, tuple[tuple[str, str], ...]]:
    """The events that sorted rows are read from, and the keys that they are joined with."""
    below = read.input
    return (below.left, below.right, below.keys) if isinstance(below, KeyedJoin) else (below, None, ())


def _with(read: Project, more: Project, names: Renaming) -> tuple[tuple[tuple[str, Expr], ...], Renaming]:
    """The columns of both, and what those of the second are called among them."""
    columns, known = dict(read.columns), {expr: name for name, expr in read.columns}
    taken = {folded(name) for name in columns}
    renaming: dict[str, str] = {}
    for name, original in more.columns:
        expr = renamed(original, names)
        if expr not in known:
            known[expr] = fresh = unused_name(name, taken)
            taken.add(folded(fresh))
            columns[fresh] = expr
        renaming[name] = known[expr]
    return tuple(columns.items()), renaming


def _renamed(probe: Probe, rows: Sorted, renaming: Renaming) -> Probe:
    if isinstance(probe, ProbeLatest):
        picks = tuple(renamed_pick(pick, renaming) for pick in probe.picks)
        return dataclasses.replace(probe, events=(rows,), picks=picks)
    measures = tuple(renamed_measure(each, renaming) for each in probe.measures)
    return dataclasses.replace(probe, events=(rows,), measures=measures)

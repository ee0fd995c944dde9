"""The logical rules of the optimizer, in their phases; each can be switched off."""

from __future__ import annotations

from .driver import Phase, Rule, RuleContext, Step, Trace, rewrite
from .normalize import drop_identity_project, drop_true_filter, flatten_inner_joins, merge_filters, merge_projects
from .predicate_pushdown import (
    bound_asof_events_by_spine,
    bound_window_events_by_spine,
    push_filter_into_asof_left,
    push_filter_into_scan,
    push_filter_into_window_left,
    push_filter_through_aggregate,
    push_filter_through_join,
    push_filter_through_project,
    push_filter_through_union,
    push_key_filter_into_asof_right,
    push_key_filter_into_window_right,
)
from .projection_pruning import (
    drop_unused_aggregates,
    drop_unused_features,
    narrow_aggregate_input,
    narrow_asof_events,
    narrow_join_inputs,
    narrow_scan,
    narrow_window_events,
    push_project_through_filter,
)
from .subplan_sharing import materialize_shared_subplans
from .view_fusion import fuse_latest_over_same_rows, fuse_windows_over_same_rows

_NORMALIZE = (merge_projects, drop_identity_project, merge_filters, drop_true_filter, flatten_inner_joins)
_PUSHDOWN = (
    push_key_filter_into_asof_right,
    push_key_filter_into_window_right,
    push_filter_through_project,
    push_filter_through_join,
    push_filter_through_union,
    push_filter_through_aggregate,
    push_filter_into_asof_left,
    push_filter_into_window_left,
    push_filter_into_scan,
    merge_filters,
)

LOGICAL_PHASES = (
    Phase("normalize", _NORMALIZE),
    Phase("pushdown", _PUSHDOWN),
    # Before pruning: fused views have the union of their columns, so the pruning after it is the only one needed.
    Phase("fuse", (fuse_latest_over_same_rows, fuse_windows_over_same_rows, merge_projects, drop_identity_project)),
    # After fusing: the longest lookback is that of the whole group.
    Phase("bound", (bound_asof_events_by_spine, bound_window_events_by_spine, *_PUSHDOWN)),
    Phase(
        "prune",
        (
            merge_projects,
            drop_identity_project,
            drop_unused_features,
            drop_unused_aggregates,
            narrow_asof_events,
            narrow_window_events,
            narrow_aggregate_input,
            narrow_join_inputs,
            push_project_through_filter,
            narrow_scan,
        ),
    ),
    Phase("share", (materialize_shared_subplans,)),
)

RULE_NAMES: tuple[str, ...] = tuple(dict.fromkeys(rule.name for phase in LOGICAL_PHASES for rule in phase.rules))

__all__ = ["LOGICAL_PHASES", "RULE_NAMES", "Phase", "Rule", "RuleContext", "Step", "Trace", "rewrite"]

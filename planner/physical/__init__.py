"""The forms of point-in-time joins and windows: each a rewrite of a logical node to operators."""

from __future__ import annotations

from typing import Any

from .bucketed_range import BucketedRange
from .bucketed_windows import BucketedWindows, RangeWindows
from .event_index import EventIndexLatest, EventIndexThenFetch, EventIndexWindows
from .form import Form
from .narrow_asof import NarrowAsof
from .range_max import BucketedMax, RangeMax
from .running_maximum import RunningMaximum, RunningMaximumStream
from .tiled_windows import ExplodedTiles, TiledWindows
from .union_last import UnionLast

FORMS: tuple[Form[Any], ...] = (
    EventIndexLatest(),
    EventIndexThenFetch(),
    EventIndexWindows(),
    NarrowAsof(),
    UnionLast(),
    RunningMaximum(),
    RunningMaximumStream(),
    BucketedWindows(),
    TiledWindows(),
    ExplodedTiles(),
    BucketedRange(),
    RangeWindows(),
    BucketedMax(),
    RangeMax(),
)
"""In the order in which they are taken where it hardly matters: those that are never much dearer come first."""
FORM_NAMES = tuple(form.name for form in FORMS)

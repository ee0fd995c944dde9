"""What every engine must answer, row at a time: the semantics in plain Python.

No SQL, no data frames, and every instant an integer of microseconds. It is slow and obvious on purpose. Each rule that
an engine could get wrong is one small method, so that a test can break it and see that the break is found.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hitherto.planner.features.definitions import Aggregation, Feature, FeatureView, FeatureViewProjection, Source

Row = Mapping[str, Any]
Evaluate = Callable[[Row], Any]
EPSILON = 2.0**-52
LISTS = ("first_n", "last_n", "first_distinct_n", "last_distinct_n", "top_k")


@dataclass(frozen=True, slots=True)
class Relation:
    """The rows of a source. Timestamps are integer microseconds, rounded already; other values are Python's own."""

    columns: tuple[str, ...]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Approximate:
    """A float that depends on the order of summation: an engine's may be ``tolerance`` away."""

    value: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the answer: a feature of a use of a view."""

    name: str
    use: FeatureViewProjection
    feature: str


class Reference:
    """Answers over ``relations``. ``expressions`` gives for each SQL text of the definitions what it means."""

    def __init__(
        self,
        relations: Mapping[Source, Relation],
        expressions: Mapping[str, Evaluate] | None = None,
        *,
        filter_by_created: bool = False,
    ) -> None:
        self._filters_by_created = filter_by_created
        self._relations = relations
        self._expressions = expressions or {}
        self._events: dict[int, dict[tuple[Any, ...], list[Row]]] = {}
        self._answers: dict[tuple[Any, ...], Row] = {}

    def answers(self, outputs: Sequence[Output], spine: Sequence[Row], timestamp: str) -> list[dict[str, Any]]:
        """The features of every spine row, in the spine's order."""
        return [
            {item.name: self.features_of(item.use, row, comparable(row[timestamp]))[item.feature] for item in outputs}
            for row in spine
        ]

    def features_of(self, use: FeatureViewProjection, spine_row: Row, t: int) -> Row:
        """All features of a view for one spine row."""
        view = use.view
        key = tuple(comparable(spine_row[use.join_key_map.get(name, name)]) for name in view.join_keys)
        known = (id(view), key, t)
        if known not in self._answers:
            events = self.events_of(view).get(key, []) if self.may_match(key) else []
            if self._filters_by_created:
                events = [row for row in events if self.is_known(view.origin, row, t)]
            answer = self.windowed if view.aggregations else self.latest
            self._answers[known] = answer(view, events, t)
        return self._answers[known]

    def may_match(self, key: tuple[Any, ...]) -> bool:
        """A null equals nothing, not even a null."""
        return None not in key

    def is_known(self, source: Source, row: Row, t: int) -> bool:
        """Whether a row was created by ``t``, whatever the data delay; a source without created times knows all."""
        if source.created_timestamp_column is None:
            return True
        created = row[source.created_timestamp_column]
        return created is not None and comparable(created) <= t

    def events_of(self, view: FeatureView) -> dict[tuple[Any, ...], list[Row]]:
        """The rows a view sees, by key: with mapped names, filtered, with their computed columns and a timestamp."""
        if id(view) not in self._events:
            by_key: dict[tuple[Any, ...], list[Row]] = {}
            for row in self.rows_of(view):
                if row[view.origin.timestamp_field] is not None:
                    by_key.setdefault(tuple(comparable(row[name]) for name in view.join_keys), []).append(row)
            self._events[id(view)] = by_key
        return self._events[id(view)]

    def rows_of(self, view: FeatureView) -> list[Row]:
        """The rows of a view's source, or of the view it is chained on: filtered, then with computed columns."""
        if isinstance(view.source, FeatureView):
            below = self.rows_of(view.source)
        else:
            mapping = view.source.field_mapping
            rows = self._relations[view.source].rows
            below = [{mapping.get(name, name): value for name, value in row.items()} for row in rows]
        rows = [dict(row) for row in below if view.filter is None or self._evaluate(view.filter, row) is True]
        for row in rows:
            for name, text in view.columns.items():
                row[name] = self._evaluate(text, row)
        return rows

    def latest(self, view: FeatureView, events: Sequence[Row], t: int) -> Row:
        """The greatest visible row, whole; nulls where there is none."""
        features = self.declared_features(view)
        visible = [row for row in events if self.is_visible(view, row, t - view.origin.data_delay)]
        if not visible:
            return dict.fromkeys(features)
        winner = max(visible, key=lambda row: (*self.age_order(view.origin, row), *self.tie_order(features, row)))
        return {name: winner[name] for name in features}

    def is_visible(self, view: FeatureView, row: Row, t: int) -> bool:
        """Whether a view without aggregations sees a row at ``t``."""
        ts = comparable(row[view.origin.timestamp_field])
        if view.ttl is not None and ts < t - view.ttl:
            return False
        return ts <= t if view.allow_exact_matches else ts < t

    def age_order(self, source: Source, row: Row) -> tuple[Any, ...]:
        """Older rows first: by event time, created time, then sequence columns."""
        created = source.created_timestamp_column
        columns = [source.timestamp_field, *([created] if created else []), *source.sequence_columns]
        return tuple(value_order(row[name]) for name in columns)

    def tie_order(self, features: Sequence[str], row: Row) -> tuple[Any, ...]:
        """The order of rows that are of one age: by all declared features."""
        return tuple(value_order(row[name]) for name in features)

    def declared_features(self, view: FeatureView) -> tuple[str, ...]:
        """The features a view without aggregations offers."""
        if view.features is not None:
            return view.features
        source = view.origin
        roles = {*view.join_keys, *source.sequence_columns, source.timestamp_field, source.created_timestamp_column}
        return tuple(name for name in self.columns_of(view) if name not in roles)

    def columns_of(self, view: FeatureView) -> tuple[str, ...]:
        """The columns of a view's rows, in order."""
        if isinstance(view.source, FeatureView):
            return (*self.columns_of(view.source), *view.columns)
        mapping = view.source.field_mapping
        return (*(mapping.get(name, name) for name in self._relations[view.source].columns), *view.columns)

    def windowed(self, view: FeatureView, events: Sequence[Row], t: int) -> Row:
        """The windowed aggregates of a view, then what is computed from them."""
        results: dict[str, Any] = {}
        for item in view.aggregations:
            inside = [row for row in events if self.is_inside(item, view.origin, row, t)]
            if item.where is not None:
                inside = [row for row in inside if self._evaluate(item.where, row) is True]
            results[item.name] = self.aggregate(item, view.origin, inside)
        for name, text in view.post_aggregation.items():
            results[name] = self._evaluate_over_results(text, results)
        return results

    def is_inside(self, item: Aggregation, source: Source, row: Row, t: int) -> bool:
        """Whether a row's event time lies in the window that is seen from ``t``."""
        end = t - source.data_delay - item.offset
        if item.slide_interval is not None:
            end = end // item.slide_interval * item.slide_interval  # Python's // goes towards minus infinity
        ts = comparable(row[source.timestamp_field])
        if item.time_window is not None:
            start = self.window_start(end, item.time_window)
            if not (ts >= start if item.closed in ("left", "both") else ts > start):
                return False
        return bool(ts <= end if item.closed in ("right", "both") else ts < end)

    def window_start(self, end: int, width: int) -> int:
        """The window's lower bound."""
        return end - width

    def counts(self, value: Any) -> bool:
        """Whether an aggregate takes the value: nulls are ignored."""
        return value is not None

    def aggregate(self, item: Aggregation, source: Source, events: Sequence[Row]) -> Any:
        """One aggregate of the rows inside its window."""
        if item.column == "*":
            return len(events)
        taken = [row for row in events if self.counts(row[item.column])]
        values = [row[item.column] for row in taken]
        if item.function == "count":
            return len(values)
        if item.function == "count_distinct":
            return len({value_order(value) for value in values})
        if not values:
            return [] if item.function in LISTS else None
        if item.function in ("median", "percentile"):
            return self.percentile(sorted(map(float, values), key=value_order), item.params.get("p", 0.5))
        if item.function == "mode":
            return self.by_frequency(values)[0]
        if item.function == "top_k":
            return self.by_frequency(values)[: int(item.params["k"])]
        if item.function in LISTS:
            ordered = sorted(taken, key=lambda row: (*self.age_order(source, row), value_order(row[item.column])))
            return self.listed(item.function, [row[item.column] for row in ordered], int(item.params["n"]))
        if item.function in ("first", "last"):
            choose = min if item.function == "first" else max
            chosen = choose(taken, key=lambda row: (*self.age_order(source, row), value_order(row[item.column])))
            return chosen[item.column]
        return _AGGREGATES[item.function](values)

    def percentile(self, ordered: Sequence[float], p: float) -> float:
        """Between the two values around the place; where they are equal, that value, also if it is infinite."""
        place = p * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        if value_order(low) == value_order(high):
            return low
        return low + (high - low) * (place - math.floor(place))

    def by_frequency(self, values: Sequence[Any]) -> list[Any]:
        """Each distinct value once, the most frequent first."""
        counts = Counter(map(value_order, values))
        distinct = _distinct(values)
        return sorted(distinct, key=lambda value: (-counts[value_order(value)], self.frequency_tie(value)))

    def frequency_tie(self, value: Any) -> Any:
        """The order of equally frequent values: the smaller one first."""
        return value_order(value)

    def listed(self, function: str, ordered: Sequence[Any], n: int) -> list[Any]:
        """The first or last n values of the ordered ones; a distinct one is where it came first, or last."""
        match function:
            case "first_n":
                return list(ordered[:n])
            case "last_n":
                return self.oldest_first(list(ordered[::-1][:n]))
            case "first_distinct_n":
                return _distinct(ordered)[:n]
            case _:
                return self.oldest_first(_distinct(ordered[::-1])[:n])

    def oldest_first(self, newest_first: list[Any]) -> list[Any]:
        """A list of the last values is in the order of time too."""
        return newest_first[::-1]

    def _evaluate(self, text: str, row: Row) -> Any:
        return self._expressions[text](row)

    def _evaluate_over_results(self, text: str, results: Row) -> Any:
        """The value, and how far it moves when the floats it is made of move by their tolerances."""
        floats = {name: value for name, value in results.items() if isinstance(value, Approximate)}
        centre = {name: value.value if name in floats else value for name, value in results.items()}
        value = self._evaluate(text, centre)
        shifts = [
            self._evaluate(text, {**centre, **dict(zip(floats, corner, strict=True))})
            for corner in itertools.product(
                *((each.value - each.tolerance, each.value + each.tolerance) for each in floats.values())
            )
        ]
        if all(_is_same(value, shifted) for shifted in shifts) and not isinstance(value, float):
            return value
        if not all(isinstance(each, float) and math.isfinite(each) for each in (value, *shifts)):
            return value if all(_is_same(value, shifted) for shifted in shifts) else Approximate(math.nan, math.inf)
        rounding = 4 * EPSILON * abs(value)
        return Approximate(value, max((abs(shifted - value) for shifted in shifts), default=0.0) * 1.01 + rounding)


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Each value once, where it comes first."""
    seen: dict[tuple[Any, ...], Any] = {}
    for value in values:
        seen.setdefault(value_order(value), value)
    return list(seen.values())


def value_order(value: Any) -> tuple[Any, ...]:
    """Null lowest, NaN highest, false before true, strings by bytes; -0.0 is 0.0."""
    if value is None:
        return (0,)
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    return (1, value.encode() if isinstance(value, str) else value)


def comparable(value: Any) -> Any:
    """A key or a time as it is compared: a date is its midnight, UTC; nothing else changes."""
    return (value - date(1970, 1, 1)).days * 86_400_000_000 if isinstance(value, date) else value


def selected(
    views: Sequence[FeatureView | FeatureViewProjection],
    features: Sequence[Feature],
    relations: Mapping[Source, Relation],
    *,
    full_feature_names: bool,
) -> list[Output]:
    """The output columns that ``features`` asks for, in order, each once."""
    by_name = {use.name: use for use in map(_use, views)}
    reference = Reference(relations)
    outputs: dict[tuple[str, str, str], Output] = {}
    for item in features:
        chosen: Sequence[tuple[str, str | None]] = ()
        if isinstance(item, str):
            view_name, _, wish = item.partition(":")
            use = by_name[view_name]
            name, _, alias = wish.partition(" as ")
            chosen = ((name, alias or None),) if wish else use.chosen or ()
        else:
            assert isinstance(item, FeatureView | FeatureViewProjection)
            use = _use(item)
            chosen = use.chosen or ()
        for name, alias in chosen or [(name, None) for name in offered_features(reference, use.view)]:
            output = alias or (f"{use.name}__{name}" if full_feature_names else name)
            outputs.setdefault((use.name, name, output), Output(output, use, name))
    return list(outputs.values())


def offered_features(reference: Reference, view: FeatureView) -> tuple[str, ...]:
    """The names of a view's features."""
    if view.aggregations:
        return (*(item.name for item in view.aggregations), *view.post_aggregation)
    return reference.declared_features(view)


def agrees(expected: Any, got: Any) -> bool:
    """Whether an engine's value is the reference's. NaN is NaN, and -0.0 is 0.0."""
    if not isinstance(expected, Approximate):
        return _is_same(expected, got)
    if math.isinf(expected.tolerance):
        return True
    if not isinstance(got, float):
        return False
    return _is_same(expected.value, got) or abs(expected.value - got) <= expected.tolerance


def _use(view: FeatureView | FeatureViewProjection) -> FeatureViewProjection:
    return view if isinstance(view, FeatureViewProjection) else FeatureViewProjection(view)


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    return type(first) is type(second) and value_order(first) == value_order(second)


def _sum(values: Sequence[Any]) -> Any:
    if isinstance(values[0], int | Decimal):
        return sum(values)
    if not all(map(math.isfinite, values)):
        return math.fsum(value for value in values if not math.isfinite(value)) if not _cancels(values) else math.nan
    return Approximate(math.fsum(values), 1e-9 * math.fsum(map(abs, values)))


def _cancels(values: Sequence[float]) -> bool:
    return math.inf in values and -math.inf in values


def _mean(values: Sequence[Any]) -> Any:
    total = _sum([float(value) for value in values])
    if not isinstance(total, Approximate):
        return total
    return Approximate(total.value / len(values), total.tolerance / len(values))


def _variance(values: Sequence[Any], degrees: int) -> Any:
    """The variance from exact fractions, with the standard deviation and mean that its tolerance is relative to."""
    floats = [float(value) for value in values]
    if len(floats) < 1 + degrees:
        return None
    if not all(map(math.isfinite, floats)):
        return math.nan
    exact = [Fraction(value) for value in floats]
    mean = sum(exact) / len(exact)
    variance = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - degrees))
    slack = 64 * EPSILON * abs(float(mean))
    return Approximate(variance, 1e-9 * variance + slack * math.sqrt(variance) + slack**2)


def _deviation(values: Sequence[Any], degrees: int) -> Any:
    variance = _variance(values, degrees)
    if not isinstance(variance, Approximate):
        return variance
    deviation = math.sqrt(variance.value)
    slack = 64 * EPSILON * abs(math.fsum(float(value) / len(values) for value in values))
    return Approximate(deviation, 1e-9 * deviation + slack)


_AGGREGATES: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "sum": _sum,
    "mean": _mean,
    "min": lambda values: min(values, key=value_order),
    "max": lambda values: max(values, key=value_order),
    "bool_and": all,
    "bool_or": any,
    "var_samp": lambda values: _variance(values, 1),
    "var_pop": lambda values: _variance(values, 0),
    "stddev_samp": lambda values: _deviation(values, 1),
    "stddev_pop": lambda values: _deviation(values, 0),
}

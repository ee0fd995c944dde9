"""Worked examples of other systems: their inputs and their expected outputs, through the library and the reference.

Each file of ``tests/cases`` says where it is from. What hitherto can't express, or answers otherwise on purpose, is
listed here with the reason; a case that is neither run nor listed fails.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import hitherto as ht
import pyarrow as pa
import pytest
from hitherto.planner.durations import parse_instant
from hitherto.planner.features.definitions import Feature, FeatureView, FeatureViewProjection, Source

from tests.expressions import quoted
from tests.reference import Approximate, Evaluate, Reference, Relation, selected
from tests.worlds import plain_rows

CASES = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "cases").glob("*.json"))}

PORTFOLIO = "12_duckdb_docs_asof_portfolio"
MOVING_SUM = "19_temporian_moving_sum"
SAWTOOTH = "30_sliding_vs_hopping_vs_sawtooth"
# The time of all rows of a table that has none: before all others, so that each row is seen always.
UNTIMED = "untimed"
LEFT_OUT = {
    "05_chronon_mutations_decayed_window": "retracts rows by a change log: bitemporal sources are not offered",
    "06_chronon_mutations_update_key": "retracts rows by a change log: bitemporal sources are not offered",
    "07_chronon_mutations_no_snapshot": "retracts rows by a change log: bitemporal sources are not offered",
    "22_feathub_over_window_limit_out_of_order": "limits a window to its last two rows",
}
# Features of cases that are run without them.
FEATURES_LEFT_OUT = {
    (PORTFOLIO, "value"): "multiplies by a column of the spine: computed by a test of its own",
    ("25_fennel_sum_and_exp_decay", "decay_1w"): "exponentially decayed sums are not offered",
    ("25_fennel_sum_and_exp_decay", "decay_total"): "exponentially decayed sums are not offered",
    (SAWTOOTH, "sawtooth"): "only one end of the window is on the grid: computed by a test of its own",
}
# Ties go to the row that was written last: the order of writing has to be a column.
WRITE_ORDER_DECIDES = {"16_featureform_complex_join"}
CLOSED = {("closed", "open"): "left", ("open", "closed"): "right", ("closed", "closed"): "both"}
MEANINGS: dict[str, Evaluate] = {
    "cost / distance + 10": lambda row: None if not row["distance"] else row["cost"] / row["distance"] + 10,
}


@dataclass(frozen=True)
class Request:
    """A case as definitions: what is asked of which views for which spine."""

    views: list[FeatureView | FeatureViewProjection]
    spine: pa.Table
    timestamp: str
    tables: Mapping[Source, pa.Table]
    expressions: Mapping[str, Evaluate]
    is_known: bool

    def job(self) -> ht.RetrievalJob:
        store = ht.FeatureStore(self.views, engine=ht.LocalComputeEngine(threads=1))
        return store.get_historical_features(
            self.spine,
            features=self._features,
            filter_by_created_timestamp=self.is_known,
            entity_timestamp=self.timestamp,
        )

    def by_reference(self) -> list[dict[str, Any]]:
        relations = {
            source: Relation(
                tuple(table.column_names),
                plain_rows(table, up=(source.timestamp_field, source.created_timestamp_column)),
            )
            for source, table in self.tables.items()
        }
        outputs = selected(self.views, self._features, relations, full_feature_names=False)
        reference = Reference(relations, self.expressions, filter_by_created=self.is_known)
        answers = reference.answers(outputs, plain_rows(self.spine), self.timestamp)
        return [
            {name: value.value if isinstance(value, Approximate) else value for name, value in row.items()}
            for row in answers
        ]

    @property
    def _features(self) -> list[Feature]:
        return [*self.views]


def test_every_case_is_run_or_listed_with_its_reason() -> None:
    assert CASES
    assert set(LEFT_OUT) <= set(CASES)
    assert {name for name, _ in FEATURES_LEFT_OUT} <= set(CASES) - set(LEFT_OUT)
    assert all(case["source"] for case in CASES.values())
    for name in CASES.keys() - LEFT_OUT.keys():
        assert request_of(CASES[name]).views, f"{name} runs without any feature; list it in LEFT_OUT"


@pytest.mark.parametrize("name", [name for name in CASES if name not in {*LEFT_OUT, PORTFOLIO, MOVING_SUM}])
def test_a_worked_example_of_another_system(name: str) -> None:
    case = CASES[name]
    request = request_of(case)
    by_library = plain_rows(request.job().to_arrow())
    by_reference = request.by_reference()
    checked = 0
    for row, (got, reference, expected) in enumerate(zip(by_library, by_reference, expected_rows(case), strict=True)):
        for column, wanted in expected.items():
            if column in reference:
                checked += 1
                value = parse_instant(wanted) if _is_time(wanted) else wanted
                assert _is_close(got[column], value, case["tolerance"]), (row, column, got[column], wanted)
                assert _is_close(reference[column], value, case["tolerance"]), (row, column, reference[column], wanted)
    assert checked


def test_a_value_computed_from_a_spine_column_and_a_feature() -> None:
    """The portfolio multiplies the feature by a column of the spine, which is left to the caller."""
    case = CASES[PORTFOLIO]
    request = request_of(case)
    for answer in (request.job().to_arrow().to_pylist(), request.by_reference()):
        prices = [row["price"] for row in answer]
        for price, row, expected in zip(prices, case["spine"]["rows"], expected_rows(case), strict=True):
            value = None if price is None else price * row["shares"]
            assert _is_close(value, expected["value"], case["tolerance"]), row


def test_a_sum_that_is_0_over_an_empty_window() -> None:
    """A view without keys. The sum of nothing is null here, and ``coalesce`` makes it the other system's 0."""
    case = CASES[MOVING_SUM]
    request = request_of(case)
    for answer in (request.job().to_arrow().to_pylist(), request.by_reference()):
        assert [row["value"] or 0 for row in answer] == [row["value"] for row in expected_rows(case)]
        assert answer[0]["value"] is None
    (use,) = request.views
    assert isinstance(use, FeatureViewProjection)
    filled = FeatureView(
        "filled", entities=[], source=use.view.source, aggregations=use.view.aggregations,
        post_aggregation={"filled": "coalesce(value, 0)"},
    )  # fmt: skip
    answer = ht.FeatureStore([filled]).get_historical_features(request.spine, "filled:filled").to_arrow()
    assert answer["filled"].to_pylist() == [row["value"] for row in expected_rows(case)]


def test_a_window_of_which_only_the_start_is_on_the_grid() -> None:
    """Both ends on the grid, and what has come since: all that was ever, less all before the grid."""
    case = CASES[SAWTOOTH]
    source = ht.ArrowSource(_table(case, case["tables"]["e"]), timestamp_field="ts")
    view = ht.FeatureView(
        "sawtooth",
        entities=["k"],
        source=source,
        aggregations=[
            ht.Aggregation("v", "sum", "1h", slide_interval="10m", name="hops"),
            ht.Aggregation("v", "sum", name="ever"),
            ht.Aggregation("v", "sum", slide_interval="10m", name="before"),
        ],
        post_aggregation={"sawtooth": "coalesce(hops, 0) + coalesce(ever, 0) - coalesce(before, 0)"},
    )
    answer = ht.FeatureStore([view]).get_historical_features(request_of(case).spine, "sawtooth:sawtooth").to_arrow()
    assert answer["sawtooth"].to_pylist() == [row["sawtooth"] for row in expected_rows(case)]


def test_a_null_time_in_the_entity_rows_is_an_error() -> None:
    """Case 28 answers such a row with nulls; hitherto refuses it."""
    case = CASES["28_featurebyte_scd_join_nulls_duplicates"]
    request = request_of(case, keep_rows_without_time=True)
    with pytest.raises(ht.SpineError, match=r"timestamp 'ts' is null in 1 of 4 rows, first in row 0"):
        request.job()


def request_of(case: Mapping[str, Any], *, keep_rows_without_time: bool = False) -> Request:
    spine, timestamp = case["spine"], case["spine"]["timestamp"]
    rows = [row for row in spine["rows"] if keep_rows_without_time or row[timestamp] is not None]
    tables = {name: _table(case, table) for name, table in case["tables"].items()}
    sources: dict[str, Source] = {}
    used: dict[Source, pa.Table] = {}
    for name, table in case["tables"].items():
        sequence = ["written"] if case["id"] in WRITE_ORDER_DECIDES else []
        time = table["timestamp"] or UNTIMED
        created = next((each["known_by"] for each in case["features"] if "known_by" in each), None)
        source = ht.ArrowSource(
            tables[name], timestamp_field=time, created_timestamp_column=created, sequence_columns=sequence
        )
        sources[name], used[source] = source, tables[name]
    expressions = dict(MEANINGS)
    views = [
        _view(f"view {number}", feature, case, sources, expressions)
        for number, feature in enumerate(case["features"])
        if _is_run(case, feature)
    ]
    columns = {name: _column(spine["timestamp"] == name, [row[name] for row in rows]) for name in spine["columns"]}
    is_known = any("known_by" in feature for feature in case["features"])
    return Request(views, pa.table(columns), timestamp, used, expressions, is_known)


def expected_rows(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The expected rows, but for those whose spine row has no time."""
    timestamp = case["spine"]["timestamp"]
    pairs = zip(case["spine"]["rows"], case["expected"]["rows"], strict=True)
    return [expected for row, expected in pairs if row[timestamp] is not None]


def _is_run(case: Mapping[str, Any], feature: Mapping[str, Any]) -> bool:
    names = [feature["name"]] if "name" in feature else list(feature["columns"].values())
    return all((case["id"], name) not in FEATURES_LEFT_OUT for name in names)


def _view(
    name: str,
    feature: Mapping[str, Any],
    case: Mapping[str, Any],
    sources: Mapping[str, Source],
    expressions: dict[str, Evaluate],
) -> FeatureViewProjection:
    # An expression has no table of its own: its columns are those of the case's only one.
    table = feature.get("table") or next(iter(sources))
    keys = feature.get("keys") or {key: key for key in case["spine"]["keys"]}
    common: dict[str, Any] = {"entities": list(keys.values()), "source": sources[table]}
    view = _definition(name, feature, common, expressions)
    return view.with_join_key_map({column: spine_column for spine_column, column in keys.items()})


def _definition(
    name: str, feature: Mapping[str, Any], common: Mapping[str, Any], expressions: dict[str, Evaluate]
) -> FeatureView:
    if feature["kind"] == "expr":
        return FeatureView(name, columns={feature["name"]: feature["expr"]}, features=[feature["name"]], **common)
    if feature["kind"] == "window_agg":
        return FeatureView(name, aggregations=[_aggregation(feature)], **common)
    if feature.get("null_mode") == "skip_null_per_column":
        lasts = [ht.Aggregation(old, "last", closed="right", name=new) for old, new in feature["columns"].items()]
        return FeatureView(name, aggregations=lasts, **common)
    renamed = {new: old for old, new in feature["columns"].items() if new != old}
    for old in renamed.values():
        expressions[quoted(old)] = lambda row, old=old: row[old]
    return FeatureView(
        name,
        columns={new: quoted(old) for new, old in renamed.items()},
        features=list(feature["columns"].values()),
        ttl=feature.get("max_age"),
        **common,
    )


def _aggregation(feature: Mapping[str, Any]) -> ht.Aggregation:
    window = feature["window"]
    size = window["size"]
    return ht.Aggregation(
        feature["column"],
        feature["function"],
        timedelta(microseconds=size) if isinstance(size, int) else size,
        offset=window.get("delay"),
        slide_interval=window.get("end_align"),
        closed=CLOSED[window["lower"], window["upper"]],  # type: ignore[arg-type]
        name=feature["name"],
    )


def _table(case: Mapping[str, Any], table: Mapping[str, Any]) -> pa.Table:
    rows: Sequence[Mapping[str, Any]] = table["rows"]
    columns = {name: _column(name == table["timestamp"], [row[name] for row in rows]) for name in table["columns"]}
    if table["timestamp"] is None:
        columns[UNTIMED] = _column(True, [0] * len(rows))
    if case["id"] in WRITE_ORDER_DECIDES:
        columns["written"] = pa.array(range(len(rows)), pa.int64())
    return pa.table(columns)


def _column(is_time: bool, values: Sequence[Any]) -> pa.Array:
    """Times as timestamps, a whole number being so many microseconds; a column of nulls alone is text."""
    if is_time or any(map(_is_time, values)):
        micros = [parse_instant(value) if isinstance(value, str) else value for value in values]
        return pa.array(micros, pa.timestamp("us"))
    array = pa.array(values)
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", value) is not None


def _is_close(got: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(got, (int, float)) and isinstance(wanted, (int, float)):
        return math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance)
    return bool(got == wanted)

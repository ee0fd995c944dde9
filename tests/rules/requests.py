"""Whole requests over small tables in memory, for the golden plans and SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import hitherto as ht
import pyarrow as pa
from hitherto.runtime.retrieval import RetrievalJob

REQUESTS: dict[str, Callable[[], RetrievalJob]] = {}


def request(build: Callable[[], RetrievalJob]) -> Callable[[], RetrievalJob]:
    """Register a request under the function's name."""
    REQUESTS[build.__name__] = build
    return build


def day(number: int) -> datetime:
    return datetime(2024, 1, number)


PAYMENTS = pa.table(
    {
        "user_id": [1, 1, 2],
        "paid_at": [day(1), day(2), day(3)],
        "loaded_at": [day(1), day(3), day(3)],
        "amount": [10.0, 20.0, 5.0],
        "status": ["settled", "open", "settled"],
        "shop": ["a", "b", "a"],
    }
)
PROFILES = pa.table({"user_id": [1, 2], "valid_from": [day(1), day(2)], "country": ["DE", "FR"], "age": [30, 40]})
ROWS = pa.table({"user_id": [1, 2, 1], "event_timestamp": [day(4), day(5), day(6)], "label": [True, False, True]})
USER = ht.Entity("user", join_keys=["user_id"])


def payments() -> ht.ArrowSource:
    return ht.ArrowSource(PAYMENTS, timestamp_field="paid_at", created_timestamp_column="loaded_at")


def profile(name: str = "profile", **options: object) -> ht.FeatureView:
    source = ht.ArrowSource(PROFILES, timestamp_field="valid_from")
    return ht.FeatureView(name, entities=[USER], source=source, **options)  # type: ignore[arg-type]


def spend(name: str = "spend", **options: object) -> ht.FeatureView:
    aggregations = [
        ht.Aggregation("amount", "sum", "7d"),
        ht.Aggregation("*", "count", "1d", where="amount > 6", name="large_1d"),
        ht.Aggregation("shop", "last", name="last_shop"),
    ]
    options = {"aggregations": aggregations, **options}
    return ht.FeatureView(name, entities=[USER], source=payments(), **options)  # type: ignore[arg-type]


def ask(*views: ht.FeatureView, features: list[str] | None = None, forms: dict[str, str] | None = None) -> RetrievalJob:
    """A retrieval of some features, or of all."""
    store = ht.FeatureStore(list(views), planner_options=ht.PlannerOptions(forms=forms or {}))
    return store.get_historical_features(ROWS, features or list(views), full_feature_names=True)


@request
def latest_profile() -> RetrievalJob:
    return ask(profile(ttl="90d"))


@request
def one_feature_of_a_filtered_view() -> RetrievalJob:
    return ask(profile(filter="age >= 18 and country <> 'XX'"), features=["profile:country"])


@request
def settled_spend() -> RetrievalJob:
    return ask(spend(filter="status = 'settled'", post_aggregation={"per_large": "sum_amount_7d / large_1d"}))


@request
def a_view_with_columns_and_a_delayed_source() -> RetrievalJob:
    source = ht.ArrowSource(PAYMENTS, timestamp_field="paid_at", data_delay="1h", sequence_columns=["shop"])
    view = ht.FeatureView(
        "payment", entities=[USER], source=source, columns={"cents": "cast(amount * 100 as bigint)"},
        features=["cents", "status"], allow_exact_matches=False,
    )  # fmt: skip
    return ask(view)


@request
def views_that_share_their_rows() -> RetrievalJob:
    fresh, stale = profile("fresh", features=["country"], ttl="1d"), profile("stale", features=["age"])
    return ask(
        fresh,
        stale,
        spend(aggregations=[ht.Aggregation("amount", "sum", "7d")]),
        spend("spend_2", aggregations=[ht.Aggregation("amount", "max", "30d", offset="1d")]),
    )


@request
def a_sliding_window_that_is_closed_on_the_right() -> RetrievalJob:
    aggregation = ht.Aggregation("amount", "mean", "7d", slide_interval="1d", closed="right", name="mean_of_week")
    return ask(spend(aggregations=[aggregation]), forms={"spend": "BucketedWindows"})

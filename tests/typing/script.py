"""What a user's script is told by a type checker; tests/test_typing.py compares it with the comments."""

from typing import Any, reveal_type

import hitherto as ht


def of_a_script(frame: Any) -> None:
    transactions = ht.FileSource("transactions.parquet", timestamp_field="event_ts")
    sums = ht.Aggregation.cross(["usd"], ["sum", "max"], ["1d", "7d"])
    spend = ht.FeatureView("spend", entities=["user_id"], source=transactions, aggregations=sums)
    reveal_type(spend[["sum_usd_7d"]])  # type: FeatureViewProjection
    reveal_type(spend[["max_usd_1d", {"sum_usd_7d": "usd"}]])  # type: FeatureViewProjection
    reveal_type(spend.schema)  # type: Schema
    reveal_type(spend.aggregations[0].closed)  # type: Literal['left', 'right', 'both', 'neither']

    store = ht.FeatureStore([spend], online_store=ht.SqliteOnlineStore("online.db"))
    job = store.get_historical_features(frame, features=[spend, "spend:max_usd_1d"])
    reveal_type(job)  # type: RetrievalJob
    reveal_type(job.to_arrow())  # type: Table
    reveal_type(job.to_df())  # type: DataFrame
    reveal_type(job.explain(level="physical", format="json"))  # type: Explanation
    reveal_type(store.views["spend"])  # type: FeatureView | FeatureViewProjection
    reveal_type(store.features())  # type: dict[str, Schema]
    reveal_type(store.materialize("2024-03-06").views["spend"].status)  # type: Literal['done', 'failed']
    reveal_type(store.get_online_features("spend", [{"user_id": 7}]).as_of)  # type: dict[str, datetime]

    ht.Aggregation("usd", "smu", "7d")  # error: "Literal['smu']" is not assignable to
    ht.Aggregation.cross(["usd"], ["sum", "maxx"], ["7d"])  # error: "Literal['maxx']" is not assignable to
    ht.Aggregation("usd", "sum", window="7d")  # error: No parameter named "window"
    ht.Aggregation("usd", "sum", "7d", closed="lefft")  # error: "Literal['lefft']" is not assignable to
    ht.Aggregation("usd", "percentile", "7d", p="high")  # error: Literal['high']
    ht.Aggregation("usd")  # error: Argument missing for parameter "function"
    ht.FeatureView("spend", entities=["user_id"], sources=transactions)  # error: No parameter named "sources"
    ht.FileSource("transactions.parquet", timestamp="event_ts")  # error: No parameter named "timestamp"
    ht.PlannerOptions(statistics="of")  # error: "Literal['of']" is not assignable to
    ht.FeatureStore([spend], progres=False)  # error: No parameter named "progres"
    job.explain("physcal")  # error: "Literal['physcal']" is not assignable to
    job.explain(format="jsno")  # error: "Literal['jsno']" is not assignable to
    store.get_historical_features(frame, feature=[spend])  # error: No parameter named "feature"
    store.get_historical_feature(frame, [spend])  # error: Cannot access attribute "get_historical_feature"

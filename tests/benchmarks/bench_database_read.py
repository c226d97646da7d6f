"""Sales rows of PostgreSQL into the typed table of the warehouse, beside the server's own COPY of the table to a file.

python tests/benchmarks/bench_database_read.py [--rows 20000000] [--parts 2] [--repeats 2]

A server of its own with a table of made-up sales (sku, site, day, quantity, price), as the server comes but for fsync. In
turns: the server's COPY to a CSV file; `land`, all rows, with the count and hash that tell the rows apart; and `land` with
`since`, first all rows, then after a day was added, then with nothing new. local[2], 2 cores. The last line is JSON: seconds
and processor seconds; `speed`, the share of COPY's rows a second that each reading reached; `speed_by_processor`, the same
where two cores have nothing else to do: twice COPY's processor time over the reading's. Both are the least of the repeats.
"""

import argparse
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from pyspark.sql import SparkSession

from replen.config import Sources
from replen.overlays import load_config
from replen.sources.landing import land
from replen.spark.session import session
from tests.benchmarks.usage import processor_seconds
from tests.servers import Server, postgresql

TODAY, FIRST, A_DAY, WARM_UP = dt.date(2024, 6, 1), dt.date(2023, 1, 1), 40_000, 1_000
MADE = (
    "SELECT 'sku ' || i % 20000 AS sku, 'site ' || i / 20000 % 2 AS site, DATE '{first}' + i / {a_day} AS date, "
    "floor(20 * random())::double precision AS quantity, round(100 * random()) / 4 AS price "
    "FROM generate_series({low}, {high}) i"
)
SUPPLY = dict.fromkeys(("lead_time_days", "review_period_days", "order_multiple", "min_order_quantity", "unit_cost_share"), 1)


def made(low: int, high: int) -> str:
    """Return the SQL of the sales with these numbers."""
    return MADE.format(first=FIRST, a_day=A_DAY, low=low, high=high)


def section(**changes: object) -> Sources:
    """Return the section that reads the table."""
    table = {"format": "database", "database": "env:BENCH_SHOP", "table": "sales"} | changes
    assume = {"stock_cover_periods": 2, "supply": SUPPLY | {"supplier": "s"}}
    return Sources.model_validate(load_config(None).sources.model_dump() | {"tables": {"sales": table}, "assume": assume})


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds, and seconds of processors."""
    began, used = time.perf_counter(), processor_seconds()
    work()
    return time.perf_counter() - began, processor_seconds() - used


def measured(spark: SparkSession, server: Server, folder: Path, n_rows: int, *, n_parts: int) -> dict[str, tuple[float, float]]:
    """Return the seconds, and those of processors, of each part of one repeat."""
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", execution_options={"no_parameters": True})
    cut: dict[str, object] = {"partition": {"n": n_parts}}
    whole, late = section(**cut), section(**cut, since={"column": "date", "overlap_days": 14})

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def read(sources: Sources) -> None:
        land(spark, sources, str(folder), today=TODAY, note=print)

    run(f"CREATE TABLE sales AS {made(0, n_rows - 1)}")
    run("VACUUM ANALYZE sales")
    copy = f"COPY sales TO '{server.folder}/data/sales.csv' (FORMAT csv)"
    seconds = {"copy": timed(lambda: run(copy)), "whole": timed(lambda: read(whole)), "since": timed(lambda: read(late))}
    seconds["copy_again"] = timed(lambda: run(copy))
    run(f"INSERT INTO sales {made(n_rows, n_rows + A_DAY - 1)}")
    seconds |= {"a_day_later": timed(lambda: read(late)), "nothing_new": timed(lambda: read(late))}
    run("DROP TABLE sales")
    (server.folder / "data" / "sales.csv").unlink()
    engine.dispose()
    return seconds


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--parts", type=int, default=2, help="connections that read at once")
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    spark = session(load_config(None, ["spark.master=local[2]", "spark.partitions=2"]).spark, "bench_database_read")
    repeats = []
    with postgresql() as server:
        os.environ["BENCH_SHOP"] = server.address
        for n_rows in (WARM_UP, *[asked.rows] * asked.repeats):
            with tempfile.TemporaryDirectory() as folder:
                repeats.append(measured(spark, server, Path(folder), n_rows, n_parts=asked.parts))
                print(repeats[-1])
    spark.stop()
    del repeats[0]  # in which Spark started its workers
    speed, speed_by_processor = {}, {}
    for name in ("whole", "since"):
        speed[name] = min(min(one["copy"][0], one["copy_again"][0]) / one[name][0] for one in repeats)
        # COPY keeps one core busy, a reading two.
        speed_by_processor[name] = min(2 * min(one["copy"][1], one["copy_again"][1]) / one[name][1] for one in repeats)
    found = {"speed": speed, "speed_by_processor": speed_by_processor, "seconds": repeats}
    print(json.dumps({"rows": asked.rows, "parts": asked.parts} | found))


if __name__ == "__main__":
    main()

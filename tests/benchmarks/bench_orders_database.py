"""How long a plan takes to write its orders to each database: the first time, again without a change, and a tenth changed.

python tests/benchmarks/bench_orders_database.py [--orders 100000] [--databases sqlite postgresql mariadb] [--smoke]

Orders with explanations, 50,000 rows a frame, into servers of its own on this machine, that flush as `tests/servers.py` says.
`changed` are the rows that each write inserted, updated or deleted; `versions_kept`: no row of PostgreSQL has another xmin
after the second write. The last line is JSON.
"""

import argparse
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd

from replen import tables as t
from replen.databases import connect
from replen.orders.database import OrderDatabase
from replen.orders.lines import order_id
from replen.orders.upgrade import upgrade
from tests.servers import mariadb, postgresql

DATE, ROWS_A_FRAME, SETTING = dt.date(2024, 4, 15), 50_000, "REPLEN_BENCHMARK_DATABASE"


def plan(n_orders: int, *, changed: float = 0.0) -> dict[str, list[pd.DataFrame]]:
    """Return orders and explanations, frame by frame, as a plan does; a share of them with another quantity."""
    rng = np.random.default_rng(0)
    rows = np.arange(n_orders)
    skus = [f"sku-{row:08}" for row in rows]
    ids = [order_id(DATE, sku=sku, site="warehouse north", supplier=f"mill {row % 200}") for row, sku in enumerate(skus)]
    units = np.ceil(rng.gamma(2.0, 20.0, n_orders)) + (rng.random(n_orders) < changed)
    levels = rng.gamma(2.0, 20.0, (7, n_orders))
    orders = pd.DataFrame(
        {
            t.ORDER_ID: ids, t.RUN_ID: "0123456789abcdef", t.SKU: skus, t.SITE: "warehouse north",
            t.SUPPLIER: [f"mill {row % 200}" for row in rows], t.ORDER_DATE: DATE, t.EXPECTED_DATE: DATE + dt.timedelta(days=9),
            t.NEXT_ORDER_DATE: DATE + dt.timedelta(days=7), t.ORDER_QUANTITY: units, t.REORDER_POINT: levels[0],
            t.ORDER_UP_TO_LEVEL: levels[1], t.SAFETY_STOCK: levels[2], t.VALUE: units * 3.7, t.POLICY: "program",
        }
    )  # fmt: skip
    explanations = pd.DataFrame(
        {
            t.ORDER_ID: ids, t.RUN_ID: "0123456789abcdef", t.FORECAST_DEMAND: levels[3], t.PROJECTED_STOCK: levels[4],
            t.TARGET: levels[5], t.BINDING: "order_multiple", t.ROUNDING: levels[6],
            t.LIMIT_PRICES: [{"budget": price} for price in levels[0]], t.ALTERNATIVES: [{"mill": cost} for cost in levels[1]],
            t.MODEL: "lstm", t.MODEL_VERSION: "12",
        }
    )  # fmt: skip
    cut = range(0, n_orders, ROWS_A_FRAME)
    tables = {t.ORDERS.name: orders, t.EXPLANATIONS.name: explanations}
    return {name: [rows[first : first + ROWS_A_FRAME] for first in cut] for name, rows in tables.items()}


@contextmanager
def empty_database(kind: str) -> Iterator[OrderDatabase]:
    """Serve an empty order database."""
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.environ[SETTING] = f"sqlite:///{folder}/orders.db"
        else:
            os.environ[SETTING] = stack.enter_context({"postgresql": postgresql, "mariadb": mariadb}[kind]()).address
        upgrade(connect(f"env:{SETTING}", where="orders.database"))
        database = OrderDatabase(f"env:{SETTING}")
        yield database
        database.engine.dispose()


def versions(database: OrderDatabase) -> list[object] | None:
    """Return the version of every order of PostgreSQL; None elsewhere."""
    if database.engine.dialect.name != "postgresql":
        return None
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT order_id, xmin::text FROM orders ORDER BY 1").all())


def measured(kind: str, n_orders: int) -> dict[str, object]:
    """Return seconds and changed rows of the three writes."""
    found: dict[str, object] = {}
    first, other = plan(n_orders), plan(n_orders, changed=0.1)
    with empty_database(kind) as database:
        kept = None
        for name, frames in (("first", first), ("again", first), ("tenth", other)):
            began = time.perf_counter()
            written = database.write_run("0123456789abcdef", DATE, frames)
            found[f"{name}_seconds"] = round(time.perf_counter() - began, 2)
            found[f"{name}_changed"] = sum(written.changed.values())
            if name == "again":
                found["versions_kept"] = kept == versions(database)
            kept = versions(database)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql", "mariadb"), default=["sqlite", "postgresql", "mariadb"]
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest size")
    chosen = parser.parse_args()
    n_orders = 200 if chosen.smoke else chosen.orders
    report = {"n_orders": n_orders, "databases": {kind: measured(kind, n_orders) for kind in chosen.databases}}
    for kind, found in report["databases"].items():  # type: ignore[attr-defined]
        print(kind, found)
    print(json.dumps(report))


if __name__ == "__main__":
    main()

"""Runs for tests of the order database: what a plan writes, small."""

import datetime as dt

import numpy as np
import pandas as pd

from replen import tables as t
from replen.databases import connect
from replen.orders.database import OrderDatabase
from replen.orders.lines import order_id
from replen.orders.schema import WRITTEN
from replen.orders.upgrade import upgrade

DATE, DAY = dt.date(2024, 4, 15), dt.timedelta(days=1)


def frames(run_id="run", quantities=(6.0, 12.0, 18.0), suppliers="mill", date=DATE):
    """Return a run that orders the quantities of sku 0, 1, ...; the date of the second half of a table comes as a timestamp."""
    return of_lines({f"sku {row} 'x'; --": quantity for row, quantity in enumerate(quantities)}, run_id, suppliers, date)


def of_lines(quantities, run_id="run", supplier="mill", date=DATE):
    """Return a run that orders the quantities by SKU."""
    skus, units = list(quantities), np.array(list(quantities.values()), dtype=float)
    ids = [order_id(date, sku=sku, site="shop", supplier=supplier) for sku in skus]
    orders = pd.DataFrame(
        {
            "order_id": ids, "run_id": run_id, "sku": skus, "site": "shop", "supplier": supplier, "order_date": date,
            "expected_date": pd.Timestamp(date) + pd.Timedelta(days=10), "next_order_date": None, "order_quantity": units,
            "reorder_point": np.nan, "order_up_to_level": 30.0, "safety_stock": 3.0, "value": units * 2.0,
            "policy": "lost_sales_program", "status": None,
        }
    )  # fmt: skip
    explanations = pd.DataFrame(
        {
            "order_id": ids, "run_id": run_id, "forecast_demand": 10.0, "projected_stock": 1.0, "target": 5.5,
            "binding": "none", "rounding": 0.5, "limit_prices": [{"budget": 0.5, "a": 1.0}] * len(ids),
            "alternatives": [{"mill": 2.0}] * len(ids), "model": "lstm", "model_version": None,
        }
    )  # fmt: skip
    exceptions = pd.DataFrame(
        {"run_id": run_id, "sku": ["lost"], "site": "shop", "kind": "no_stock", "severity": "critical", "value_at_risk": np.nan,
         "action": "count"}
    )  # fmt: skip
    certificates = pd.DataFrame(
        {"run_id": run_id, "limit": ["*"], "dual_bound": 1.0, "feasible_cost": 2.0, "gap": 0.5, "largest_violation": 0.0,
         "iterations": 0, "available": np.nan, "used": np.nan, "limit_price": np.nan, "solver_counts": [[("chain", 3)]]}
    )  # fmt: skip
    return {
        "orders": [orders[:2], orders[2:]],
        "explanations": [explanations],
        "exceptions": [exceptions],
        "certificates": [certificates],
    }


def contents(database):
    """Return all rows of all tables a plan writes."""
    frames = {table.name: database.read(table).astype(object) for table in WRITTEN}
    return {name: rows.where(rows.notna(), None).to_dict("records") for name, rows in frames.items()}


def id_of(sku_row, date=DATE):
    """Return the id of an order of `frames`."""
    return order_id(date, sku=f"sku {sku_row} 'x'; --", site="shop", supplier="mill")


def upgraded(setting):
    """Return the database of a setting, with its tables."""
    upgrade(connect(setting, where="orders.database"))
    return OrderDatabase(setting)


def statuses(database):
    """Return the status of each order."""
    orders = database.read(t.ORDERS)
    return dict(zip(orders[t.ORDER_ID], orders[t.STATUS], strict=True))


def impatient(setting, *statements):
    """Run statements that give up where a row is locked."""
    engine = connect(f"{setting}?timeout=0" if setting.startswith("sqlite") else setting, where="orders.database")
    waits = {"postgresql": "SET lock_timeout = 100", "mysql": "SET innodb_lock_wait_timeout = 1"}.get(engine.dialect.name)
    with engine.begin() as connection:
        for statement in [waits, *statements] if waits else statements:
            connection.exec_driver_sql(statement)
    engine.dispose()

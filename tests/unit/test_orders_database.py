"""The order database: a run is written whole or not at all, twice is once, and approved orders stay."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from replen import tables as t
from replen.databases import connect
from replen.errors import ConfigError, TableError
from replen.orders.database import OrderDatabase
from replen.orders.lines import order_id
from replen.orders.schema import WRITTEN
from replen.orders.upgrade import upgrade

DATE, DAY = dt.date(2024, 4, 15), dt.timedelta(days=1)


def frames(run_id="run", quantities=(6.0, 12.0, 18.0), suppliers="mill", date=DATE):
    """Return a run that orders the quantities of sku 0, 1, ...; the date of the second half of a table comes as a timestamp."""
    skus = [f"sku {row} 'x'; --" for row in range(len(quantities))]
    ids = [order_id(date, sku=sku, site="shop", supplier=suppliers) for sku in skus]
    orders = pd.DataFrame(
        {
            "order_id": ids, "run_id": run_id, "sku": skus, "site": "shop", "supplier": suppliers, "order_date": date,
            "expected_date": pd.Timestamp(date) + pd.Timedelta(days=10), "next_order_date": None, "order_quantity": quantities,
            "reorder_point": np.nan, "order_up_to_level": 30.0, "safety_stock": 3.0, "value": np.array(quantities) * 2.0,
            "policy": "lost_sales_program", "status": None,
        }
    )  # fmt: skip
    explanations = pd.DataFrame(
        {
            "order_id": ids, "run_id": run_id, "forecast_demand": 10.0, "projected_stock": 1.0, "target": 5.5,
            "binding": "none", "rounding": 0.5, "limit_prices": [{"budget": 0.5}] * len(ids),
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
    frames = {table.name: database.read(table).astype(object) for table in WRITTEN}
    return {name: rows.where(rows.notna(), None).to_dict("records") for name, rows in frames.items()}


def set_status(url, sku_row, status, quantity=None):
    with connect(url, where="orders.database").begin() as connection:
        values = {"status": status, "id": frames()["orders"][0][t.ORDER_ID][sku_row]}
        connection.execute(sa.text("UPDATE orders SET status = :status WHERE order_id = :id"), values)
        if quantity is not None:
            connection.execute(sa.text("UPDATE orders SET order_quantity = :q WHERE order_id = :id"), values | {"q": quantity})


def impatient(url, statement):
    """Run a statement that gives up where a row is locked."""
    engine = connect(f"{url}?timeout=0" if url.startswith("sqlite") else url, where="orders.database")
    with engine.begin() as connection:
        if waits := {"postgresql": "SET lock_timeout = 100", "mysql": "SET innodb_lock_wait_timeout = 1"}.get(
            engine.dialect.name
        ):
            connection.exec_driver_sql(waits)
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def url(database):
    upgrade(connect(database, where="orders.database"))
    return database


def test_a_run_is_written_as_it_is(url):
    written = OrderDatabase(url).write_run("run", DATE, frames())
    assert written.rows == {"orders": 3, "explanations": 3, "exceptions": 1, "certificates": 1}
    database = OrderDatabase(url)
    orders = database.read(t.ORDERS)
    assert sorted(orders[t.ORDER_QUANTITY]) == [6.0, 12.0, 18.0]
    assert set(orders[t.STATUS]) == {"proposed"}
    assert set(orders[t.EXPECTED_DATE]) == {dt.date(2024, 4, 25)}
    assert orders[t.REORDER_POINT].isna().all()
    assert database.read(t.EXPLANATIONS)[t.LIMIT_PRICES].tolist() == [{"budget": 0.5}] * 3
    assert database.read(t.CERTIFICATES)[t.SOLVER_COUNTS].tolist() == [{"chain": 3}]


def test_the_same_run_again_changes_nothing(url):
    database = OrderDatabase(url)
    database.write_run("run", DATE, frames())
    before = contents(database)
    database.write_run("run", DATE, frames())
    assert contents(database) == before


def test_a_later_run_of_the_date_replaces_the_proposals_and_leaves_other_dates(url):
    database, yesterday = OrderDatabase(url), DATE - dt.timedelta(days=7)
    database.write_run("old", yesterday, frames("old", date=yesterday))
    database.write_run("first", DATE, frames("first"))
    database.write_run("second", DATE, frames("second", (24.0,)))
    orders = database.read(t.ORDERS)
    assert orders.groupby(t.RUN_ID)[t.ORDER_QUANTITY].sum().to_dict() == {"old": 36.0, "second": 24.0}
    for table in WRITTEN:
        assert set(database.read(table)[t.RUN_ID]) == {"old", "second"}


def test_orders_of_any_day_of_the_period_are_the_runs(url):
    """A weekly plan orders on Monday or, where the supplier asks for it, on Sunday; the next Monday is another plan's."""
    database, sunday, next_monday = OrderDatabase(url), DATE + DAY * 6, DATE + DAY * 7
    for run_id, date in (("next", next_monday), ("first", sunday), ("second", DATE)):
        database.write_run(run_id, next_monday if run_id == "next" else DATE, frames(run_id, date=date), days=7)
    assert set(database.read(t.ORDERS)[t.RUN_ID]) == {"next", "second"}


def test_an_approved_order_is_not_touched_and_its_shortfall_is_an_exception(url):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    set_status(url, 0, "approved")
    written = database.write_run("second", DATE, frames("second", (10.0, 12.0, 18.0)))
    assert (written.frozen, written.short) == (1, 1)
    orders = database.read(t.ORDERS).set_index(t.SKU)
    assert orders.loc["sku 0 'x'; --", [t.RUN_ID, t.ORDER_QUANTITY, t.STATUS]].tolist() == ["first", 6.0, "approved"]
    assert len(orders) == 3
    explanations = database.read(t.EXPLANATIONS).set_index(t.ORDER_ID)
    assert explanations.loc[orders[t.ORDER_ID], t.RUN_ID].tolist() == orders[t.RUN_ID].tolist()
    short = database.read(t.EXCEPTIONS).set_index(t.KIND).loc["approved_order_short"]
    assert short[[t.RUN_ID, t.SKU, t.VALUE_AT_RISK]].tolist() == ["second", "sku 0 'x'; --", 8.0]
    before = contents(database)
    database.write_run("second", DATE, frames("second", (10.0, 12.0, 18.0)))
    assert contents(database) == before


@pytest.mark.parametrize("wanted", [6.0, 3.0])
def test_an_approved_order_that_brings_enough_is_no_exception(url, wanted):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    set_status(url, 0, "sent")
    assert database.write_run("second", DATE, frames("second", (wanted, 12.0, 18.0))).short == 0
    assert "approved_order_short" not in set(database.read(t.EXCEPTIONS)[t.KIND])


def test_a_cancelled_order_brings_nothing_and_is_not_proposed_again(url):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    set_status(url, 0, "cancelled")
    database.write_run("second", DATE, frames("second"))
    assert sorted(database.read(t.ORDERS)[t.STATUS]) == ["cancelled", "proposed", "proposed"]
    assert database.read(t.EXCEPTIONS).set_index(t.KIND).loc["approved_order_short", t.VALUE_AT_RISK] == 12.0


def test_an_approved_order_that_the_plan_drops_stays_with_its_explanation(url):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    set_status(url, 1, "approved")
    database.write_run("second", DATE, frames("second", (6.0,)))
    assert sorted(database.read(t.ORDERS)[t.ORDER_QUANTITY]) == [6.0, 12.0]
    assert len(database.read(t.EXPLANATIONS)) == 2


def test_two_suppliers_short_for_one_series_are_one_exception(url):
    database, both = OrderDatabase(url), frames("first", (6.0,))
    other = frames("first", (8.0,), suppliers="other mill")
    both = {name: [*rows, *(other[name] if name in {"orders", "explanations"} else [])] for name, rows in both.items()}
    database.write_run("first", DATE, both)
    with connect(url, where="orders.database").begin() as connection:
        connection.execute(sa.text("UPDATE orders SET status = 'approved', order_quantity = 2"))
    written = database.write_run("first", DATE, both)
    assert (written.frozen, written.short) == (2, 2)
    short = database.read(t.EXCEPTIONS).set_index(t.KIND).loc["approved_order_short"]
    assert short[t.VALUE_AT_RISK] == 2.0 * (4 + 6)


def test_a_failing_write_leaves_the_last_run(url):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    before = contents(database)

    def breaks():
        yield frames("second", (1.0,))["orders"][0]
        raise RuntimeError("worker lost")

    with pytest.raises(RuntimeError, match="worker lost"):
        database.write_run("second", DATE, frames("second") | {"orders": breaks()})
    with pytest.raises(TableError, match="nothing was written"):
        database.write_run("second", DATE, frames("second", (0.0, 1.0)))
    with pytest.raises(TableError, match="orders: column value is missing"):
        database.write_run("second", DATE, {"orders": [frames()["orders"][0].drop(columns="value")]})
    assert contents(database) == before


def test_nobody_can_approve_an_order_between_its_reading_and_its_replacement(url):
    database = OrderDatabase(url)
    database.write_run("first", DATE, frames("first"))
    refused = []

    def approve(_connection, _cursor, statement, *_rest):
        if statement.startswith("SELECT") and t.ORDER_DATE in statement and not refused:
            with pytest.raises(sa.exc.OperationalError, match="locked|lock timeout|Lock wait timeout") as raised:
                impatient(url, "UPDATE orders SET status = 'approved'")
            refused.append(raised)

    sa.event.listen(database.engine, "after_cursor_execute", approve)
    database.write_run("second", DATE, frames("second"))
    assert len(refused) == 1
    impatient(url, "UPDATE orders SET status = 'approved'")


@pytest.mark.parametrize("setting", ["orders.db", "sqlite:////no/such/folder/orders.db", "nosuchdatabase://x"])
def test_a_database_that_cannot_be_reached_names_the_key(setting):
    with pytest.raises(ConfigError, match=r"orders\.database"):
        OrderDatabase(setting)

"""The order database: a run is written whole or not at all, twice is once, and approved orders stay."""

import pytest
import sqlalchemy as sa

from replen import tables as t
from replen.databases import connect
from replen.errors import ConfigError, TableError
from replen.orders.database import OrderDatabase
from replen.orders.schema import PLAN_RUNS, WRITTEN
from replen.orders.upgrade import upgrade
from tests.unit.orders_written import DATE, DAY, contents, frames, id_of, impatient, of_lines


def set_status(url, sku_row, status, quantity=None):
    with connect(url, where="orders.database").begin() as connection:
        values = {"status": status, "id": id_of(sku_row)}
        connection.execute(sa.text("UPDATE orders SET status = :status WHERE order_id = :id"), values)
        if quantity is not None:
            connection.execute(sa.text("UPDATE orders SET order_quantity = :q WHERE order_id = :id"), values | {"q": quantity})


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
    assert set(orders[t.EXPECTED_DATE]) == {DATE + DAY * 10}
    assert orders[t.REORDER_POINT].isna().all()
    assert database.read(t.EXPLANATIONS)[t.LIMIT_PRICES].tolist() == [{"a": 1.0, "budget": 0.5}] * 3
    assert database.read(t.CERTIFICATES)[t.SOLVER_COUNTS].tolist() == [{"chain": 3}]


def test_the_same_run_again_changes_nothing(url):
    database = OrderDatabase(url)
    database.write_run("run", DATE, frames())
    before = contents(database)
    versions, same = row_versions(database), frames()
    same["explanations"][0][t.LIMIT_PRICES] = [{"a": 1.0, "budget": 0.5}] * 3  # a map has no order
    assert set(database.write_run("run", DATE, same).changed.values()) == {0}
    assert contents(database) == before
    assert row_versions(database) == versions


def test_only_what_differs_is_written(url):
    database = OrderDatabase(url)
    database.write_run("run", DATE, frames())
    versions = row_versions(database)
    assert database.write_run("run", DATE, frames(quantities=(6.0, 13.0, 18.0, 24.0))).changed == {
        "orders": 2, "explanations": 1, "exceptions": 0, "certificates": 0,
    }  # fmt: skip
    kept = [row for row in row_versions(database)["orders"] if row in versions["orders"]]
    assert len(kept) == (2 if versions["orders"] else 0)
    assert sorted(database.read(t.ORDERS)[t.ORDER_QUANTITY]) == [6.0, 13.0, 18.0, 24.0]
    assert database.write_run("run", DATE, frames(quantities=(6.0,))).changed["orders"] == 3


def row_versions(database):
    """Return what PostgreSQL gives every row that is written anew; elsewhere nothing tells."""
    if database.engine.dialect.name != "postgresql":
        return {table.name: [] for table in (*WRITTEN, PLAN_RUNS)}
    with database.engine.connect() as connection:
        return {
            table.name: connection.exec_driver_sql(f"SELECT ctid::text, xmin::text FROM {table.name} ORDER BY 1").all()
            for table in (*WRITTEN, PLAN_RUNS)
        }


def test_names_differ_by_every_byte(url):
    names = ["a", "A", "a ", "\u00e4", "a\u0308", "\U0001f600", "\U0001f601", "\u0131", "i"]
    database = OrderDatabase(url)
    database.write_run("run", DATE, of_lines(dict.fromkeys(names, 5.0)))
    assert sorted(database.read(t.ORDERS)[t.SKU]) == sorted(names)
    assert set(database.write_run("run", DATE, of_lines(dict.fromkeys(names, 5.0))).changed.values()) == {0}


def test_a_name_that_is_too_long_is_refused_by_its_column(url):
    with pytest.raises(TableError, match=r"orders\.sku: expected at most 255 characters, found 256"):
        OrderDatabase(url).write_run("run", DATE, of_lines({"x" * 256: 5.0}))
    OrderDatabase(url).write_run("run", DATE, of_lines({"\U0001f600" * 255: 5.0}))


@pytest.mark.parametrize(
    "change",
    ["order_quantity = -1", "value = -1", "status = 'aproved'", "sku = 'another'", "site = NULL", "order_quantity = 0"],
)
def test_the_database_itself_refuses_what_is_no_order(url, change):
    database = OrderDatabase(url)
    database.write_run("run", DATE, frames())
    with pytest.raises(sa.exc.DBAPIError), database.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE orders SET {change}")


def test_a_later_run_of_the_date_replaces_the_proposals_and_leaves_other_dates(url):
    database, yesterday = OrderDatabase(url), DATE - DAY * 7
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

"""The life of orders: what is allowed is recorded, what is not changes nothing, and a plan never undoes a person's act."""

import datetime as dt
import itertools
import threading

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from replen import tables as t
from replen.errors import TableError
from replen.notify.schema import OUTBOX
from replen.orders.database import OrderDatabase
from replen.orders.life_cycle import Act, Selection, change, changeable, changing, events_of, orders_of
from replen.orders.status import FOLLOWERS, STATUSES, leading_to
from replen.overlays import load_config
from tests.unit.orders_written import DATE, DAY, frames, id_of, impatient, of_lines, statuses, upgraded

EVERYTHING = Selection({})
FILES = "{channel: files, folder: outgoing, format: json}"
NOTIFY = load_config(None, [f"notify.{kind}.default={FILES}" for kind in ("supplier", "warehouse")]).notify


@pytest.fixture
def orders(database):
    found = upgraded(database)
    found.write_run("run", DATE, frames())
    return found


def act(orders, chosen, to, who="ann", note=None):
    with changing(orders.engine) as connection:
        rows = changeable(connection, chosen, to)
        change(connection, rows, Act(to, who, note), NOTIFY)
    return rows


def told(orders):
    with orders.engine.connect() as connection:
        rows = connection.execute(sa.select(OUTBOX.c[t.RECIPIENT_KIND], OUTBOX.c[t.EVENT_KIND]).order_by(OUTBOX.c.number))
        return [tuple(row) for row in rows]


def test_recipients_are_told_in_the_transaction_that_sends_orders(orders):
    act(orders, EVERYTHING, "approved")
    assert told(orders) == []
    with pytest.raises(RuntimeError, match="lost"), changing(orders.engine) as connection:
        change(connection, changeable(connection, EVERYTHING, "sent"), Act("sent", "ann"), NOTIFY)
        raise RuntimeError("the connection is lost")
    assert told(orders) == []
    act(orders, EVERYTHING, "sent")
    assert sorted(kind for kind, _ in told(orders)) == ["supplier", "warehouse"]


def test_who_knows_an_order_hears_of_another_quantity(orders):
    act(orders, by_id(0), "approved")
    act(orders, by_id(0), "sent")
    with changing(orders.engine) as connection:
        change(connection, changeable(connection, by_id(0), "confirmed"), Act("confirmed", "ann", quantity=5.0), NOTIFY)
    assert told(orders)[2:] == [("supplier", "orders_changed"), ("warehouse", "orders_confirmed")]


def by_id(*rows):
    return Selection({t.ORDER_ID: tuple(id_of(row) for row in rows)})


def test_an_order_lives_from_proposal_to_receipt(orders):
    began = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    for to in ("approved", "sent", "confirmed", "received"):
        assert len(act(orders, by_id(1), to, note=f"now {to}")) == 1
    assert statuses(orders) == {id_of(0): "proposed", id_of(1): "received", id_of(2): "proposed"}
    events = events_of(orders.engine, [id_of(1)])
    assert events[t.TO_STATUS].tolist() == ["approved", "sent", "confirmed", "received"]
    assert events[t.FROM_STATUS].tolist() == ["proposed", "approved", "sent", "confirmed"]
    assert set(events[t.WHO]) == {"ann"}
    assert events[t.NOTE].tolist()[0] == "now approved"
    assert set(events[t.ORDER_QUANTITY]) == {12.0}
    assert events[t.TIME].is_monotonic_increasing
    assert (events[t.TIME] >= began).all()


@pytest.mark.parametrize(("before", "to"), [(b, a) for b, a in itertools.product(STATUSES, STATUSES) if a not in FOLLOWERS[b]])
def test_what_is_not_allowed_changes_nothing_and_says_what_is(tmp_path, before, to):
    orders = OrderDatabase(f"sqlite:///{tmp_path}/orders.db")
    orders.write_run("run", DATE, frames())
    with orders.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE orders SET status = '{before}' WHERE order_id = '{id_of(0)}'")
    with pytest.raises(TableError, match=f"order {id_of(0)} is {before}: it cannot become {to}") as raised:
        act(orders, by_id(0, 1), to)
    assert all(possible in str(raised.value) for possible in FOLLOWERS[before])
    assert statuses(orders)[id_of(0)] == before
    assert orders.read(t.ORDER_EVENTS).empty


def test_filters_choose_and_leave_out_what_cannot_change(orders):
    act(orders, by_id(0), "approved")
    assert act(orders, Selection({t.SUPPLIER: ("mill",)}), "approved")[t.ORDER_ID].tolist() == [id_of(1), id_of(2)]
    assert act(orders, Selection({t.SUPPLIER: ("Mill", "mill ", "mil%")}), "sent").empty
    assert act(orders, Selection({}, value_above=24.0), "sent")[t.ORDER_ID].tolist() == [id_of(2)]
    assert orders_of(orders.engine, Selection({t.STATUS: ("sent", "received")}))[t.ORDER_ID].tolist() == [id_of(2)]
    assert orders_of(orders.engine, Selection({t.ORDER_DATE: (DATE + DAY,)})).empty
    assert len(orders_of(orders.engine, EVERYTHING)) == 3


def test_an_unknown_id_is_an_error(orders):
    with pytest.raises(TableError, match="order nobody: none of the chosen orders"):
        act(orders, Selection({t.ORDER_ID: ("nobody", id_of(0))}), "approved")
    assert set(statuses(orders).values()) == {"proposed"}


def test_many_problems_are_told_once_and_in_part(orders):
    ids = tuple(f"order {number}" for number in range(30))
    with pytest.raises(TableError, match=r"21 problems(.|\n)*and 10 more"):
        act(orders, Selection({t.ORDER_ID: ids}), "approved")


def test_many_orders_change_together(orders):
    orders.write_run("run", DATE, of_lines({f"sku {number}": 1.0 for number in range(2500)}))
    assert len(act(orders, EVERYTHING, "approved")) == 2500
    assert set(statuses(orders).values()) == {"approved"}
    assert len(orders.read(t.ORDER_EVENTS)) == 2500


def test_the_database_refuses_an_event_that_happened(orders):
    act(orders, by_id(0), "approved")
    with orders.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET status = 'proposed'")
    with pytest.raises(TableError, match="nothing was changed"):
        act(orders, by_id(0), "approved")
    assert set(statuses(orders).values()) == {"proposed"}


def test_a_change_and_a_plan_wait_for_each_other(orders, database):
    planning = threading.Thread(target=OrderDatabase(database).write_run, args=("second", DATE, frames("second", (7.0, 7.0))))
    with changing(orders.engine) as connection:
        with pytest.raises(sa.exc.OperationalError, match="locked|lock timeout|Lock wait timeout"):
            impatient(database, "SELECT * FROM order_lock FOR UPDATE" if "env" in database else "SELECT 1")
        planning.start()
        change(connection, changeable(connection, by_id(0, 2), "approved"), Act("approved", "ann"), NOTIFY)
    planning.join(30)
    assert statuses(orders) == {id_of(0): "approved", id_of(1): "proposed", id_of(2): "approved"}
    kept = orders.read(t.ORDERS).set_index(t.ORDER_ID)
    assert kept.loc[[id_of(0), id_of(1), id_of(2)], t.ORDER_QUANTITY].tolist() == [6.0, 7.0, 18.0]
    assert len(orders.read(t.EXPLANATIONS)) == 3


def test_two_plans_of_a_date_come_one_after_the_other(orders, database):
    both = [
        threading.Thread(
            target=OrderDatabase(database).write_run, args=(name, DATE, of_lines(dict.fromkeys("abcdef", units), name))
        )
        for name, units in (("one", 1.0), ("two", 2.0))
    ]
    for plan in both:
        plan.start()
    for plan in both:
        plan.join(30)
    left = orders.read(t.ORDERS)
    assert left[t.RUN_ID].nunique() == 1
    assert len(left) == 6
    for table in (t.EXPLANATIONS, t.EXCEPTIONS, t.CERTIFICATES):
        assert set(orders.read(table)[t.RUN_ID]) == set(left[t.RUN_ID])


def test_what_is_on_the_way_is_of_earlier_dates_and_neither_proposed_nor_over(orders):
    for row, to in ((0, "approved"), (1, "approved"), (1, "sent"), (2, "cancelled")):
        act(orders, by_id(row), to)
    assert orders.on_the_way(DATE).empty
    coming = orders.on_the_way(DATE + DAY)
    assert coming.columns.tolist() == [name for name in t.OPEN_ORDERS.names if name != t.STATUS]
    assert dict(zip(coming[t.OPEN_ORDER_ID], coming[t.QUANTITY], strict=True)) == {id_of(0): 6.0, id_of(1): 12.0}
    assert set(coming[t.EXPECTED_DATE]) == {DATE + DAY * 10}
    assert orders.on_the_way(DATE + DAY, without=["sent"])[t.OPEN_ORDER_ID].tolist() == [id_of(0)]
    act(orders, by_id(1), "confirmed")
    act(orders, by_id(1), "received")
    assert orders.on_the_way(DATE + DAY)[t.OPEN_ORDER_ID].tolist() == [id_of(0)]


class Orders(RuleBasedStateMachine):
    """Plans and people in any order, beside a model that is a dictionary: SKU -> (status, units, run)."""

    lines = st.dictionaries(st.sampled_from(["a", "A", "b "]), st.sampled_from([1.0, 6.0, 12.0]), max_size=3)
    some = st.sampled_from([(), ("a",), ("A", "b "), ("a", "A", "b ")])
    soon = st.sampled_from([*STATUSES[1:], "approved", "approved", "sent"])

    def __init__(self):
        super().__init__()
        self.database = OrderDatabase("sqlite://")
        self.model = {}
        self.n_events = 0

    @initialize()
    def first_plan(self):
        self.plan(dict.fromkeys(["a", "A", "b "], 6.0), "one")

    @rule(sku=st.sampled_from(["a", "A", "b "]))
    def advance(self, sku):
        if sku in self.model and (after := FOLLOWERS[self.model[sku][0]]):
            self.act((sku,), after[0], strictly=True)

    @rule(lines=lines, run_id=st.sampled_from(["one", "two"]))
    def plan(self, lines, run_id):
        written = self.database.write_run(run_id, DATE, of_lines(lines, run_id))
        frozen = {sku: order for sku, order in self.model.items() if order[0] != "proposed"}
        brought = {sku: 0.0 if status == "cancelled" else units for sku, (status, units, _) in frozen.items()}
        short = {sku for sku, units in lines.items() if sku in frozen and units > brought[sku]}
        assert (written.frozen, written.short) == (len(frozen.keys() & lines.keys()), len(short))
        exceptions = self.database.read(t.EXCEPTIONS)
        assert set(self.database.read(t.CERTIFICATES)[t.RUN_ID]) == {run_id}
        assert set(exceptions.loc[exceptions[t.KIND] == "approved_order_short", t.SKU]) == short
        self.model = {sku: ("proposed", units, run_id) for sku, units in lines.items()} | frozen
        assert set(self.database.write_run(run_id, DATE, of_lines(lines, run_id)).changed.values()) == {0}

    @rule(sku=st.sampled_from(["a", "A", "b "]), to=st.sampled_from(["approved", "confirmed"]), units=st.sampled_from([1.0, 9]))
    def agree(self, sku, to, units):
        with changing(self.database.engine) as connection:
            rows = changeable(connection, Selection({t.SKU: (sku,)}), to)
            change(connection, rows, Act(to, "ann", quantity=units), NOTIFY)
        self.n_events += len(rows)
        self.model |= {sku: (to, units, self.model[sku][2]) for sku in rows[t.SKU]}

    @rule(skus=some, to=soon, strictly=st.booleans())
    def act(self, skus, to, strictly):
        column, chosen = (t.SKU, skus) if skus else (t.STATUS, leading_to(to))
        if strictly and skus:
            column = t.ORDER_ID
            chosen = tuple(of_lines({sku: 1.0})["orders"][0][t.ORDER_ID][0] for sku in skus)
        may = {sku for sku, order in self.model.items() if to in FOLLOWERS[order[0]] and (not skus or sku in skus)}
        if column is t.ORDER_ID and may != set(skus):
            with pytest.raises(TableError):
                act(self.database, Selection({column: chosen}), to)
            return
        changed = act(self.database, Selection({column: chosen}), to)
        assert set(changed[t.SKU]) == may
        self.n_events += len(may)
        self.model |= {sku: (to, *self.model[sku][1:]) for sku in may}

    @invariant()
    def no_order_is_lost_doubled_or_changed(self):
        rows = self.database.read(t.ORDERS)
        found = zip(rows[t.SKU], zip(rows[t.STATUS], rows[t.ORDER_QUANTITY], rows[t.RUN_ID], strict=True), strict=True)
        assert sorted(found) == sorted(self.model.items())
        assert set(self.database.read(t.EXPLANATIONS)[t.ORDER_ID]) == set(rows[t.ORDER_ID])
        assert len(self.database.read(t.ORDER_EVENTS)) == self.n_events

    def teardown(self):
        self.database.engine.dispose()


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=10, stateful_step_count=8, deadline=None)

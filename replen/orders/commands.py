"""What `replen orders` and `replen db` do; neither starts Spark."""

import argparse
import getpass

import pandas as pd

from replen import tables as t
from replen.config import Notify, Orders
from replen.databases import connect
from replen.errors import ConfigError
from replen.orders.database import OrderDatabase
from replen.orders.export import write_purchase_orders
from replen.orders.life_cycle import Act, Selection, Totals, change, changeable, changing, events_of, orders_of, totals_of
from replen.orders.listing import counted, order_details, order_table
from replen.orders.options import ACTS, FILTERS
from replen.orders.schema import HEAD
from replen.orders.status import APPROVED, SENT
from replen.orders.upgrade import current, upgrade

ROWS_TOLD = 20


def run_orders(chosen: argparse.Namespace, settings: Orders, notify: Notify) -> str:
    """Return what to tell after `replen orders`.

    Raises:
        ConfigError: no database, everything is meant but not said, or nobody is known to do it.
        TableError: a change is not allowed, or files or database cannot be written.
    """
    database, selection = OrderDatabase(_setting(settings)), _selection(chosen)
    if chosen.action == "list":
        shown = orders_of(database.engine, selection, limit=chosen.limit)
        return order_table(shown, totals_of(database.engine, selection))
    if chosen.action == "show":
        return _show(database, selection, limit=chosen.limit)
    if chosen.action == "export":
        return _export(database, selection, chosen, notify)
    act = _act(chosen, selection, ACTS[chosen.action])
    with changing(database.engine) as connection:
        orders = changeable(connection, selection, act.to)
        after = act.done_to(orders) if chosen.dry_run else change(connection, orders, act, notify)
    return f"{order_table(after.head(ROWS_TOLD), Totals.of(after))} {_told(chosen, act.to)}"


def run_db(chosen: argparse.Namespace, settings: Orders) -> str:
    """Return what to tell after `replen db`.

    Raises:
        ConfigError: no database, or its tables cannot be brought up to date.
    """
    engine = connect(_setting(settings), where="orders.database")
    if chosen.action == "current":
        return f"order tables of revision {current(engine) or 'none'}; this replen needs {HEAD}"
    before = upgrade(engine)
    return f"order tables are of revision {HEAD}" + (" already" if before == HEAD else f", were of {before or 'none'}")


def _show(database: OrderDatabase, selection: Selection, *, limit: int) -> str:
    shown = orders_of(database.engine, selection, limit=limit)
    ids = shown[t.ORDER_ID].tolist()
    explanations = database.read(t.EXPLANATIONS, order_ids=ids).set_index(t.ORDER_ID, drop=False)
    events = events_of(database.engine, ids)
    told = [
        order_details(
            order,
            explanations.loc[order[t.ORDER_ID]] if order[t.ORDER_ID] in explanations.index else None,
            events[events[t.ORDER_ID] == order[t.ORDER_ID]],
        )
        for _, order in shown.iterrows()
    ]
    return "\n\n".join([*told, counted(totals_of(database.engine, selection), shown=len(shown))])


def _export(database: OrderDatabase, selection: Selection, chosen: argparse.Namespace, notify: Notify) -> str:
    """Write the files inside the transaction that marks their orders: what is marked as sent has its file."""
    if not chosen.send:
        orders = orders_of(database.engine, _of_approved(selection))
        return f"{counted(Totals.of(orders))}: {_files(orders, chosen)}"
    act = _act(chosen, selection, SENT)
    with changing(database.engine) as connection:
        orders = changeable(connection, selection, act.to)
        files = _files(orders, chosen)
        if not chosen.dry_run:
            change(connection, orders, act, notify)
    return f"{counted(Totals.of(orders))} {_told(chosen, SENT)}: {files}"


def _files(orders: pd.DataFrame, chosen: argparse.Namespace) -> str:
    if chosen.dry_run:
        return f"would be written to {chosen.to}"
    paths = write_purchase_orders(orders, chosen.to, chosen.format)
    return "\n".join([f"{len(paths)} file{'s' * (len(paths) != 1)} in {chosen.to}", *(f"  {path.name}" for path in paths)])


def _of_approved(selection: Selection) -> Selection:
    """Return the selection, of approved orders where neither orders nor statuses are named."""
    return selection if selection.is_strict else Selection({**selection.equal, t.STATUS: (APPROVED,)}, selection.value_above)


def _selection(chosen: argparse.Namespace) -> Selection:
    values = {column: getattr(chosen, column) for column in FILTERS.values()}
    return Selection({column: tuple(named) for column, named in values.items() if named}, chosen.value_above)


def _act(chosen: argparse.Namespace, selection: Selection, to: str) -> Act:
    if selection.is_everything and not chosen.all:
        raise ConfigError(f"replen orders {chosen.action}: expected a filter such as --supplier, or --all; found none")
    quantity, date = getattr(chosen, "quantity", None), getattr(chosen, t.EXPECTED_DATE, None)
    if quantity is not None and len(selection.equal.get(t.ORDER_ID, ())) != 1:
        raise ConfigError(f"replen orders {chosen.action}: --quantity is of one order; name it by --order-id")
    if date is not None and selection.is_everything:
        raise ConfigError(f"replen orders {chosen.action}: --expected-date needs a filter such as --supplier; found none")
    try:
        return Act(to, chosen.who or getpass.getuser(), chosen.note, quantity, date)
    except (KeyError, OSError):
        raise ConfigError(
            f"replen orders {chosen.action}: your login name is not known here; say who you are by --by"
        ) from None


def _told(chosen: argparse.Namespace, status: str) -> str:
    return f"would become {status}" if chosen.dry_run else f"became {status}"


def _setting(settings: Orders) -> str:
    if settings.database is None:
        raise ConfigError(
            "orders.database: expected the URL of a database, such as sqlite:///orders.db or env:NAME, found null"
        )
    return settings.database

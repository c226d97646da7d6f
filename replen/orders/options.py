"""Arguments of `replen orders` and `replen db`; nothing is imported here that a help text does not need."""

import argparse
import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

from replen import tables as t
from replen.orders.status import APPROVED, CANCELLED, CONFIRMED, RECEIVED, SENT, STATUSES, leading_to

AGREED = (APPROVED, CONFIRMED)  # with another quantity or date, where people say so
ACTS = {"approve": APPROVED, "send": SENT, "confirm": CONFIRMED, "receive": RECEIVED, "cancel": CANCELLED}
FILTERS = {
    "order-id": t.ORDER_ID,
    "supplier": t.SUPPLIER,
    "site": t.SITE,
    "sku": t.SKU,
    "status": t.STATUS,
    "date": t.ORDER_DATE,
}
Options = Callable[[argparse.ArgumentParser], None]


def add_orders(parser: argparse.ArgumentParser, common: Options) -> None:
    """Add `list`, `show`, the changes of status and `export`, each with its filters."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    for name, help_text in (("list", "Orders as a table."), ("show", "Everything known of orders: why, and what was done.")):
        listing = actions.add_parser(name, help=help_text)
        _add_filters(listing)
        listing.add_argument(
            "--limit", type=int, default=50 if name == "list" else 5, help="most orders told (default: %(default)s)"
        )
        common(listing)
    for name, status in ACTS.items():
        act = actions.add_parser(name, help=f"{' or '.join(leading_to(status))} -> {status}")
        _add_filters(act)
        _add_act(act)
        if status in AGREED:
            _add_agreed(act)
        common(act)
    export = actions.add_parser("export", help="One purchase order file a supplier, of approved orders.")
    _add_filters(export)
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="folder the files are written to")
    export.add_argument("--format", choices=("csv", "json"), default="csv", help="of the files (default: csv)")
    export.add_argument("--send", action="store_true", help="mark the orders as sent, once their files are written")
    _add_act(export)
    common(export)


def add_db(parser: argparse.ArgumentParser, common: Options) -> None:
    """Add `upgrade` and `current`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    common(actions.add_parser("upgrade", help="Create the order tables, or bring them to this version's; rows stay."))
    common(actions.add_parser("current", help="Which revision the order tables have, and which this version needs."))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_argument_group(
        "which orders", "several values of one option: any of them; several options: all of them"
    )
    for name, column in FILTERS.items():
        chosen.add_argument(
            f"--{name}", nargs="+", action="extend", metavar=name.split("-")[-1].upper(), dest=column,
            type=dt.date.fromisoformat if column is t.ORDER_DATE else str, choices=STATUSES if column is t.STATUS else None,
            help="order date, e.g. 2024-04-15" if column is t.ORDER_DATE else column.meaning,
        )  # fmt: skip
    chosen.add_argument("--value-above", type=float, metavar="MONEY", help="worth more than this")


def _add_act(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all", action="store_true", help="act on every order that can change; needed where no filter is given"
    )
    parser.add_argument("--by", dest="who", help="who does it (default: your login name)")
    parser.add_argument("--note", help="why; kept with the event")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _add_agreed(parser: argparse.ArgumentParser) -> None:
    agreed = parser.add_argument_group("what was agreed, where it is not what was planned")
    agreed.add_argument("--quantity", type=_units, metavar="UNITS", help="of one order, named by --order-id")
    agreed.add_argument(
        "--expected-date", type=dt.date.fromisoformat, metavar="DATE", help="day the units are on the shelf, e.g. 2024-04-22"
    )


def _units(text: str) -> float:
    units = float(text)
    if not 0 < units < math.inf:
        raise argparse.ArgumentTypeError(f"expected units above 0, found {text}; to order nothing, cancel")
    return units

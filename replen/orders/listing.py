"""Orders as a person reads them on a terminal."""

import math
from collections.abc import Iterable, Iterator

import pandas as pd

from replen import tables as t
from replen.orders.life_cycle import Totals

SHOWN = (t.ORDER_ID, t.STATUS, t.ORDER_DATE, t.SUPPLIER, t.SKU, t.SITE, t.EXPECTED_DATE, t.ORDER_QUANTITY, t.VALUE)
NUMBERS = (t.ORDER_QUANTITY, t.VALUE)
LABEL = 22


def order_table(orders: pd.DataFrame, totals: Totals) -> str:
    """Return orders as a table, and a line that counts all of them.

    Args:
        orders: rows of `tables.ORDERS`, maybe the first only.
        totals: of all.
    """
    rows = [[str(name) for name in SHOWN]]
    rows += [[_text(cell) for cell in row] for row in orders[[*SHOWN]].itertuples(index=False)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(SHOWN, row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*(lines if len(orders) else []), counted(totals, shown=len(orders))])


def counted(totals: Totals, *, shown: int | None = None) -> str:
    """Return how many orders there are, of how many suppliers, what they are worth, and how many are shown if not all."""
    n_orders, n_suppliers = totals.n_orders, totals.n_suppliers
    of = f" of {n_suppliers:,} supplier{'s' * (n_suppliers != 1)}, value {_text(totals.value)}" if n_orders else ""
    hidden = f", {shown:,} of them shown" if shown is not None and shown < n_orders else ""
    return f"{n_orders:,} order{'s' * (n_orders != 1)}{of}{hidden}"


def order_details(order: pd.Series, explanation: pd.Series | None, events: pd.DataFrame) -> str:
    """Return everything that is known of one order."""
    sections = [_fields(t.ORDERS.names, order)]
    if explanation is not None:
        sections.append(["", "why", *_fields([name for name in t.EXPLANATIONS.values if name != t.RUN_ID], explanation)])
    sections.append(["", "what was done", *_events(events)])
    return "\n".join(line for section in sections for line in section)


def _fields(names: Iterable[str], row: pd.Series) -> list[str]:
    return [f"  {name:<{LABEL}}{_text(row[name])}" for name in names]


def _events(events: pd.DataFrame) -> Iterator[str]:
    for event in events.to_dict("records"):
        note = f": {_text(event[t.NOTE])}" if event[t.NOTE] else ""
        moment = pd.Timestamp(event[t.TIME]).strftime("%Y-%m-%d %H:%M:%S")
        yield (
            f"  {moment} UTC  {event[t.FROM_STATUS]} -> {event[t.TO_STATUS]}, {_text(event[t.ORDER_QUANTITY])} units, "
            f"by {_text(event[t.WHO])}{note}"
        )
    if events.empty:
        yield "  nothing yet"


def _text(cell: object) -> str:
    """Return a value for a terminal: no control characters, which could be commands to it."""
    if isinstance(cell, dict):
        return ", ".join(f"{_text(name)}: {_text(value)}" for name, value in cell.items()) or "-"
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell.is_integer() else f"{cell:,.2f}"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(cell))

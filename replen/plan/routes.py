"""Items of SKUs that have routes -> what each site can spare or needs, then the transfers of today, SKU by SKU."""

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import pandas as pd

from replen import tables as t
from replen.plan.costs import unit_values
from replen.plan.items import days_to_order, numbers, read_positions, receipts_by_step, unfit
from replen.plan.projection import by_step, project, project_backorders
from replen.plan.refusals import term_refusals
from replen.plan.sourcing import cheapest, heads, least_by_series, series_numbers
from replen.plan.timing import BoolArray, Calendar, FloatArray, IntArray
from replen.plan.transfers import Giver, Place, Receiver, Route, shared_out, spare_units

TRANSFER, SOURCE_STOCK = "transfer", "source_stock"


@dataclass(frozen=True)
class Idle:
    """What happens at the site of each item if nothing is ordered or moved, arrays of shape (horizon, n_items, n_paths).

    Attributes:
        left: units on the shelf at the end of the step.
        needed: units lost so far, or owed.
        net: units on the shelf at first and received since, less units wanted.
        stock: shape (n_items,), units on the shelf now, less units owed.
        known: shape (n_items,), whether stock and demand are known; else the rest means nothing.
    """

    left: FloatArray
    needed: FloatArray
    net: FloatArray
    stock: FloatArray
    known: BoolArray

    @classmethod
    def of(cls, items: pd.DataFrame, demand_paths: FloatArray, *, waits: bool) -> Self:
        """Return it; a site without a row in forecasts wants nothing itself."""
        wanted = np.where(items[t.MODEL].isna().to_numpy()[:, None, None], 0.0, demand_paths)
        on_hand, receipts = numbers(items, t.ON_HAND), receipts_by_step(items, demand_paths.shape[2])
        known = np.isfinite(wanted).all(axis=(1, 2)) & (on_hand >= 0)
        demand = by_step(np.where(known[:, None, None], wanted, 0.0))
        stock = np.where(known, on_hand - numbers(items, t.BACKORDERS), 0.0)
        waiting = project_backorders(stock, receipts, np.cumsum(demand, axis=0))
        found = waiting if waits else project(stock, receipts, demand)
        needed = found.short if waits else np.cumsum(found.short, axis=0)
        return cls(found.ending, needed, waiting.ending - waiting.short, stock, known)


@dataclass(frozen=True)
class Lines:
    """What can be ordered by the terms of each item, arrays of shape (n_items,).

    Attributes:
        today: whether an order can be placed today.
        first: step of the arrival of the first order that can be placed; the horizon = none.
        second: step of the arrival of the next one; the horizon = none.
        smallest: units of the smallest line.
        pack: units of a pack.
        largest: units of the largest line.
    """

    today: BoolArray
    first: IntArray
    second: IntArray
    smallest: FloatArray
    pack: FloatArray
    largest: FloatArray

    @classmethod
    def of(cls, items: pd.DataFrame, calendar: Calendar) -> Self:
        """Return them; by terms that cannot be planned with nothing can be ordered."""
        refused, horizon = term_refusals(items), calendar.horizon
        able = np.flatnonzero(~refused["no_supply"] & ~refused["bad_supply"] & ~unfit(items))
        positions = read_positions(items.iloc[able], calendar)
        placed = np.cumsum(positions.may_order & (positions.largest_order > 0)[:, None], axis=1)
        arrivals = [
            np.where(placed[:, -1] >= number, np.argmax(placed >= number, axis=1) + positions.lead_time, horizon)
            for number in (1, 2)
        ]
        sizes = (positions.smallest_order, positions.order_multiple, positions.largest_order)
        found = cls(np.zeros(len(items), bool), *np.full((2, len(items)), horizon), *np.zeros((3, len(items))))
        given = (placed[:, 0] > 0, *arrivals, *sizes)
        for field, values in zip(fields(found), given, strict=True):
            getattr(found, field.name)[able] = values
        return found


@dataclass(frozen=True)
class Network:
    """All sites of some SKUs and the routes between them.

    Attributes:
        items: one row a source or route, those of a series together and by preference.
        series: shape (n_items,), number of each row's series.
        price: shape (n_items,), money that a unit of the series costs when it is bought later.
        idle: what happens if nothing is done.
        lines: what can be ordered.
        waits: whether demand that is not met waits.
    """

    items: pd.DataFrame
    series: IntArray
    price: FloatArray
    idle: Idle
    lines: Lines
    waits: bool

    @classmethod
    def of(cls, items: pd.DataFrame, demand_paths: FloatArray, calendar: Calendar, *, waits: bool) -> Self:
        """Return the network of these items."""
        price, lines = unit_values(items).to_numpy(np.float64), Lines.of(items.drop(columns=str(t.SOURCE_SITE)), calendar)
        return cls(items, series_numbers(items), price, Idle.of(items, demand_paths, waits=waits), lines, waits)

    @property
    def sound(self) -> BoolArray:
        """Return the rows of series that can give or receive, (n_items,): all that counts is known, and the goods keep."""
        costs = self.price + numbers(self.items, t.HOLDING_COST) + numbers(self.items, t.END_VALUE)
        return np.asarray(self.idle.known & np.isfinite(costs) & self.items[t.SHELF_LIFE_DAYS].isna().to_numpy())

    @property
    def short_cost(self) -> FloatArray:
        """Return money a unit lost, or a unit owed at the end of a step, (n_items,)."""
        return numbers(self.items, t.BACKORDER_COST if self.waits else t.LOST_SALE_COST)

    @property
    def spare(self) -> FloatArray:
        """Return what the site of each row can spare today, (n_items,), units: 0 where that is not known."""
        horizon, lines = len(self.idle.left), self.lines
        ordering = cheapest(self.series, (lines.first >= horizon).astype(np.float64))[self.series]  # rows of first choices
        second, between = lines.second[ordering], np.maximum(lines.second - lines.first, 1)[ordering]
        under = self.short_cost - (0.0 if self.waits else self.price)
        over = numbers(self.items, t.HOLDING_COST) * (1 if self.waits else between)
        ratio = np.divide(under, under + over, out=np.ones_like(under), where=under > 0)
        spare = np.zeros(len(self.items))
        for row in np.flatnonzero(self.sound):
            spare[row] = spare_units(self.idle.stock[row], self.idle.net[:, row], max(int(second[row]), 1), float(ratio[row]))
        return spare

    def givers(self) -> dict[Place, Giver]:
        """Return the sites that can spare something, by (sku, site)."""
        spare, holding, end_value = self.spare, *(numbers(self.items, column) for column in (t.HOLDING_COST, t.END_VALUE))
        firsts = np.flatnonzero((spare > 0) & (heads(self.series) == np.arange(len(spare))))
        places = zip(self.items[t.SKU].iloc[firsts], self.items[t.SITE].iloc[firsts], strict=True)
        left = np.minimum.accumulate(self.idle.left[:, firsts])  # what comes later does not bring back what was needed before
        costs = zip(self.price[firsts], holding[firsts], end_value[firsts], strict=True)
        return {
            place: Giver(spare[row], left[:, number], *money)
            for number, (place, row, money) in enumerate(zip(places, firsts, costs, strict=True))
        }

    def routes(self) -> dict[int, Route]:
        """Return the routes on which an order can be placed today, by row."""
        items, lines, is_route = self.items, self.lines, self.items[t.SOURCE_SITE].notna().to_numpy()
        moving, order_cost = numbers(items, t.UNIT_COST) - numbers(items, t.GOODS_COST), numbers(items, t.ORDER_COST)
        pays = self.short_cost > (0.0 if self.waits else self.price)
        rows = np.flatnonzero(is_route & self.sound & lines.today & pays & np.isfinite(moving))
        found = {}
        for row in rows.tolist():
            sku, source, site = items[[t.SKU, t.SOURCE_SITE, t.SITE]].iloc[row]
            sizes = (lines.smallest[row], lines.pack[row], lines.largest[row])
            found[row] = Route((sku, source), (sku, site), self._receiver(row), moving[row], order_cost[row], *sizes)
        return found

    def _receiver(self, row: int) -> Receiver:
        """Return what units that come by a route are worth."""
        arrival, holding, end_value = (
            int(self.lines.first[row]),
            *(float(self.items[column].iloc[row]) for column in (t.HOLDING_COST, t.END_VALUE)),
        )
        needed = self.idle.needed[arrival:, row]
        if arrival and not self.waits:
            needed = needed - self.idle.needed[arrival - 1, row]
        urgent = max(int(self.relief[row]) - arrival, 0)
        return Receiver(needed, urgent, float(self.short_cost[row]), self.waits, float(self.price[row]), holding, end_value)

    @property
    def relief(self) -> IntArray:
        """Return the step at which anything but today's transfer can arrive, (n_items,): a purchase, or the next transfer."""
        bought = np.where(self.items[t.SOURCE_SITE].isna(), self.lines.first, len(self.idle.left))
        return np.minimum(least_by_series(self.series, bought.astype(np.float64)).astype(np.int64), self.lines.second)


def transfers(items: pd.DataFrame, demand_paths: FloatArray, calendar: Calendar, *, waits: bool) -> pd.DataFrame:
    """Return the transfers worth making today, rows of `tables.TRANSFERS` without order ids.

    Goods that perish are not moved (how old units are is not known here), and no site both gives and receives.

    Args:
        items: one row a source or route of all sites of some SKUs, those of a series together and by preference, with all costs
            and `goods_cost`; a site that only has stock has one row without a supplier.
        demand_paths: shape (n_items, n_paths, horizon), units; NaN = no forecast.
        calendar: of the plan.
        waits: True: demand that is not met waits; False: it is lost.
    """
    network = Network.of(items, demand_paths, calendar, waits=waits)
    givers = network.givers()
    endless = {place: replace(giver, spare=np.inf) for place, giver in givers.items()}
    routes = {row: route for row, route in network.routes().items() if route.source in givers and route.site not in givers}
    rows_of = defaultdict[str, list[int]](list)
    for row, route in routes.items():
        rows_of[route.source[0]].append(row)
    moved, wanted = np.zeros(len(items)), np.zeros(len(items))
    for rows in rows_of.values():
        moved[rows], wanted[rows] = (shared_out([routes[row] for row in rows], some) for some in (givers, endless))
    kept = np.flatnonzero(moved)
    return _lines(items.iloc[kept], moved[kept], wanted[kept], calendar)


def _lines(items: pd.DataFrame, moved: FloatArray, wanted: FloatArray, calendar: Calendar) -> pd.DataFrame:
    """Return order lines of transfers."""
    waiting, lead_days = days_to_order(items, calendar), np.ceil(numbers(items, t.LEAD_TIME_DAYS))
    order_date = calendar.first_day + waiting
    moving = numbers(items, t.UNIT_COST) - numbers(items, t.GOODS_COST)
    lines = {
        t.ORDER_DATE: order_date.tolist(),
        t.EXPECTED_DATE: (order_date + lead_days.astype(np.int64)).tolist(),
        t.ORDER_QUANTITY: moved,
        t.TARGET: wanted,
        t.ROUNDING: moved - wanted,
        t.BINDING: np.where(moved < wanted, SOURCE_STOCK, "none"),
        t.VALUE: moved * moving,
        t.POLICY: TRANSFER,
    }
    kept = [t.SKU, t.SITE, t.SUPPLIER, t.SOURCE_SITE, t.MODEL, t.MODEL_VERSION]
    return items[kept].reset_index(drop=True).assign(**{str(column): values for column, values in lines.items()})

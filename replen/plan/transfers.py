"""Stock of one site for another: what a site can spare today, what it is worth elsewhere, who gets it.

Transfers are decided first, the orders after them: a transfer is an open order to the plan of the site that receives it, and
stock that has left to the plan of the site that gives it.

A site keeps what it needs until its next two orders have arrived, on a share of the paths that is its critical ratio, and can
spare the rest. What units are worth is read off the sample paths, if nothing else is ordered or moved. Where they go: sales
saved, or waiting shortened, before anything bought can arrive; purchases saved later; their end value where they are left; less
holding. Where they come from: the purchases they would have saved, or their end value, less the holding that ends. They are
given line by line, then pack by pack, to the route that gains most a unit after the cost of moving, while anything is gained.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np

from replen.plan.timing import FloatArray

Place = tuple[str, str]  # sku and site
STEPS = 32
"""Parts in which a need is served, where it has more packs: a few series that want thousands of units cost no more time."""


@dataclass(frozen=True)
class Giver:
    """A site that has units to give.

    Attributes:
        spare: units it can give today.
        left: shape (n_steps, n_paths), units of its stock that nobody has needed up to the end of each step.
        price: money a unit costs that it must buy later.
        holding_cost: money a unit and step.
        end_value: money a unit left at the horizon is worth.
    """

    spare: float
    left: FloatArray
    price: float
    holding_cost: float
    end_value: float

    def worth(self, units: float) -> float:
        """Return what the site loses by giving these units, money."""
        idle = np.minimum(units, self.left).mean(axis=1)
        return float(self.price * (units - idle[-1]) + self.end_value * idle[-1] - self.holding_cost * idle.sum())


@dataclass(frozen=True)
class Receiver:
    """A site that units can go to, by one route.

    Attributes:
        needed: shape (n_steps, n_paths), units more that could have been used up to the end of each step, from that of the
            arrival on: lost since then if nothing is ordered, or owed.
        urgent: first steps of these before anything ordered elsewhere or later can arrive.
        short_cost: money a unit lost, or a unit owed at the end of a step.
        waits: whether units are owed.
        price: money a unit costs that is bought later.
        holding_cost: money a unit and step.
        end_value: money a unit left at the horizon is worth.
    """

    needed: FloatArray
    urgent: int
    short_cost: float
    waits: bool
    price: float
    holding_cost: float
    end_value: float

    def worth(self, units: float) -> float:
        """Return what the site gains by these units, money."""
        used = np.minimum(units, self.needed).mean(axis=1)
        saved = self.price * used[-1] + self.end_value * (units - used[-1]) - self.holding_cost * (units - used).sum()
        if self.waits:
            return float(saved + self.short_cost * used[: self.urgent].sum())
        return float(saved + (self.short_cost - self.price) * used[: self.urgent].max(initial=0.0))


@dataclass(frozen=True)
class Route:
    """A way from a site to another.

    Attributes:
        source: the giver.
        site: where units go.
        receiver: what units that come this way are worth there.
        unit_cost: money to move a unit.
        order_cost: money a line.
        smallest: units of the smallest line.
        pack: units of a pack.
        largest: units of the largest line.
    """

    source: Place
    site: Place
    receiver: Receiver
    unit_cost: float
    order_cost: float
    smallest: float
    pack: float
    largest: float

    @property
    def most(self) -> float:
        """Return the units of the largest line that could be of use."""
        packs = np.ceil(float(self.receiver.needed.max(initial=0.0)) / self.pack - 1e-9) * self.pack
        return float(min(self.largest, max(packs, self.smallest)))

    @property
    def step(self) -> float:
        """Return the units, whole packs, that are given at once after the smallest line."""
        return float(max(np.ceil(self.most / self.pack / STEPS), 1.0) * self.pack)


@dataclass
class _Given:
    """What has been given so far, by route, source and site."""

    routes: list[Route]
    givers: dict[Place, Giver]
    by_route: list[float] = field(init=False)
    by_source: dict[Place, float] = field(init=False)
    by_site: dict[Place, float] = field(init=False)

    def __post_init__(self) -> None:
        self.by_route = [0.0] * len(self.routes)
        self.by_source = dict.fromkeys(self.givers, 0.0)
        self.by_site = dict.fromkeys((route.site for route in self.routes), 0.0)

    def next_units(self, number: int) -> float:
        """Return the units that a route could get next, 0 if none: the line that gains most a unit, then packs."""
        route, got = self.routes[number], self.by_route[number]
        room = min(self.givers[route.source].spare - self.by_source[route.source], route.most - got)
        if not got:
            sizes = np.arange(route.smallest, room + 1e-9, route.step)
            return max(sizes.tolist(), key=lambda units: self.gain(number, units), default=0.0)
        return float(min(route.step, np.floor(room / route.pack + 1e-9) * route.pack))

    def gain(self, number: int, units: float) -> float:
        """Return what is gained a unit if a route gets these units next, money."""
        route = self.routes[number]
        giver, had, gave = self.givers[route.source], self.by_site[route.site], self.by_source[route.source]
        worth = route.receiver.worth(had + units) - route.receiver.worth(had) - giver.worth(gave + units) + giver.worth(gave)
        return (worth - (0.0 if self.by_route[number] else route.order_cost)) / units - route.unit_cost

    def give(self, number: int, units: float) -> None:
        """Give the units."""
        route = self.routes[number]
        self.by_route[number] += units
        self.by_source[route.source] += units
        self.by_site[route.site] += units


def shared_out(routes: list[Route], givers: dict[Place, Giver]) -> list[float]:
    """Return the units that go by each route today: whole lines, from no site more than it can spare.

    Args:
        routes: of one SKU; of equal gains the first gets the units.
        givers: by place; every route comes from one of them.
    """
    given = _Given(routes, givers)
    queue = [(-np.inf, number) for number in range(len(routes))]
    while queue:
        _, number = heapq.heappop(queue)
        units = given.next_units(number)
        gain = given.gain(number, units) if units > 0 else 0.0
        if gain <= 0:
            continue
        if not queue or gain >= -queue[0][0]:
            given.give(number, units)
        heapq.heappush(queue, (-gain, number))  # what it gains next is at most this; it is asked again when its turn comes
    return given.by_route


def spare_units(stock: FloatArray, net: FloatArray, protected: int, ratio: float) -> float:
    """Return what a site can give today, units, so that on this share of paths it has enough until its next orders arrive.

    Args:
        stock: units on its shelf, less those it owes.
        net: shape (n_steps, n_paths), units on its shelf and received since, less units wanted; below 0 where they lack.
        protected: first steps that count, at least 1.
        ratio: share of paths, 0..1.

    >>> spare_units(9.0, np.array([[8.0, 7.0, 3.0, 5.0], [4.0, 6.0, 2.0, 5.0]]), 2, 0.75)
    4.0
    """
    lowest = np.sort(net[:protected].min(axis=0))
    enough = max(int(np.ceil(ratio * len(lowest) - 1e-9)), 1)
    return float(np.clip(lowest[-enough], 0.0, max(float(stock), 0.0)))

"""Generated demand: what customers wanted at one site, whether or not it was on the shelf."""

from dataclasses import dataclass

import numpy as np

from replen.sources.generator_products import BLOCK, Products
from replen.sources.generator_world import CATEGORIES, FloatArray, Stage, World, keyed_rng

SITE_SD = 0.5  # how differently a product sells from site to site, log scale
DRIFT_SD = (0.005, 0.035)  # random walk of the level, a week, log scale
JUMP_RATE, JUMP_SD = 1 / 150, 0.4  # a week
DEGREES = 5.0  # what Category.weather is the effect of


@dataclass(frozen=True)
class Demand:
    """Demand of one block at one site; arrays of shape (n, n_total).

    Attributes:
        expected: mean demand, units.
        customers: customers who came, whole numbers.
        units: what they wanted, whole units, >= customers.
    """

    expected: FloatArray
    customers: FloatArray
    units: FloatArray


def demand_of(products: Products, site: int, *, world: World, block: int, seed: int) -> Demand:
    """Return the demand of a block at a site; a pure function of its arguments.

    Customers are negative binomial (Poisson with a gamma rate) and each takes 1 + geometric units, so demand is 0 exactly when
    nobody came, its variance exceeds its mean, and few customers with large baskets make lumpy demand.
    """
    rng = keyed_rng(seed, Stage.DEMAND, block, site)
    expected = expected_demand(products, site, world=world, rng=rng)
    shape = 1 / products.dispersion[:, None]
    rate = expected / products.basket[:, None] * rng.standard_gamma(np.broadcast_to(shape, expected.shape)) / shape
    customers = rng.poisson(rate).astype(np.float64)
    extra = rng.poisson(rng.standard_gamma(customers) * (products.basket[:, None] - 1))
    return Demand(expected, customers, customers + extra)


def expected_demand(products: Products, site: int, *, world: World, rng: np.random.Generator) -> FloatArray:
    """Return mean demand, units a period, shape (n, n_total); 0 where the product is not on sale."""
    shape = (BLOCK, len(world.periods))
    size = np.log(0.8**site) + SITE_SD * rng.standard_normal((BLOCK, 1))
    steps = rng.uniform(*DRIFT_SD, (BLOCK, 1)) / np.sqrt(world.week) * rng.standard_normal(shape)
    jumps = np.nonzero(rng.random(shape) < JUMP_RATE / world.week)
    steps[jumps] += JUMP_SD * rng.standard_normal(len(jumps[0]))
    sensitivity = np.array([category.weather for category in CATEGORIES])[:, None]
    shared = world.shocks + sensitivity * world.weather[site] / DEGREES
    log_mean = products.profile + np.cumsum(steps, axis=1) + shared[products.category] + size
    return np.asarray(products.level[:, None] * np.exp(log_mean) * products.live())

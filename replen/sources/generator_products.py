"""Generated products: what they are, when they are sold, at what price, and how that moves demand."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.config import Generator
from replen.sources.generator_world import CATEGORIES, FloatArray, Stage, World, keyed_rng

BLOCK = 256  # SKUs drawn together: a SKU's numbers depend on its block's number and its place in it, on nothing else
N_BRANDS = 60
MEDIAN_LEVEL, LEVEL_SD, INTERMITTENT_LEVEL = 1.2, 1.4, 0.06  # units a day; log scale; times the median
NEW_SHARE, ENDING_SHARE = 0.25, 0.12
DISCOUNTS = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
LONG_PROMOTION_SHARE = 0.4  # run for two weeks, the others for one
PRICE_CHANGE_RATE = 1 / 40  # a week
NO_END = 1_000_000  # a period that never comes
DIP_AFTER_PROMOTION = 0.12  # customers who stocked up, log scale


@dataclass(frozen=True)
class Products:
    """The products of one block; arrays of shape (n,) or (n, n_total).

    Attributes:
        number: SKU number, from 0.
        category: index into CATEGORIES.
        brand: number of the brand.
        level: units a day at a site of size 1.
        intermittent: few customers who take several units.
        basket: mean units a customer takes, >= 1.
        dispersion: extra variance of the number of customers over its squared mean.
        launch: period of the first sale; negative = before the data.
        end: last period on sale; NO_END where no end is known.
        unit_price: list price at the cutoff.
        unit_cost: purchase price, below unit_price.
        unit_volume: cubic metres.
        price: shelf price by period.
        promotion: share of the period on promotion.
        profile: log of mean demand a period over level: season, trend, life cycle, price and promotion.
    """

    number: NDArray[np.int64]
    category: NDArray[np.int64]
    brand: NDArray[np.int64]
    level: FloatArray
    intermittent: NDArray[np.bool_]
    basket: FloatArray
    dispersion: FloatArray
    launch: NDArray[np.int64]
    end: NDArray[np.int64]
    unit_price: FloatArray
    unit_cost: FloatArray
    unit_volume: FloatArray
    price: FloatArray
    promotion: FloatArray
    profile: FloatArray

    @property
    def has_end(self) -> NDArray[np.bool_]:
        """Return whether the last day on sale is known."""
        return self.end < NO_END

    def live(self) -> NDArray[np.bool_]:
        """Return whether a product is on sale, shape (n, n_total)."""
        periods = np.arange(self.price.shape[1])
        return (periods >= self.launch[:, None]) & (periods <= self.end[:, None])


def products_of(block: int, world: World, *, settings: Generator, seed: int) -> Products:
    """Return the products of one block, all BLOCK of them; a pure function of its arguments."""
    rng = keyed_rng(seed, Stage.PRODUCT, block)
    category = rng.integers(0, len(CATEGORIES), BLOCK)
    intermittent = rng.random(BLOCK) < settings.intermittent_share
    size = rng.standard_normal(BLOCK)
    list_price = np.array([c.price for c in CATEGORIES])[category] * np.exp(0.6 * rng.standard_normal(BLOCK) - 0.2 * size)
    launch, end = life_cycles(world, rng)
    elasticity = -np.clip(rng.normal(2.0, 0.5, BLOCK), 0.6, 3.2)[:, None]
    regular, discount = prices(list_price, category, world=world, settings=settings, rng=keyed_rng(seed, Stage.PRICE, block))
    price = np.maximum(np.round(regular * (1 - discount), 2), 0.01)
    unit_price = regular[:, world.n_history - 1]
    promotion = (discount > 0).astype(float)
    effect = elasticity * (np.log(price / regular) + 0.5 * np.log(regular / unit_price[:, None]))
    effect += rng.uniform(0.05, 0.3, (BLOCK, 1)) * promotion - DIP_AFTER_PROMOTION * after(promotion, world.week)
    season = np.clip(rng.normal(1.0, 0.25, (BLOCK, 1)), 0.2, 2.0) * (world.season - np.log(world.days))[category]
    trend = rng.normal(0.0, 0.12, (BLOCK, 1)) * world.years
    return Products(
        number=block * BLOCK + np.arange(BLOCK),
        category=category,
        brand=rng.integers(0, N_BRANDS, BLOCK),
        level=MEDIAN_LEVEL * np.exp(LEVEL_SD * size) * np.where(intermittent, INTERMITTENT_LEVEL, 1.0),
        intermittent=intermittent,
        basket=np.where(intermittent, rng.uniform(1.5, 4.0, BLOCK), 1 + rng.gamma(1.0, 0.3, BLOCK)),
        dispersion=np.clip(rng.lognormal(np.log(0.06), 0.7, BLOCK), 0.01, 0.5),
        launch=launch,
        end=end,
        unit_price=unit_price,
        unit_cost=np.round(unit_price * rng.uniform(0.35, 0.7, BLOCK), 4),
        unit_volume=np.round(rng.lognormal(np.log(0.002), 1.0, BLOCK), 6),
        price=price,
        promotion=promotion,
        profile=season + trend + effect + life_profile(launch, end, world=world, rng=rng) + np.log(world.days),
    )


def life_cycles(world: World, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and last period on sale; a known end may lie ahead of the data."""
    n_total = len(world.periods)
    is_new, ends = rng.random(BLOCK) < NEW_SHARE, rng.random(BLOCK) < ENDING_SHARE
    launch_new = rng.integers(0, max(world.n_history - 3 * world.week, 1), BLOCK)
    launch = np.where(is_new, launch_new, -world.week * rng.integers(20, 300, BLOCK))
    end = np.maximum(launch, 0) + world.week * 26 + rng.integers(0, n_total, BLOCK)
    return launch, np.where(ends, end, NO_END)


def life_profile(launch: NDArray[np.int64], end: NDArray[np.int64], *, world: World, rng: np.random.Generator) -> FloatArray:
    """Return the log effect of the age of a product and of the last weeks before its end, shape (n, n_total)."""
    periods = np.arange(len(world.periods))
    ramp = world.week * rng.uniform(2.0, 12.0, (BLOCK, 1))
    age = np.maximum(periods - launch[:, None], 0)
    left = (end[:, None] - periods) / (8 * world.week)
    return np.asarray(np.log1p(-0.8 * np.exp(-age / ramp)) - 0.8 * (1 - np.clip(left, 0, 1)))


def prices(
    list_price: FloatArray, category: NDArray[np.int64], *, world: World, settings: Generator, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the regular price and the share taken off it, both (n, n_total); promotions run for whole weeks."""
    n_total = len(world.periods)
    n_weeks = -(-n_total // world.week)
    shape = (BLOCK, n_weeks)
    changes = rng.normal(0.01, 0.05, shape) * (rng.random(shape) < PRICE_CHANGE_RATE)
    regular = np.maximum(np.ceil(list_price[:, None] * np.exp(np.cumsum(changes, axis=1)) * 10) / 10 - 0.01, 0.09)
    eagerness = rng.gamma(1.5, 1 / 1.5, (BLOCK, 1)) * campaigns(n_weeks, world)[category]
    rate = settings.promotion_share / (1 + LONG_PROMOTION_SHARE)
    discount = rng.choice(DISCOUNTS, shape) * (rng.random(shape) < rate * eagerness)
    discount = np.maximum(discount, after(discount * (rng.random(shape) < LONG_PROMOTION_SHARE), 1))
    return np.repeat(regular, world.week, axis=1)[:, :n_total], np.repeat(discount, world.week, axis=1)[:, :n_total]


def campaigns(n_weeks: int, world: World) -> FloatArray:
    """Return how much likelier promotions are in a week, mean 1, shape (n_categories, n_weeks)."""
    week = np.arange(n_weeks)
    own = 1 + (week % 8 == (3 * np.arange(len(CATEGORIES))[:, None]) % 8) * 3.0
    busy = world.events[2:4].sum(axis=0)[:: world.week][:n_weeks]  # summer sale and Black Friday
    weights = own * (1 + 3 * busy)
    return np.asarray(weights / weights.mean(axis=1, keepdims=True))


def after(values: FloatArray, lag: int) -> FloatArray:
    """Return values moved `lag` periods later, zeros first."""
    moved = np.zeros_like(values)
    moved[:, lag:] = values[:, :-lag]
    return moved

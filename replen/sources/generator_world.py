"""What all generated products share: calendar, events, seasons and shocks by category, weather by site."""

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from dateutil.easter import easter  # type: ignore[import-untyped]
from numpy.typing import NDArray

from replen.config import Generator

FloatArray = NDArray[np.float64]
DateArray = NDArray[np.datetime64]


class Stage(IntEnum):
    """First part of a random key, so that no two draws share a stream."""

    CATEGORY = 1
    SITE = 2
    SUPPLIER = 3
    PRODUCT = 4
    PRICE = 5
    DEMAND = 6
    SUPPLY = 7
    STOCK = 8
    CHANNEL = 9
    BEHAVIOUR = 10
    DIRT = 11


class Category(NamedTuple):
    """How a product group behaves."""

    name: str
    season: float  # amplitude of the yearly wave, log scale
    peak: int  # day of the year of its top
    gifts: float  # how much it is bought as a present
    weekend: float  # log effect of Saturday and Sunday
    weather: float  # log effect of 5 degrees above normal
    price: float  # median list price
    shelf_life_days: int  # 0 = keeps


class Event(NamedTuple):
    """Days of a year that move demand: log effect = base + gifts * Category.gifts."""

    name: str
    base: float
    gifts: float


CATEGORIES = (
    Category("grocery", 0.06, 350, 0.1, 0.25, 0.0, 4.0, 0),
    Category("fresh", 0.10, 170, 0.1, 0.30, 0.05, 3.0, 14),
    Category("drinks", 0.25, 195, 0.3, 0.30, 0.12, 6.0, 0),
    Category("beauty", 0.08, 340, 0.7, 0.10, 0.0, 12.0, 0),
    Category("home", 0.15, 320, 0.5, 0.15, 0.0, 18.0, 0),
    Category("garden", 0.80, 140, 0.1, 0.35, 0.15, 22.0, 0),
    Category("toys", 0.30, 335, 1.2, 0.15, 0.0, 16.0, 0),
    Category("clothing", 0.25, 290, 0.5, 0.20, -0.05, 28.0, 0),
    Category("sports", 0.35, 160, 0.3, 0.15, 0.06, 35.0, 0),
    Category("electronics", 0.15, 335, 1.0, 0.05, 0.0, 60.0, 0),
    Category("books", 0.12, 340, 0.8, 0.0, -0.03, 11.0, 0),
    Category("stationery", 0.30, 245, 0.2, -0.30, 0.0, 5.0, 0),
)
EVENTS = (
    Event("valentine", 0.02, 0.25),
    Event("easter", 0.10, 0.15),
    Event("summer_sale", 0.18, 0.0),
    Event("black_friday", 0.25, 0.60),
    Event("christmas", 0.10, 0.60),
    Event("shops_closed", -1.6, 0.0),
)
DAYS_A_YEAR = 365.25
SATURDAY = 5  # Monday = 0
SHOCK_SD, SHOCK_MEMORY, JUMP_RATE, JUMP_SD = 0.03, 0.97, 1 / 60, 0.2  # a week
WEATHER_SD, WEATHER_MEMORY = 2.5, 0.8  # degrees, a day


@dataclass(frozen=True)
class World:
    """What all products share.

    Attributes:
        periods: shape (n_total,), history then future.
        n_history: periods up to and with the cutoff.
        days: days of a period, 1 or 7.
        season: shape (n_categories, n_total), log of demand a period over demand a normal day: season, weekday, events.
        shocks: shape (n_categories, n_total), log level shocks that the products of a category share.
        weather: shape (n_sites, n_total), degrees above normal.
        temperature: shape (n_sites, n_total), degrees Celsius.
        events: shape (n_events, n_total), share of the period's days.
    """

    periods: DateArray
    n_history: int
    days: int
    season: FloatArray
    shocks: FloatArray
    weather: FloatArray
    temperature: FloatArray
    events: FloatArray

    @property
    def week(self) -> int:
        """Return the periods of a week."""
        return 7 // self.days

    @property
    def years(self) -> FloatArray:
        """Return years since the first period, shape (n_total,)."""
        return np.arange(len(self.periods)) * self.days / DAYS_A_YEAR

    def date_of(self, period: NDArray[np.int64]) -> DateArray:
        """Return the first day of periods counted from the first one; they may lie outside the data."""
        return np.asarray(self.periods[0] + (period * self.days).astype("timedelta64[D]"))


def keyed_rng(seed: int, *key: int) -> np.random.Generator:
    """Return the random generator of one key: the same wherever and in whatever order it is asked for."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, *key))))


def world_of(settings: Generator, *, freq: str, seed: int) -> World:
    """Return what all products share; a pure function of its arguments."""
    days = 7 if freq == "W" else 1
    end = np.datetime64(settings.last_day) + 1
    if freq == "W":
        end -= (end.astype("datetime64[D]").astype(int) + 3) % 7  # the Monday after the last complete week
    periods = end + np.arange(-settings.n_periods, settings.n_future_periods) * days
    calendar = periods[0] + np.arange(len(periods) * days)
    on_event = event_days(calendar)
    anomaly = np.stack([weather_of(len(calendar), keyed_rng(seed, Stage.SITE, site)) for site in range(settings.n_sites)])
    yearly = np.cos(2 * np.pi * (day_of_year(calendar) - 200) / DAYS_A_YEAR)
    return World(
        periods=periods,
        n_history=settings.n_periods,
        days=days,
        season=np.log(np.exp(daily_season(calendar, on_event)).reshape(len(CATEGORIES), -1, days).sum(axis=2)),
        shocks=shocks_of(len(periods), week=7 // days, seed=seed),
        weather=by_period(anomaly, days),
        temperature=by_period(11 + 8 * yearly + anomaly, days),
        events=by_period(on_event, days),
    )


def by_period(daily: FloatArray, days: int) -> FloatArray:
    """Return means of the periods' days, shape (n, n_days / days)."""
    return np.asarray(daily.reshape(len(daily), -1, days).mean(axis=2))


def day_of_year(calendar: DateArray) -> NDArray[np.int64]:
    """Return days since 1 January."""
    return np.asarray(calendar - calendar.astype("datetime64[Y]").astype("datetime64[D]"), dtype=np.int64)


def daily_season(calendar: DateArray, on_event: FloatArray) -> FloatArray:
    """Return the log factor of a day's demand by category, shape (n_categories, n_days)."""
    day = day_of_year(calendar)[None, :]
    weekday = (calendar.astype("datetime64[D]").astype(np.int64) + 3) % 7
    amplitude, peak, gifts, weekend = (
        np.array([getattr(category, field) for category in CATEGORIES], dtype=float)[:, None]
        for field in ("season", "peak", "gifts", "weekend")
    )
    angle = 2 * np.pi * (day - peak) / DAYS_A_YEAR
    wave = amplitude * (np.cos(angle) + 0.25 * np.cos(2 * angle))
    effects = np.array([event.base for event in EVENTS]) + gifts * np.array([event.gifts for event in EVENTS])
    return np.asarray(wave + weekend * (weekday >= SATURDAY) + effects @ on_event)


def event_days(calendar: DateArray) -> FloatArray:
    """Return 1 on the days of each event, shape (n_events, n_days)."""
    years = range(calendar[0].astype(object).year, calendar[-1].astype(object).year + 1)
    days = np.zeros((len(EVENTS), len(calendar)))
    for year in years:
        for row, (first, last) in enumerate(event_spans(year)):
            days[row] += (calendar >= np.datetime64(first)) & (calendar <= np.datetime64(last))
    return days


def event_spans(year: int) -> list[tuple[dt.date, dt.date]]:
    """Return first and last day of each of EVENTS.

    >>> event_spans(2024)[3]
    (datetime.date(2024, 11, 29), datetime.date(2024, 12, 2))
    """
    november = dt.date(year, 11, 1)
    thanksgiving = november + dt.timedelta(days=(3 - november.weekday()) % 7 + 21)
    return [
        (dt.date(year, 2, 8), dt.date(year, 2, 14)),
        (easter(year) - dt.timedelta(days=7), easter(year)),
        (dt.date(year, 7, 1), dt.date(year, 7, 14)),
        (thanksgiving + dt.timedelta(days=1), thanksgiving + dt.timedelta(days=4)),
        (dt.date(year, 12, 5), dt.date(year, 12, 24)),
        (dt.date(year, 12, 25), dt.date(year, 12, 26)),
    ]


def shocks_of(n_total: int, *, week: int, seed: int) -> FloatArray:
    """Return mean-reverting level shocks with rare jumps by category, log scale, shape (n_categories, n_total)."""
    n_weeks = -(-n_total // week)
    shocks = np.zeros((len(CATEGORIES), n_weeks))
    for row in range(len(CATEGORIES)):
        rng = keyed_rng(seed, Stage.CATEGORY, row)
        steps = SHOCK_SD * rng.standard_normal(n_weeks)
        steps += JUMP_SD * rng.standard_normal(n_weeks) * (rng.random(n_weeks) < JUMP_RATE)
        shocks[row] = decayed_sum(steps, SHOCK_MEMORY)
    return np.repeat(shocks, week, axis=1)[:, :n_total]


def weather_of(n_days: int, rng: np.random.Generator) -> FloatArray:
    """Return degrees above normal by day."""
    return decayed_sum(WEATHER_SD * np.sqrt(1 - WEATHER_MEMORY**2) * rng.standard_normal(n_days), WEATHER_MEMORY)


def decayed_sum(steps: FloatArray, memory: float) -> FloatArray:
    """Return x with x[t] = memory * x[t - 1] + steps[t]."""
    values = np.empty_like(steps)
    last = 0.0
    for period, step in enumerate(steps):
        last = memory * last + step
        values[period] = last
    return values

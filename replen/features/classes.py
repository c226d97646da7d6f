"""Groups of series: by how demand comes (ADI/CV2), by revenue (ABC), by steadiness (XYZ). For segments and as static inputs."""

import numpy as np
from numpy.typing import NDArray

from replen.config import DemandClasses
from replen.features.known import Doubles, FloatArray, known_count, known_mean, known_total

Labels = NDArray[np.str_]


def demand_class(sales: FloatArray, settings: DemandClasses) -> Labels:
    """Return `smooth`, `erratic`, `intermittent` or `lumpy` by series; `none` where nothing is known to have sold.

    ADI = known periods / periods with demand; CV2 = squared coefficient of variation of the demand of those periods
    (population variance). Intermittent and lumpy: ADI > adi; erratic and lumpy: CV2 > cv2.

    Args:
        sales: shape (n_series, n_periods), units up to the cutoff, NaN = unknown.
        settings: `adi` and `cv2`.

    Source: Syntetos, Boylan & Croston (2005), On the categorization of demand patterns, JORS 56.
    """
    sizes = np.where(sales > 0, sales, np.nan)
    sold = known_count(sizes)[:, 0]
    interval = known_count(sales)[:, 0] / np.maximum(sold, 1)
    rare, varied = interval > settings.adi, _cv(sizes) ** 2 > settings.cv2
    names = np.where(rare, np.where(varied, "lumpy", "intermittent"), np.where(varied, "erratic", "smooth"))
    return np.where(sold > 0, names, "none")


def xyz_class(sales: FloatArray, settings: DemandClasses) -> Labels:
    """Return `X` (steady), `Y` or `Z` by series, from the coefficient of variation of known sales; `none` where none sold."""
    cv = _cv(sales)
    names = np.where(cv <= settings.xyz[0], "X", np.where(cv <= settings.xyz[1], "Y", "Z"))
    return np.where(np.isnan(cv), "none", names)


def revenue(sales: FloatArray, price: FloatArray, *, unit_price: Doubles, n_periods: int) -> Doubles:
    """Return the revenue by series over the last `n_periods`, money, shape (n_series,); unknown sales count as none.

    Args:
        sales: shape (n_series, n_periods), units.
        price: same shape, money a unit; `unit_price` is taken where it is unknown.
        unit_price: shape (n_series,), list price, money a unit; where it is unknown too, sales count as none.
        n_periods: periods up to the cutoff.
    """
    paid = np.where(np.isnan(price), unit_price[:, None], price)
    recent = (sales * paid)[:, -n_periods:]
    # Always as many periods: sums of floats depend on how many there are, and other series of the panel say how many.
    return np.asarray(known_total(np.pad(recent, ((0, 0), (n_periods - recent.shape[1], 0))))[:, 0])


def abc_limits(revenues: Doubles, shares: tuple[float, float]) -> tuple[float, float]:
    """Return the least revenue of class A and of class B: those classes end where the cumulative share is reached.

    Args:
        revenues: shape (n_series,), of *all* series of the run, so that a bucket alone is classed as in the whole.
        shares: cumulative shares that end A and B, e.g. (0.8, 0.95).

    >>> abc_limits(np.array([80.0, 10.0, 6.0, 4.0]), (0.8, 0.95))
    (80.0, 6.0)
    """
    ordered = np.sort(revenues)[::-1]
    cumulative = np.cumsum(ordered)
    if not len(ordered) or cumulative[-1] <= 0:
        return np.inf, np.inf
    ends = np.searchsorted(cumulative, np.array(shares) * cumulative[-1] * (1 - 1e-12))
    a, b = ordered[np.minimum(ends, len(ordered) - 1)].tolist()
    return a, b


def abc_class(revenues: Doubles, limits: tuple[float, float]) -> Labels:
    """Return `A`, `B` or `C` by series, from the limits of `abc_limits`; series of the same revenue share a class."""
    return np.where(revenues >= limits[0], "A", np.where(revenues >= limits[1], "B", "C"))


def _cv(values: FloatArray) -> Doubles:
    """Return standard deviation / mean of the known values, shape (n_series,); NaN where the mean is not positive."""
    mean = known_mean(values)
    variance = known_mean((values - mean) ** 2)
    return np.asarray(np.divide(np.sqrt(variance), mean, out=np.full(mean.shape, np.nan), where=mean > 0))[:, 0]

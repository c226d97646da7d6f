"""Linear, ridge and polynomial regression: one equation for all series and steps, fitted by scikit-learn."""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import PolynomialFeatures

from replen import config
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution
from replen.forecast.interface import NO_SALES, Shards
from replen.forecast.lstm.reading import Reading
from replen.forecast.residuals import ResidualProfile
from replen.forecast.simple import ARRAYS, distribution_of
from replen.forecast.tabular import READING_FILE, Design, Rows, Sample, sample

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Places = NDArray[np.intp]

MAX_SCORE = 3.0
"""Standard deviations that a column counts for at most: nothing is extrapolated to a series unlike all others."""


@dataclass(frozen=True)
class Equation:
    """log(1 + demand / scale) = intercept + coefficients . terms, where terms are standard scores and products of some.

    Attributes:
        center: shape (n_columns,), what is taken off each column.
        spread: shape (n_columns,), what it is divided by, > 0.
        factors: shape (n_factors,), columns whose squares and products with each other are terms too.
        coefficients: shape (n_terms,).
        intercept: shape ().
        level: shape (), factor that gives forecasts the mean of the demand, which the inverse of a logarithm falls short of.
        bounds: shape (2,), least and largest ratio learned from: an equation of few rows is not trusted beyond them.
    """

    center: Float64Array
    spread: Float64Array
    factors: Places
    coefficients: Float64Array
    intercept: Float64Array
    level: Float64Array
    bounds: Float64Array

    @classmethod
    def fit(cls, rows: Rows, estimator: Any, *, n_columns: int, factors: Places) -> Self:
        """Return the equation that an estimator of scikit-learn finds, over the first `n_columns` columns.

        Source: the level is the smearing estimate as a ratio of means, after Duan (1983), J. Am. Stat. Assoc. 78.
        """
        columns = rows.columns[:, :n_columns].astype(np.float64)
        spread = columns.std(axis=0)
        one, bounds = np.ones(()), np.quantile(rows.ratio, [0, 1])
        bare = cls(columns.mean(axis=0), np.where(spread > 0, spread, 1.0), factors, np.zeros(0), 0 * one, one, bounds)
        estimator.fit(bare.terms(rows.columns), np.log1p(rows.ratio))
        found = replace(bare, coefficients=estimator.coef_, intercept=np.asarray(estimator.intercept_))
        sold, forecast = (rows.weight(power=1.0) @ ratio for ratio in (rows.ratio, found.ratio(rows.columns)))
        return replace(found, level=np.asarray(sold / forecast if forecast > 0 else one))

    def terms(self, columns: FloatArray) -> Float64Array:
        """Return shape (n, n_terms) of rows of shape (n, at least n_columns)."""
        scores = (columns[:, : len(self.center)] - self.center) / self.spread
        scores = np.clip(scores, -MAX_SCORE, MAX_SCORE)
        if not len(self.factors):
            return scores
        products = PolynomialFeatures(degree=2, include_bias=False).fit_transform(scores[:, self.factors])
        return np.concatenate([scores, products[:, len(self.factors) :]], axis=1)

    def ratio(self, columns: FloatArray) -> Float64Array:
        """Return shape (n,): forecast demand over scale, within the bounds."""
        # A product of matrices would round a row differently in other company.
        logs = np.einsum("ij,j->i", self.terms(columns), self.coefficients) + self.intercept
        inside = np.clip(logs, *np.log1p(self.bounds))
        return np.asarray(np.clip(self.level * np.expm1(inside), *self.bounds))


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Attributes:
        equation: of demand over scale.
        reading: how a panel is read.
        profile: how far a fit was off that knew nothing of the windows it was measured on.
    """

    equation: Equation
    reading: Reading
    profile: ResidualProfile

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods, at most those trained for."""
        design = Design.of(panel, self.reading)
        columns = design.latest()
        ratio = self.equation.ratio(columns.reshape(-1, columns.shape[2])).reshape(columns.shape[:2])[:, :horizon]
        unknown = design.inputs.first == panel.shape[1]
        limit = design.limit(np.arange(len(ratio)), np.full(len(ratio), -1))
        forecast = np.minimum(ratio * design.inputs.scale[:, -1:], limit[:, None])
        forecast = np.where(unknown[:, None], np.nan, forecast)
        return distribution_of(forecast, self.profile, levels=levels, reason=np.where(unknown, NO_SALES, ""))

    def save(self, folder: Path) -> None:
        """Write the arrays and how panels are read."""
        arrays = {field.name: getattr(self.equation, field.name) for field in fields(Equation)}
        np.savez_compressed(folder / ARRAYS, profile=self.profile.counts, **arrays)
        (folder / READING_FILE).write_text(json.dumps(self.reading.as_json()), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        reading = Reading.from_json(json.loads((folder / READING_FILE).read_text(encoding="utf-8")))
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            equation = Equation(*(arrays[field.name] for field in fields(Equation)))
            return cls(equation, reading, ResidualProfile(arrays["profile"]))


def train(model: str, shards: Shards, settings: config.Forecast, *, seed: int) -> Regression:
    """Return the fitted regression that has this name in the config: linear, ridge or polynomial."""
    found = sample(shards, settings.tabular, horizon=settings.horizon, seed=seed)
    if model == "linear":
        return _fitted(LinearRegression(), found, n_factors=0)
    if model == "ridge":
        return _fitted(Ridge(settings.ridge.penalty), found, n_factors=0)
    return _fitted(Ridge(settings.polynomial.penalty), found, n_factors=settings.polynomial.factors)


def _fitted(estimator: Any, found: Sample, *, n_factors: int) -> Regression:
    n_columns = found.drawn.columns.shape[1] - len(found.reading.vocabularies)
    whole = Equation.fit(found.drawn, estimator, n_columns=n_columns, factors=np.zeros(0, np.intp))
    factors = np.sort(np.argsort(-np.abs(whole.coefficients), kind="stable")[:n_factors])
    earlier = found.earlier if len(found.earlier) else found.drawn
    knew_nothing = Equation.fit(earlier, estimator, n_columns=n_columns, factors=factors)
    profile = found.profile(knew_nothing.ratio(found.recent.columns) * found.recent.scale)
    equation = Equation.fit(found.drawn, estimator, n_columns=n_columns, factors=factors) if n_factors else whole
    return Regression(equation, found.reading, profile)

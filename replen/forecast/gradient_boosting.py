"""LightGBM: trees for the mean (Tweedie loss), for all series and steps; quantiles by errors or by trees of their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from replen import config
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution, from_quantiles
from replen.forecast.interface import NO_SALES, Shards
from replen.forecast.lstm.reading import Reading
from replen.forecast.residuals import ResidualProfile
from replen.forecast.simple import ARRAYS, distribution_of
from replen.forecast.tabular import READING_FILE, Design, Rows, Sample, sample

if TYPE_CHECKING:
    import lightgbm

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

MEAN_FILE, QUANTILE_FILE = "mean.txt", "quantile_{level}.txt"


@dataclass(frozen=True)
class LightGbmModel:
    """A fitted LightGBM.

    Attributes:
        mean: trees for demand over scale.
        quantiles: level -> trees for that quantile of demand over scale; levels ascending.
        reading: how a panel is read.
        profile: how far a fit of the mean was off that knew nothing of the windows it was measured on.
        threads: of LightGBM.
    """

    mean: "lightgbm.Booster"
    quantiles: "Mapping[float, lightgbm.Booster]"
    reading: Reading
    profile: ResidualProfile
    threads: int

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods, at most those trained for."""
        design = Design.of(panel, self.reading)
        columns = design.latest()[:, :horizon]
        scale, unknown = design.inputs.scale[:, -1:], design.inputs.first == panel.shape[1]

        def forecast(trees: "lightgbm.Booster") -> Float64Array:
            ratio = trees.predict(columns.reshape(-1, columns.shape[2]), num_threads=self.threads)
            return np.where(unknown[:, None], np.nan, np.asarray(ratio).reshape(columns.shape[:2]) * scale)

        around_mean = distribution_of(forecast(self.mean), self.profile, levels=levels, reason=np.where(unknown, NO_SALES, ""))
        return bent(around_mean, {level: forecast(trees) for level, trees in self.quantiles.items()}, self.profile)

    def save(self, folder: Path) -> None:
        """Write the trees as LightGBM's text, the errors, and how panels are read."""
        self.mean.save_model(folder / MEAN_FILE)
        for level, trees in self.quantiles.items():
            trees.save_model(folder / QUANTILE_FILE.format(level=level))
        np.savez_compressed(folder / ARRAYS, profile=self.profile.counts, levels=list(self.quantiles), threads=self.threads)
        (folder / READING_FILE).write_text(json.dumps(self.reading.as_json()), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        import lightgbm

        reading = Reading.from_json(json.loads((folder / READING_FILE).read_text(encoding="utf-8")))
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            names = {float(level): QUANTILE_FILE.format(level=float(level)) for level in arrays["levels"]}
            profile, threads = ResidualProfile(arrays["profile"]), int(arrays["threads"])
        quantiles = {level: lightgbm.Booster(model_file=folder / name) for level, name in names.items()}
        return cls(lightgbm.Booster(model_file=folder / MEAN_FILE), quantiles, reading, profile, threads)


def bent(around_mean: Distribution, given: Mapping[float, Float64Array], profile: ResidualProfile) -> Distribution:
    """Return the distribution bent to pass through quantiles of its own, level -> shape (n_series, horizon).

    What (1 + quantile) is multiplied by at the given levels is interpolated between them and kept beyond: no trees can learn
    the tails that pooled errors show.
    """
    if not given:
        return around_mean
    known = profile.quantiles(around_mean.mean.astype(np.float64), np.array(list(given), np.float32))
    factors = (np.stack(list(given.values()), axis=2).clip(0.0) + 1.0) / (known + 1.0)
    wanted = np.apply_along_axis(lambda by_level: np.interp(around_mean.levels, list(given), by_level), 2, factors)
    quantiles = np.maximum((around_mean.quantiles + 1.0) * wanted - 1.0, 0.0)
    return from_quantiles(
        around_mean.mean, quantiles, levels=around_mean.levels, dependence=around_mean.dependence, reason=around_mean.reason
    )


def train(shards: Shards, settings: config.Forecast, *, seed: int) -> LightGbmModel:
    """Return the fitted LightGBM.

    The last windows tell when a fit on what was known before them stops getting better and how far it is off; the fit that
    is kept has as many trees and has seen those windows too.
    """
    chosen, found = settings.lightgbm, sample(shards, settings.tabular, horizon=settings.horizon, seed=seed)
    tweedie = {"objective": "tweedie", "tweedie_variance_power": chosen.tweedie_power}
    fitted = _Fitting(found, chosen, seed)
    knew_nothing = fitted.stopped(tweedie, power=2 - chosen.tweedie_power)
    profile = found.profile(np.asarray(knew_nothing.predict(found.recent.columns)) * found.recent.scale)
    mean = fitted.whole(tweedie, power=2 - chosen.tweedie_power, like=knew_nothing)
    quantiles = {level: fitted.quantile(level) for level in chosen.quantiles}
    return LightGbmModel(mean, quantiles, found.reading, profile, chosen.threads)


@dataclass(frozen=True)
class _Fitting:
    """How trees are fitted to one sample; `power` of the scale is what a row's ratio weighs."""

    sample: Sample
    settings: config.LightGbm
    seed: int

    def quantile(self, level: float) -> "lightgbm.Booster":
        objective = {"objective": "quantile", "alpha": level}
        return self.whole(objective, power=1.0, like=self.stopped(objective, power=1.0))

    def stopped(self, objective: Mapping[str, Any], *, power: float) -> "lightgbm.Booster":
        """Return the trees that knew nothing of the last windows, as many as were best there."""
        import lightgbm

        earlier = self.sample.earlier if len(self.sample.earlier) else self.sample.drawn
        data, recent = self._data(earlier, power), self._data(self.sample.recent, power)
        stop = lightgbm.early_stopping(self.settings.patience, verbose=False)
        trees = lightgbm.train(self._params(objective), data, self.settings.rounds, valid_sets=[recent], callbacks=[stop])
        return trees

    def whole(self, objective: Mapping[str, Any], *, power: float, like: "lightgbm.Booster") -> "lightgbm.Booster":
        """Return as many trees as another fit kept, fitted to all rows."""
        import lightgbm

        return lightgbm.train(self._params(objective), self._data(self.sample.drawn, power), max(1, like.best_iteration))

    def _data(self, rows: Rows, power: float) -> "lightgbm.Dataset":
        import lightgbm

        n_columns, n_codes = rows.columns.shape[1], len(self.sample.reading.vocabularies)
        return lightgbm.Dataset(
            rows.columns,
            rows.ratio,
            weight=rows.weight(power),
            categorical_feature=list(range(n_columns - n_codes, n_columns)),
            free_raw_data=False,
        )

    def _params(self, objective: Mapping[str, Any]) -> dict[str, Any]:
        chosen = self.settings
        return {
            **objective,
            "learning_rate": chosen.learning_rate,
            "num_leaves": chosen.num_leaves,
            "min_data_in_leaf": chosen.min_leaf_rows,
            "feature_fraction": chosen.column_share,
            "bagging_fraction": chosen.row_share,
            "bagging_freq": 1,
            "num_threads": chosen.threads,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }

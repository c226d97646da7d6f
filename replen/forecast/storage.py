"""Fitted forecasters as folders of plain files, and as bytes that travel to workers: nothing loaded runs pickled code."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

from replen.features.panel import FloatArray, Panel
from replen.forecast.blend import BLEND, Blend
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster
from replen.forecast.moving_average import MovingAverage
from replen.forecast.seasonal_naive import SeasonalNaive
from replen.forecast.statistical import SETTINGS, StatisticalModel


def _load_lstm(folder: Path) -> Forecaster:
    from replen.forecast.lstm.model import LstmModel

    return LstmModel.load(folder)


def _load_regression(folder: Path) -> Forecaster:
    from replen.forecast.regression import Regression

    return Regression.load(folder)


def _load_light_gbm(folder: Path) -> Forecaster:
    from replen.forecast.gradient_boosting import LightGbmModel

    return LightGbmModel.load(folder)


def _load_local_lstm(folder: Path) -> Forecaster:
    from replen.forecast.local_lstm.model import LocalLstmModel

    return LocalLstmModel.load(folder)


LOADERS: Mapping[str, Callable[[Path], Forecaster]] = {
    "moving_average": MovingAverage.load,
    "seasonal_naive": SeasonalNaive.load,
    **dict.fromkeys(SETTINGS, StatisticalModel.load),
    **dict.fromkeys(("linear", "ridge", "polynomial"), _load_regression),
    "lightgbm": _load_light_gbm,
    "lstm": _load_lstm,
    "local_lstm": _load_local_lstm,
    BLEND: Blend.load,
}


@runtime_checkable
class WithNetworks(Protocol):
    """A forecaster made of Keras networks."""

    networks: Sequence[Any]


_opened: dict[str, Forecaster] = {}


@dataclass(frozen=True)
class Packed:
    """A forecaster as bytes: cheap to hand to a worker, opened there once a process and only when it is asked.

    Attributes:
        family: model name, a key of `LOADERS`.
        files: name -> content.
    """

    family: str
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, family: str, folder: Path) -> "Packed":
        """Return the packed files of a folder that a forecaster was saved to."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls(family, {str(path.relative_to(folder)): path.read_bytes() for path in paths})

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return what the forecaster predicts."""
        return self.opened.predict(panel, horizon=horizon, levels=levels)

    def save(self, folder: Path) -> None:
        """Write the files into a folder again."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @property
    def networks(self) -> Sequence[Any]:
        """Return the Keras networks in it; none in a simple forecaster."""
        opened = self.opened
        return opened.networks if isinstance(opened, WithNetworks) else ()

    @property
    def opened(self) -> Forecaster:
        """Return the forecaster itself, opened once a process."""
        digest = hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()
        if digest not in _opened:
            with TemporaryDirectory() as folder:
                self.save(Path(folder))
                _opened[digest] = LOADERS[self.family](Path(folder))
        return _opened[digest]


def pack(family: str, forecaster: Forecaster) -> Packed:
    """Return a fitted forecaster packed."""
    with TemporaryDirectory() as folder:
        forecaster.save(Path(folder))
        return Packed.of(family, Path(folder))

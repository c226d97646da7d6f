"""What each series' own model learns from: the last origins of its history, cut into slices, and what was sold after them."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.config import LocalLstm
from replen.features.lags import moving_mean
from replen.features.panel import Panel
from replen.forecast.lstm.batches import MIN_POSITION
from replen.forecast.lstm.inputs import Inputs, column, log_ratio, relative, with_calendar
from replen.forecast.lstm.reading import KNOWN_COLUMNS, Reading

FloatArray = NDArray[np.float32]
Places = NDArray[np.intp]

TOO_SHORT = "too few known periods for a model of its own"
TOO_SPARSE = "sold in too few periods for a model of its own"
LARGEST_SCALE = 1000.0
"""Units; a series that sells more is counted in larger units, as the likelihood of counts near 1e9 has no digits in float32."""


@dataclass(frozen=True)
class Examples:
    """Slices of each series' history with an origin at each of their last periods.

    Attributes:
        past: shape (n_series, n_slices, context, n_past).
        future: shape (n_series, n_slices, n_origins, horizon, n_future).
        scale: shape (n_series, n_slices, n_origins, 1), in units of the series, > 0.
        target: shape (n_series, n_slices, n_origins, horizon), in units of the series; NaN = unknown.
        held_out: target's shape: whether a target lies in the last periods, which say when to stop.
        unit: shape (n_series,), >= 1: what a unit of the series is.
    """

    past: FloatArray
    future: FloatArray
    scale: FloatArray
    target: FloatArray
    held_out: NDArray[np.bool_]
    unit: FloatArray

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.past)

    def take(self, rows: Places | slice) -> "Examples":
        """Return the examples of the chosen series."""
        return Examples(*(getattr(self, f.name)[rows] for f in fields(self)))

    def padded(self, n_series: int) -> "Examples":
        """Return the same with series of zeros at the end, for which every target is unknown."""
        n_missing = n_series - len(self)
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        longer = {name: np.pad(array, [(0, n_missing)] + [(0, 0)] * (array.ndim - 1)) for name, array in arrays.items()}
        longer["scale"][len(self) :] = 1.0
        longer["target"][len(self) :] = np.nan
        return Examples(**longer)


def reading_of(panel: Panel, settings: LocalLstm, *, horizon: int) -> Reading:
    """Return how local models read a panel: calendar, price, promotion and the events, which all panels of a run share."""
    events = tuple(sorted(panel.known.keys() - KNOWN_COLUMNS))
    return Reading(horizon, settings.lags, settings.windows, signals=(), events=events, vocabularies={}, annual=True)


def unfit(panel: Panel, settings: LocalLstm) -> NDArray[np.str_]:
    """Return shape (n_series,): why a series gets no model of its own; an empty string where it does."""
    sales = panel.past[t.SALES_HISTORY]
    n_known = np.isfinite(sales).sum(axis=1)
    n_sold = (sales > 0).sum(axis=1)
    reason = np.where(n_sold < settings.min_sold_share * n_known, TOO_SPARSE, "")
    return np.asarray(np.where(n_known < settings.min_known, TOO_SHORT, reason), dtype=str)


def read(panel: Panel, reading: Reading) -> Inputs:
    """Return the arrays of a panel, the past ones few: a model of its own has a hundred periods to learn from."""
    return Inputs.of(panel, reading, _few_columns)


def _few_columns(
    panel: Panel, reading: Reading, *, means: list[FloatArray], scale: FloatArray, calendar: FloatArray
) -> FloatArray:
    sales, price = panel.past[t.SALES_HISTORY], column(panel, t.PRICE)
    usual = moving_mean(price, reading.windows[2])
    columns = [
        relative(sales, scale), np.isfinite(sales), relative(means[0], scale), log_ratio(price, usual),
        column(panel, t.PROMOTION),
    ]  # fmt: skip
    return with_calendar(np.nan_to_num(np.stack(columns, axis=2, dtype=np.float32)), calendar)


def training_examples(inputs: Inputs, rows: Places, settings: LocalLstm) -> Examples:
    """Return the last origins of the chosen series that have a period after them, slice after slice."""
    n_periods = inputs.sales.shape[1]
    ends = n_periods - 2 - settings.origins_per_slice * np.arange(settings.slices)[::-1]
    origins = ends[:, None] + np.arange(1 - settings.origins_per_slice, 1)
    found = _examples(inputs, rows, origins, context=settings.context)
    learns = origins >= inputs.first[rows][:, None, None] + MIN_POSITION
    n_known = np.isfinite(inputs.sales[rows]).sum(axis=1)
    n_held_out = np.clip(n_known // settings.held_out_of, 1, settings.held_out)
    periods = origins[:, :, None] + np.arange(1, inputs.reading.horizon + 1)
    held_out = periods >= (n_periods - n_held_out)[:, None, None, None]
    return replace(found, target=np.where(learns[..., None], found.target, np.nan), held_out=held_out)


def last_examples(inputs: Inputs, rows: Places, settings: LocalLstm) -> Examples:
    """Return one slice a series with one origin, the last period: what a forecast is made from."""
    return _examples(inputs, rows, np.array([[inputs.sales.shape[1] - 1]]), context=settings.context)


def _examples(inputs: Inputs, rows: Places, origins: Places, *, context: int) -> Examples:
    """Return slices that end at the last of their origins, (n_slices, n_origins); what lies before the first period is zero."""
    shape = (len(rows), *origins.shape)
    by_slice = np.repeat(rows, len(origins)), np.tile(origins[:, -1], len(rows))
    by_origin = np.repeat(rows, origins.size), np.maximum(np.tile(origins.ravel(), len(rows)), 0)
    past, future = inputs.slices(*by_slice, context=context), inputs.future(*by_origin)
    scale, target = inputs.scale[by_origin].reshape(*shape, 1), inputs.targets(*by_origin).reshape(*shape, -1)
    unit = np.maximum(1.0, inputs.scale[rows, -1] / LARGEST_SCALE).astype(np.float32)
    return Examples(
        past=past.reshape(*shape[:2], *past.shape[1:]),
        future=future.reshape(*shape, *future.shape[1:]),
        scale=scale / unit[:, None, None, None],
        target=target / unit[:, None, None, None],
        held_out=np.zeros(target.shape, bool),
        unit=unit,
    )

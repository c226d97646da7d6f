"""Figures of a training event: forecasts of a few series, calibration, losses. Drawn without a display."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from replen.evaluate.examples import Example

HISTORY = 52
"""Periods of history that are drawn at least; four horizons where that is more."""
SOLD, FORECAST, FAINT = "#222222", "#1f6fb4", "#999999"


def example_figure(example: Example) -> Figure:
    """Return one series: a panel a model with its history, the fan of the forecast and what came."""
    figure, panels = _grid(len(example.by_model), f"{example.name} ({example.role})")
    for axes, model in zip(panels, example.by_model, strict=True):
        _draw(axes, example, model, title=model)
    _finish(panels)
    return figure


def family_figure(examples: Sequence[Example], model: str) -> Figure:
    """Return one model: a panel a series."""
    figure, panels = _grid(len(examples), f"{model}: last fold", shared=False)
    for axes, example in zip(panels, examples, strict=True):
        _draw(axes, example, model, title=f"{example.name} ({example.role})")
    _finish(panels)
    return figure


def calibration_figure(counts: NDArray[np.float64], model: str) -> Figure:
    """Return the histogram of the randomised transform: flat where the forecast distribution is right.

    Args:
        counts: shape (n_bins,), of equal bins of 0..1.
        model: whose it is.
    """
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    density = counts * len(counts) / max(counts.sum(), 1.0)
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.stairs(density, edges, fill=True, color=FORECAST, alpha=0.6)
    axes.axhline(1.0, color=SOLD, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="randomised probability integral transform", ylabel="density")
    axes.set_title(f"{model}: calibration over all folds, {counts.sum():,.0f} periods (flat = calibrated)", fontsize="medium")
    return figure


def loss_figure(losses: pd.DataFrame, model: str) -> Figure:
    """Return the losses of a training: one row an epoch, a column a curve named `cutoff loss`; validation is dashed."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    names = sorted({name.removesuffix("validation_loss").removesuffix("loss") for name in map(str, losses)})
    for number, name in enumerate(names):
        for suffix, style in (("loss", "-"), ("validation_loss", "--")):
            if name + suffix in losses:
                axes.plot(losses.index, losses[name + suffix], style, color=f"C{number}", marker=".", label=name + suffix)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.set_title(f"{model}: loss by epoch", fontsize="medium")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize="x-small")
    return figure


def _grid(n_panels: int, title: str, *, shared: bool = True) -> tuple[Figure, Sequence[Axes]]:
    n_columns = min(n_panels, 2)
    n_rows = -(-n_panels // n_columns)
    figure = Figure(figsize=(6 * n_columns, 2.8 * n_rows + 0.4), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharey=shared).ravel()
    for unused in panels[n_panels:]:
        unused.set_axis_off()
    figure.suptitle(title)
    return figure, list(panels[:n_panels])


def _finish(panels: Sequence[Axes]) -> None:
    """Begin every scale of units at 0, once all is drawn, since panels may share it; one legend will do."""
    for axes in panels:
        axes.set_ylim(bottom=0)
    panels[0].legend(fontsize="xx-small", loc="upper left")


def _draw(axes: Axes, example: Example, model: str, *, title: str) -> None:
    predicted = example.by_model[model]
    horizon = len(predicted.mean)
    shown = slice(-max(HISTORY, 4 * horizon) - horizon, None)
    ahead = example.periods[-horizon:]
    axes.plot(example.periods[shown], example.sales[shown], color=SOLD, linewidth=1, marker=".", markersize=3, label="sold")
    axes.axvline(example.periods[-horizon - 1], color=FAINT, linewidth=0.8, linestyle=":")
    for low, high, alpha in ((0, 4, 0.18), (1, 3, 0.35)):
        axes.fill_between(
            ahead, predicted.fan[:, low], predicted.fan[:, high], color=FORECAST, alpha=alpha, linewidth=0,
            label="90 %" if low == 0 else "50 %",
        )  # fmt: skip
    axes.plot(ahead, predicted.fan[:, 2], color=FORECAST, linewidth=1.5, label="median")
    axes.plot(ahead, predicted.mean, color=FORECAST, linewidth=1, linestyle="--", label="mean")
    axes.set_title(title + (f"\n{predicted.reason}" if predicted.reason else ""), fontsize="small")
    axes.tick_params(labelsize="x-small")

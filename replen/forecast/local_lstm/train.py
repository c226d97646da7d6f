"""Training of a stack: one pass finds when each model should stop, a second one learns from all periods for as long."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replen.config import LocalLstm
from replen.forecast.local_lstm.examples import Examples
from replen.forecast.local_lstm.stack import Layout, starting_bias, step

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """Models of some series.

    Attributes:
        weights: shape (n_series, n_weights), learned from all periods; not finite where training broke down.
        n_epochs: shape (n_series,), steps they were trained for; 0 = the recent level is as good as anything learned.
        before: shape (n_series, n_weights), learned without the held-out periods.
    """

    weights: FloatArray
    n_epochs: NDArray[np.intp]
    before: FloatArray


def layout_of(examples: Examples, settings: LocalLstm) -> Layout:
    """Return the shapes of the models that read these examples."""
    return Layout(examples.past.shape[-1], examples.future.shape[-1], settings.units, settings.layers)


def train(examples: Examples, seeds: NDArray[np.int64], settings: LocalLstm) -> Trained:
    """Return the models of at most `settings.stack` series, each what it would be alone.

    Args:
        examples: of the series.
        seeds: shape (n_series,), of each series' initial weights.
        settings: how they are built and trained.
    """
    n_series = len(examples)
    before, n_epochs = _Descent(examples, seeds, ~examples.held_out, settings).until_no_better()
    weights = for_epochs(examples, seeds, settings, n_epochs[:n_series])
    return Trained(weights, n_epochs[:n_series], before[:n_series])


def for_epochs(examples: Examples, seeds: NDArray[np.int64], settings: LocalLstm, n_epochs: NDArray[np.intp]) -> FloatArray:
    """Return weights, (n_series, n_weights), learned from all that is known, each model for its number of epochs."""
    n_series = len(examples)
    everything = np.ones(examples.target.shape, bool)
    descent = _Descent(examples, seeds, everything, settings)
    return descent.for_epochs(np.pad(n_epochs, (0, settings.stack - n_series)))[:n_series]


class _Descent:
    """Training of a stack, filled up with models that learn nothing, on some of its targets; a step sees all of a series."""

    def __init__(self, examples: Examples, seeds: NDArray[np.int64], chosen: NDArray[np.bool_], settings: LocalLstm) -> None:
        import tensorflow as tf

        n_missing = settings.stack - len(examples)
        data, layout = examples.padded(settings.stack), layout_of(examples, settings)
        learned = np.isfinite(data.target) & np.pad(chosen, [(0, n_missing)] + [(0, 0)] * (chosen.ndim - 1))
        held_out = np.isfinite(data.target) & data.held_out
        masks = (mask.astype(np.float32) for mask in (learned, held_out))
        self.data = [tf.constant(array) for array in (data.past, data.future, data.scale, data.target, *masks)]
        self.step = step(
            layout, learning_rate=settings.learning_rate, clip_norm=settings.clip_norm, weight_decay=settings.weight_decay
        )
        self.start = layout.initial(np.pad(seeds, (0, n_missing)), starting_bias(data.target, data.scale, learned))
        self.settings = settings

    def until_no_better(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """Return each model's weights when its loss on the held-out periods was smallest, and after how many steps that was."""
        n_models, settings = len(self.start), self.settings
        best, best_loss, best_at = self.start.copy(), np.full(n_models, np.inf), np.zeros(n_models, np.intp)
        moves = np.ones(n_models, bool)
        state: Any = self.start, (np.zeros_like(self.start), np.zeros_like(self.start))
        for number in range(settings.epochs):
            moved = self._step(state, number, moves)
            loss = moved.held_out_loss.numpy()
            better = moves & (loss < best_loss)
            best[better], best_loss[better], best_at[better] = np.asarray(state[0])[better], loss[better], number
            moves &= number - best_at < settings.patience
            if not moves.any():
                break
            state = moved.weights, moved.moments
        return best, best_at

    def for_epochs(self, n_epochs: NDArray[np.intp]) -> FloatArray:
        """Return each model's weights after its number of steps."""
        state: Any = self.start, (np.zeros_like(self.start), np.zeros_like(self.start))
        for number in range(n_epochs.max()):
            moved = self._step(state, number, number < n_epochs)
            state = moved.weights, moved.moments
        return np.array(state[0])

    def _step(self, state: Any, number: int, moves: NDArray[np.bool_]) -> Any:
        import tensorflow as tf

        return self.step(*state, tf.constant(number + 1.0), moves.astype(np.float32), *self.data)

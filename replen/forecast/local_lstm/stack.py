"""A stack of models: K independent networks with weights of shape (K, n_weights), moved by one TensorFlow graph.

Nothing is shared along the first dimension: losses are summed over the models, so each model's gradient is its own; clipping,
Adam's moments and the decision to stop are by model. A stack is exactly K separate trainings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replen.forecast import random
from replen.forecast.lstm.network import LOG_DISPERSION, MAX_LOG_RATIO, target_losses

FloatArray = NDArray[np.float32]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Adam's, as Keras has them."""
TINY = 1e-3


@dataclass(frozen=True)
class Layout:
    """Shapes of one model: LSTM layers read the past, the state at an origin and what it knows of each step give the output.

    Attributes:
        n_past: columns of a period.
        n_future: columns of a step ahead.
        units: state size of a layer, and width of the hidden layer.
        layers: LSTM layers, one upon the other, each added to what it reads from the second on.
    """

    n_past: int
    n_future: int
    units: int
    layers: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each part of a model's weights, in their order; gates are input, forget, output, candidate."""
        units = self.units
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            shapes[f"kernel_{layer}"] = (units if layer else self.n_past, 4 * units)
            shapes[f"recurrent_{layer}"] = (units, 4 * units)
            shapes[f"bias_{layer}"] = (4 * units,)
        head = {"from_state": (units, units), "from_future": (self.n_future, units), "hidden_bias": (units,)}
        return shapes | head | {"output": (units, 2), "output_bias": (2,)}

    @property
    def n_weights(self) -> int:
        """Return the length of a model's weights."""
        return sum(map(prod, self.shapes.values()))

    def split(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return the parts of weights of shape (n_models, n_weights)."""
        ends = np.cumsum([prod(shape) for shape in self.shapes.values()])[:-1]
        parts = np.split(weights, ends, axis=1)
        return {name: part.reshape(-1, *shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def join(self, parts: Mapping[str, FloatArray]) -> FloatArray:
        """Return weights of shape (n_models, n_weights) from their parts."""
        return np.concatenate([parts[name].reshape(len(parts[name]), -1) for name in self.shapes], axis=1)

    def initial(self, seeds: NDArray[np.int64], output_bias: FloatArray) -> FloatArray:
        """Return untrained weights, (n_models, n_weights): Glorot's, an open forget gate, and an output that reads nothing.

        So a model starts from the recent level of the series, and leaves it only where it has learned something.

        Args:
            seeds: shape (n_models,).
            output_bias: shape (n_models, 2), see `starting_bias`.
        """
        parts = self.split((2 * random.uniforms(seeds, self.n_weights) - 1).astype(np.float32))
        for name, part in parts.items():
            is_kernel = part.ndim == 3 and name != "output"  # noqa: PLR2004
            parts[name] = part * np.float32(np.sqrt(6 / sum(part.shape[1:]))) if is_kernel else np.zeros_like(part)
        for layer in range(self.layers):
            parts[f"bias_{layer}"][:, self.units : 2 * self.units] = 1.0
        return self.join(parts | {"output_bias": output_bias})


def starting_bias(target: FloatArray, scale: FloatArray, learned: NDArray[np.bool_]) -> FloatArray:
    """Return shape (n_models, 2): logs of mean over scale and of dispersion, by the moments of the learned targets.

    Args:
        target: shape (n_models, n_slices, n_origins, horizon).
        scale: shape (n_models, n_slices, n_origins, 1).
        learned: target's shape.
    """
    axes = (1, 2, 3)
    count, level = np.where(learned, target, 0.0), np.where(learned, scale, 0.0)
    ratio = (count.sum(axes) + TINY) / (level.sum(axes) + TINY)
    mean = level * ratio[:, None, None, None]
    dispersion = (((count - mean) ** 2 - mean).sum(axes) + TINY) / ((mean**2).sum(axes) + TINY)
    log_ratio = np.clip(np.log(ratio), -MAX_LOG_RATIO, MAX_LOG_RATIO)
    log_dispersion = np.clip(np.log(np.maximum(dispersion, TINY)), LOG_DISPERSION[0] + 1, LOG_DISPERSION[1] - 1)
    return np.stack([log_ratio, log_dispersion], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Moved:
    """A step's result, tensors; the loss, (n_models,), is that of the held-out targets before the step."""

    weights: Any
    moments: tuple[Any, Any]
    held_out_loss: Any


def outputs(layout: Layout, weights: Any, past: Any, future: Any) -> Any:
    """Return log of mean over scale and log of dispersion, (n_models, n_slices, n_origins, horizon, 2).

    Args:
        layout: shapes of the weights.
        weights: (n_models, n_weights).
        past: (n_models, n_slices, context, n_past).
        future: (n_models, n_slices, n_origins, horizon, n_future).
    """
    import tensorflow as tf

    parts = _parts(layout, weights)
    n_models, n_slices, n_origins, horizon, n_future = future.shape
    state = tf.transpose(past, [0, 2, 1, 3])
    for layer in range(layout.layers):
        read = _lstm(state, *(parts[f"{name}_{layer}"] for name in ("kernel", "recurrent", "bias")))
        state = state + read if layer else read
    at_origin = tf.reshape(tf.transpose(state[:, -n_origins:], [0, 2, 1, 3]), (n_models, n_slices * n_origins, layout.units))
    from_state = at_origin @ parts["from_state"] + parts["hidden_bias"][:, None]
    from_future = tf.reshape(future, (n_models, -1, n_future)) @ parts["from_future"]
    by_step = tf.reshape(from_future, (n_models, n_slices * n_origins, horizon, layout.units))
    hidden = tf.reshape(tf.nn.relu(from_state[:, :, None] + by_step), (n_models, -1, layout.units))
    output = hidden @ parts["output"] + parts["output_bias"][:, None]
    return tf.reshape(output, (n_models, n_slices, n_origins, horizon, 2))


@cache
def forward(layout: Layout) -> Callable[..., Any]:
    """Return `outputs` of a layout, compiled once a process and shape."""
    import tensorflow as tf

    compiled: Callable[..., Any] = tf.function(lambda *inputs: outputs(layout, *inputs), autograph=False)
    return compiled


@cache
def step(layout: Layout, *, learning_rate: float, clip_norm: float, weight_decay: float) -> Callable[..., Any]:
    """Return the training step of a stack, compiled once a process and shape.

    It takes weights, moments (two of their shape), number (of the step, from 1), moves (n_models,; 0 = the model has stopped),
    past, future, scale, target, learned and held_out (target's shape, 0 or 1), and returns what `Moved` has.
    """
    import tensorflow as tf

    def moved(weights: Any, moments: Any, number: Any, moves: Any, *data: Any) -> Any:
        past, future, scale, target, learned, held_out = data
        with tf.GradientTape() as tape:
            tape.watch(weights)
            losses = target_losses(outputs(layout, weights, past, future), target, scale)
            total = tf.reduce_sum(_mean_by_model(losses, learned))
        gradient = tape.gradient(total, weights)
        norm = tf.sqrt(tf.reduce_sum(gradient**2, axis=1, keepdims=True))
        gradient *= clip_norm / tf.maximum(norm, clip_norm)
        first = moments[0] + (1 - BETA_1) * (gradient - moments[0])
        second = moments[1] + (1 - BETA_2) * (gradient**2 - moments[1])
        rate = learning_rate * tf.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        after = weights * (1 - learning_rate * weight_decay) - rate * first / (tf.sqrt(second) + EPSILON)
        return tf.where(moves[:, None] > 0, after, weights), (first, second), _mean_by_model(losses, held_out)

    compiled = tf.function(moved, autograph=False)
    return lambda *state: Moved(*compiled(*state))


def _parts(layout: Layout, weights: Any) -> dict[str, Any]:
    import tensorflow as tf

    split = tf.split(weights, [prod(shape) for shape in layout.shapes.values()], axis=1)
    named = zip(layout.shapes.items(), split, strict=True)
    return {name: tf.reshape(part, (weights.shape[0], *shape)) for (name, shape), part in named}


def _lstm(sequence: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """Return the states (n_models, context, n_slices, units) of a sequence (n_models, context, n_slices, n_columns)."""
    import tensorflow as tf

    n_models, context, n_slices, n_columns = sequence.shape
    units = recurrent.shape[1]
    projected = tf.reshape(sequence, (n_models, -1, n_columns)) @ kernel + bias[:, None]
    by_period = tf.unstack(tf.reshape(projected, (n_models, context, n_slices, 4 * units)), axis=1)
    state = cell = tf.zeros((n_models, n_slices, units))
    states = []
    for read in by_period:
        gates = read + state @ recurrent
        admitted, kept, shown = tf.split(tf.sigmoid(gates[..., : 3 * units]), 3, axis=-1)
        cell = kept * cell + admitted * tf.tanh(gates[..., 3 * units :])
        state = shown * tf.tanh(cell)
        states.append(state)
    return tf.stack(states, axis=1)


def _mean_by_model(losses: Any, weight: Any) -> Any:
    import tensorflow as tf

    axes = [1, 2, 3]
    return tf.reduce_sum(losses * weight, axes) / tf.maximum(tf.reduce_sum(weight, axes), 1.0)

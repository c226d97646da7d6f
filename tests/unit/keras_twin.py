"""One local model made of Keras' own layers and trained by Keras: what a model of the stack must equal."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from replen.config import LocalLstm
from replen.forecast.local_lstm.examples import Examples
from replen.forecast.local_lstm.stack import Layout, starting_bias
from replen.forecast.local_lstm.train import layout_of
from replen.forecast.lstm.network import MAX_LOG_RATIO, negative_log_likelihood

N_GATES = 4


def network(layout: Layout, examples: Examples) -> Any:
    """Return one model of the layout, untrained; inputs (n_slices, ...), output (n_slices, n_origins, horizon, 2)."""
    import keras
    from keras import layers

    past, future = keras.Input(examples.past.shape[2:]), keras.Input(examples.future.shape[2:])
    n_origins = examples.future.shape[2]
    state = layers.LSTM(layout.units, return_sequences=True)(past)
    for _ in range(layout.layers - 1):
        state = layers.Add()([state, layers.LSTM(layout.units, return_sequences=True)(state)])
    at_origin = layers.Cropping1D((examples.past.shape[2] - n_origins, 0))(state)
    from_state = layers.Reshape((n_origins, 1, layout.units))(layers.Dense(layout.units)(at_origin))
    from_future = layers.Dense(layout.units, use_bias=False)(future)
    hidden = layers.Activation("relu")(layers.Add()([from_state, from_future]))
    return keras.Model([past, future], layers.Dense(2, kernel_initializer="zeros")(hidden))


def as_keras(parts: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return a model's parts in the order of Keras' weights; gates are input, forget, candidate, output there."""
    weights = []
    for name, part in parts.items():
        one = part[0]
        if name.startswith(("kernel", "recurrent", "bias")):
            admitted, kept, shown, candidate = np.split(one, N_GATES, axis=-1)
            one = np.concatenate([admitted, kept, candidate, shown], axis=-1)
        weights.append(one)
    # Keras lists the dense layer of the state with its bias, then that of the future.
    order = [*range(len(weights) - 5), -5, -3, -4, -2, -1]
    return [weights[place] for place in order]


def loss(scaled: Any, output: Any) -> Any:
    """Return the loss of one model; Keras takes one tensor of targets, so the scale stands behind the steps."""
    return negative_log_likelihood(output, scaled[..., :-1], scaled[..., -1:])


def compiled(twin: Any, settings: LocalLstm) -> Any:
    """Return the model, ready for `fit`."""
    import keras

    optimizer = keras.optimizers.AdamW(
        settings.learning_rate, weight_decay=settings.weight_decay, global_clipnorm=settings.clip_norm
    )
    twin.compile(optimizer, loss=loss, jit_compile=False)
    return twin


def data_of(examples: Examples, row: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return inputs and targets of one series."""
    return [examples.past[row], examples.future[row]], np.concatenate([examples.target[row], examples.scale[row]], axis=-1)


def train(examples: Examples, seeds: np.ndarray, settings: LocalLstm, *, row: int, n_epochs: int) -> Any:
    """Return one new model that Keras has trained from the weights that the stack's model of this series starts from."""
    twin = compiled(network(layout_of(examples, settings), examples), settings)
    return train_again(twin, examples, seeds, settings, row=row, n_epochs=n_epochs)


def train_again(
    twin: Any, examples: Examples, seeds: np.ndarray, settings: LocalLstm, *, row: int, n_epochs: int, nudge: float = 0.0
) -> Any:
    """Return the same model, its weights and optimizer reset (the weights times 1 + nudge), trained on another series."""
    layout, one = layout_of(examples, settings), examples.take(slice(row, row + 1))
    bias = starting_bias(one.target, one.scale, np.isfinite(one.target))
    start = layout.initial(seeds[row : row + 1], bias) * np.float32(1 + nudge)
    twin.set_weights(as_keras(layout.split(start)))
    if twin.optimizer.built:
        for variable in twin.optimizer.variables:
            if variable is not twin.optimizer._learning_rate:
                variable.assign(np.zeros(variable.shape))
    inputs, target = data_of(examples, row)
    for _ in range(n_epochs):
        twin.train_on_batch(inputs, target)
    return twin


def means(twin: Any, examples: Examples, *, row: int) -> np.ndarray:
    """Return expected demand as the model sees it, (n_slices, n_origins, horizon), units."""
    output = np.asarray(twin([examples.past[row], examples.future[row]]))
    ratio = np.exp(np.clip(output[..., 0].astype(float), -MAX_LOG_RATIO, MAX_LOG_RATIO))
    return np.asarray(ratio * examples.scale[row] * examples.unit[row])

"""The network: two LSTM layers read a series once; from the state at every origin all steps are forecast together.

Only Keras' own layers, so that a stored model loads without any code of ours.
"""

from typing import TYPE_CHECKING, Any

from replen.config import Lstm

if TYPE_CHECKING:
    import keras

MAX_LOG_RATIO = 6.0
LOG_DISPERSION = (-5.0, 4.0)
TWEEDIE_POWER = 1.3
LARGE_COUNT = 16.0
"""Units from which on Stirling's series is exact to float32."""


def build(settings: Lstm, *, n_past: int, n_future: int, vocabulary_sizes: tuple[int, ...]) -> "keras.Model":
    """Return the untrained network.

    Inputs: past (batch, context, n_past); picks (batch, n_origins, context), one where the origin is; future (batch, n_origins,
    horizon, n_future); one (batch, 1) of codes for each static column.
    Output: (batch, n_origins, horizon, 2): log of mean over scale, log of dispersion.
    """
    import keras
    from keras import layers

    past = keras.Input((settings.context, n_past), name="past")
    picks = keras.Input((None, settings.context), name="picks")
    future = keras.Input((None, None, n_future), name="future")
    codes = [keras.Input((1,), dtype="int32", name=f"code_{i}") for i in range(len(vocabulary_sizes))]

    state = layers.LSTM(settings.units, return_sequences=True)(past)
    for _ in range(settings.layers - 1):
        state = layers.Add()([state, layers.LSTM(settings.units, return_sequences=True)(state)])
    direct = layers.Dense(settings.units, activation="relu")(past)
    at_origin = layers.Dot(axes=(2, 1))([picks, layers.Concatenate()([state, direct])])
    at_origin = layers.Dense(settings.units)(layers.Dropout(settings.dropout)(at_origin))
    by_step = [layers.Dense(settings.units)(future)]
    for code, size in zip(codes, vocabulary_sizes, strict=True):
        embedded = layers.Embedding(size + 1, settings.embedding)(code)
        at_origin = layers.Add()([at_origin, layers.Dense(settings.units, use_bias=False)(embedded)])
        # A holiday or a weekday is not the same to every category and site: their product, too, is read.
        seen = layers.Dense(settings.embedding, use_bias=False)(future)
        product = layers.Multiply()([seen, layers.Reshape((1, 1, settings.embedding))(embedded)])
        by_step.append(layers.Dense(settings.units, use_bias=False)(product))
    by_step.append(layers.Reshape((-1, 1, settings.units))(at_origin))
    hidden = layers.Activation("relu")(layers.Add()(by_step))
    hidden = layers.Dense(settings.units, activation="relu")(layers.Dropout(settings.dropout)(hidden))
    output = layers.Dense(2, kernel_initializer="zeros", name="head")(hidden)
    return keras.Model([past, picks, future, *codes], output)


def negative_log_likelihood(output: Any, target: Any, scale: Any) -> Any:
    """Return the mean of `target_losses` over the known targets."""
    import tensorflow as tf

    n_known = tf.reduce_sum(tf.cast(tf.math.is_finite(target), tf.float32))
    return tf.reduce_sum(target_losses(output, target, scale)) / tf.maximum(n_known, 1.0)


def target_losses(output: Any, target: Any, scale: Any) -> Any:
    """Return each target's negative log likelihood under the negative binomial, stable in float32; 0 where it is unknown.

    Args:
        output: (..., n_origins, horizon, 2), see `build`.
        target: (..., n_origins, horizon), units; NaN = unknown.
        scale: (..., n_origins, 1), units.
    """
    import tensorflow as tf

    known = tf.math.is_finite(target)
    count = tf.where(known, target, 0.0)
    log_shape = -tf.clip_by_value(output[..., 1], *LOG_DISPERSION)
    shape, log_odds = tf.exp(log_shape), _log_mean(output, scale) - log_shape
    # Either product is about as large as the shape, whatever the count: nothing large is taken from something as large.
    spread = shape * tf.math.softplus(log_odds) + count * tf.math.softplus(-log_odds)
    return tf.where(known, spread - _log_ways(count, shape), 0.0)


def _log_ways(count: Any, shape: Any) -> Any:
    """Return log of gamma(count + shape) / (gamma(shape) gamma(count + 1)), exact to float32 for counts up to 1e9 and beyond.

    From LARGE_COUNT on, the difference of the logs of the two large gammas is taken before they are rounded.

    Source: Stirling's series, DLMF 5.11.1, whose terms after 1 / (12 x) are below 1e-6 there.
    """
    import tensorflow as tf

    small, large, more = tf.minimum(count, LARGE_COUNT), tf.maximum(count, LARGE_COUNT) + 1.0, shape - 1.0
    total = large + more
    series = (total - 0.5) * tf.math.log1p(more / large) + more * (tf.math.log(large) - 1.0) - more / (12.0 * total * large)
    direct = tf.math.lgamma(small + shape) - tf.math.lgamma(small + 1.0)
    return tf.where(count < LARGE_COUNT, direct, series) - tf.math.lgamma(shape)


def training_loss(output: Any, target: Any, scale: Any, *, tweedie_weight: float) -> Any:
    """Return the negative log likelihood, with a share of a loss of the mean alone; arguments as there.

    The likelihood trusts every series alike, so that sums over many series may be off; the Tweedie deviance of the mean counts
    large series by their units. It is relative to its batch's level, so that the weight means the same for all data.
    """
    import tensorflow as tf

    loss = negative_log_likelihood(output, target, scale)
    if not tweedie_weight:
        return loss
    known = tf.cast(tf.math.is_finite(target), tf.float32)
    units = tf.where(tf.math.is_finite(target), target, 0.0)
    log_mean = _log_mean(output, scale)
    rest = 2.0 - TWEEDIE_POWER
    deviance = tf.exp(rest * log_mean) / rest + units * tf.exp((rest - 1.0) * log_mean) / (1.0 - rest)
    level = tf.reduce_sum(known * tf.pow(units, rest))
    return loss + tweedie_weight * tf.reduce_sum(known * deviance) / tf.maximum(level, 1.0)


def _log_mean(output: Any, scale: Any) -> Any:
    """Return log of the expected units, of a target's shape."""
    import tensorflow as tf

    return tf.math.log(scale) + tf.clip_by_value(output[..., 0], -MAX_LOG_RATIO, MAX_LOG_RATIO)

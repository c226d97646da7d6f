"""A step of training: its pace, its gradient, and TensorFlow as it must be set up for results that can be repeated."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replen.config import Lstm
from replen.forecast.lstm.batches import Batch
from replen.forecast.lstm.network import training_loss
from replen.forecast.ranks import Ranks, share_of

if TYPE_CHECKING:
    import keras


def prepare_tensorflow(threads: int) -> None:
    """Fix the number of threads and make operations deterministic, where this process has not used TensorFlow yet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:  # already running in this process; its thread count stays
            return


@dataclass(frozen=True)
class Pace:
    """Steps and learning rate, which all ranks share.

    Attributes:
        batch_size: this rank's slices a step.
        n_slices: this rank's slices an epoch; it fills the same number of steps on every rank.
        n_steps: steps an epoch.
        learning_rate: at the start; with a larger global batch it grows to `peak` over the first epoch.
        peak: the highest learning rate.
    """

    batch_size: int
    n_slices: int
    n_steps: int
    learning_rate: float
    peak: float

    @classmethod
    def of(cls, settings: Lstm, ranks: Ranks) -> "Pace":
        """Return the pace of a rank: ranks share a batch, or each takes a whole one at a learning rate that many times higher.

        Source of the scaling and its warm-up: Goyal et al. (2017), Accurate, Large Minibatch SGD, section 2.
        """
        growth = ranks.size if settings.scale_batch else 1
        whole = settings.batch_size * growth
        full, rest = divmod(max(1, settings.windows_per_epoch // settings.origins_per_slice), whole)
        batch_size = share_of(whole, ranks)
        last = max(1, share_of(rest, ranks)) if rest else 0
        rate = settings.learning_rate
        return cls(batch_size, full * batch_size + last, full + bool(rest), rate, rate * growth)

    def optimizer(self, settings: Lstm) -> Any:
        """Return Adam, whose rate falls from its peak along a half cosine and whose gradients are clipped."""
        import keras

        warm_up = self.n_steps if self.peak > self.learning_rate else 0
        rate = keras.optimizers.schedules.CosineDecay(
            self.learning_rate,
            max(1, settings.epochs * self.n_steps - warm_up),
            alpha=0.02,
            warmup_target=self.peak if warm_up else None,
            warmup_steps=warm_up,
        )
        return keras.optimizers.Adam(rate, global_clipnorm=settings.clip_norm)


def train_step(network: "keras.Model", optimizer: Any, batch: tuple[Any, ...], ranks: Ranks, *, tweedie_weight: float) -> Any:
    """Return the loss of all ranks' batches and move the weights by the gradient of it."""
    import tensorflow as tf

    inputs, target, scale = batch
    with tf.GradientTape() as tape:
        loss = training_loss(network(inputs, training=True), target, scale, tweedie_weight=tweedie_weight)
    # Embeddings' gradients are slices that name a row several times: only when added up is their norm that of the gradient.
    gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, network.trainable_variables)]
    n_known = tf.reduce_sum(tf.cast(tf.math.is_finite(target), tf.float32))
    loss, *gradients = ranks.mean([loss, *gradients], weight=tf.maximum(n_known, 1.0))
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    return loss


def signature_of(example: Batch, *, n_origins: int) -> list[Any]:
    """Return the types of `train_step`'s batch for any number of slices: one compiled step, whatever is resumed."""
    import tensorflow as tf

    by_origin = {"picks": n_origins, "future": n_origins, "target": n_origins, "scale": n_origins}
    shapes = {
        name: (None, by_origin.get(name, getattr(example, name).shape[1]), *getattr(example, name).shape[2:])
        for name in ("past", "picks", "future", "target", "scale")
    }
    specs = {name: tf.TensorSpec(shape, tf.float32) for name, shape in shapes.items()}
    codes = [tf.TensorSpec((None, 1), tf.int32)] * example.codes.shape[1]
    return [[specs["past"], specs["picks"], specs["future"], *codes], specs["target"], specs["scale"]]


def tensors(arrays: list[Any]) -> list[Any]:
    """Return tensors of the arrays."""
    import tensorflow as tf

    return [tf.constant(array) for array in arrays]

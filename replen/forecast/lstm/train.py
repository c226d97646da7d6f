"""Training: windows stream from shards, one seed after the other, resumable after every epoch."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from replen.config import Lstm
from replen.errors import ReplenError
from replen.forecast.interface import EpochMetrics, Observer, Shards
from replen.forecast.lstm.batches import Batch, batches, concat, is_held_out, training_windows, validation_windows
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.model import LstmModel, outputs_of
from replen.forecast.lstm.network import build, negative_log_likelihood
from replen.forecast.lstm.reading import Reading

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Survey:
    """What one pass over the shards finds: how to read them, and the series in each."""

    reading: Reading
    sizes: tuple[int, ...]

    def quotas(self, total: int) -> list[int]:
        """Return how many of `total` each shard gives, by its share of the series."""
        edges = np.concatenate([[0], np.cumsum(self.sizes)]) / max(1, sum(self.sizes))
        return [int(count) for count in np.diff(np.round(edges * total))]


def train(shards: Shards, settings: Lstm, *, horizon: int, seed: int, folder: Path, observer: Observer) -> LstmModel:
    """Return the trained forecaster.

    Args:
        shards: prepared panels up to one cutoff; read once to survey, once for validation windows, and once an epoch.
        settings: the network and its training.
        horizon: steps forecast at once.
        seed: of weights and windows; the same seed, shards and threads give the same model.
        folder: where checkpoints are kept; training killed and started again there goes on after its last whole epoch.
        observer: told after each epoch.
    """
    prepare_tensorflow(settings.threads)
    survey = _survey(shards, settings, horizon=horizon)
    folder.mkdir(parents=True, exist_ok=True)
    validation = _validation(shards, survey, settings)
    networks = []
    for number in range(settings.n_models):
        run = _Run(settings, survey, seed=seed, number=number, checkpoint=folder / f"{number}.npz")
        networks.append(run.fit(shards, validation, observer))
    model = LstmModel(networks, settings, survey.reading, np.zeros(horizon - 1, np.float32), (1.0, 1.0))
    return model.calibrated(validation)


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


def train_step(network: "keras.Model", optimizer: Any, batch: tuple[Any, ...]) -> Any:
    """Return the loss of one batch and move the weights; gradients pass through one place, where ranks can average them."""
    import tensorflow as tf

    inputs, target, scale = batch
    with tf.GradientTape() as tape:
        loss = negative_log_likelihood(network(inputs, training=True), target, scale)
    gradients = tape.gradient(loss, network.trainable_variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    return loss


def _survey(shards: Shards, settings: Lstm, *, horizon: int) -> Survey:
    """Return how to read the shards and how many series each holds."""
    sizes: list[int] = []

    def counted() -> Iterator[Any]:
        for panel in shards():
            sizes.append(len(panel.keys))
            yield panel

    reading = Reading.of(counted(), settings, horizon=horizon)
    return Survey(reading, tuple(sizes))


def _validation(shards: Shards, survey: Survey, settings: Lstm) -> Batch:
    """Return the validation windows of a bounded number of series, spread over the shards."""
    parts = []
    for panel, quota in zip(shards(), survey.quotas(settings.validation_series), strict=True):
        held_out = is_held_out(panel.keys, settings.validation_share)
        parts.append(validation_windows(Inputs.of(panel, survey.reading), settings, held_out=held_out, n_series=quota))
    found = concat(parts) if parts else None
    if found is None or len(found) == 0:
        raise ReplenError(
            "lstm: no series has enough periods before the cutoff to train on; give more history, or leave `lstm` out of "
            "`forecast.models`"
        )
    return found


class _Run:
    """One seed's training: network, optimizer, and where it stands."""

    def __init__(self, settings: Lstm, survey: Survey, *, seed: int, number: int, checkpoint: Path) -> None:
        import keras

        self.settings, self.survey, self.number, self.checkpoint = settings, survey, number, checkpoint
        self.seed = [seed % 2**32, number]
        keras.utils.set_random_seed(int(np.random.default_rng(self.seed).integers(2**31)))
        self.epoch, self.waited, self.best_loss = 0, 0, np.inf

    def fit(self, shards: Shards, validation: Batch, observer: Observer) -> "keras.Model":
        """Return the network with the weights of its best epoch."""
        import tensorflow as tf

        network, optimizer = self._start(validation)
        signature = _signature(validation, n_origins=self.settings.origins_per_slice)
        step = tf.function(lambda *batch: train_step(network, optimizer, batch), input_signature=signature)
        self.best = [variable.numpy() for variable in network.variables]
        self._resume(network, optimizer)
        while self.epoch < self.settings.epochs and self.waited <= self.settings.patience:
            losses = [
                float(step(_tensors(batch.network_inputs), tf.constant(batch.target), tf.constant(batch.scale)))
                for batch in batches(self._windows(shards), size=self.settings.batch_size)
            ]
            loss = validation_loss(network, validation)
            self._note(network, loss)
            self._save(network, optimizer)
            observer(EpochMetrics(self.number, self.epoch, float(np.mean(losses)), loss))
        for variable, value in zip(network.variables, self.best, strict=True):
            variable.assign(value)
        return network

    def _start(self, validation: Batch) -> "tuple[keras.Model, Any]":
        """Return an untrained network and its optimizer, whose rate falls along a half cosine."""
        import keras

        network = build(
            self.settings,
            n_past=validation.past.shape[2],
            n_future=validation.future.shape[3],
            vocabulary_sizes=self.survey.reading.vocabulary_sizes,
        )
        n_slices = self.settings.windows_per_epoch // self.settings.origins_per_slice
        n_steps = max(1, self.settings.epochs * -(-n_slices // self.settings.batch_size))
        rate = keras.optimizers.schedules.CosineDecay(self.settings.learning_rate, n_steps, alpha=0.02)
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=self.settings.clip_norm)
        optimizer.build(network.trainable_variables)
        return network, optimizer

    def _windows(self, shards: Shards) -> Iterator[Batch]:
        """Return this epoch's windows, shard by shard; drawn by seed, epoch and shard."""
        n_slices = max(1, self.settings.windows_per_epoch // self.settings.origins_per_slice)
        for shard, (panel, quota) in enumerate(zip(shards(), self.survey.quotas(n_slices), strict=True)):
            rng = np.random.default_rng([*self.seed, self.epoch, shard])
            inputs, held_out = Inputs.of(panel, self.survey.reading), is_held_out(panel.keys, self.settings.validation_share)
            yield training_windows(inputs, self.settings, held_out=held_out, n_slices=quota, rng=rng)

    def _note(self, network: "keras.Model", loss: float) -> None:
        """Count the epoch and keep the weights if they are the best so far."""
        self.epoch += 1
        self.waited += 1
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best = [variable.numpy() for variable in network.variables]

    def _save(self, network: "keras.Model", optimizer: Any) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {"epoch": self.epoch, "waited": self.waited, "best_loss": self.best_loss, "settings": self._fingerprint()}
        current = [variable.numpy() for variable in (*network.variables, *optimizer.variables)]
        arrays = {f"current_{i}": value for i, value in enumerate(current)} | {f"best_{i}": v for i, v in enumerate(self.best)}
        partial = self.checkpoint.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, state=json.dumps(state), **arrays)
        partial.replace(self.checkpoint)

    def _resume(self, network: "keras.Model", optimizer: Any) -> None:
        """Take up the checkpoint, if there is one of the same settings and seed."""
        if not self.checkpoint.exists():
            return
        with np.load(self.checkpoint) as stored:
            state = json.loads(str(stored["state"]))
            if state.pop("settings") != self._fingerprint():
                return
            self.epoch, self.waited, self.best_loss = state["epoch"], state["waited"], state["best_loss"]
            for i, variable in enumerate((*network.variables, *optimizer.variables)):
                variable.assign(stored[f"current_{i}"])
            self.best = [stored[f"best_{i}"] for i in range(len(network.variables))]

    def _fingerprint(self) -> str:
        """Return what a checkpoint must share to be taken up: settings, reading, seed, series."""
        parts = [self.settings.model_dump(mode="json"), self.survey.reading.as_json(), self.seed, self.survey.sizes]
        return json.dumps(parts, sort_keys=True, default=list)


def validation_loss(network: "keras.Model", validation: Batch) -> float:
    """Return the negative log likelihood a validation target."""
    return float(negative_log_likelihood(outputs_of(network, validation), validation.target, validation.scale))


def _signature(example: Batch, *, n_origins: int) -> list[Any]:
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


def _tensors(arrays: list[Any]) -> list[Any]:
    """Return tensors of the arrays."""
    import tensorflow as tf

    return [tf.constant(array) for array in arrays]

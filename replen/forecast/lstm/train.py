"""Training: windows stream from shards, one seed after the other, on one process or on several ranks alike.

Every rank streams its own shards. A step of several ranks is a step of one process whose batch is all of theirs: gradients
are averaged by known targets, then clipped, so weights stay the same everywhere. Resumable after every epoch.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from replen import tables as t
from replen.config import Lstm
from replen.errors import ReplenError
from replen.forecast.interface import EpochMetrics, Observer, Shards
from replen.forecast.lstm.batches import Batch, batches, concat
from replen.forecast.lstm.checkpoint import Arrays, Checkpoints, State
from replen.forecast.lstm.model import LstmModel, outputs_of
from replen.forecast.lstm.network import build, negative_log_likelihood
from replen.forecast.lstm.step import Pace, prepare_tensorflow, signature_of, tensors, train_step
from replen.forecast.lstm.survey import Survey
from replen.forecast.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import keras


def train(
    shards: Shards, settings: Lstm, *, horizon: int, seed: int, folder: str, observer: Observer, ranks: Ranks = ALONE
) -> LstmModel:
    """Return the trained forecaster, the same on every rank.

    Args:
        shards: this rank's prepared panels up to one cutoff; read once to survey, once for validation, and once an epoch.
        settings: the network and its training.
        horizon: steps forecast at once.
        seed: of weights and windows; the same seed, shards, ranks and threads give the same model.
        folder: where checkpoints are kept; training killed and started again there goes on after its last whole epoch.
        observer: told after each epoch, on every rank; where no target that is known is held out, the training loss stands for
            the validation loss.
        ranks: this process among those that train the model together.

    Raises:
        ReplenError: where there is too little to train on, no epoch has a finite loss, or ranks have drifted apart.
    """
    prepare_tensorflow(settings.threads)
    survey = Survey.of(shards, settings, horizon=horizon, ranks=ranks)
    validation = survey.validation(shards, settings, ranks)
    pace = Pace.of(settings, ranks)
    checkpoints = Checkpoints(folder)
    networks = []
    for number in range(settings.n_models):
        run = _Run(settings, survey, pace, seed=[seed % 2**32, number], ranks=ranks)
        networks.append(run.fit(shards, validation, checkpoints, observer))
    model = LstmModel(networks, settings, survey.reading, np.zeros(horizon - 1, np.float32), (1.0, 1.0))
    return model.calibrated(concat(ranks.gather(validation)))


class _Run:
    """One seed's training on one rank."""

    def __init__(self, settings: Lstm, survey: Survey, pace: Pace, *, seed: list[int], ranks: Ranks) -> None:
        import keras

        self.settings, self.survey, self.pace, self.seed, self.ranks = settings, survey, pace, seed, ranks
        # Each rank drops out other units; all take up the weights of rank 0.
        keras.utils.set_random_seed(int(np.random.default_rng([*seed, ranks.rank]).integers(2**31)))

    def fit(self, shards: Shards, validation: Batch, checkpoints: Checkpoints, observer: Observer) -> "keras.Model":
        """Return the network with the weights of its best epoch."""
        import tensorflow as tf

        network = build(
            self.settings,
            n_past=validation.past.shape[2],
            n_future=validation.future.shape[3],
            vocabulary_sizes=self.survey.reading.vocabulary_sizes,
        )
        optimizer = self.pace.optimizer(self.settings)
        optimizer.build(network.trainable_variables)
        signature = signature_of(validation, n_origins=self.settings.origins_per_slice)
        take = partial(train_step, network, optimizer, ranks=self.ranks, tweedie_weight=self.settings.tweedie_weight)
        step = tf.function(lambda *batch: take(batch), input_signature=signature)
        state = self._begin(network, optimizer, checkpoints)
        # A handful of series may leave nothing to hold out, and what is held out may be unknown.
        validates = any(self.ranks.gather(int(np.isfinite(validation.target).sum())))
        while state.epoch < self.settings.epochs and state.waited <= self.settings.patience:
            losses = [
                float(step(tensors(batch.network_inputs), tf.constant(batch.target), tf.constant(batch.scale)))
                for batch in self._batches(shards, epoch=state.epoch)
            ]
            trained = float(np.mean(losses))
            loss = validation_loss(network, validation, self.ranks) if validates else trained
            told = EpochMetrics(self.seed[1], state.epoch + 1, trained, loss)
            current, n_weights = _values(network.weights) + _values(optimizer.variables), len(network.weights)
            by_rank = self.ranks.gather(_values(_generators(network)))
            state = state.after(told, current=current, n_weights=n_weights, by_rank=by_rank)
            if self.ranks.rank == 0:
                checkpoints.save(self.seed[1], state)
            observer(told)
        _check_learned(state)
        _assign(network.weights, state.best)
        self._check_equal(state.best)
        return network

    def _begin(self, network: "keras.Model", optimizer: Any, checkpoints: Checkpoints) -> State:
        """Return rank 0's state, set on this rank: of its checkpoint, if that is of the same training, or a new one."""
        variables = [*network.weights, *optimizer.variables]
        by_rank = self.ranks.gather(_values(_generators(network)))
        state = State(self._fingerprint(), (), 0, np.inf, _values(variables), _values(network.weights), by_rank)
        stored = checkpoints.load(self.seed[1]) if self.ranks.rank == 0 else None
        state = self.ranks.first(stored if stored and stored.fingerprint == state.fingerprint else state)
        _assign(variables, state.current)
        _assign(_generators(network), state.by_rank[self.ranks.rank])
        return state

    def _batches(self, shards: Shards, *, epoch: int) -> Iterator[Batch]:
        """Return this rank's batches of an epoch: as many as every other rank's, or they would wait for each other forever."""
        windows = self.survey.windows(shards, self.settings, n_slices=self.pace.n_slices, seed=[*self.seed, epoch])
        cut = batches(windows, size=self.pace.batch_size)
        return (batch for _, batch in zip(range(self.pace.n_steps), cut, strict=True))

    def _check_equal(self, weights: Arrays) -> None:
        digests = self.ranks.gather(hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest())
        if len(set(digests)) > 1:
            raise ReplenError(
                f"forecast.lstm.ranks: expected the same weights on {len(digests)} ranks after training, found {digests}; use "
                "machines of one kind with the same packages, or 1 rank"
            )

    def _fingerprint(self) -> str:
        """Return what a checkpoint must share to be taken up: settings, reading, seed, series by rank."""
        parts = [self.settings.model_dump(mode="json"), self.survey.reading.as_json(), self.seed, self.survey.sizes]
        return json.dumps(parts, sort_keys=True, default=list)


def _check_learned(state: State) -> None:
    """Refuse weights that no epoch has made better.

    Raises:
        ReplenError: no epoch's loss is finite.
    """
    if not np.isfinite(state.best_loss):
        raise ReplenError(
            f"forecast.lstm: expected a finite loss in one epoch at least, found {state.history[-1].validation_loss} after "
            f"{state.epoch}: training diverged; set a smaller forecast.lstm.learning_rate or clip_norm, or look for absurd "
            f"quantities in the table {t.SALES.name}"
        )


def validation_loss(network: "keras.Model", validation: Batch, ranks: Ranks) -> float:
    """Return the negative log likelihood a validation target, over the windows of all ranks."""
    import tensorflow as tf

    own = tf.constant(0.0)
    if len(validation):
        own = negative_log_likelihood(outputs_of(network, validation), validation.target, validation.scale)
    (loss,) = ranks.mean([own], weight=tf.constant(np.isfinite(validation.target).sum(), tf.float32))
    return float(loss)


def _generators(network: "keras.Model") -> list[Any]:
    """Return the variables that are no weights: the states of the network's random generators."""
    weights = {id(variable) for variable in network.weights}
    return [variable for variable in network.variables if id(variable) not in weights]


def _values(variables: list[Any]) -> Arrays:
    return [variable.numpy() for variable in variables]


def _assign(variables: list[Any], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)

"""The only door to MLflow. Called from the driver only: workers are retried and would log twice.

One experiment; a parent run a training event and a child run a model family, found again by their tags after a crash; one
registered model whose versions are of any family, with the alias `champion`.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from replen import config
from replen.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

REGISTERED = "replen"
CHAMPION = "champion"
RUN_TAG, FAMILY_TAG = "replen.run_id", "replen.family"
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: which family it is of and the MLflow run that made it."""

    version: str
    family: str
    mlflow_run: str


class FamilyRun:
    """An MLflow run of one model family; the same object whether the run is new or resumed."""

    def __init__(self, client: "MlflowClient", mlflow_run: str) -> None:
        self._client = client
        self.mlflow_run = mlflow_run

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters; the same ones may be logged again."""
        for name, value in values.items():
            self._client.log_param(self.mlflow_run, name, value)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Log one value of a metric."""
        self._client.log_metric(self.mlflow_run, name, value, step=step)

    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
        self._client.set_tag(self.mlflow_run, name, value)

    def text(self, content: str, name: str) -> None:
        """Keep a text as an artifact."""
        self._client.log_text(self.mlflow_run, content, name)

    def table(self, rows: pd.DataFrame, name: str) -> None:
        """Keep a frame as a Parquet artifact."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            rows.to_parquet(path, index=False)
            self._client.log_artifact(self.mlflow_run, str(path))

    def model(self, folder: Path) -> None:
        """Keep the folder that the forecaster is loaded from."""
        self._client.log_artifacts(self.mlflow_run, str(folder), MODEL_FOLDER)

    def keras_network(self, network: Any, name: str) -> str:
        """Return the URI of a Keras network kept with its signature as a model of the run, loadable without pickled code."""
        import mlflow.keras
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        def schema(tensors: Iterable[Any]) -> Schema:
            shapes = [(tensor, tuple(-1 if size is None else size for size in tensor.shape)) for tensor in tensors]
            return Schema([TensorSpec(np.dtype(tensor.dtype), shape, tensor.name) for tensor, shape in shapes])

        signature = ModelSignature(schema(network.inputs), schema(network.outputs))
        with mlflow.start_run(run_id=self.mlflow_run):
            return str(mlflow.keras.log_model(network, name=name, signature=signature).model_uri)


class Tracker:
    """The experiment and registry of a configuration."""

    def __init__(self, tracking: config.Tracking, warehouse: str) -> None:
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        uri, artifacts = _store(tracking, warehouse)
        mlflow.set_tracking_uri(uri)
        self._client = mlflow.MlflowClient(uri)
        self._experiment = self._open_experiment(tracking.experiment, artifacts)

    @contextmanager
    def training(self, run_id: str, name: str) -> Iterator[FamilyRun]:
        """Frame a training event: the parent of its families' runs."""
        with self._run(run_id, family="*", name=name, parent=None) as parent:
            yield parent

    @contextmanager
    def family(self, run_id: str, family: str, parent: FamilyRun) -> Iterator[FamilyRun]:
        """Frame the run of one model family within a training event."""
        with self._run(run_id, family=family, name=family, parent=parent.mlflow_run) as run:
            yield run

    def register(self, run: FamilyRun, family: str, *, model_uri: str | None = None) -> ModelVersion:
        """Return the registered version of a family's run, made now if there is none yet.

        Its source is a model of the run where one is given, else the folder that the forecaster is loaded from.
        """
        for version in self._client.search_model_versions(f"name='{REGISTERED}'"):
            if version.run_id == run.mlflow_run:
                return ModelVersion(str(version.version), family, run.mlflow_run)
        if not self._client.search_registered_models(f"name='{REGISTERED}'"):
            self._client.create_registered_model(REGISTERED, description="Demand forecasters of replen, one version a training")
        source = model_uri or f"{self._client.get_run(run.mlflow_run).info.artifact_uri}/{MODEL_FOLDER}"
        made = self._client.create_model_version(REGISTERED, source, run.mlflow_run, tags={FAMILY_TAG: family})
        return ModelVersion(str(made.version), family, run.mlflow_run)

    def promote(self, version: ModelVersion, reason: str) -> None:
        """Give a version the alias `champion`, with the reason as a tag."""
        self._client.set_model_version_tag(REGISTERED, version.version, "replen.reason", reason)
        self._client.set_registered_model_alias(REGISTERED, CHAMPION, version.version)

    def download(self, mlflow_run: str, into: Path) -> Path:
        """Return the local folder of a run's forecaster.

        Raises:
            TrackingError: where the run keeps none.
        """
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(mlflow_run, MODEL_FOLDER, str(into)))
        except (MlflowException, OSError) as missing:
            raise TrackingError(
                f"MLflow run {mlflow_run}: expected the artifact folder {MODEL_FOLDER!r}, found none ({missing}); "
                "run `replen train` again in a new warehouse, or restore the artifacts"
            ) from None

    @contextmanager
    def _run(self, run_id: str, *, family: str, name: str, parent: str | None) -> Iterator[FamilyRun]:
        found = self._client.search_runs(
            [self._experiment.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}' and tags.`{FAMILY_TAG}` = '{family}'"
        )
        tags = {RUN_TAG: run_id, FAMILY_TAG: family} | ({"mlflow.parentRunId": parent} if parent else {})
        opened = found[0] if found else self._client.create_run(self._experiment.experiment_id, run_name=name, tags=tags)
        try:
            yield FamilyRun(self._client, opened.info.run_id)
        except BaseException:
            self._client.set_terminated(opened.info.run_id, "FAILED")
            raise
        self._client.set_terminated(opened.info.run_id, "FINISHED")

    def _open_experiment(self, name: str, artifacts: str | None) -> "Experiment":
        found = self._client.get_experiment_by_name(name)
        return found or self._client.get_experiment(self._client.create_experiment(name, artifacts))


def serve_ui(tracking: config.Tracking, warehouse: str) -> None:
    """Serve the MLflow UI of a configuration's store on loopback until it is interrupted."""
    uri, _ = _store(tracking, warehouse)
    command: list[Any] = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1"]
    subprocess.run(command, check=True)


def _store(tracking: config.Tracking, warehouse: str) -> tuple[str, str | None]:
    """Return the tracking URI and, for the default store, where its artifacts go."""
    if tracking.uri is not None:
        return tracking.uri, None
    if "://" in warehouse and not warehouse.startswith("file://"):
        raise ConfigError(f"tracking.uri: expected a tracking server, since the warehouse {warehouse} is no local folder")
    folder = Path(warehouse.removeprefix("file://")).absolute() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()

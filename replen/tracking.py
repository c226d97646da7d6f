"""The only door to MLflow. Called from the driver only: workers are retried and would log twice.

One experiment; a parent run a training event and a child run a model family, found again by their tags after a crash; one
registered model whose versions are of any family, with aliases such as `champion`, `challenger`, `champion-class-lumpy`.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from replen import config
from replen.errors import ConfigError, TrackingError
from replen.registry_names import CHALLENGER, CHAMPION, alias, installed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

REGISTERED = "replen"
BEFORE = "champions_before.json"
BATCH = 1000  # metrics that MLflow takes at once
RUN_TAG, FAMILY_TAG, POLICY_TAG, MODEL_FOLDER = "replen.run_id", "replen.family", "replen.policy", "model"
NETWORK_NEEDS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: which family it is of and the MLflow run that made it."""

    version: str
    family: str
    mlflow_run: str


@dataclass(frozen=True)
class Value:
    """One value of a metric, at a step where it has several."""

    name: str
    value: float
    step: int = 0


class FamilyRun:
    """An MLflow run of one model family; the same object whether the run is new or resumed."""

    def __init__(self, client: "MlflowClient", mlflow_run: str) -> None:
        self._client = client
        self.mlflow_run = mlflow_run

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters; the same ones may be logged again."""
        for name, value in values.items():
            self._client.log_param(self.mlflow_run, name, value)

    def metrics(self, values: Iterable[Value]) -> None:
        """Log values of metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(one.name, one.value, now, one.step) for one in values]
        for start in range(0, len(points), BATCH):
            self._client.log_batch(self.mlflow_run, metrics=points[start : start + BATCH])

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

    def figure(self, figure: "Figure", name: str) -> None:
        """Keep a figure as an image."""
        self._client.log_figure(self.mlflow_run, figure, name)

    def file(self, path: Path) -> None:
        """Keep a file as an artifact."""
        self._client.log_artifact(self.mlflow_run, str(path))

    def model(self, folder: Path, about: Mapping[str, object]) -> None:
        """Keep the folder that the forecaster is loaded from, as a model that MLflow loads by `replen.registered`."""
        from mlflow import models, pyfunc

        described = models.Model(run_id=self.mlflow_run)
        pyfunc.add_to_model(described, loader_module="replen.registered", model_config=dict(about))
        described.save(str(folder / "MLmodel"))
        self.folder(folder, MODEL_FOLDER)

    def folder(self, folder: Path, name: str) -> None:
        """Keep the files of a folder as artifacts below a name."""
        self._client.log_artifacts(self.mlflow_run, str(folder), name)

    def keras_network(self, network: Any, name: str) -> None:
        """Keep a Keras network, which is part of a forecaster, with its signature: Keras loads it without pickled code."""
        import mlflow.keras
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        def schema(tensors: Iterable[Any]) -> Schema:
            shapes = [(tensor, tuple(-1 if size is None else size for size in tensor.shape)) for tensor in tensors]
            return Schema([TensorSpec(np.dtype(tensor.dtype), shape, tensor.name) for tensor, shape in shapes])

        signature = ModelSignature(schema(network.inputs), schema(network.outputs))
        needs = installed(NETWORK_NEEDS)  # else MLflow would load the model once more, in a new process, to find them out
        with mlflow.start_run(run_id=self.mlflow_run):
            mlflow.keras.log_model(network, name=name, signature=signature, pip_requirements=needs)


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
        found = self._client.get_experiment_by_name(tracking.experiment)
        self._number = str(found.experiment_id if found else self._client.create_experiment(tracking.experiment, artifacts))

    def training(self, run_id: str, name: str) -> AbstractContextManager[FamilyRun]:
        """Return the frame of a training event: the parent of its families' runs."""
        return self._run({RUN_TAG: run_id, FAMILY_TAG: "*"}, name)

    def family(self, run_id: str, family: str, parent: FamilyRun) -> AbstractContextManager[FamilyRun]:
        """Return the frame of the run of one model family within a training event."""
        return self._run({RUN_TAG: run_id, FAMILY_TAG: family}, family, parent)

    def policy(self, run_id: str, policy: str, parent: FamilyRun) -> AbstractContextManager[FamilyRun]:
        """Return the frame of what a run found of a policy, below the training event whose forecasters it ordered by."""
        return self._run({RUN_TAG: run_id, POLICY_TAG: policy}, policy, parent)

    def register(self, run: FamilyRun, family: str) -> ModelVersion:
        """Return the registered version of a family's run, made now if there is none yet: the forecaster that the run keeps."""
        for version in self._client.search_model_versions(f"name='{REGISTERED}'"):
            if version.run_id == run.mlflow_run:
                return ModelVersion(str(version.version), family, run.mlflow_run)
        if not self._client.search_registered_models(f"name='{REGISTERED}'"):
            self._client.create_registered_model(REGISTERED, description="Demand forecasters of replen, one version a training")
        source = f"{self._client.get_run(run.mlflow_run).info.artifact_uri}/{MODEL_FOLDER}"
        tags = {FAMILY_TAG: family}
        made = self._client.create_model_version(REGISTERED, source, run.mlflow_run, tags=tags, description=family)
        return ModelVersion(str(made.version), family, run.mlflow_run)

    def champions_before(self, parent: FamilyRun, segments: Iterable[str]) -> dict[str, str]:
        """Return segment -> family of the champion when this training event first asked, of versions of this experiment only.

        It is kept with the event's run: one that was killed after it promoted its own decides as it did before.
        """
        if any(found.path == BEFORE for found in self._client.list_artifacts(parent.mlflow_run)):
            with TemporaryDirectory() as folder:
                kept = Path(self._client.download_artifacts(parent.mlflow_run, BEFORE, folder)).read_text(encoding="utf-8")
            return dict(json.loads(kept))
        aliases = self._aliases()
        versions = {segment: aliases.get(alias(CHAMPION, segment)) for segment in segments}
        families = {segment: self._family_of(version) for segment, version in versions.items() if version is not None}
        before = {segment: family for segment, family in families.items() if family is not None}
        parent.text(json.dumps(before, indent=2), BEFORE)
        return before

    def promote(self, aliases: Mapping[str, tuple[ModelVersion, str]]) -> None:
        """Give each alias to its version, with the reason as a tag; other aliases of champion and challenger are taken away."""
        for name, (version, reason) in aliases.items():
            self._client.set_model_version_tag(REGISTERED, version.version, f"replen.{name}", reason)
            self._client.set_registered_model_alias(REGISTERED, name, version.version)
        for name in self._aliases():
            if name not in aliases and re.match(rf"({CHAMPION}|{CHALLENGER})(-|$)", name):
                self._client.delete_registered_model_alias(REGISTERED, name)

    def download(self, mlflow_run: str, into: Path, folder: str) -> Path:
        """Return the local copy of a folder of a run's artifacts that a forecaster is loaded from.

        Raises:
            TrackingError: where the run keeps none.
        """
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(mlflow_run, folder, str(into)))
        except (MlflowException, OSError) as missing:
            raise TrackingError(
                f"MLflow run {mlflow_run}: expected the artifact folder {folder!r}, found none ({missing}); "
                "run `replen train` again in a new warehouse, or restore the artifacts"
            ) from None

    def ui(self) -> tuple[list[str], str]:
        """Return the command that serves the store's UI on loopback, and where this experiment's runs are in it."""
        store = self._client.tracking_uri
        # Without the type of work MLflow 3 opens on pages for language models.
        page = f"http://127.0.0.1:5000/#/experiments/{self._number}/runs?workflowType=machine_learning"
        return [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store, "--host", "127.0.0.1"], page

    def _aliases(self) -> dict[str, str]:
        """Return alias -> version."""
        found = self._client.search_registered_models(f"name='{REGISTERED}'")
        return {name: str(version) for name, version in found[0].aliases.items()} if found else {}

    def _family_of(self, version: str) -> str | None:
        """Return the family of a version of this experiment, None for one of another."""
        found = self._client.get_model_version(REGISTERED, version)
        run = self._client.get_run(str(found.run_id))
        return found.tags.get(FAMILY_TAG) if run.info.experiment_id == self._number else None

    @contextmanager
    def _run(self, tags: dict[str, str], name: str, parent: FamilyRun | None = None) -> Iterator[FamilyRun]:
        """Frame the one run that has these tags, made now if there is none yet."""
        wanted = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
        found = self._client.search_runs([self._number], wanted)
        below = {"mlflow.parentRunId": parent.mlflow_run} if parent else {}
        opened = found[0] if found else self._client.create_run(self._number, run_name=name, tags=tags | below)
        try:
            yield FamilyRun(self._client, opened.info.run_id)
        except BaseException:
            self._client.set_terminated(opened.info.run_id, "FAILED")
            raise
        self._client.set_terminated(opened.info.run_id, "FINISHED")


def _store(tracking: config.Tracking, warehouse: str) -> tuple[str, str | None]:
    """Return the tracking URI and, for the default store, where its artifacts go."""
    if tracking.uri is not None:
        return tracking.uri, None
    if "://" in warehouse and not warehouse.startswith("file://"):
        raise ConfigError(f"tracking.uri: expected a tracking server, since the warehouse {warehouse} is no local folder")
    folder = Path(warehouse.removeprefix("file://")).absolute() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()

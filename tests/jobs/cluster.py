"""A standalone Spark cluster on loopback: one master, two workers, real processes."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

ROOT = Path(__file__).parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
STARTED = "Successfully registered with master"


@dataclass(frozen=True)
class Cluster:
    """A running cluster and how to submit to it."""

    master: str
    folder: Path

    def submit(self, entry: Path, arguments: Sequence[str], *, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run `spark-submit` in the way of the README: the package as a zip, the driver on this machine."""
        package = ship_package(self.folder)
        command = [SPARK_HOME / "bin/spark-submit", "--master", self.master, "--py-files", package]
        command += ["--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.ui.enabled=false", "--driver-memory", "1g"]
        command += ["--executor-memory", "1g", "--conf", "spark.executor.memoryOverhead=2g", entry, *arguments]
        return subprocess.run(
            command, env=environment(), cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
        )


@contextmanager
def standalone_cluster(folder: Path, *, workers: int = 2, memory: str = "1g") -> Iterator[Cluster]:
    """Run a master and workers of one core and so much memory each; they end with the block."""
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack:
        at = ["--host", "127.0.0.1"]
        spark_class(
            stack, folder / "master.log", "master.Master", *at, "--port", str(port), "--webui-port", str(free_port()),
            until="Starting Spark master",
        )  # fmt: skip
        for number in range(workers):
            sizes = ["--cores", "1", "--memory", memory, "--work-dir", str(folder / f"work-{number}")]
            spark_class(
                stack, folder / f"worker-{number}.log", "worker.Worker", *at, "--webui-port", str(free_port()), *sizes, master,
                until=STARTED,
            )  # fmt: skip
        yield Cluster(master, folder)


def spark_class(stack: ExitStack, log: Path, name: str, *arguments: str, until: str) -> None:
    command = [str(SPARK_HOME / "bin/spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
    process = subprocess.Popen(command, env=environment(), stdout=log.open("w"), stderr=subprocess.STDOUT)
    stack.callback(end, process)
    deadline = time.monotonic() + 60
    while until not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{name} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ship_package(folder: Path) -> Path:
    """Return the package as a zip, as a user would ship it to a cluster that does not have it installed."""
    staged = folder / "package"
    if not staged.exists():
        shutil.copytree(ROOT / "replen", staged / "replen", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "jobs", staged / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.make_archive(str(staged), "zip", staged)
    return staged.with_suffix(".zip")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Return an environment in which only the shipped package can be imported."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "SPARK_HOME"}}
    return kept | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "TF_CPP_MIN_LOG_LEVEL": "3"}

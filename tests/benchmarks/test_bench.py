"""The benchmarks run, at their smallest size; what they measure is nobody's test."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.benchmarks.usage import DAEMON, peak_memory, processor_seconds

ROOT = Path(__file__).parents[2]
SMALL_LSTM = ("forecast.lstm.epochs=1", "forecast.lstm.windows_per_epoch=500", "forecast.lstm.units=8")
FEW_TASKS = ("spark.partitions=2", "spark.buckets_per_group=2048", "sources.generator.n_periods=80")


def report(name: str, *arguments: str) -> dict[str, Any]:
    """Return the last line of a benchmark's output."""
    command = [sys.executable, str(ROOT / "tests/benchmarks" / name), *arguments]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_processor_time_of_workers_that_have_ended_is_counted() -> None:
    """Spark's daemon ignores how its workers end, and the system then forgets what they used."""
    forking = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    while time.process_time() < 2: pass\n"
        "    os.write(1, b'.')\n"
        "    os._exit(0)\n"
        "sys.stdin.read()\n"
    )
    before = processor_seconds()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with peak_memory(), subprocess.Popen([sys.executable, "-c", forking, DAEMON], **pipes) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.read(1)
        while psutil.Process(daemon.pid).children():
            time.sleep(0.05)
        assert processor_seconds() - before > 1
        daemon.kill()


def test_the_benchmark_of_local_lstms_runs() -> None:
    found = report("bench_lstm.py", "--smoke")
    assert found["stack_from_keras_largest"] < 1e-5
    assert {"new_over_stack", "reset_over_stack"} <= set(found)


def test_the_benchmark_of_horovod_runs() -> None:
    found = report("bench_horovod.py", "--smoke")["variants"]
    alone, together = (found[name]["validation_loss"] for name in ("1 process, 1 thread", "2 ranks, 1 thread each"))
    assert together == pytest.approx(alone, rel=0.2)


def test_the_benchmark_of_backtests_runs(tmp_path: Path) -> None:
    asked = [f"--set={setting}" for setting in (*SMALL_LSTM, "evaluate.folds=1", *FEW_TASKS)]
    found = report("bench_backtest.py", "--folder", str(tmp_path), "--series", "80", *asked)
    assert found["n_series"] >= 80
    assert found["worker_gib"] > 0
    assert set(found["scores"]) == {"moving_average", "ridge", "lstm"}


def test_the_benchmark_of_censoring_runs(tmp_path: Path) -> None:
    asked = ["--models", "moving_average", *(f"--set={setting}" for setting in FEW_TASKS)]
    found = report("bench_censoring.py", "--generated", str(tmp_path), "--series", "80", *asked)
    assert set(found["bias"]["moving_average"]) == {"truth", "raw", "ours", "removed"}


def test_the_benchmark_of_policies_runs() -> None:
    found = report("bench_policies.py", "--smoke")["forecasters"]["moving_average"]
    assert found["policies"]["cheapest line"]["n_tried"] == 7
    assert {"mean", "low", "high"} == set(found["saving"]["program"]["(R,S) textbook, rounded up"])


def test_the_benchmark_of_planning_runs() -> None:
    found = report("bench_planning.py", "--smoke")
    assert max(found["chain"][f"{peer}_difference"] for peer in ("linprog", "highspy", "blocks")) < 1e-6
    assert {"less_than_nearest_percent", "less_than_up_percent"} <= set(found["packs"])


def test_the_benchmark_of_coupling_limits_runs() -> None:
    found = report("bench_coupling.py", "--smoke")
    assert found["largest_violation"] == 0
    assert 0 <= found["gap"] < 1e-3
    assert found["limits_that_bind"] > 0


def test_the_benchmark_of_limits_over_paths_runs() -> None:
    found = report("bench_limits.py", "--smoke")
    assert found["largest_violation"] == 0
    assert 0 <= found["gap"] < 0.05


def test_the_benchmark_of_the_plan_job_runs() -> None:
    found = report("bench_plan_job.py", "--smoke")
    assert found["passes"] > 1
    assert found["largest_violation"] == 0
    assert found["gap"] < 0.01


def test_the_benchmark_of_kept_plans_runs() -> None:
    free, charged = report("bench_kept.py", "--smoke")["charges"]
    assert charged["dates_changed"] < free["dates_changed"]


def test_the_benchmark_of_the_order_database_runs() -> None:
    found = report("bench_orders_database.py", "--smoke")["databases"]
    assert {name: each["first_changed"] for name, each in found.items()} == dict.fromkeys(
        ("sqlite", "postgresql", "mariadb"), 400
    )
    assert all(each["again_changed"] == 0 and each["versions_kept"] for each in found.values())


def test_the_benchmark_of_reading_databases_runs() -> None:
    found = report("bench_database_read.py", "--rows", "50000", "--repeats", "1")
    assert set(found["speed"]) == set(found["speed_by_processor"]) == {"whole", "since"}
    assert {"copy", "copy_again", "whole", "since", "a_day_later", "nothing_new"} == set(found["seconds"][0])


def test_the_benchmark_of_peers_runs(tmp_path: Path) -> None:
    few = ["--arima-series", "20", "--try-series", "20", "--linprog-series", "40", "--folder", str(tmp_path)]
    asked = [f"--set={setting}" for setting in (*SMALL_LSTM, "forecast.models=[moving_average,lstm]", *FEW_TASKS)]
    found = report("bench_peers.py", "--series", "80", *few, *asked)
    assert {"replen", "AutoETS", "AutoARIMA", "LightGBM"} <= set(found["forecast"])
    assert all(each["pinball"] > 0 for each in found["forecast"].values())
    assert found["plan"]["linprog"]["largest_difference"] < 1e-6


def test_the_benchmark_of_nights_runs(tmp_path: Path) -> None:
    few = ("forecast.models=[moving_average]", "forecast.champion=moving_average", "evaluate.folds=0", *FEW_TASKS)
    asked = ["--weeks", "80", "--nights", "2", *(f"--set={setting}" for setting in few)]
    nights = report("bench_night.py", "--series", "80", "--folder", str(tmp_path), *asked)["nights"]
    assert nights["first"]["share_of_first"] == 1
    assert nights["next_period"]["jobs"]["train"]["seconds"] < nights["first"]["jobs"]["train"]["seconds"] / 2


def test_series_do_not_depend_on_how_many_rows_they_were_sold_in(tmp_path: Path) -> None:
    small = ("dirt_share=0", "behaviour=false", "n_periods=26")
    asked = [f"--set={setting}" for setting in (*FEW_TASKS[:2], *(f"sources.generator.{one}" for one in small))]
    asked += ["--folder", str(tmp_path), "--series", "400", "--until", "build_features"]
    plain, skewed = (report("bench_end_to_end.py", *asked, *more) for more in ([], ["--skew"]))
    assert skewed["fingerprint"] == plain["fingerprint"]
    assert skewed["n_raw_rows"] > 1.2 * plain["n_raw_rows"]

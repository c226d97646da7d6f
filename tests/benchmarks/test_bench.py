"""The benchmarks run, at their smallest size; what they measure is nobody's test."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_local_lstms_runs() -> None:
    command = [sys.executable, str(ROOT / "tests/benchmarks/bench_lstm.py"), "--smoke"]
    printed = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    ).stdout
    report = json.loads(printed.splitlines()[-1])
    assert report["stack_from_keras_largest"] < 1e-5
    assert {"new_over_stack", "reset_over_stack"} <= set(report)

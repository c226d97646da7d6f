"""The `replen` command as a user meets it: help, mistakes, exit codes. No JVM is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from replen.cli import COMPARED_BY
from replen.model_table import KINDS

ROOT = Path(__file__).parents[2]


def replen(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "import sys; from replen.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_help_teaches() -> None:
    told = replen("--help")
    assert told.returncode == 0
    for word in (
        "run",
        "ingest",
        "build-features",
        "train",
        "forecast",
        "plan-orders",
        "check-quality",
        "quality",
        "expire",
        "compare",
        "--set",
        "conf/base.yaml",
        "Exit codes",
    ):
        assert word in told.stdout


def test_compare_offers_every_kind_of_table() -> None:
    assert COMPARED_BY == KINDS
    told = replen("compare", "--help")
    assert f"--by {{{','.join(KINDS)}}}" in told.stdout


def test_show_prints_the_resolved_configuration() -> None:
    told = replen("show", "--config", "conf/demo.yaml", "--set", "plan.n_paths=7")
    assert told.returncode == 0
    assert '"n_paths": 7' in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "--config", "conf/none.yaml"), 1, "conf/none.yaml: expected a configuration file, found none"),
        (("run", "--config", "conf/demo.yaml", "--set", "plan.n_path=7"), 1, "did you mean 'n_paths'?"),
        (("run", "--config", "conf/demo.yaml", "--set", "plan.horizon=14"), 1, "expected at most forecast.horizon = 13"),
        (("run", "--confg", "conf/demo.yaml"), 2, "--confg"),
        (("compare", "--by", "shop"), 2, "invalid choice: 'shop'"),
        (("plan", "--config", "conf/demo.yaml"), 2, "invalid choice"),
    ],
)
def test_a_mistake_ends_with_its_remedy_and_a_code(arguments: tuple[str, ...], code: int, message: str) -> None:
    told = replen(*arguments)
    assert told.returncode == code
    assert message in told.stderr
    assert "Traceback" not in told.stderr

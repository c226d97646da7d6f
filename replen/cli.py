"""The `replen` command, and what every spark-submit entry does around its `run`: arguments, session, exit code."""

import argparse
import datetime as dt
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from replen.config import Config
from replen.errors import ReplenError
from replen.orders.options import add_db, add_orders
from replen.overlays import load_config
from replen.progress import Heartbeat, Progress, noise_to

COMMANDS = {
    "run": "run_pipeline",
    "ingest": "ingest",
    "check-quality": "check_quality",
    "build-features": "build_features",
    "train": "train",
    "forecast": "forecast",
    "plan-orders": "plan_orders",
    "compare": "compare",
    "notify": "notify",
    "simulate": "simulate",
}
COMPARED_BY = ("all", "class", "abc", "category", "step", "fold")
EPILOG = """\
examples:
  replen run --config conf/demo.yaml
  replen run --config conf/online_retail.yaml --set sources.path=online_retail_II.parquet
  replen run --config my.yaml --set warehouse=/data/replen --set cutoff=2024-06-24 --set plan.n_paths=100
  replen compare --config my.yaml --by class                 (how good each forecaster is, and why the champion is one)
  replen quality --config my.yaml --history                  (what the checks of the data found, and in the runs before)
  replen expire --config my.yaml --set retention.days=90 --dry-run
  replen show --config my.yaml --set forecast.horizon=8      (print the resolved configuration, run nothing)
  replen db upgrade --config my.yaml                         (create the tables of the order database)
  replen orders approve --config my.yaml --supplier mill --by ann

Every key stands with its default and a comment in conf/base.yaml; an overlay changes only what it must. A job that is already
committed for the same configuration, inputs and code is not done again. Exit codes: 0 done, 1 an error that names its remedy,
2 wrong arguments, 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="replen", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command, module in COMMANDS.items():
        job = importlib.util.find_spec(f"jobs.{module}")
        _add_options(commands.add_parser(command, help=_first_line(job.origin if job else None)), command)
    _add_options(commands.add_parser("quality", help="The checks of the data in the last run."), "quality")
    _add_options(commands.add_parser("expire", help="Remove runs that the section `retention` does not keep."), "expire")
    _add_options(commands.add_parser("ui", help="The MLflow UI on the runs of this configuration."))
    _add_options(commands.add_parser("show", help="The resolved configuration."))
    add_orders(commands.add_parser("orders", help="Orders of the database: list, approve, send, ..., export."), _add_options)
    add_db(commands.add_parser("db", help="The tables of the order database: upgrade, current."), _add_options)
    chosen = parser.parse_args(arguments)
    return _guarded(chosen)


def job_main(job: str) -> None:
    """Run a job as a spark-submit entry and end the process with its exit code."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__, epilog=EPILOG)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command = next(command for command, module in COMMANDS.items() if module == job)
    _add_options(parser, command)
    chosen = parser.parse_args()
    chosen.command = command
    sys.exit(_guarded(chosen))


def _add_options(parser: argparse.ArgumentParser, command: str = "") -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="overlay of conf/base.yaml (default: base.yaml alone)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="change one key; may be repeated"
    )
    if command == "compare":
        parser.add_argument("--by", choices=COMPARED_BY, default="all", help="what each table is of (default: all series)")
    if command == "notify":
        parser.add_argument("--watch", type=float, metavar="SECONDS", help="deliver again and again, so many seconds apart")
        parser.add_argument("--dead", action="store_true", help="list the notifications that were given up; send nothing")
        parser.add_argument(
            "--retry-dead", nargs="*", metavar="EVENT", dest="again", help="deliver dead ones again (default: all)"
        )
    if command == "quality":
        parser.add_argument("--history", action="store_true", help="show the values of the last runs beside them")
    if command == "expire":
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    if command == "simulate":
        parser.add_argument("--tune", action="store_true", help="choose policy and target on all windows but the last")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _guarded(chosen: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)  # repeats, as JSON, what is raised anyway
    try:
        return _execute(chosen, load_config(chosen.config, chosen.settings))
    except ReplenError as error:
        if chosen.debug:
            raise
        sys.stderr.write(f"replen: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("replen: interrupted; the same command goes on after the last committed job\n")
        return 130


def _execute(chosen: argparse.Namespace, config: Config) -> int:
    command = chosen.command
    if command == "show":
        sys.stdout.write(config.model_dump_json(indent=2, exclude={"orders": {"database"}, "tracking": {"uri"}}) + "\n")
    elif command in ("orders", "db"):
        from replen.orders.commands import run_db, run_orders

        told = run_orders(chosen, config.orders, config.notify) if command == "orders" else run_db(chosen, config.orders)
        sys.stdout.write(f"{told}\n")
    elif command == "notify":
        deliver: Callable[..., str] = importlib.import_module("jobs.notify").run
        sys.stdout.write(f"{deliver(config, Progress(), watch=chosen.watch, dead=chosen.dead, again=chosen.again)}\n")
    elif command == "quality":
        from replen.quality.report import report

        sys.stdout.write(f"{report(config.warehouse, (config.name, config.freq), history=chosen.history)}\n")
    elif command == "expire":
        from replen.spark.expiry import expire

        now, note = dt.datetime.now(dt.UTC), Progress().note
        sys.stdout.write(f"{expire(config.warehouse, config.retention, now, dry_run=chosen.dry_run, say=note)}\n")
    elif command == "ui":
        from replen.tracking import Tracker

        serving, page = Tracker(config.tracking, config.warehouse).ui()
        sys.stdout.write(f"runs, once it is up: {page}\n")
        sys.stdout.flush()
        os.execv(serving[0], serving)  # signals reach the server itself
    elif "PYSPARK_GATEWAY_PORT" in os.environ or "://" in config.warehouse:  # spark-submit keeps the logs
        sys.stdout.write(f"{_run_job(chosen, config, Progress())}\n")
    else:
        with noise_to(Path(config.warehouse) / "spark.log") as terminal:
            outcome = _run_job(chosen, config, Progress(terminal))
        sys.stdout.write(f"{outcome}\n")
    return 0


def _run_job(chosen: argparse.Namespace, config: Config, progress: Progress) -> object:
    from replen.spark.failures import stopped, told_by_worker
    from replen.spark.session import session
    from replen.spark.tasks import tasks

    run: Callable[..., object] = importlib.import_module(f"jobs.{COMMANDS[chosen.command]}").run
    if chosen.command == "compare":
        run = partial(run, by=chosen.by)
    elif chosen.command == "simulate":
        run = partial(run, tune=chosen.tune)
    spark = session(config.spark, f"replen {chosen.command} {config.name}")
    beat = Heartbeat(progress, config.warehouse, config.name, seconds=config.heartbeat.seconds, tasks=partial(tasks, spark))
    try:
        with beat if chosen.command != "compare" else nullcontext():  # which may run beside a job, and ends before it
            return run(spark, config, progress)
    except Exception as error:
        known = told_by_worker(error) or stopped(error, chosen.command)
        if known is None:
            raise
        raise known from error
    finally:
        spark.stop()


def _first_line(origin: str | None) -> str:
    text = Path(origin).read_text(encoding="utf-8") if origin else ""
    return text.split('"""')[1].splitlines()[0] if '"""' in text else ""

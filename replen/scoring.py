"""The command line that the scoring jobs share: where data are, from which cutoff, with whom."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from replen.config import Config
from replen.errors import ReplenError
from replen.evaluate.contest import Entry, Failure, Note, Question, contest
from replen.evaluate.peers import PEERS, check_installed
from replen.evaluate.scoreboard import SCORES_FILE, ForecastFile, Scoreboard
from replen.overlays import load_config
from replen.progress import Progress, noise_to


@dataclass(frozen=True)
class Asked:
    """What a scoring job is asked for.

    Attributes:
        data: folder of the data set's files.
        out: folder that forecasts and scores are written to.
        cutoff: last day a forecaster may see, as the data set writes days; None = rolling validation.
        horizon: days.
        models: forecasters of the config and peers.
        threads: of the peers.
        note: told what is under way.
    """

    data: Path
    out: Path
    cutoff: str | None
    horizon: int
    models: tuple[str, ...]
    threads: int
    note: Note


def hold(
    asked: Asked,
    config: Config,
    questions: Iterable[tuple[str, Question]],
    *,
    files: tuple[ForecastFile, Scoreboard],
    score: Callable[[Entry, Question], dict[str, float]],
) -> Scoreboard:
    """Return the scores of every forecaster at every cutoff, after writing forecasts.parquet and scores.json.

    scores.json is written again after every forecaster at every cutoff: what was scored before a crash is there.
    """
    file, board = files
    with closing(file):
        for cutoff, question in questions:
            about = {"data": config.name, "seed": config.seed, "horizon": asked.horizon, "n_series": len(question.panel.keys)}
            for entry in contest(question, config, models=asked.models, threads=asked.threads, note=asked.note):
                if isinstance(entry, Failure):
                    asked.note(f"{entry.model} failed: {entry.reason}")
                    board.add_failure(cutoff, entry)
                else:
                    file.add(entry, cutoff)
                    board.add(cutoff, entry, score(entry, question))
                board.write(asked.out, about)
    return board


def score_main(
    run: Callable[[Asked, Config], Scoreboard], overlay: Path, arguments: Sequence[str] | None, *, about: str, horizon: int
) -> int:
    """Run a scoring job from the command line, print its table and return the exit code."""
    chosen = _parser(about, horizon).parse_args(arguments)
    try:
        horizons = (f"{section}.horizon={chosen.horizon}" for section in ("forecast", "evaluate", "plan"))
        config = load_config(overlay, [*chosen.settings, *horizons])
        known = (*config.forecast.models, *PEERS)
        models = tuple(chosen.models.split(",")) if chosen.models else known
        if unknown := [model for model in models if model not in known]:
            raise ReplenError(f"--models: expected some of {', '.join(known)}; found {', '.join(unknown)}")
        check_installed(model for model in models if model in PEERS)
        with noise_to(chosen.out / "log.txt") as terminal:
            note = Progress(terminal).note
            sizes = (chosen.horizon, models, chosen.threads, note)
            board = run(Asked(chosen.data, chosen.out, chosen.cutoff, *sizes), config)
    except ReplenError as error:
        sys.stderr.write(f"replen: {error}\n")
        return 1
    sys.stdout.write(f"{board}\n\nwritten: {chosen.out / SCORES_FILE} and the forecasts beside it\n")
    return 0


def _parser(about: str, horizon: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the data set's files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for forecasts.parquet and scores.json")
    parser.add_argument("--cutoff", metavar="DAY", help="last day a forecaster may see (default: rolling validation)")
    parser.add_argument("--horizon", type=int, default=horizon, metavar="N", help=f"days ahead (default {horizon})")
    parser.add_argument("--models", metavar="A,B", help="only these forecasters and peers (default: all)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="of the peers (default: all)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="change a key; may be repeated"
    )
    return parser

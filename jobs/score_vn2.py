"""Scores on the VN2 challenge: windows of its history, and the competition itself where weeks 1 to 8 are there.

python jobs/score_vn2.py --data DIR --out DIR
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import replen.tables as t
from replen.config import Config
from replen.errors import ReplenError, SourceError
from replen.evaluate.vn2 import FIRST_SCORED, N_ORDERS, N_WEEKS, Opening, Played
from replen.evaluate.vn2_outlook import WINDOWS, outlooks
from replen.evaluate.vn2_scores import OURS, REFERENCES, SETTINGS, TUNED_HERE, Scores, Setting, Window, scores
from replen.features.panel import Panel, panel_from_series
from replen.overlays import load_config
from replen.progress import Progress, noise_to
from replen.sources.vn2 import KEY, Vn2, read_vn2

OVERLAY = Path(__file__).parent.parent / "conf" / "vn2.yaml"
SCORES_FILE, ROUND_FILE = "scores.json", "round_{}.csv"
N_WINDOWS, N_EARLY = 7, 6
"""Windows at the end of the history that are scored, a year of them, and the year before, which our setting is chosen on."""
TRIED_BEFORE = 257
"""Rules, members and settings that were compared while this was written, most of them with the scored windows in sight."""
TRIED_NOTE = f"most of the {TRIED_BEFORE} variants were compared with the scored windows in sight"
YEAR = 52
Note = Callable[[str], None]


def run(data: Path, out: Path, config: Config, *, note: Note) -> str:
    """Return the table after writing scores.json, and round_1.csv to round_6.csv where the competition's weeks are there."""
    began, vn2 = time.monotonic(), read_vn2(data)
    starts = _starts(vn2, data)
    market = pd.DataFrame(columns=t.MARKET.names)
    series = panel_from_series(vn2.series, market, freq="W", cutoff=vn2.weeks[-1], n_ahead=0)
    empty = Opening.empty(len(vn2.keys))
    early, late = (
        (_window(series, start, empty, config, note) for start in part) for part in (starts[:N_EARLY], starts[N_EARLY:])
    )
    found = scores(early, late)
    content: dict[str, object] = {"data": config.name, "seed": config.seed, "n_series": len(vn2.keys)}
    content |= _described(found, config, [str(start) for start in starts[:N_EARLY]])
    if vn2.n_played:
        played = _competition(vn2, series, found.chosen, config, note)
        _write_rounds(out, vn2, played[OURS])
        content["competition"] = {name: _costs(one) | {"all_weeks": float(one.all_weeks.sum())} for name, one in played.items()}
    content["seconds"] = seconds = round(time.monotonic() - began, 1)
    (out / SCORES_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return _shown(found, seed=config.seed, seconds=seconds)


def _starts(vn2: Vn2, folder: Path) -> list[int]:
    """Return the places of the first weeks of all windows, which end with the history.

    Raises:
        SourceError: too few weeks of history, or some weeks of the competition only.
    """
    starts = [vn2.n_history - N_WEEKS * back for back in range(N_EARLY + N_WINDOWS, 0, -1)]
    if starts[0] < YEAR:
        needed = YEAR + N_WEEKS * len(starts)
        raise SourceError(f"{folder}, sales of week 0: expected {needed} weeks or more, found {vn2.n_history}")
    if 0 < vn2.n_played < N_WEEKS:
        raise SourceError(
            f"{folder}: expected sales of weeks 1 to {N_WEEKS} of the competition, or of week 0 only; found weeks 1 to "
            f"{vn2.n_played}; add the others or take these away"
        )
    return starts


def _window(series: Panel, start: int, opening: Opening, config: Config, note: Note) -> Window:
    note(f"window that starts with column {start}")
    demand = series.past[t.SALES_HISTORY][:, start : start + N_WEEKS].astype(np.float64)
    expected = outlooks(series, start, config, note=note)
    weights = {str(name): weight for name, weight in config.forecast.blend.weights.items()}
    return Window(str(start), opening, demand, expected, weights, config.plan.n_paths)


def _competition(vn2: Vn2, series: Panel, chosen: Setting, config: Config, note: Note) -> dict[str, Played]:
    """Return what the references and ours do in the competition's eight weeks, from its opening stock."""
    window = _window(series, vn2.n_history, Opening(vn2.on_hand, vn2.receipts), config, note)
    references = {name: window.play(policy) for name, policy in window.references().items()}
    (ours,) = window.ours([chosen])
    return references | {OURS: window.play(ours)}


def _write_rounds(out: Path, vn2: Vn2, played: Played) -> None:
    for number in range(N_ORDERS):
        orders = vn2.keys[KEY].assign(**{str(t.QUANTITY): played.orders[number].astype(np.int64)})
        orders.to_csv(out / ROUND_FILE.format(number + 1), index=False)


def _costs(played: Played) -> dict[str, float]:
    return {"cost": float(played.cost.sum()), "holding": float(played.holding.sum()), "shortage": float(played.shortage.sum())}


def _described(found: Scores, config: Config, early: Sequence[str]) -> dict[str, object]:
    """Return what scores.json says of the windows."""

    def told(setting: Setting) -> dict[str, float]:
        return {"fractile": setting.fractile, "dispersion": setting.dispersion}

    policies = {}
    for name, by_window in found.played.items():
        costs = {window: _costs(one) for window, one in by_window.items()}
        policies[name] = {"mean": float(np.mean([one["cost"] for one in costs.values()])), "by_window": costs}
    return {
        "scored": f"weeks {FIRST_SCORED + 1} to {N_WEEKS} of each window",
        "setting": told(found.chosen)
        | {"moving_averages": WINDOWS, "blend": config.forecast.blend.weights, "n_paths": config.plan.n_paths},
        "chosen_on": {"windows": early, "by": [told(one) | {"mean": cost} for one, cost in found.early.items()]},
        "settings_tried": {"in_this_run": len(SETTINGS), "while_it_was_written": TRIED_BEFORE, "note": TRIED_NOTE},
        "policies": policies,
        "tuned_on_these_windows": told(found.here) | {"note": "best of the settings on the scored windows: no fair score"},
        "against": {name: found.against(name, seed=config.seed) for name in REFERENCES},
    }


def _shown(found: Scores, *, seed: int, seconds: float) -> str:
    lines = [found.table().to_string(float_format="{:,.0f}".format)]
    for name in REFERENCES:
        told = found.against(name, seed=seed)
        lines.append(f"{OURS} less {name}: {told['difference']:,.0f} a window, 95 % {told['low']:,.0f} to {told['high']:,.0f}")
    chosen = found.chosen
    lines.append(
        f"{OURS}: fractile {chosen.fractile:.3f}, dispersion {chosen.dispersion:g}, best of {len(SETTINGS)} settings on "
        f"{N_EARLY} earlier windows; {TUNED_HERE}: fractile {found.here.fractile:.3f}, dispersion {found.here.dispersion:g}"
    )
    return "\n".join([*lines, f"{seconds:.0f} seconds"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the competition's files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for scores.json and the rounds")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="change a key; may be repeated"
    )
    chosen = parser.parse_args(arguments)
    try:
        config = load_config(OVERLAY, chosen.settings)
        with noise_to(chosen.out / "log.txt") as terminal:
            shown = run(chosen.data, chosen.out, config, note=Progress(terminal).note)
    except ReplenError as error:
        sys.stderr.write(f"replen: {error}\n")
        return 1
    sys.stdout.write(f"{shown}\n\nwritten: {chosen.out / SCORES_FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

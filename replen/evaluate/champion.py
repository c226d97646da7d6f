"""The champion: the model with the smallest mean pinball loss over all folds, for all series and by segment."""

import numpy as np
import pandas as pd

from replen import tables as t
from replen.errors import TableError, raise_all
from replen.evaluate.scores import ALL, STEP

MEASURE = "pinball"


def champions(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row a segment (steps apart): segment, model, value (its mean pinball loss) and reason, by segment.

    Ties go to the first by name.

    Args:
        metrics: rows of `tables.METRICS` of one run.

    Raises:
        TableError: there is nothing to compare, or models were not scored on the same periods of the same series.
    """
    compared = metrics[~metrics[t.SEGMENT].str.startswith(f"{STEP}=")]
    if compared.empty:
        raise TableError(
            f"table {t.METRICS.name}: expected scores of at least one model, found none; set evaluate.folds above 0"
        )
    raise_all(TableError, _differences(compared))
    chosen = compared[(compared[t.METRIC] == MEASURE) & (compared[t.FOLD] == ALL)]
    best = chosen.sort_values([t.SEGMENT, t.VALUE, t.MODEL]).groupby(t.SEGMENT, as_index=False)
    n_folds = compared[t.FOLD].nunique() - 1
    winners = best.first()
    winners[t.REASON] = [_reason(rows, n_folds) for _, rows in best]
    return winners[[t.SEGMENT, t.MODEL, t.VALUE, t.REASON]]


def _differences(metrics: pd.DataFrame) -> list[str]:
    """Return what keeps models from being compared: by fold and segment, all must have scored the same periods."""
    problems = []
    for measure in ("n", "absolute_actual"):
        rows = metrics[metrics[t.METRIC] == measure]
        table = rows.pivot_table(index=[str(t.FOLD), str(t.SEGMENT)], columns=str(t.MODEL), values=str(t.VALUE), dropna=False)
        same = np.isclose(table.to_numpy(), table.to_numpy()[:, :1], rtol=1e-6, atol=1e-9).all(axis=1)
        problems += [
            f"table {t.METRICS.name}, fold {fold}, segment {segment}: expected the same {measure} for every model, "
            f"found {found.to_dict()}; score all models on the same series, fallbacks included"
            for (fold, segment), found in table[~same].iterrows()
        ]
    return problems


def _reason(rows: pd.DataFrame, n_folds: int) -> str:
    values = [f"{model} {value:.4g}" for model, value in zip(rows[t.MODEL], rows[t.VALUE], strict=True)]
    return f"smallest mean {MEASURE} loss over {n_folds} folds: " + ", ".join(values)

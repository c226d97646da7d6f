"""The comparison table: the figures of `metrics`, the marks of `models`, one table a segment."""

from pathlib import Path

import pandas as pd
import pytest

import replen.tables as t
from replen.model_table import KINDS, MEASURES, NO_FOLDS, comparison, model_table
from replen.overlays import load_config

CONFIG = load_config(Path(__file__).parents[2] / "conf/test.yaml", ["evaluate.folds=2"])
PLACES = [("all", "all"), ("all", "2024-01-01"), ("all", "2024-02-01"), ("class=lumpy", "all"), ("abc=A", "all"),
          ("category=x", "all"), ("step=2", "all"), ("step=10", "all")]  # fmt: skip
LOSSES = {"lstm": 2.0, "moving_average": 1.0, "seasonal_naive": 3.0}


@pytest.fixture
def metrics() -> pd.DataFrame:
    """Return metrics whose value tells the model and the place; in the last fold no model has a WAPE."""
    rows = [
        ("r", model, fold, segment, metric, loss + place / 100 if (metric, fold) != ("wape", "2024-02-01") else float("nan"))
        for model, loss in LOSSES.items()
        for place, (segment, fold) in enumerate(PLACES)
        for metric in MEASURES
    ]
    return pd.DataFrame(rows, columns=t.METRICS.names)


@pytest.fixture
def models() -> pd.DataFrame:
    roles = {
        "lstm": ({"class=lumpy": "small counts"}, {"all": "second"}),
        "moving_average": ({"all": "smallest"}, {"class=lumpy": "second"}),
        "seasonal_naive": ({}, {}),
    }
    rows = [("r", model, "1", "run", *of, 12.34) for model, of in roles.items()]
    return pd.DataFrame(rows, columns=t.MODELS.names)


def parsed(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_the_best_comes_first_with_its_mark_and_figures(metrics: pd.DataFrame, models: pd.DataFrame) -> None:
    head, *rows = parsed(list(model_table(metrics, models)))
    assert " ".join(head) == " ".join([*MEASURES.values(), "fit s"])
    figures = [[f"{loss:.4f}"] * len(MEASURES) for loss in (1.0, 2.0, 3.0)]
    names = [["moving_average", "*"], ["lstm", "+"], ["seasonal_naive"]]
    assert rows == [[*name, *values, "12.3"] for name, values in zip(names, figures, strict=True)]


def test_a_segment_has_its_own_marks_or_those_of_all(metrics: pd.DataFrame, models: pd.DataFrame) -> None:
    def marked(segment: str) -> dict[str, str]:
        rows = parsed(list(model_table(metrics, models, segment)))
        return {row[0]: row[1] for row in rows if row[1] in "*+"}

    assert marked("class=lumpy") == {"lstm": "*", "moving_average": "+"}
    assert marked("abc=A") == {"moving_average": "*", "lstm": "+"}


@pytest.mark.parametrize(
    ("by", "titles"),
    [
        ("all", ["all"]),
        ("class", ["class=lumpy"]),
        ("abc", ["abc=A"]),
        ("category", ["category=x"]),
        ("step", ["step=2", "step=10"]),
        ("fold", ["all, fold 2024-01-01", "all, fold 2024-02-01"]),
    ],
)
def test_one_table_a_segment_and_why_champions_are_champions(
    metrics: pd.DataFrame, models: pd.DataFrame, by: str, titles: list[str]
) -> None:
    assert by in KINDS
    lines = list(comparison(CONFIG, metrics, models, by=by))
    assert [line for line in lines[:-3] if not line.startswith(" ")] == titles
    assert lines[-3].startswith("* champion, + challenger; 2 folds of 4 weeks")
    assert lines[-2:] == ["champion of all: moving_average, smallest", "champion of class=lumpy: lstm, small counts"]
    assert "nan" not in "\n".join(lines)


def test_without_folds_there_is_nothing_to_compare(metrics: pd.DataFrame, models: pd.DataFrame) -> None:
    assert list(comparison(CONFIG, metrics.iloc[:0], models)) == [NO_FOLDS]

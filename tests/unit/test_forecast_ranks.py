"""What ranks need besides Horovod: equal shares, equal steps, checkpoints that any process can read."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import replen.tables as t
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast.interface import EpochMetrics
from replen.forecast.lstm.checkpoint import Checkpoints, State, told_from
from replen.forecast.lstm.reading import Reading
from replen.forecast.lstm.step import Pace
from replen.forecast.lstm.survey import Survey
from replen.forecast.ranks import Alone, share_of
from tests.unit.test_forecast_lstm import HORIZON, SETTINGS, make_panel
from tests.unit.test_no_look_ahead import PERIODS, VIEW, series


@given(total=st.integers(0, 10_000), size=st.integers(1, 50))
def test_shares_add_up_and_are_equal_but_for_one(total: int, size: int) -> None:
    shares = [share_of(total, Alone(rank, size)) for rank in range(size)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@given(
    n_windows=st.integers(1, 5000),
    n_origins=st.integers(1, 20),
    batch_size=st.integers(8, 200),
    size=st.integers(1, 8),
    scale=st.booleans(),
)
@example(n_windows=28, n_origins=4, batch_size=8, size=5, scale=False)
def test_ranks_take_the_same_steps_whose_batches_add_up(
    n_windows: int, n_origins: int, batch_size: int, size: int, scale: bool
) -> None:
    changes = {"windows_per_epoch": n_windows, "origins_per_slice": n_origins, "batch_size": batch_size, "scale_batch": scale}
    settings = SETTINGS.model_copy(update=changes)
    paces = [Pace.of(settings, Alone(rank, size)) for rank in range(size)]
    whole = batch_size * (size if scale else 1)
    n_slices = max(1, n_windows // n_origins)
    assert {pace.n_steps for pace in paces} == {-(-n_slices // whole)}
    assert all(-(-pace.n_slices // pace.batch_size) == pace.n_steps for pace in paces)
    assert sum(pace.batch_size for pace in paces) == whole
    assert n_slices <= sum(pace.n_slices for pace in paces) < n_slices + size
    assert {pace.peak for pace in paces} == {settings.learning_rate * (size if scale else 1)}


def test_the_learning_rate_warms_up_only_where_the_batch_grows() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 3})
    shared = Pace.of(settings, Alone(0, 2))
    grown = Pace.of(settings.model_copy(update={"scale_batch": True}), Alone(0, 2))
    rates = [
        [float(pace.optimizer(settings)._learning_rate(step)) for step in range(3 * pace.n_steps)] for pace in (shared, grown)
    ]
    assert rates[0][0] == pytest.approx(settings.learning_rate)
    assert rates[0] == sorted(rates[0], reverse=True)
    assert rates[1][0] == pytest.approx(settings.learning_rate)
    assert rates[1][grown.n_steps] == max(rates[1]) == pytest.approx(2 * settings.learning_rate)


@pytest.mark.parametrize("n_shares", [1, 2, 3, 7])
@pytest.mark.parametrize("row_group_size", [1, 3, 100])
def test_shares_of_the_series_are_read_once_each_in_order(tmp_path: Path, n_shares: int, row_group_size: int) -> None:
    rows = series(seed=1)
    files = [str(tmp_path / f"{number}.parquet") for number in range(3)]
    for file, first, last in zip(files, (0, 2, 9), (2, 9, len(rows)), strict=True):
        rows[first:last].to_parquet(file, row_group_size=row_group_size)
    shares = [VIEW.shards(files, PERIODS[-1], rows=4, share=(number, n_shares)) for number in range(n_shares)]
    read = [[panel.keys[t.SKU].tolist() for panel in share()] for share in shares]
    assert [sku for panels in read for skus in panels for sku in skus] == rows[t.SKU].tolist()
    sizes = [sum(map(len, panels)) for panels in read]
    assert max(sizes) - min(sizes) <= 1
    assert all(len(skus) == 4 for panels in read for skus in panels[:-1])


def test_the_stream_ends_where_it_is_long_enough(tmp_path: Path) -> None:
    rows, files = series(seed=1), [str(tmp_path / f"{number}.parquet") for number in range(2)]
    for file, first, last in zip(files, (0, 5), (5, len(rows)), strict=True):
        rows[first:last].to_parquet(file, row_group_size=2)
    shares = [VIEW.shards(files, PERIODS[-1], most=7, share=(number, 2)) for number in range(2)]
    read = [sku for share in shares for panel in share() for sku in panel.keys[t.SKU]]
    assert read == rows[t.SKU].tolist()[:7]


def test_row_groups_of_other_shares_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "0.parquet"
    series(seed=1).to_parquet(file, row_group_size=6)
    content = bytearray(file.read_bytes())
    content[4:40] = bytes(36)  # the first pages of the first row group
    file.write_bytes(content)
    (panel,) = VIEW.shards([str(file)], PERIODS[-1], share=(1, 2))()
    assert panel.keys[t.SKU].tolist() == [f"sku-{number}" for number in range(6, 12)]
    with pytest.raises(OSError):
        list(VIEW.shards([str(file)], PERIODS[-1], share=(0, 2))())


class Pair:
    """Two ranks of which this is the second; the first one's values are given."""

    rank, size = 1, 2

    def __init__(self, *given: object) -> None:
        self.given = list(given)

    def gather(self, value: object) -> list[object]:
        return [self.given.pop(0), value]


def survey(own: Panel, other: Panel, *, n_other: int = 24) -> Survey:
    """Return the survey of the second of two ranks, the first of which found `n_other` series to train on."""
    ranks = Pair(Reading.of([other], SETTINGS, horizon=HORIZON), (n_other,))
    return Survey.of(lambda: iter([own]), SETTINGS, horizon=HORIZON, ranks=ranks)


def test_ranks_read_what_any_of_them_found() -> None:
    panel = make_panel()
    other = replace(panel, keys=panel.keys.assign(**{t.CATEGORY: "c"}), past={**panel.past, "baskets": panel.past["views"]})
    found = survey(panel, other)
    assert found.reading.vocabularies[t.CATEGORY] == ("a", "b", "c")
    assert found.reading.signals == ("baskets", "views")
    assert found.sizes == ((24,), (24,))
    assert found.first_shard == 1


def test_series_too_short_to_train_on_get_no_quota() -> None:
    panel, short = make_panel(), make_panel()
    for row in range(23):
        short.past[t.SALES_HISTORY][row, :27] = np.nan
    found = Survey.of(lambda: iter([panel, short, panel]), SETTINGS, horizon=HORIZON, ranks=Alone())
    assert found.sizes == ((24, 1, 24),)
    windows = list(found.windows(lambda: iter([panel, short, panel]), SETTINGS, n_slices=98, seed=[1]))
    assert [len(batch) for batch in windows] == [48, 2, 48]


def test_a_rank_without_series_is_an_error_on_every_rank() -> None:
    empty = make_panel()
    empty.past[t.SALES_HISTORY][:] = np.nan
    with pytest.raises(ReplenError, match=r"forecast\.lstm\.ranks: .* none for ranks \[1\]"):
        survey(empty, make_panel())
    with pytest.raises(ReplenError, match=r"forecast\.lstm\.ranks: .* none for ranks \[0\]"):
        survey(make_panel(), empty, n_other=0)


def told(epoch: int, loss: float, model: int = 0) -> EpochMetrics:
    return EpochMetrics(model, epoch, 1.0, loss)


def state(*losses: float, model: int = 0) -> State:
    made = State("training", (), 0, np.inf, [np.zeros(2), np.int64(0)], [np.zeros(2)], [[np.zeros(1)], [np.zeros(1)]])
    for epoch, loss in enumerate(losses, start=1):
        current = [np.full(2, float(epoch)), np.int64(epoch)]
        by_rank = [[np.full(1, 10 * epoch + rank)] for rank in range(2)]
        made = made.after(told(epoch, loss, model), current=current, n_weights=1, by_rank=by_rank)
    return made


def test_the_best_epoch_is_kept() -> None:
    found = state(3.0, 2.0, np.nan, 2.5)
    assert (found.epoch, found.waited, found.best_loss) == (4, 2, 2.0)
    assert found.best[0].tolist() == [2.0, 2.0]
    assert found.current[0].tolist() == [4.0, 4.0]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path, scheme: str) -> None:
    checkpoints = Checkpoints(f"{scheme}{tmp_path}/deep/folder")
    assert checkpoints.load(0) is None
    assert checkpoints.history() == []
    for n_epochs in range(1, 12):
        checkpoints.save(0, state(*range(n_epochs)))
    checkpoints.save(1, state(7.0, model=1))
    found, expected = checkpoints.load(0), state(*range(11))
    assert found is not None
    assert found.to_bytes() == expected.to_bytes()
    assert found.by_rank[1][0].tolist() == [111.0]
    assert checkpoints.history() == [*expected.history, told(1, 7.0, model=1)]
    assert sorted(path.name for path in (tmp_path / "deep/folder").iterdir()) == ["0-11.npz", "1-1.npz"]


def test_epochs_of_other_processes_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replen.forecast.lstm.checkpoint.SECONDS_BETWEEN_LOOKS", 0.01)
    checkpoints, heard, second = Checkpoints(str(tmp_path)), list[EpochMetrics](), threading.Event()
    checkpoints.save(0, state(3.0))

    def hear(metrics: EpochMetrics) -> None:
        heard.append(metrics)
        second.set()

    with told_from(checkpoints, hear):
        checkpoints.save(0, state(3.0, 2.0))
        assert second.wait(10)
        checkpoints.save(0, state(3.0, 2.0, 1.0))
    assert heard == [told(2, 2.0), told(3, 1.0)]


def test_an_epoch_without_a_loss_is_told_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replen.forecast.lstm.checkpoint.SECONDS_BETWEEN_LOOKS", 0.01)
    checkpoints, heard, last = Checkpoints(str(tmp_path)), list[EpochMetrics](), threading.Event()

    def hear(metrics: EpochMetrics) -> None:
        heard.append(metrics)
        if metrics.epoch == 2:
            last.set()

    with told_from(checkpoints, hear):
        checkpoints.save(0, state(np.nan))
        time.sleep(0.1)
        checkpoints.save(0, state(np.nan, 2.0))
        assert last.wait(10)
    assert [metrics.epoch for metrics in heard] == [1, 2]

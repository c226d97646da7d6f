"""What a run says of itself while it works, and what a monitor reads."""

import io
import json
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from replen.progress import Heartbeat, Progress


def told(folder: Path, name: str = "demo") -> dict[str, object]:
    return dict(json.loads((folder / "heartbeat" / f"{name}.json").read_text()))


@pytest.fixture
def clock() -> Iterator[int]:
    """Return a clock that is a second later each time it is looked at."""
    return count()


def test_stages_are_known_while_they_last_and_forgotten_when_they_fail(clock: Iterator[int]) -> None:
    progress = Progress(io.StringIO(), clock=lambda: float(next(clock)))
    with pytest.raises(ValueError), progress.stage("train"):
        with progress.stage("backtest"):
            assert progress.doing().stage == "train > backtest"
        assert progress.doing().stage == "train"
        raise ValueError
    assert progress.doing().stage == "start"


def test_a_heartbeat_is_no_progress() -> None:
    """Seconds in which nothing was said go on through heartbeats: so a run that hangs is seen."""
    now, said = [0.0], io.StringIO()
    progress = Progress(said, clock=lambda: now[0])
    with progress.stage("train"):
        now[0] = 40.0
        progress.alive()
        now[0] = 100.0
        doing = progress.doing()
    assert (doing.stage_seconds, doing.seconds, doing.quiet_seconds) == (100.0, 100.0, 100.0)
    assert "   40.0  alive: train, 40 s\n" in said.getvalue()


def test_the_file_says_what_goes_on_and_how_it_ended(tmp_path: Path) -> None:
    said, tasks = io.StringIO(), {"done": 3, "all": 1200, "failed": 0}
    progress = Progress(said)
    with progress.stage("plan"), Heartbeat(progress, str(tmp_path), "demo", seconds=60, tasks=lambda: tasks) as heart:
        assert (told(tmp_path)["state"], told(tmp_path)["tasks"]) == ("running", {})
        heart.beat()
        found = told(tmp_path)
    assert (found["state"], found["stage"], found["tasks"], found["every"]) == ("running", "plan", tasks, 60)
    assert "alive: plan, 0 s, 3 of 1,200 tasks done" in said.getvalue()
    assert told(tmp_path)["state"] == "done"
    with pytest.raises(KeyboardInterrupt), Heartbeat(progress, str(tmp_path), "demo", seconds=60):
        raise KeyboardInterrupt
    assert told(tmp_path)["state"] == "failed"
    assert [path.name for path in (tmp_path / "heartbeat").iterdir()] == ["demo.json"]


def test_it_beats_by_itself_and_stops_with_the_work(tmp_path: Path) -> None:
    beaten = threading.Semaphore(0)

    def tasks() -> dict[str, int]:
        beaten.release()
        return {}

    said = io.StringIO()
    with Heartbeat(Progress(said), str(tmp_path), "a/b", seconds=0.01, tasks=tasks):
        assert all(beaten.acquire(timeout=30) for _ in range(3))
    assert said.getvalue().count("alive: start") >= 3
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat" and thread.is_alive()]
    assert told(tmp_path, "a%2Fb")["name"] == "a/b"


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("in the way")
    said = io.StringIO()
    with Heartbeat(Progress(said), str(tmp_path), "demo", seconds=60) as heart:
        heart.beat()
    assert said.getvalue().count("cannot be written") == 1

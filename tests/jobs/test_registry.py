"""The registry over several training events: who was champion before, aliases that come and go, events that go on."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from replen.config import Tracking
from replen.features.segments import ALL
from replen.tracking import REGISTERED, ModelVersion, Tracker

SEGMENTS = [ALL, "class=lumpy"]
REASON = "because"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return the folder that trackers share."""
    return tmp_path


def tracker(store: Path, experiment: str = "shop") -> Tracker:
    return Tracker(Tracking(uri=None, experiment=experiment), str(store))


def event(of: Tracker, run_id: str, champions: Mapping[str, str]) -> dict[str, str]:
    """Return who was champion before an event, in which each family is registered and alias -> family is promoted."""
    with of.training(run_id, run_id) as parent:
        before = of.champions_before(parent, SEGMENTS)
        versions: dict[str, ModelVersion] = {}
        for family in ("lstm", "moving_average"):
            with of.family(run_id, family, parent) as run:
                run.text("nothing", "model/nothing.txt")
                versions[family] = of.register(run, family)
        of.promote({name: (versions[family], REASON) for name, family in champions.items()})
    return before


def test_the_next_event_knows_the_champions_of_the_last_and_one_that_goes_on_decides_as_before(store: Path) -> None:
    shop = tracker(store)
    client = shop._client
    assert event(shop, "first", {"champion": "lstm", "champion-class-lumpy": "moving_average", "challenger": "lstm"}) == {}
    client.set_registered_model_alias(REGISTERED, "production", "1")
    known = {ALL: "lstm", "class=lumpy": "moving_average"}
    assert event(shop, "second", {"champion": "moving_average"}) == known
    assert event(shop, "second", {"champion": "moving_average"}) == known
    assert event(shop, "third", {"champion": "lstm"}) == {ALL: "moving_average"}

    (registered,) = client.search_registered_models()
    assert set(registered.aliases) == {"champion", "production"}
    champion = client.get_model_version_by_alias(REGISTERED, "champion")
    assert (champion.tags["replen.champion"], champion.tags["replen.family"]) == (REASON, "lstm")

    other = tracker(store, "another shop")
    assert event(other, "elsewhere", {"champion": "moving_average"}) == {}

"""Past windows played again: by hand, each series once, no look ahead; policies as the plan job plans; the setting chosen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from pytest import approx

import replen.tables as t
from replen.config import Config
from replen.errors import TableError
from replen.evaluate.nightly import nightly
from replen.evaluate.replay import CHAMPION, Origin, Replay
from replen.evaluate.simulated_cost import Trials
from replen.evaluate.simulation import simulate
from replen.evaluate.simulations import CONFIGURED, chosen, paired_costs, policies_of, settings_of, simulations
from replen.features.panel import FloatArray
from replen.features.segments import ALL, Segmentation
from replen.features.view import View
from replen.forecast.stage import Champions
from replen.plan.outcome import plan_series
from replen.plan.policies.assigned import Assigned
from replen.plan.policies.known import Known
from replen.plan.policies.named import rule_named
from replen.plan.policies.planned import planned
from replen.plan.policies.service import CycleService
from replen.policy_table import policy_table, tuning_text
from replen.simulation_log import measure_values
from tests.unit.plan_instances import instances
from tests.unit.test_chain import Fake
from tests.unit.test_simulated_cost import CUTOFF, configured, items

PLACE = [str(column) for column in t.SIMULATED.key]
NO_RULES = ("plan.horizon=3", "forecast.horizon=4", "evaluate.horizon=3", "evaluate.segments=[class]", "plan.n_paths=4")


def series_rows(sales: FloatArray, on_shelf: FloatArray | None = None, **changed: object) -> pd.DataFrame:
    """Return rows of `series` with terms; the last three periods come after CUTOFF."""
    rows = items(len(sales), **{t.SHELF_LIFE_DAYS: None, **changed})
    rows = rows.reindex(columns=[*dict.fromkeys([*t.SERIES.names, *rows.columns])])
    start = CUTOFF + 7 * (4 - sales.shape[1])
    rows[t.BUCKET], rows[t.START_DATE], rows[t.SALES_HISTORY] = 0, start.item(), list(sales.astype(np.float32))
    for column in t.SERIES.values:
        if rows[column].isna().all():
            rows[column] = None
    if on_shelf is not None:
        rows[t.INVENTORY_LEVEL] = list(on_shelf.astype(np.float32))
    return rows


def replay_of(config: Config, skus: list[str], value: float = 10.0, *policies: str) -> Replay:
    segmentation = Segmentation(config.features, (0.0, 0.0))
    champions = Champions({ALL: "sure"}, ALL, segmentation)
    return Replay(
        view=View(pd.DataFrame(columns=t.MARKET.names), "W", (CUTOFF + 21).item(), config.forecast.horizon, config.features),
        origins=[Origin(CUTOFF, {"sure": Fake(value, skus), "never": Fake(value, [])}, champions)],
        trials=Trials(config.evaluate, config.costs, "W", config.seed),
        models=[CHAMPION],
        policies=policies_of(config.plan.policy, policies),
        plan=config.plan,
        fallback=[],
        levels=(0.25, 0.5, 0.75),
        segments=config.evaluate.segments,
    )


def played(sales: FloatArray, *policies: str, settings: tuple[str, ...] = (), **changed: object) -> pd.DataFrame:
    config, rows = configured(*NO_RULES, *settings), series_rows(sales, **changed)
    return replay_of(config, rows[t.SKU].tolist(), 10.0, *policies)(rows)


def test_a_window_by_hand() -> None:
    """10 sold a week, 10 forecast, lead time 1: 10 on the shelf; 10 ordered at once and a week later, 13 wanted last: 3 lost.

    Each unit costs 2; two lines of 0.5, nothing held, 3 lost at 5, nothing left: 40 + 1 + 15.
    """
    sales = np.full((1, 20), 10.0)
    sales[0, -1] = 13.0
    (row,) = played(sales, order_cost=0.5).to_dict("records")
    assert (row[t.MODEL], row[t.POLICY], row[t.WINDOW], row[t.REASON]) == (CHAMPION, "program", str(CUTOFF), None)
    assert row[t.SEGMENTS] == [ALL, "class=smooth"]
    told = {column: row[column] for column in (t.PURCHASE, t.LINE_COST, t.HOLDING, t.SHORTAGE, t.LEFT_VALUE, t.COST)}
    assert told == {t.PURCHASE: 40.0, t.LINE_COST: 1.0, t.HOLDING: 0.0, t.SHORTAGE: 15.0, t.LEFT_VALUE: 0.0, t.COST: 56.0}
    assert (row[t.DEMAND], row[t.SOLD], row[t.N_LINES], row[t.WASTE]) == (33.0, 30.0, 2.0, 0.0)
    assert row[t.CYCLE_SERVICE_LEVEL] == approx(2 / 3)


def test_the_shelf_of_then_is_the_start_where_it_holds_more_than_lasts_until_the_first_order() -> None:
    sales, shelf = np.full((3, 20), 10.0), np.full((3, 20), 1e6)
    shelf[:, -4] = [4.0, np.nan, 50.0]
    found = played(sales, on_shelf=shelf).set_index(str(t.SKU))
    assert found[t.PURCHASE].tolist() == [40.0, 40.0, 0.0]
    assert found[t.LEFT_VALUE].tolist() == [0.0, 0.0, 20.0]


def test_what_perishes_is_waste() -> None:
    shelf = np.full((1, 20), 50.0)
    (row,) = played(np.full((1, 20), 10.0), on_shelf=shelf, **{str(t.SHELF_LIFE_DAYS): 7}).to_dict("records")
    assert row[t.WASTE] == 40.0


def test_every_series_is_played_by_every_policy_or_has_one_reason() -> None:
    sales = np.full((6, 20), 10.0)
    sales[1, :17] = 0.0
    sales[2, -2] = np.nan
    changed = {t.LEAD_TIME_DAYS: [7.0, 7.0, 7.0, 70.0, 7.0, 7.0], t.LOST_SALE_COST: [5.0] * 4 + [1.0, 5.0]}
    config, rows = configured(*NO_RULES), series_rows(sales, **{str(name): values for name, values in changed.items()})
    found = replay_of(config, ["s0", "s1", "s2", "s3", "s4"], 10.0, "hybrid")(rows)
    assert not found.duplicated(PLACE).any()
    reasons = found[found[t.REASON].notna()].set_index(str(t.SKU))[t.REASON].to_dict()
    assert reasons == {"s1": t.INACTIVE, "s2": "unknown_sales", "s3": "too_late", "s4": "no_terms", "s5": "no_forecast"}
    assert found.loc[found[t.REASON].isna(), [t.SKU, t.POLICY]].to_numpy().tolist() == [["s0", "program"], ["s0", "hybrid"]]


def test_what_is_sold_later_changes_no_earlier_order() -> None:
    """The first order of a window is that of the forecast: sales of the window are demand, and nothing else."""
    config, sales = configured(*NO_RULES), np.random.default_rng(3).poisson(10, (4, 20)).astype(float)
    later = sales.copy()
    later[:, -3:] = 1.0
    found = []
    for each in (sales, later):
        rows = series_rows(each)
        replay = replay_of(config, rows[t.SKU].tolist())
        opened, _ = replay.opened(replay.view.panel(rows), rows, replay.origins[0])
        assert opened is not None
        policy = nightly(opened.window.positions, opened.paths[CHAMPION], Assigned.program(4), config.plan)
        found.append((opened.paths[CHAMPION], simulate(policy.positions, opened.window.demand, policy).orders[0]))
    assert all(np.array_equal(*both) for both in zip(*found, strict=True))


@settings(deadline=None)
@given(instance=instances())
def test_each_series_is_planned_by_its_own_policy_and_target(instance) -> None:
    drawn, paths = instance
    policies = np.array(["program", "dynamic", "projected_inventory"])[: drawn.n_series]
    targets = tuple(CycleService(share) for share in (0.5, 0.9, 0.8)[: drawn.n_series])
    plan = configured().plan.model_copy(update={"horizon": len(paths)})
    made = nightly(drawn, paths, Assigned(policies, targets), plan)
    reviewed = made.positions.may_order[:, 0]
    if not reviewed.any():
        return
    orders = made.orders_by_step(Known.at_start(drawn))[:, :, 0]
    for row in np.flatnonzero(reviewed):
        one, mine = made.positions.take(np.array([row])), paths[:, [row]]
        if policies[row] == "program":
            expected = plan_series(one, mine).quantities
        else:
            expected = planned(rule_named(policies[row], one, mine, [targets[row]]), mine).quantities
        assert orders[:, row] == approx(expected[0])


def test_dynamic_policies_are_asked_in_every_period() -> None:
    sales, weeks = np.full((2, 20), 10.0), {str(t.REVIEW_PERIOD_DAYS): 14.0}
    lines = played(sales, "fixed_cycle", "dynamic", **weeks).groupby(str(t.POLICY))[t.N_LINES].mean()
    assert lines["dynamic"] == 2.0 > lines["fixed_cycle"] == 1.0


def test_names_of_what_is_played() -> None:
    policy = configured().plan.policy
    assert list(policies_of(policy, ["hybrid", "program"])) == ["program", "hybrid"]
    mixed = policy.model_copy(update={"segment": "class", "by_segment": {"lumpy": "hybrid"}})
    found = policies_of(mixed, [])
    assert list(found) == [CONFIGURED, "program", "hybrid"]
    assert found[CONFIGURED] is mixed
    assert (found["hybrid"].default, found["hybrid"].by_segment) == ("hybrid", {})


def cost_rows(by_policy: dict[str, list[list[float]]]) -> pd.DataFrame:
    """Return costs; policy -> window -> series."""
    rows = [
        (CHAMPION, policy, f"2024-0{window}-01", f"s{series}", "n", cost)
        for policy, windows in by_policy.items()
        for window, costs in enumerate(windows, start=1)
        for series, cost in enumerate(costs)
    ]
    return pd.DataFrame(rows, columns=[*PLACE, str(t.COST)]).dropna()


def test_costs_are_paired_over_series_played_in_every_window() -> None:
    costs = cost_rows({"b": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "a": [[7.0, 8.0, np.nan], [9.0, 1.0, 2.0]]})
    pairs, windows, found = paired_costs(costs.sample(frac=1.0, random_state=0))
    assert (pairs, windows) == ([(CHAMPION, "a"), (CHAMPION, "b")], ["2024-01-01", "2024-02-01"])
    assert found.tolist() == [[[7.0, 8.0], [9.0, 1.0]], [[1.0, 2.0], [4.0, 5.0]]]


def test_a_setting_is_chosen_without_the_last_window() -> None:
    costs = {CONFIGURED: [[5.0, 5.0], [5.0, 5.0], [5.0, 5.0]], "a": [[4.0, 4.0], [4.0, 5.0], [9.0, 7.0]]}
    found = chosen(cost_rows(costs | {"b": [[6.0, 6.0], [6.0, 6.0], [0.0, 0.0]]}), [CONFIGURED, "a", "b"], seed=1)
    assert (found.name, found.n_tried, found.window, found.n_series) == ("a", 3, "2024-03-01", 2)
    assert found.early == approx({CONFIGURED: 5.0, "a": 17 / 4, "b": 6.0})
    assert (found.cost, found.saving.mean) == (8.0, 3.0)


def test_nothing_is_chosen_where_no_series_is_in_every_window() -> None:
    costs = cost_rows({CONFIGURED: [[1.0, np.nan], [np.nan, 1.0]]})
    with pytest.raises(TableError, match="played in every window, found none"):
        chosen(costs, [CONFIGURED], seed=1)
    assert paired_costs(costs.iloc[:0])[2].shape == (0, 0, 0)


def test_what_is_configured_stays_where_nothing_is_cheaper_and_an_overlay_is_told_where_something_is() -> None:
    config = configured(
        "simulate.tune.policies=[program, hybrid]",
        "simulate.tune.targets={fill_rate: [0.9], cycle_service_level: [], critical_ratio: []}",
    )
    tried = settings_of(config.plan.policy, config.simulate.tune)
    assert list(tried) == [CONFIGURED, "program", "hybrid, fill_rate 0.9"]
    alike = cost_rows({name: [[1.0], [1.0]] for name in tried})
    kept = chosen(alike, list(tried), seed=1)
    assert kept.name == CONFIGURED
    assert "plan:" not in list(tuning_text(config, kept, tried))
    other = replace(kept, name="hybrid, fill_rate 0.9")
    overlay = "\n".join(tuning_text(config, other, tried)).split("\n\n")[1]
    assert overlay.splitlines() == [
        "plan:", "  policy:", "    default: hybrid", "    target: {measure: fill_rate, value: 0.9}"
    ]  # fmt: skip


def summarised() -> pd.DataFrame:
    costs = cost_rows({"program": [[1.0, 2.0], [3.0, 4.0]], "hybrid": [[2.0, 3.0], [4.0, 5.0]]})
    places = [(CHAMPION, policy, ALL, segment) for policy in ("hybrid", "program") for segment in (ALL, "class=lumpy")]
    places += [(CHAMPION, "program", window, ALL) for window in ("2024-01-01", "2024-02-01")]
    averages = pd.DataFrame(places, columns=[*map(str, (t.MODEL, t.POLICY, t.WINDOW, t.SEGMENT))])
    averages[[*t.PLAYED]] = 2.0
    averages[t.COST] = [3.5, 1.0, 2.5, 1.0, 1.5, 3.5]
    averages[t.MEAN_ON_HAND], averages[t.N_PLAYED] = 0.0, 4
    return simulations(averages, costs, (CHAMPION, "program"), run_id="r", seed=1)


def test_the_table_has_ratios_of_means_and_one_interval_a_policy() -> None:
    rows = summarised()
    assert list(rows) == t.SIMULATIONS.names
    assert (rows[t.FILL_RATE] == 1.0).all()
    assert rows[t.TURNS].isna().all()
    with_interval = rows[rows[t.COST_DIFFERENCE].notna()]
    assert with_interval[[t.POLICY, t.SEGMENT, t.COST_DIFFERENCE, t.DIFFERENCE_LOW]].to_numpy().tolist() == [
        ["hybrid", ALL, 1.0, 1.0]
    ]
    lines = list(policy_table(configured(), rows, (CHAMPION, "program")))
    assert [line.split()[0] for line in lines[1:3]] == ["program", "hybrid"]
    assert lines[-1] == "hybrid less program: 1, 95 % 1 to 1"


def test_measures_have_the_same_names_under_every_policy() -> None:
    rows = summarised()
    values = [(one.name, one.step, one.value) for one in measure_values(rows[rows[t.POLICY] == "program"])]
    costs = [one for one in values if one[0].endswith("cost") and "line" not in one[0]]
    assert costs == [("cost", 0, 2.5), ("class/lumpy/cost", 0, 1.0), ("window_cost", 0, 1.5), ("window_cost", 1, 3.5)]

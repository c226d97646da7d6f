"""Every check on frames made by hand: the value just below, at and just above its threshold, and what is never judged."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replen.tables as t
from replen.config import Quality, Threshold, Thresholds
from replen.errors import ConfigError, QualityError
from replen.overlays import load_config
from replen.quality import facts as f
from replen.quality.checks import measures
from replen.quality.facts import ALL, NOW, THEN, ZERO_BIN, Facts, Reference
from replen.quality.report import table
from replen.quality.verdict import ACTIONS, NOT_JUDGED, OK, STOP, WARN, judged, refuse_stopped

CONF = Path(__file__).parents[2] / "conf"
SETTINGS: Quality = load_config(CONF / "test.yaml").quality
CUTOFF = dt.date(2024, 6, 24)
SUMS = [
    *(f.unknown(column) for column in t.SALES.values),
    *(f.N_SERIES, f.PERIODS, f.ZEROS, f.ROWS, f.GAPPED, f.PRICED, f.JUMPED, f.SOLD_ROWS, f.SOLD_EMPTY),
    *f.WITHOUT.values(),
    *f.NEWEST,
]
WEEK = dict.fromkeys(f.NEWEST, 100)


def sales(*rows: Mapping[str, object]) -> pd.DataFrame:
    """Return facts of sales: one segment and window a row, all series in the bin of one unit a period."""
    base = {str(t.SEGMENT): ALL, f.WINDOW: NOW, f.BIN: 0.0, f.LAST_SALE: CUTOFF, **dict.fromkeys(SUMS, 0), **WEEK}
    made = pd.DataFrame(
        [base | {f.N_SERIES: 100, f.PERIODS: 100, f.ROWS: 100, f.PRICED: 100, f.SOLD_ROWS: 100} | row for row in rows]
    )
    made[f.LAST_SALE] = pd.to_datetime(made[f.LAST_SALE])
    return made


def both(now: Mapping[str, object] | None = None, **then: object) -> pd.DataFrame:
    return sales(now or {}, {f.WINDOW: THEN, **then})


def findings(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[str(t.TABLE), str(t.RULE), str(t.N_ROWS), f.REFUSED])


def reference(name: str, measured: dict[str, float], table: str = "sales", segment: str = ALL) -> Reference:
    row = (name, table, segment, None, None, OK, "", {f.WINDOW: 13.0} | measured)
    return Reference("before", CUTOFF, {"stock": 100}, pd.DataFrame([row], columns=t.QUALITY_CHECKS.without_run.names))


BASE = Facts(
    cutoff=CUTOFF,
    end=CUTOFF + dt.timedelta(6),
    today=CUTOFF + dt.timedelta(7),
    sales=sales({}),
    n_rows={"sales": 100, "catalogue": 100, "stock": 100, "supply": 100},
    unknown={"sales": {"price": 0}},
    findings=findings(),
    oldest_stock=CUTOFF + dt.timedelta(6),
    long_lead_times=0,
)


def value_of(name: str, facts: Facts, before: Reference | None = None, *, table: str = "", segment: str = ALL) -> float:
    found = [
        one.value
        for one in measures(facts, before, SETTINGS)
        if one.name == name and one.segment == segment and table in ("", one.table)
    ]
    assert len(found) == 1
    return found[0]


def refused(n_rows: int, table: str, rule: str) -> Facts:
    """Return facts of 100 rows that were read, some of which were refused."""
    return replace(BASE, n_rows=BASE.n_rows | {table: 100 - n_rows}, findings=findings((table, rule, n_rows, n_rows)))


Case = tuple[str, dict[str, str], float, int, Callable[[int], tuple[Facts, Reference | None]]]
CASES: list[Case] = [
    ("run_age_days", {}, 3, 3, lambda x: (replace(BASE, today=BASE.end + dt.timedelta(x)), None)),
    ("sales_age_days", {}, 7, 7, lambda x: (replace(BASE, sales=sales({f.LAST_SALE: CUTOFF - dt.timedelta(x)})), None)),
    ("stock_age_days", {"table": "stock"}, 2, 2, lambda x: (replace(BASE, oldest_stock=BASE.end - dt.timedelta(x)), None)),
    ("null_share", {"segment": "column=price"}, 0.25, 25, lambda x: (replace(BASE, unknown={"sales": {"price": x}}), None)),
    (
        "null_rise", {"segment": "column=price"}, 0.25, 35,
        lambda x: (
            replace(BASE, unknown={"sales": {"price": x}}), reference("null_share", {"share": 0.1}, segment="column=price"),
        ),
    ),
    ("gap_share", {}, 0.25, 25, lambda x: (replace(BASE, sales=sales({f.GAPPED: x})), None)),
    ("missing_share", {"table": "stock"}, 0.25, 25, lambda x: (replace(BASE, sales=sales({f.WITHOUT["stock"]: x})), None)),
    ("missing_share", {"table": "supply"}, 0.25, 25, lambda x: (replace(BASE, sales=sales({f.WITHOUT["supply"]: x})), None)),
    (
        "missing_share", {"table": "catalogue"}, 0.25, 25,
        lambda x: (replace(BASE, findings=findings(("catalogue", "sku: sold, not in the catalogue", x, 0))), None),
    ),
    (
        "duplicate_share", {"table": "sales"}, 0.25, 25,
        lambda x: (replace(BASE, findings=findings(("sales", "key: equal rows", x, 0))), None),
    ),
    ("refused_share", {"table": "stock"}, 0.25, 25, lambda x: (refused(x, "stock", "as_of: missing"), None)),
    ("negative_stock_share", {"table": "stock"}, 0.25, 25, lambda x: (refused(x, "stock", "on_hand: below 0"), None)),
    ("lead_time_share", {"table": "supply"}, 0.25, 25, lambda x: (replace(BASE, long_lead_times=x), None)),
    ("lead_time_share", {"table": "supply"}, 0.25, 25, lambda x: (refused(x, "supply", "lead_time_days: below 0"), None)),
    ("sold_without_stock_share", {}, 0.25, 25, lambda x: (replace(BASE, sales=sales({f.SOLD_EMPTY: x})), None)),
    ("price_jump_share", {}, 0.25, 25, lambda x: (replace(BASE, sales=sales({f.JUMPED: x})), None)),
    ("newest_factor", {}, 1.5, 150, lambda x: (replace(BASE, sales=sales({f.NEWEST[0]: x})), None)),
    (
        "level_factor", {}, 2.0, 4,  # a bin is a quarter octave, a median half-way in it
        lambda x: (replace(BASE, sales=both(bin=float(x))), reference("level_factor", {"median": 2**0.125})),
    ),
    (
        "zero_share_change", {}, 0.25, 50,
        lambda x: (replace(BASE, sales=both(zeros=x)), reference("zero_share_change", {"share": 0.25})),
    ),
    (
        "zero_share_change", {}, 0.25, -25,  # as many less as it may be more
        lambda x: (replace(BASE, sales=both(zeros=-x)), reference("zero_share_change", {"share": 0.5})),
    ),
    (
        "row_factor", {"table": "sales"}, 1.5, 150,
        lambda x: (replace(BASE, sales=both(rows=x)), reference("row_factor", {"rows": 100})),
    ),
    (
        "row_factor", {"table": "stock"}, 1.5, 150,
        lambda x: (replace(BASE, n_rows=BASE.n_rows | {"stock": x}), reference("row_factor", {})),
    ),
]  # fmt: skip


def with_threshold(name: str, warn: float | None, stop: float | None = None) -> Quality:
    limits = SETTINGS.thresholds.model_copy(update={name: Threshold(warn=warn, stop=stop)})
    return SETTINGS.model_copy(update={"thresholds": limits})


@pytest.mark.parametrize(
    ("name", "of", "threshold", "at", "case"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_check_breaches_above_its_threshold_only(
    name: str, of: dict[str, str], threshold: float, at: int, case: Callable[[int], tuple[Facts, Reference | None]]
) -> None:
    place = {str(t.NAME): name, str(t.SEGMENT): of.get("segment", ALL), str(t.TABLE): of.get("table", "sales")}
    levels, values = [], []
    for x in (at - 1, at, at + 1):
        facts, before = case(x)
        rows = judged(measures(facts, before, SETTINGS), with_threshold(name, threshold))
        (row,) = rows[(rows[list(place)] == list(place.values())).all(axis=1)].to_dict("records")
        levels.append(row[t.LEVEL])
        values.append(row[t.VALUE])
    assert levels == [OK, OK, WARN]
    assert values[1] == pytest.approx(threshold)
    assert values == sorted(values)


def test_the_cases_above_are_all_checks() -> None:
    assert {name for name, *_ in CASES} | {"level_psi"} == set(Thresholds.model_fields) == set(ACTIONS)


def test_stability_index_by_hand() -> None:
    # Of 99 and 1 series, half a one added to both: shares (0.985, 0.015) against (0.5, 0.5) of the run before.
    p, q = np.array([99.5, 1.5]) / 101, np.array([0.5, 0.5])
    by_hand = float(((p - q) * np.log(p / q)).sum())
    before = reference("level_psi", {"2^0": 50.0, "zero": 50.0})
    rows = pd.concat([both(n_series=99), sales({f.WINDOW: THEN, f.BIN: ZERO_BIN, f.N_SERIES: 1})])
    facts = replace(BASE, sales=rows)
    assert value_of("level_psi", facts, before) == pytest.approx(by_hand)
    for limit, level in ((by_hand - 1e-6, WARN), (by_hand + 1e-6, OK)):
        checks = judged(measures(facts, before, SETTINGS), with_threshold("level_psi", limit))
        assert checks.set_index(str(t.NAME)).loc["level_psi", str(t.LEVEL)] == level


@given(st.lists(st.integers(0, 500), min_size=2, max_size=6), st.lists(st.integers(0, 500), min_size=2, max_size=6))
def test_the_stability_index_is_symmetrical_and_0_where_nothing_moved(found: list[int], expected: list[int]) -> None:
    one, other = ({f"2^{i}": float(n) for i, n in enumerate(counts)} for counts in (found, expected))
    assert f.stability_index(one, other) == pytest.approx(f.stability_index(other, one))
    assert f.stability_index(one, other) >= 0
    assert f.stability_index(one, one) == 0


@given(st.lists(st.floats(0.01, 5000), min_size=1, max_size=200))
def test_the_median_of_bins_lies_in_the_bin_of_the_median(levels: list[float]) -> None:
    bins = np.floor(np.log2(levels) * f.BINS_PER_OCTAVE)
    counts = pd.Series(bins).value_counts()
    low, high = np.quantile(levels, 0.5, method="lower"), np.quantile(levels, 0.5, method="higher")
    width = 2 ** (1 / f.BINS_PER_OCTAVE)
    assert low / width <= f.median_level(counts) <= high * width


def test_the_last_run_of_another_window_is_no_reference() -> None:
    before = reference("level_factor", {"median": 1.0, f.WINDOW: 26.0})
    assert np.isnan(value_of("level_factor", replace(BASE, sales=both()), before))


def test_without_a_run_before_drift_is_not_judged_and_says_so() -> None:
    checks = judged(measures(BASE, None, SETTINGS), SETTINGS).set_index([str(t.NAME), str(t.TABLE)])
    for name in ("level_factor", "level_psi", "zero_share_change", "row_factor"):
        row = checks.loc[(name, "sales")]
        assert (row[t.LEVEL], row[t.ACTION]) == (OK, NOT_JUDGED)
        assert pd.isna(row[t.VALUE])


def test_a_run_is_a_reference_for_itself() -> None:
    """What a run measures now is what the same data give as the run before: nothing drifted."""
    rows = pd.concat(
        [sales({}, {f.BIN: 5.0, f.ZEROS: 30}), both(zeros=0)[1:], sales({f.WINDOW: THEN, f.BIN: 5.0, f.ZEROS: 30})]
    )
    facts = replace(BASE, sales=rows)
    first = Reference("before", CUTOFF, BASE.n_rows, judged(measures(facts, None, SETTINGS), SETTINGS))
    expected = {"level_factor": 1, "level_psi": 0, "zero_share_change": 0, "row_factor": 1}
    assert {name: value_of(name, facts, first, table="sales") for name in expected} == pytest.approx(expected)


def test_few_rows_are_not_judged() -> None:
    few = SETTINGS.min_count - 1
    rows = sales(
        {name: few for name in (f.N_SERIES, f.SOLD_ROWS, f.PRICED)} | {f.SOLD_EMPTY: few, f.JUMPED: few, f.GAPPED: few}
    )
    facts = replace(BASE, sales=rows, n_rows={"sales": few, "stock": few})
    for name in ("gap_share", "sold_without_stock_share", "price_jump_share", "newest_factor"):
        assert np.isnan(value_of(name, facts)), name


def test_a_column_that_is_not_given_is_no_breach_until_the_last_run_had_it() -> None:
    facts = replace(BASE, unknown={"sales": {"price": 100}})
    assert np.isnan(value_of("null_share", facts, segment="column=price"))
    assert np.isnan(value_of("null_rise", facts, segment="column=price"))
    before = reference("null_share", {"share": 0.0}, segment="column=price")
    assert value_of("null_rise", facts, before, segment="column=price") == 1


def test_a_table_that_was_lost_or_is_new() -> None:
    lost = replace(BASE, n_rows=BASE.n_rows | {"stock": 0})
    assert value_of("row_factor", lost, reference("row_factor", {}), table="stock") == float("inf")
    assert np.isnan(value_of("row_factor", BASE, reference("row_factor", {}), table="supply"))


def test_the_newest_period_is_compared_with_periods_that_sold() -> None:
    short = dict(zip(f.NEWEST, (100, 80, 0, 0, 0), strict=True))
    assert value_of("newest_factor", replace(BASE, sales=sales(short))) == 1.25
    first = dict(zip(f.NEWEST, (100, 0, 0, 0, 0), strict=True))
    assert np.isnan(value_of("newest_factor", replace(BASE, sales=sales(first))))
    silent = dict(zip(f.NEWEST, (0, 80, 80, 80, 80), strict=True))
    assert value_of("newest_factor", replace(BASE, sales=sales(silent))) == float("inf")


def test_incomplete_periods_are_not_refused_rows() -> None:
    found = findings(("sales", "period: incomplete", 90, 90))
    assert value_of("refused_share", replace(BASE, findings=found), table="sales") == 0


def test_a_closed_site_is_not_waited_for_and_a_silent_one_is() -> None:
    silent = {str(t.SEGMENT): "site=silent", f.LAST_SALE: CUTOFF - dt.timedelta(28)}
    closed = {str(t.SEGMENT): "site=closed", f.LAST_SALE: CUTOFF - dt.timedelta(280), f.BIN: ZERO_BIN}
    ages = {one.segment: one.value for one in measures(replace(BASE, sales=sales({}, silent, closed)), None, SETTINGS)
            if one.name == "sales_age_days"}  # fmt: skip
    assert ages == {ALL: 0, "site=silent": 28}


def stopped(**settings: object) -> tuple[pd.DataFrame, Quality]:
    rows = sales({f.GAPPED: 80}, {str(t.SEGMENT): "site=a", f.GAPPED: 90})
    chosen = with_threshold("gap_share", 0.1, 0.5).model_copy(update=settings)
    return judged(measures(replace(BASE, sales=rows), None, chosen), chosen), chosen


def test_a_stop_names_check_value_threshold_and_how_to_overrule_it() -> None:
    checks, chosen = stopped()
    with pytest.raises(QualityError) as error:
        refuse_stopped(checks, chosen)
    for words in (
        "gap_share of sales (all)",
        "at most 0.5",
        "quality.thresholds.gap_share.stop",
        "found 0.8",
        "--set quality.stop=false",
    ):
        assert words in str(error.value)
    assert "site=a" not in str(error.value)
    refuse_stopped(checks, chosen.model_copy(update={"stop": False}))


def test_one_site_warns_only_unless_the_configuration_says_otherwise() -> None:
    for segments_stop, level in ((False, WARN), (True, STOP)):
        checks, _ = stopped(segments_stop=segments_stop)
        site = checks[(checks[t.SEGMENT] == "site=a") & (checks[t.NAME] == "gap_share")]
        assert site[t.LEVEL].tolist() == [level]


def test_the_report_begins_with_what_is_worst() -> None:
    checks, _ = stopped()
    lines = list(table(checks))
    assert lines[2].split()[:3] == ["gap_share", "sales", ALL]
    assert "stop" in lines[2]
    assert lines[3].split()[2] == "site=a"
    assert all(" ok" in line for line in lines[4:])


def test_a_stop_before_its_warning_is_refused() -> None:
    with pytest.raises(ConfigError, match="gap_share: expected stop of at least warn = 0.5, found 0.2"):
        load_config(CONF / "test.yaml", ["quality.thresholds.gap_share={warn: 0.5, stop: 0.2}"])

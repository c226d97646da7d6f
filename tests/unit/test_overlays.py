"""Configuration: every key in base.yaml, every mistake named."""

from pathlib import Path

import pytest

from replen.errors import ConfigError
from replen.overlays import load_config

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("overlay", sorted(CONF.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(overlay: Path) -> None:
    assert load_config(overlay).name


def test_the_packaged_base_serves_where_no_file_is_given() -> None:
    assert load_config(None) == load_config(CONF / "base.yaml")


def test_set_wins_over_overlay_over_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text((CONF / "base.yaml").read_text())
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("plan: {n_paths: 10, horizon: 9}\n")
    config = load_config(overlay, ["plan.n_paths=20", "rates={EUR: 0.8}"])
    assert (config.plan.n_paths, config.plan.horizon, config.rates) == (20, 9, {"EUR": 0.8})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("plan.n_path=3", "plan.n_path: unknown key; did you mean 'n_paths'?"),
        ("forcast.horizon=3", "forcast: unknown key; did you mean 'forecast'?"),
        ("plan.n_paths=many", "plan.n_paths: input should be a valid integer"),
        ("plan.n_paths=0", "plan.n_paths: input should be greater than or equal to 1, found 0"),
        ("freq=M", "freq: input should be 'D' or 'W', found 'M'"),
        ("plan.n_paths", "--set 'plan.n_paths': expected key=value"),
        ("forecast.quantiles=[]", "forecast.quantiles: expected at least one level, found none"),
        ("evaluate.quantiles=[]", "evaluate.quantiles: expected at least one level, found none"),
        ("evaluate.quantiles=[0.5, 0.5]", "evaluate.quantiles: expected rising levels, found [0.5, 0.5]"),
        ("forecast.lightgbm.quantiles=[0.8, 0.2]", "forecast.lightgbm.quantiles: expected rising levels, found [0.8, 0.2]"),
        ("forecast.tabular.windows=[52, 13, 4]", "forecast.tabular.windows: expected rising periods, found [52, 13, 4]"),
        ("forecast.lstm.windows=[4, 52, 13]", "forecast.lstm.windows: expected rising periods, found [4, 52, 13]"),
        ("forecast.local_lstm.lags=[52, 7]", "forecast.local_lstm.lags: expected rising periods, found [52, 7]"),
        ("plan.policy.default=newsvendor", "plan.policy.default: input should be 'program', 'fixed_cycle'"),
        (
            "plan.policy.segment=brand",
            "plan.policy.segment: input should be 'none', 'class', 'abc', 'category', 'supplier' or 'site'",
        ),
        ("plan.policy.by_segment={A: hybrid}", "plan.policy.by_segment: segment is none, expected no segments, found A"),
        (
            "plan.policy={segment: abc, by_segment: {D: hybrid}}",
            "plan.policy.by_segment: expected segments of abc (A, B, C), found D",
        ),
        ("plan.policy={segment: class, by_segment: {lumpy: s_q}}", "plan.policy.by_segment.lumpy: input should be 'program', "),
        (
            "plan.policy={segment: abc, target_by_segment: {smooth: {measure: fill_rate, value: 0.9}}}",
            "plan.policy.target_by_segment: expected segments of abc (A, B, C), found smooth",
        ),
        (
            "plan.policy.target.measure=service_level",
            "plan.policy.target.measure: input should be 'cycle_service_level', 'fill_rate' or",
        ),
        ("plan.policy.target.value=95", "plan.policy.target.value: expected a cycle_service_level below 1, found 95"),
        (
            "plan.policy={segment: site, target_by_segment: {shop: {measure: fill_rate, value: 1}}}",
            "plan.policy.target_by_segment.shop.value: expected a fill_rate below 1, found 1",
        ),
        ("rates={EUR", "the value is not YAML"),
        ("cutoff=2024-02-31", "the value is not YAML: day is out of range"),
        ("cutoff=tomorrow", "cutoff: input should be a valid date"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(CONF / "base.yaml", [setting])
    assert message in str(raised.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(CONF / "base.yaml", ["freq=M", "seeds=1", "plan.horizon=-1"])
    assert all(key in str(raised.value) for key in ("freq", "seeds", "plan.horizon"))


@pytest.mark.parametrize("content", ["- a\n- b\n", "plan: [\n", "\xff\xfe"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="broken.yaml"):
        load_config(broken)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a configuration file, found none"):
        load_config(tmp_path / "none.yaml")


def test_yaml_never_builds_objects(tmp_path: Path) -> None:
    harmful = tmp_path / "harmful.yaml"
    harmful.write_text("name: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(harmful)

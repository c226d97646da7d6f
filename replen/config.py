"""The configuration: frozen, every key known, no default here (defaults and comments stand in `conf/base.yaml`)."""

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from replen.masks import masked

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
NonNegativeCount = Annotated[int, Field(ge=0)]
# Of a database or server: env:NAME, file:PATH or a URL. Wherever a configuration is shown or kept, a password in it is masked.
Masked = Annotated[str, PlainSerializer(masked)]
Address = Annotated[Masked, Field(repr=False)]
OptionalAddress = Annotated[Masked | None, Field(repr=False)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


# --- sources --------------------------------------------------------------------------------------------------------------
class TableSource(Section):
    """Where one input table is read from, and what its columns are called there."""

    path: str
    format: Literal["csv", "parquet"]
    columns: dict[str, str]
    drop: tuple[str, ...]


class Partition(Section):
    """How a table is cut into parts, each read by one connection: by a column, null = where PostgreSQL's pages lie."""

    n: Count
    column: str | None = None


class Since(Section):
    """A column of dates, all of whose changes lie within so many days up to its newest: older rows are read once."""

    column: str
    overlap_days: NonNegativeCount


class DatabaseTable(Section):
    """A table or query of a database, and what its columns are called there; null = all in one part, every row each time."""

    format: Literal["database"]
    database: Address
    table: str | None = None
    query: str | None = None
    columns: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    partition: Partition | None = None
    since: Since | None = None


AnyTable = Annotated[TableSource | DatabaseTable, Field(discriminator="format")]


class OnlineRetail(Section):
    """How invoice lines in the Online Retail II layout become sales."""

    site: str
    home_country: str | None
    cancellations: Literal["net", "drop"]
    product_code: str


class Generator(Section):
    """The platform that the generator writes."""

    n_skus: Count
    n_sites: Count
    n_periods: Count
    n_future_periods: NonNegativeCount
    last_day: dt.date
    n_suppliers: Count
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    behaviour: bool
    intermittent_share: Share
    promotion_share: Share
    stock_out_share: Share
    dirt_share: Share


class AssumedSupply(Section):
    """Supply terms of products for which no table gives any."""

    supplier: str
    lead_time_days: NonNegative
    review_period_days: Positive
    order_multiple: Annotated[float, Field(ge=1)]
    min_order_quantity: NonNegative
    unit_cost_share: Share


class Assume(Section):
    """What is made up where a data set has no such table; every use is reported. null = the table must be there."""

    stock_cover_periods: NonNegative | None
    supply: AssumedSupply | None


class Sources(Section):
    """Outside data: where they are and how to read them."""

    kind: Literal["files", "online_retail", "generator"]
    path: str | None
    sales_rows: Literal["transactions", "days", "periods"]
    complete: bool
    date_format: str | None
    tables: dict[str, AnyTable]
    online_retail: OnlineRetail
    generator: Generator
    assume: Assume


# --- quality --------------------------------------------------------------------------------------------------------------
class Threshold(Section):
    """Largest values that are still fine; null = no value is too large."""

    warn: NonNegative | None
    stop: NonNegative | None


class Thresholds(Section):
    """A threshold for each check; the fields are the checks there are."""

    run_age_days: Threshold
    sales_age_days: Threshold
    stock_age_days: Threshold
    null_share: Threshold
    null_rise: Threshold
    gap_share: Threshold
    missing_share: Threshold
    duplicate_share: Threshold
    refused_share: Threshold
    negative_stock_share: Threshold
    sold_without_stock_share: Threshold
    lead_time_share: Threshold
    price_jump_share: Threshold
    newest_factor: Threshold
    level_factor: Threshold
    level_psi: Threshold
    zero_share_change: Threshold
    row_factor: Threshold

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Refuse thresholds to stop that are below those to warn."""
        wrong = [
            f"quality.thresholds.{name}: expected stop of at least warn = {one.warn:g}, found {one.stop:g}"
            for name, one in self
            if one.warn is not None and one.stop is not None and one.stop < one.warn
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class Quality(Section):
    """What is checked between ingest and everything else, and which breach stops the run."""

    stop: bool
    segments: tuple[Literal["category", "site"], ...]
    segments_stop: bool
    window: Count
    min_count: Count
    max_lead_time_days: Positive
    max_price_factor: Annotated[float, Field(gt=1)]
    thresholds: Thresholds


# --- features -------------------------------------------------------------------------------------------------------------
MissingRule = Literal["interpolate", "carry", "mean", "zero", "unknown"]


class Outliers(Section):
    """How unusual values of the history up to a cutoff are treated before a model sees them."""

    rule: Literal["none", "robust_z", "iqr"]
    action: Literal["clip", "mask", "keep"]
    threshold: Positive
    min_periods: Count


class DemandClasses(Section):
    """Thresholds of the ADI/CV2, ABC and XYZ classes."""

    adi: Positive
    cv2: Positive
    abc: tuple[Share, Share]
    xyz: tuple[Positive, Positive]


class Features(Section):
    """How the arrays of a series up to a cutoff become model inputs."""

    missing: dict[str, MissingRule]
    outliers: Outliers
    classes: DemandClasses
    active_periods: Count
    min_in_stock: Share


# --- forecast and evaluation ----------------------------------------------------------------------------------------------
Simple = Literal["seasonal_naive", "moving_average", "croston", "tsb"]
Model = Literal[Simple, "ets", "arima", "linear", "ridge", "polynomial", "lightgbm", "local_lstm", "lstm", "blend"]


class SeasonalNaive(Section):
    """The value one season ago."""

    season: Count


class MovingAverage(Section):
    """The stock-out-masked seasonal moving average."""

    window: Count


class Statistical(Section):
    """A model a series; its errors are measured on `profile_series` series of each bucket, by hash of their keys."""

    shared_season: bool
    history: Count
    profile_windows: Count
    profile_series: Count


class Ets(Statistical):
    """Exponential smoothing by state space models."""

    model: Annotated[str, Field(pattern="^[AMZ][NAMZ][NAMZ]$")]
    season: Count


class Arima(Statistical):
    """Seasonal ARIMA, orders chosen by information criterion."""

    season: Count
    max_order: Count


class Croston(Statistical):
    """Croston's method for intermittent demand."""

    variant: Literal["classic", "optimized", "sba"]


class Tsb(Statistical):
    """The method of Teunter, Syntetos and Babai for intermittent demand that may end."""

    demand_weight: Annotated[float, Field(gt=0, lt=1)]
    probability_weight: Annotated[float, Field(gt=0, lt=1)]


class LooksBack(Section):
    """What a forecaster that learns from all series sees of each one's history."""

    lags: tuple[Count, ...]
    windows: tuple[Count, Count, Count]


class Tabular(LooksBack):
    """What the regressions and LightGBM read of a panel, and how much of it.

    The rows learned from are a sample of all series and periods; the last `profile_windows` of `profile_series` series tell
    how far a fit that knew nothing of them was off.
    """

    max_rows: Count
    profile_windows: Count
    profile_series: Count


class LightGbm(Section):
    """Gradient boosted trees."""

    tweedie_power: Annotated[float, Field(gt=1, lt=2)]
    rounds: Count
    patience: Count
    learning_rate: Positive
    num_leaves: Annotated[int, Field(ge=2)]
    min_leaf_rows: Count
    column_share: Annotated[float, Field(gt=0, le=1)]
    row_share: Annotated[float, Field(gt=0, le=1)]
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    threads: Count


class Linear(Section):
    """Linear regression: nothing to choose besides `tabular`."""


class Ridge(Section):
    """Ridge regression."""

    penalty: NonNegative


class Polynomial(Section):
    """Ridge regression with squares and products of a few columns."""

    penalty: NonNegative
    factors: Count


class Blend(Section):
    """Other forecasters' distributions averaged; weights count relative to their sum."""

    weights: dict[Model, Positive]


class Lstm(LooksBack):
    """The global LSTM."""

    units: Count
    layers: Count
    embedding: Count
    context: Count
    epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Positive
    dropout: Share
    clip_norm: Positive
    tweedie_weight: NonNegative
    windows_per_epoch: Count
    origins_per_slice: Count
    validation_windows: Count
    validation_share: Share
    validation_series: Count
    n_models: Count
    threads: Count
    ranks: Count
    scale_batch: bool

    @model_validator(mode="after")
    def check_ranks(self) -> Self:
        """Refuse ranks that would have no slice of a batch."""
        if self.ranks > self.batch_size:
            raise ValueError(f"ranks: expected at most batch_size = {self.batch_size}, found {self.ranks}")
        return self


class Promotion(Section):
    """The rule by which a forecaster becomes champion; how it is measured is a metric of the backtest, less is better."""

    segment: Literal["all", "class", "abc", "category"]
    measure: Literal["pinball", "spl", "wspl", "mae", "rmse", "wape", "median_wape", "rmsse", "wrmsse", "simulated_cost"]
    min_gain: Annotated[float, Field(ge=0, lt=1)]
    min_series: Count


class LocalLstm(Section):
    """One small LSTM a series, trained on that series alone."""

    units: Count
    layers: Count
    context: Count
    slices: Count
    origins_per_slice: Count
    lags: tuple[Count, ...]
    windows: tuple[Count, Count, Count]
    epochs: Count
    patience: Count
    held_out: Count
    held_out_of: Count
    learning_rate: Positive
    weight_decay: NonNegative
    clip_norm: Positive
    stack: Count
    min_known: Count
    min_sold_share: Share
    threads: Count


class Forecast(Section):
    """What is forecast, and with what."""

    horizon: Count
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    models: tuple[Model, ...]
    champion: str
    fallback: Annotated[tuple[str, ...], Field(min_length=1)]
    promotion: Promotion
    retrain_after_periods: Count | None
    min_history: Count
    training_series: Count | None
    residual_windows: Count
    seasonal_naive: SeasonalNaive
    moving_average: MovingAverage
    ets: Ets
    arima: Arima
    croston: Croston
    tsb: Tsb
    tabular: Tabular
    linear: Linear
    ridge: Ridge
    polynomial: Polynomial
    lightgbm: LightGbm
    lstm: Lstm
    local_lstm: LocalLstm
    blend: Blend


class SimulatedCost(Section):
    """The orders that a forecast leads to, simulated over a fold; terms for series that `supply` does not name."""

    n_paths: NonNegativeCount
    lead_time_days: NonNegative
    review_period_days: Positive
    unit_cost_share: Positive


class Evaluate(Section):
    """Rolling-origin folds before the cutoff."""

    folds: Annotated[int, Field(ge=0)]
    horizon: Count
    series: Count | None
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    segments: tuple[Literal["class", "abc", "category"], ...]
    simulated_cost: SimulatedCost


# --- plan and orders ------------------------------------------------------------------------------------------------------
class CostRules(Section):
    """Costs of (sku, site) for which no `costs` row is given."""

    holding_rate_per_year: Positive
    lost_sale_share: Positive
    backorder_share: NonNegative
    order_cost: NonNegative
    end_value_share: Share


class Rule(Section):
    """The simple rule that the plan is held against: cover of mean demand plus normal safety stock."""

    cycle_service_level: Annotated[float, Field(gt=0, lt=1)]


class ExceptionRules(Section):
    """When a planned series is shown to a person."""

    stock_out_share: Share
    overstock_periods: Positive
    expiry_share: Share


class SafetyStock(Section):
    """Stock that the plan keeps beside what the costs ask for."""

    kind: Literal["none", "hard", "soft"]
    cover_periods: NonNegative
    price: NonNegative


Policy = Literal[
    "program", "fixed_cycle", "dynamic", "dynamic_lots", "hybrid", "cheapest_line", "projected_inventory", "lot_for_lot"
]
WITHOUT_TARGET = ("program", "cheapest_line")
CLASSES = {"class": ("smooth", "erratic", "intermittent", "lumpy", "none"), "abc": ("A", "B", "C")}


class ServiceTarget(Section):
    """The service that a rule keeps stock for."""

    measure: Literal["cycle_service_level", "fill_rate", "critical_ratio"]
    value: Positive


class Policies(Section):
    """What orders for which series: the program, or a rule with a service target."""

    default: Policy
    segment: Literal["none", "class", "abc", "category", "supplier", "site"]
    by_segment: dict[str, Policy]
    target: ServiceTarget
    target_by_segment: dict[str, ServiceTarget]

    @property
    def rules(self) -> list[str]:
        """Return the names of the rules that series may have, sorted."""
        return sorted({self.default, *self.by_segment.values()} - {"program"})

    @model_validator(mode="after")
    def check_segments(self) -> Self:
        """Refuse segments that no series can have, and services that no stock can give."""
        known, problems = CLASSES.get(self.segment, ()), []
        for key, by_segment in (("by_segment", self.by_segment), ("target_by_segment", self.target_by_segment)):
            if by_segment and self.segment == "none":
                problems.append(f"plan.policy.{key}: segment is none, expected no segments, found {', '.join(by_segment)}")
            unknown = sorted(set(by_segment) - set(known)) if known else []
            problems += [
                f"plan.policy.{key}: expected segments of {self.segment} ({', '.join(known)}), found {name}" for name in unknown
            ]
        targets = {"target": self.target} | {f"target_by_segment.{name}": one for name, one in self.target_by_segment.items()}
        problems += [
            f"plan.policy.{key}.value: expected a {target.measure} below 1, found {target.value:g}"
            for key, target in targets.items()
            if target.measure != "critical_ratio" and target.value >= 1
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Plan(Section):
    """What is ordered, how, and what it is compared with."""

    horizon: Count
    n_paths: Count
    unmet_demand: Literal["lost", "waits"]
    policy: Policies
    frozen_periods: NonNegativeCount
    change_cost: NonNegative
    safety_stock: SafetyStock
    rule: Rule
    exceptions: ExceptionRules

    @property
    def waits(self) -> bool:
        """Return whether demand that is not met waits."""
        return self.unmet_demand == "waits"

    @model_validator(mode="after")
    def check_safety_stock(self) -> Self:
        """Refuse a safety stock that the program over paths cannot keep."""
        if self.safety_stock.kind != "none" and self.unmet_demand == "lost":
            raise ValueError(
                f"plan.safety_stock.kind: expected none where plan.unmet_demand is lost, found {self.safety_stock.kind}: stock "
                "that is kept back would not be there to save a sale; raise lost_sale_cost, or let demand wait"
            )
        if self.safety_stock.kind == "hard" and self.change_cost:
            raise ValueError(
                f"plan.change_cost: expected 0 where plan.safety_stock.kind is hard, found {self.change_cost:g}: no charge can "
                "be weighed against a bound; make it soft, at a price"
            )
        return self


class Tuning(Section):
    """Settings that are tried: every rule with every target that it has a use for."""

    policies: tuple[Policy, ...]
    targets: dict[Literal["cycle_service_level", "fill_rate", "critical_ratio"], tuple[Positive, ...]]

    @property
    def settings(self) -> list[tuple[Policy, ServiceTarget | None]]:
        """Return every policy with every target; None for those that have no use for one."""
        targets = [ServiceTarget(measure=measure, value=value) for measure, values in self.targets.items() for value in values]
        return [(policy, one) for policy in self.policies for one in ([None] if policy in WITHOUT_TARGET else targets)]


class Simulate(Section):
    """Policies played over past windows."""

    series: Count | None
    windows: Count | None
    models: tuple[str, ...]
    policies: tuple[Policy, ...]
    tune: Tuning


MINIMUM = "minimum_order_value"
MINIMUM_TAKES = {"scope": ("all", "supplier"), "basis": ("order",), "measure": ("money",), "counted": ("flow",)}


class LimitRule(Section):
    """A limit that the orders of many series share, like a row of the table `limits`; null = as the kind says."""

    kind: Literal["budget", "volume", "capacity", "minimum_order_value"]
    scope: Literal["all", "category", "supplier", "site"] = "all"
    scope_value: str = "*"
    period: str = "*"
    basis: Literal["order", "receipt"] | None = None
    measure: Literal["money", "volume", "units"] | None = None
    counted: Literal["flow", "stock"] | None = None
    limit: NonNegative

    @model_validator(mode="after")
    def check_minimum(self) -> Self:
        """Refuse a minimum order value of anything but the money of the orders of a day."""
        given = {key: getattr(self, key) for key in MINIMUM_TAKES} if self.kind == MINIMUM else {}
        wrong = [
            f"{key}: expected {' or '.join(MINIMUM_TAKES[key])} (or nothing), as the kind is {MINIMUM}, found {value}"
            for key, value in given.items()
            if value is not None and value not in MINIMUM_TAKES[key]
        ]
        if self.kind == MINIMUM and self.period == "horizon":
            wrong.append(f"period: expected a day or *, as the kind is {MINIMUM}, found horizon")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class Orders(Section):
    """Where order tables go besides the warehouse."""

    database: OptionalAddress
    attempts: Annotated[int, Field(ge=1, le=10)]
    in_open_orders: tuple[Literal["approved", "sent", "confirmed"], ...]


# --- notifications (never part of the run id) -----------------------------------------------------------------------------
def _refer(setting: str) -> str:
    """Refuse a secret that stands in the configuration itself; the message does not tell it."""
    if not setting.startswith(("env:", "file:")):
        raise ValueError("notify: a secret stands in the configuration; keep it elsewhere, and give env:NAME or file:PATH")
    return setting


Secret = Annotated[str, AfterValidator(_refer)]
Heard = Literal["approved", "sent", "confirmed", "received", "cancelled", "changed"]


class Files(Section):
    """A folder that takes a file a notification."""

    channel: Literal["files"]
    folder: str
    format: Literal["json", "csv"]


class Email(Section):
    """Addresses that take a message a notification."""

    channel: Literal["smtp"]
    to: Annotated[tuple[str, ...], Field(min_length=1)]


class Webhook(Section):
    """An HTTP endpoint that takes a signed request a notification."""

    channel: Literal["webhook"]
    url: str
    secret: Secret
    authorization: Secret | None = None


Channel = Annotated[Files | Email | Webhook, Field(discriminator="channel")]


class Audience(Section):
    """What suppliers, or warehouses, hear of their orders, and how."""

    when: tuple[Heard, ...]
    default: Channel | None
    recipients: dict[str, Channel]

    def channel_of(self, name: str) -> Files | Email | Webhook | None:
        """Return how a recipient is reached; None = it hears nothing."""
        return self.recipients.get(name, self.default)


class Smtp(Section):
    """The mail server."""

    host: str | None
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: Literal["required", "offered", "implicit"]
    ca_file: str | None
    username: str | None
    password: Secret | None
    sender: str | None
    timeout_seconds: Positive

    @model_validator(mode="after")
    def check_login(self) -> Self:
        """Refuse half a login, and one that could cross the network in clear."""
        if (self.username is None) != (self.password is None):
            raise ValueError("notify.smtp: expected both username and password, or neither")
        if self.username is not None and self.tls == "offered":
            raise ValueError("notify.smtp.tls: expected required or implicit where there is a password, found offered")
        return self


class Http(Section):
    """What all webhooks share."""

    ca_file: str | None
    timeout_seconds: Positive


class Retry(Section):
    """When a delivery that failed is tried again."""

    first_seconds: Positive
    max_seconds: Positive
    attempts: Count


class Notify(Section):
    """Who hears of orders, and how."""

    supplier: Audience
    warehouse: Audience
    smtp: Smtp
    http: Http
    retry: Retry
    lines: Count
    senders: Count
    lease_seconds: Positive
    keep_days: Positive

    @model_validator(mode="after")
    def check_channels(self) -> Self:
        """Refuse mail without a server, and a lease that ends before a delivery may."""
        channels = [one for group in (self.supplier, self.warehouse) for one in (group.default, *group.recipients.values())]
        if any(isinstance(one, Email) for one in channels) and not (self.smtp.host and self.smtp.sender):
            raise ValueError("notify.smtp: expected host and sender where a channel is smtp, found none")
        longest = max(self.smtp.timeout_seconds, self.http.timeout_seconds)
        if self.lease_seconds < 2 * longest:
            raise ValueError(
                f"notify.lease_seconds: expected at least twice the longest timeout_seconds ({longest:g}), "
                f"found {self.lease_seconds:g}"
            )
        return self


# --- where it runs (never part of the run id) -----------------------------------------------------------------------------
class Retention(Section):
    """Which runs `replen expire` leaves in the warehouse; null = no bound."""

    days: NonNegative | None
    runs: Count | None
    unfinished_days: NonNegative


class Heartbeat(Section):
    """How often long work says that it is alive."""

    seconds: Positive


class Tracking(Section):
    """MLflow."""

    uri: OptionalAddress
    experiment: str


class Spark(Section):
    """Session and stage sizes; results do not depend on them."""

    master: str | None
    partitions: Count
    buckets_per_group: Count
    training_attempts: Count
    driver_memory: str
    settings: dict[str, str]


class Config(Section):
    """The whole run."""

    name: str
    warehouse: str
    seed: int
    freq: Literal["D", "W"]
    cutoff: dt.date | None
    currency: str
    rates: dict[str, Positive]
    sources: Sources
    quality: Quality
    features: Features
    forecast: Forecast
    evaluate: Evaluate
    costs: CostRules
    plan: Plan
    limits: dict[str, LimitRule]
    simulate: Simulate
    orders: Orders
    notify: Notify
    retention: Retention
    heartbeat: Heartbeat
    tracking: Tracking
    spark: Spark

    @model_validator(mode="after")
    def check_together(self) -> Self:
        """Refuse keys that contradict each other, all at once."""
        forecast = self.forecast
        blended = list(forecast.blend.weights)
        context, n_origins = forecast.local_lstm.context, forecast.local_lstm.origins_per_slice
        rules = {
            f"plan.horizon: expected at most forecast.horizon = {forecast.horizon}, found {self.plan.horizon}": (
                self.plan.horizon <= forecast.horizon
            ),
            f"evaluate.horizon: expected at most forecast.horizon = {forecast.horizon}, found {self.evaluate.horizon}": (
                self.evaluate.horizon <= forecast.horizon
            ),
            f"forecast.champion: expected best or one of forecast.models, found {forecast.champion}": (
                forecast.champion in ("best", *forecast.models)
            ),
            f"forecast.blend.weights: expected other members of forecast.models, found {blended}": (
                "blend" not in forecast.models or (blended and set(blended) <= set(forecast.models) - {"blend"})
            ),
            f"forecast.fallback: expected different ones of forecast.models, found {', '.join(forecast.fallback)}": (
                set(forecast.fallback) <= set(forecast.models) and len(set(forecast.fallback)) == len(forecast.fallback)
            ),
            f"simulate.models: expected champion or some of forecast.models, found {', '.join(self.simulate.models)}": (
                bool(self.simulate.models) and set(self.simulate.models) <= {"champion", *forecast.models}
            ),
            f"forecast.promotion.segment: expected all or one of evaluate.segments, found {forecast.promotion.segment}": (
                forecast.promotion.segment in ("all", *self.evaluate.segments)
            ),
            "forecast.promotion.measure: simulated_cost needs evaluate.simulated_cost.n_paths of 1 or more, found 0": (
                forecast.promotion.measure != "simulated_cost" or self.evaluate.simulated_cost.n_paths > 0
            ),
            f"forecast.local_lstm.context: expected at least origins_per_slice = {n_origins}, found {context}": (
                context >= n_origins
            ),
            "forecast.champion: best needs evaluate.folds of 1 or more; set evaluate.folds, or name a model": (
                forecast.champion != "best" or self.evaluate.folds > 0
            ),
        }
        broken = [*self._not_rising(), *(message for message, holds in rules.items() if not holds)]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    def _not_rising(self) -> Iterator[str]:
        """Yield what is wrong with levels and periods that must rise from one to the next."""
        forecast = self.forecast
        levels = {"forecast.quantiles": forecast.quantiles, "evaluate.quantiles": self.evaluate.quantiles}
        yield from (f"{key}: expected at least one level, found none" for key, values in levels.items() if not values)
        rising: dict[str, tuple[float, ...]] = {**levels, "forecast.lightgbm.quantiles": forecast.lightgbm.quantiles}
        for section in ("tabular", "lstm", "local_lstm"):
            read = getattr(forecast, section)
            rising |= {f"forecast.{section}.lags": read.lags, f"forecast.{section}.windows": read.windows}
        for key, values in rising.items():
            if list(values) != sorted(set(values)):
                unit = "levels" if key.endswith("quantiles") else "periods"
                yield f"{key}: expected rising {unit}, found {list(values)}"

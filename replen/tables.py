"""Every table: columns, types, units, keys. A reader starts here.

A `Column` is its own name, so code writes `frame[t.ON_HAND]` and a column is spelled once. Types are Spark DDL. A *series*
is (sku, site, stream); stream `*` is all channels pooled. `period` columns name a day, or a week by its Monday.
"""

from dataclasses import dataclass, replace
from typing import Self

import pyarrow as pa

POOLED = "*"
N_BUCKETS = 4096
ARROW = {"string": pa.string(), "double": pa.float64(), "date": pa.date32(), "int": pa.int32(), "bigint": pa.int64(),
         "boolean": pa.bool_(), "array<float>": pa.list_(pa.float32()),
         "array<array<float>>": pa.list_(pa.list_(pa.float32()))}  # fmt: skip
"""Spark DDL type -> Arrow type, of the columns that are made as Arrow."""


class Column(str):
    """A column name that knows its type, its unit and what it means; a key column is never null."""

    type: str
    meaning: str

    def __new__(cls, name: str, type: str = "double", meaning: str = "") -> Self:
        """Return the name, with its Spark DDL type and its meaning attached."""
        column = super().__new__(cls, name)
        column.type, column.meaning = type, meaning
        return column

    def __reduce__(self) -> tuple[object, ...]:
        """Keep type and meaning when a column travels between workers."""
        return type(self), (str(self), self.type, self.meaning)

    def by_period(self, meaning: str = "") -> "Column":
        """Return the column of the same name that holds one value a period, oldest first."""
        return Column(str(self), "array<float>", meaning or f"{self.meaning}; by period from start_date, null = unknown")

    def by_step(self) -> "Column":
        """Return the column that holds one value a planned period, `order_quantity_by_step` for `order_quantity`."""
        return Column(f"{self}_by_step", f"array<{self.type}>", f"{self.meaning}; by step from the plan date, null = no plan")

    def by_exception(self) -> "Column":
        """Return the column that holds one value an exception of the series, none being an empty array."""
        return Column(f"{self}_by_exception", f"array<{self.type}>", f"{self.meaning}; by exception")


@dataclass(frozen=True)
class Table:
    """A table's contract: `select(table.names)` before every write; `key` is unique and never null."""

    name: str
    meaning: str
    key: tuple[Column, ...]
    values: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return key columns, then values."""
        return self.key + self.values

    @property
    def names(self) -> list[str]:
        """Return the column names as plain strings, in the table's order."""
        return [str(column) for column in self.columns]

    @property
    def ddl(self) -> str:
        """Return the Spark schema.

        >>> CATALOGUE.ddl[:36]
        'sku string not null, category string'
        """
        keys = [f"{column} {column.type} not null" for column in self.key]
        return ", ".join(keys + [f"{column} {column.type}" for column in self.values])

    @property
    def arrow(self) -> pa.Schema:
        """Return the Arrow schema, every column nullable."""
        return pa.schema([(str(column), ARROW[column.type]) for column in self.columns])

    @property
    def without_run(self) -> "Table":
        """Return the table as a job makes it and files hold it: the store adds the run's id where the key has one."""
        return replace(self, key=tuple(column for column in self.key if column != RUN_ID))

    @property
    def nullable_ddl(self) -> str:
        """Return the Spark schema of frames on their way: every column nullable, the key is checked where it is made."""
        return self.ddl.replace(" not null", "")


# --- keys and dates -------------------------------------------------------------------------------------------------------
SKU = Column("sku", "string", "stock keeping unit, as the shop writes it")
SITE = Column("site", "string", "place that holds stock: warehouse or store")
CHANNEL = Column("channel", "string", "how it was sold: web, store, a marketplace")
STREAM = Column("stream", "string", "channel forecast on its own; `*` = all channels pooled")
SUPPLIER = Column("supplier", "string", "who delivers")
DATE = Column("date", "date", "period: the day, or the Monday of the week")
AS_OF = Column("as_of", "date", "end of the period the stock was counted in; must be the cutoff")
CUTOFF = Column("cutoff", "date", "last period known to a forecast or plan")
RUN_ID = Column("run_id", "string", "hash of resolved config, input versions, cutoff, code version")
BUCKET = Column("bucket", "int", "pmod(xxhash64(sku, site), 4096): what grouped stages are grouped by")
NAME = Column("name", "string", "name of a signal, a limit or a rule")
MODEL = Column("model", "string", "forecaster's name in the config")

# --- sales and signals ----------------------------------------------------------------------------------------------------
QUANTITY = Column("quantity", "double", "units; in sales: what stock allowed, not demand")
PRICE = Column("price", "double", "money a unit, mean of the period weighted by quantity")
CUSTOMER_COUNT = Column("customer_count", "double", "distinct customers in the period")
PROMOTION = Column("promotion", "double", "share of the period on promotion, 0..1")
IN_STOCK = Column("in_stock", "double", "share of the period in stock, 0..1; null = unknown")
INVENTORY_LEVEL = Column("inventory_level", "double", "units on the shelf at the end of the period")
VALUE = Column("value", "double", "value of a signal; of an order: money")
KNOWN_IN_ADVANCE = Column("known_in_advance", "boolean", "true: values after the cutoff may be used")

# --- products, stock, supply ----------------------------------------------------------------------------------------------
CATEGORY = Column("category", "string", "product group; embedded, and a scope of limits")
BRAND = Column("brand", "string", "maker")
UNIT_PRICE = Column("unit_price", "double", "list price, money a unit")
UNIT_VOLUME = Column("unit_volume", "double", "cubic metres a unit")
SHELF_LIFE_DAYS = Column("shelf_life_days", "int", "days from receipt to expiry; null = keeps")
LAUNCH_DATE = Column("launch_date", "date", "first day on sale")
END_DATE = Column("end_date", "date", "last day on sale; null = no end known")
ON_HAND = Column("on_hand", "double", "units on the shelf at the end of as_of, >= 0")
BACKORDERS = Column("backorders", "double", "units owed to customers, >= 0")
OPEN_ORDER_ID = Column("order_id", "string", "order already placed, never ordered again")
EXPECTED_DATE = Column("expected_date", "date", "day the units are on the shelf")
STATUS = Column("status", "string", "proposed, approved, sent, confirmed, received, cancelled")
RANK = Column("rank", "int", "1 = first choice among the suppliers of (sku, site)")
PREFERENCE = Column("preference", "int", "staging: 1 = first choice among the sources of (sku, site)")
SOURCE_SITE = Column("source_site", "string", "set: a transfer from that site's stock")
LEAD_TIME_DAYS = Column("lead_time_days", "double", "mean days from order to shelf, >= 0")
LEAD_TIME_SD_DAYS = Column("lead_time_sd_days", "double", "standard deviation of the lead time, days; null = 0")
ORDER_DAYS = Column("order_days", "string", "weekdays orders may be placed, e.g. `MO,TH`; null = every day")
REVIEW_PERIOD_DAYS = Column("review_period_days", "double", "days between two orders, > 0")
MIN_ORDER_QUANTITY = Column("min_order_quantity", "double", "units an order line has at least, or is not placed")
ORDER_MULTIPLE = Column("order_multiple", "double", "units in a pack; lines are whole multiples, >= 1")
MAX_ORDER_QUANTITY = Column("max_order_quantity", "double", "units an order line has at most; null = no limit")
GOODS_COST = Column("goods_cost", "double", "staging, of a transfer: the SKU's least purchase price, part of unit_cost")
UNIT_COST = Column("unit_cost", "double", "purchase price, money a unit, >= 0")
HOLDING_COST = Column("holding_cost", "double", "money a unit and period, > 0")
LOST_SALE_COST = Column("lost_sale_cost", "double", "money a unit of lost sale, lost margin included")
BACKORDER_COST = Column("backorder_cost", "double", "money a unit and period")
ORDER_COST = Column("order_cost", "double", "money an order line")
END_VALUE = Column("end_value", "double", "money a unit left at the horizon is worth")

# --- limits that all series share -----------------------------------------------------------------------------------------
SCOPE = Column("scope", "string", "whose orders share the limit: all | category | supplier | site")
SCOPE_VALUE = Column("scope_value", "string", "the category, supplier or site; `*` where the scope is all")
PERIOD = Column("period", "string", "a day of the period; `*` = every period, each alone; `horizon` = all periods together")
BASIS = Column("basis", "string", "order | receipt: date a flow is counted on; null = order, capacity of a site: receipt")
MEASURE = Column("measure", "string", "money | volume | units; null = as the kind says")
COUNTED = Column(
    "counted", "string", "flow: what is ordered or received; stock: what lies on the shelf; null = as the kind says"
)
LIMIT = Column("limit", "double", "most that may be used, in the measure, >= 0; minimum_order_value: least, unless nothing is")

# --- features and forecasts -----------------------------------------------------------------------------------------------
START_DATE = Column("start_date", "date", "first period of the arrays: first known period of the series")
SALES_HISTORY = Column("sales", "array<float>", "units sold by period from start_date; null = unknown")
PLANNED_PRICE = Column("planned_price", "array<float>", "planned price by period from start_date, past the end of sales too")
PLANNED_PROMOTION = Column("planned_promotion", "array<float>", "planned promotion share, like planned_price")
COVARIATES = Column("covariates", "map<string,array<float>>", "past-only signals by name and period (behaviour)")
MEAN = Column("mean", "array<float>", "expected demand by step, units")
MEDIAN = Column("median", "array<float>", "median demand by step, units")
QUANTILES = Column("quantiles", "array<array<float>>", "demand by step and level of `forecast.quantiles`, units")
FAMILY = Column("family", "string", "marginal distribution by step: `negative_binomial` or `quantiles`")
PARAMETERS = Column("parameters", "array<array<float>>", "its parameters by step (see forecast/distribution.py)")
DEPENDENCE = Column("dependence", "array<float>", "correlation of normal scores between steps at distance 1, 2, ...")
SEED = Column("seed", "bigint", "what the series' sample paths are drawn from")
REASON = Column("reason", "string", "why a fallback or nothing was given; null = as asked")
INACTIVE = "not sold within features.active_periods up to the cutoff"  # reason of a series that nobody forecasts or plans
DEMAND_CLASS = Column("demand_class", "string", "how demand comes up to the cutoff: smooth, erratic, intermittent, lumpy, none")
ABC_CLASS = Column("abc_class", "string", "A, B or C by revenue up to the cutoff, among all active series")
RECENT_REVENUE = Column(
    "recent_revenue", "double", "money, over features.active_periods up to the cutoff; what abc_class goes by"
)
MODEL_WEIGHTS = Column("weights", "array<float>", "weights of the series' own model, see local_lstm/stack.py; null = none")
WEIGHTS_BY_CUTOFF = Column("weights_by_cutoff", "map<string,array<float>>", "staging, beside `series`: cutoff -> weights")
MODEL_VERSION = Column("model_version", "string", "MLflow registry version that forecast")

# --- plans and orders -----------------------------------------------------------------------------------------------------
ORDER_QUANTITY = Column("order_quantity", "double", "units to order, a whole multiple of order_multiple")
RECEIPT = Column("receipt", "double", "units that reach the shelf at the start of the period")
RECEIPTS = Column("receipts", "array<double>", "units of open orders by step from the plan date, overdue ones at step 0")
PROJECTED_ON_HAND = Column("projected_on_hand", "double", "expected units at the end of the period")
EXPECTED_LOST = Column("expected_lost", "double", "expected units of lost sale in the period, or units owed at its end")
EXPECTED_COST = Column("expected_cost", "double", "expected money in the period: purchase, order line, holding, lost sales")
LAST_PLAN = Column("last_plan", "array<double>", "units that the last plan ordered by step from this plan date; null = none")
ORDER_ID = Column("order_id", "string", "hash(order_date, sku, site, supplier)")
ORDER_DATE = Column("order_date", "date", "plan date, or the first order day after it within the first period")
NEXT_ORDER_DATE = Column("next_order_date", "date", "first later date on which the plan orders; null = not within the horizon")
REORDER_POINT = Column("reorder_point", "double", "largest inventory position at which the policy orders today, units")
ORDER_UP_TO_LEVEL = Column("order_up_to_level", "double", "inventory position that the policy orders up to before packs, units")
SAFETY_STOCK = Column(
    "safety_stock", "double", "order_up_to_level (of a rule: reorder_point) less mean demand of the protection interval, units"
)
POLICY = Column("policy", "string", "what set the quantity: program, or the name of a rule")
FORECAST_DEMAND = Column("forecast_demand", "double", "mean demand over the protection interval, units")
PROJECTED_STOCK = Column("projected_stock", "double", "expected units on hand when the order arrives")
TARGET = Column("target", "double", "quantity the policy asked for before packs, units")
BINDING = Column(
    "binding", "string",
    "what held it: none, last_plan, safety_stock, min_order_quantity, max_order_quantity, shelf_life_days, order_multiple, or "
    "a limit",
)  # fmt: skip
ROUNDING = Column("rounding", "double", "order_quantity less target, units")
ALTERNATIVES = Column(
    "alternatives", "map<string,double>",
    "supplier -> money by which its plan costs more than this one, prices of limits counted; others that could be planned",
)  # fmt: skip
LIMIT_PRICES = Column("limit_prices", "map<string,double>", "shadow price of each coupling limit, money a unit of the limit")
KIND = Column("kind", "string", "of an exception: what is wrong; of a limit: budget | volume | capacity | minimum_order_value")
SEVERITY = Column("severity", "string", "info, warning or critical")
VALUE_AT_RISK = Column("value_at_risk", "double", "money that may be lost if nobody acts")
ACTION = Column("action", "string", "what to do")
TIME = Column("time", "timestamp", "UTC")
FROM_STATUS = Column("from_status", "string", "status of the order before")
TO_STATUS = Column("to_status", "string", "status of the order after")
WHO = Column("who", "string", "person or program that did it")
NOTE = Column("note", "string", "why, in their words")
CONSTANT_COST = Column("constant_cost", "double", "expected money before the first order can arrive: no decision changes it")
SOLVER = Column(
    "solver", "string", "what found the quantities: path_simplex, highs, chain, lattice, rule; none = nothing was to be decided"
)
MEAN_DEMAND = Column("mean_demand", "double", "expected demand over the planned periods, units")
PLAN_COST = Column("plan_cost", "double", "expected money when the plan's policy is played on the paths, less end value")
PLAN_SOLD = Column("plan_sold", "double", "expected units sold when the plan's policy is played on the paths")
RULE_COST = Column("rule_cost", "double", "expected money when the simple rule is played on the same paths, less end value")
RULE_SOLD = Column("rule_sold", "double", "expected units sold when the simple rule is played on the same paths")
EXPECTED_SOLD = Column("expected_sold", "double", "expected units sold over the planned periods")
FILL_RATE = Column("fill_rate", "double", "expected units sold / expected demand, 0..1")
CYCLE_SERVICE_LEVEL = Column("cycle_service_level", "double", "share of periods without a shortage, 0..1")
WINDOW = Column("window", "string", "cutoff that a simulation starts from, or `all`")
SEGMENTS = Column("segments", "array<string>", "staging: groups that the series is in at the cutoff, `all` among them")
N_PLAYED = Column("n_played", "bigint", "series played, counted once a window")
COST = Column("cost", "double", "money a series and window: purchase, lines, holding and shortage, less what is left over")
PURCHASE = Column("purchase", "double", "money for units ordered that arrive in the window, a series and window")
LINE_COST = Column("line_cost", "double", "money for order lines, a series and window")
HOLDING = Column("holding", "double", "money for units left at the end of each period, a series and window")
SHORTAGE = Column("shortage", "double", "money for lost sales, or units owed at the end of each period, a series and window")
LEFT_VALUE = Column("left_value", "double", "money that units left after the window are worth, a series and window")
DEMAND = Column("demand", "double", "units sold then, which is what the simulation wants, a series and window")
SOLD = Column("sold", "double", "units served from the shelf in the period they are wanted in, a series and window")
WASTE = Column("waste", "double", "units thrown away as too old, a series and window")
MEAN_ON_HAND = Column("mean_on_hand", "double", "units left at the end of a period, mean over periods, a series and window")
N_LINES = Column("n_lines", "double", "order lines placed, a series and window")
NERVOUSNESS = Column("nervousness", "double", "mean absolute change of a date's order from plan to plan, units; null = none")
TURNS = Column("turns", "double", "how often the mean stock is sold in the window; null where there is none")
COST_DIFFERENCE = Column(
    "cost_difference", "double", "cost less that of the configured policy, of series played in all windows"
)
DIFFERENCE_LOW = Column("difference_low", "double", "lower end of its 95 % interval, drawn over series and windows in pairs")
DIFFERENCE_HIGH = Column("difference_high", "double", "upper end of it")
LIMIT_NAME = Column("limit", "string", "coupling limit, or `*` for the uncoupled program")
DUAL_BOUND = Column("dual_bound", "double", "no plan fixed on the plan date costs less on the same paths, money")
FEASIBLE_COST = Column("feasible_cost", "double", "cost of the written plan on the same paths, money")
GAP = Column("gap", "double", "(feasible_cost - dual_bound) / max(1, feasible_cost less the constants no decision changes)")
LARGEST_VIOLATION = Column("largest_violation", "double", "largest excess over a limit, in the limit's measure")
ITERATIONS = Column("iterations", "int", "price updates made")
AVAILABLE = Column("available", "double", "most that may be used of the limit, in its measure; of a minimum, least")
USED = Column("used", "double", "what the plan uses of the limit, expected stock included, in its measure")
LIMIT_PRICE = Column("limit_price", "double", "money that one more unit of the limit saves, about; below 0: a minimum costs it")
SOLVER_COUNTS = Column("solver_counts", "map<string,bigint>", "series by solver")

# --- notifications --------------------------------------------------------------------------------------------------------
EVENT_ID = Column("event_id", "string", "hash of what happened and who hears of it; goes with every delivery, repeats included")
EVENT_KIND = Column("kind", "string", "orders_ and the status that the order lines took, or orders_changed")
RECIPIENT_KIND = Column("recipient_kind", "string", "supplier or warehouse")
RECIPIENT = Column("recipient", "string", "name of the supplier, or of the site")
PAYLOAD = Column("payload", "string", "JSON, delivered as it stands here: see notify/messages.py")
CREATED_AT = Column("created_at", "timestamp", "when the orders changed, UTC")
STATE = Column("state", "string", "pending, delivered, or dead: given up until a person asks for it again")
ATTEMPTS = Column("attempts", "int", "deliveries begun")
NEXT_ATTEMPT_AT = Column("next_attempt_at", "timestamp", "not tried before, UTC; while one is under way, the end of its lease")
CLAIM = Column("claim", "string", "the attempt under way; null = none")
LAST_ERROR = Column("last_error", "string", "why the last attempt failed")
DELIVERED_AT = Column("delivered_at", "timestamp", "when the receiver took it, UTC; null = not yet")

# --- runs and measures ----------------------------------------------------------------------------------------------------
JOB = Column("job", "string", "entry point that committed the tables")
TABLE = Column("table", "string", "table a finding is about")
ROW_KEY = Column("key", "string", "key of the row, as JSON")
RULE = Column("rule", "string", "what was applied")
VALUE_BEFORE = Column("value_before", "string", "as it was read")
VALUE_AFTER = Column("value_after", "string", "as it was kept, or `quarantined`")
N_ROWS = Column("n_rows", "bigint", "rows this finding stands for")
THRESHOLD = Column("threshold", "double", "of the level found, or of the first that may be; null = none may be")
LEVEL = Column("level", "string", "of a check: ok, warn or stop")
MEASURED = Column("measured", "map<string,double>", "what the value was made of; a later run is compared with it")
FOLD = Column("fold", "string", "cutoff of the fold, or `all`")
SEGMENT = Column("segment", "string", "group of series, e.g. `all` or `class=lumpy`; of a check also `column=price`")
METRIC = Column("metric", "string", "wape, pinball, ...")
JOB_KEY = Column("job_key", "string", "hash of everything the job's tables depend on: equal key, equal tables")
PRODUCER = Column("producer", "string", "run whose data files these are; another run's where its job had the same key")
COMMITTED_AT = Column("committed_at", "timestamp", "UTC")
VERSIONS = Column("versions", "map<string,bigint>", "version of each table the job wrote")
COUNTS = Column("counts", "map<string,bigint>", "series and rows in and out, for the reconciliation")
MLFLOW_RUN = Column("mlflow_run", "string", "id of the MLflow run that holds parameters, metrics and artifacts")
CHAMPION_OF = Column("champion_of", "map<string,string>", "segment that the forecaster forecasts -> why it is its champion")
CHALLENGER_OF = Column("challenger_of", "map<string,string>", "segment -> why the forecaster is second best in it")
FIT_SECONDS = Column("fit_seconds", "double", "wall clock of all its fits, of every fold; counted ones are fitted together")
METRICS_BY_NAME = Column("metrics", "map<string,double>", "metric -> value")
RECIPE = Column("recipe", "string", "hash of all that features, models and forecasts depend on but data: sections and code")
CONFIG = Column("config", "string", "resolved configuration, JSON, without secrets")

SALES = Table(
    "sales", "what was sold, by period", (SKU, SITE, CHANNEL, DATE),
    (QUANTITY, PRICE, CUSTOMER_COUNT, PROMOTION, IN_STOCK, INVENTORY_LEVEL),
)  # fmt: skip
BEHAVIOUR = Table("behaviour", "what customers did; past only", (SKU, SITE, DATE, NAME), (VALUE,))
MARKET = Table("market", "signals of a site or of all (`*`)", (SITE, DATE, NAME), (VALUE, KNOWN_IN_ADVANCE))
PLANNED_PRICES = Table("planned_prices", "the known future of price", (SKU, SITE, DATE), (PRICE, PROMOTION))
CATALOGUE = Table(
    "catalogue", "what is sold", (SKU,),
    (CATEGORY, BRAND, UNIT_PRICE, UNIT_VOLUME, SHELF_LIFE_DAYS, LAUNCH_DATE, END_DATE),
)  # fmt: skip
STOCK = Table("stock", "what is on the shelf", (SKU, SITE, AS_OF), (ON_HAND, BACKORDERS))
OPEN_ORDERS = Table(
    "open_orders", "what is on its way", (OPEN_ORDER_ID,), (SKU, SITE, SUPPLIER, QUANTITY, EXPECTED_DATE, STATUS)
)
SUPPLY = Table(
    "supply", "how it can be bought", (SKU, SITE, SUPPLIER),
    (RANK, SOURCE_SITE, LEAD_TIME_DAYS, LEAD_TIME_SD_DAYS, ORDER_DAYS, REVIEW_PERIOD_DAYS, MIN_ORDER_QUANTITY, ORDER_MULTIPLE,
     MAX_ORDER_QUANTITY, UNIT_COST),
)  # fmt: skip
COSTS = Table(
    "costs", "what too much and too little cost", (SKU, SITE),
    (HOLDING_COST, LOST_SALE_COST, BACKORDER_COST, ORDER_COST, END_VALUE),
)  # fmt: skip
LIMITS = Table(
    "limits", "what the orders of all series may use together", (NAME, SCOPE_VALUE, PERIOD),
    (KIND, SCOPE, BASIS, MEASURE, COUNTED, LIMIT),
)  # fmt: skip
QUALITY = Table(
    "quality", "everything ingest changed or refused", (RUN_ID, TABLE, ROW_KEY, RULE), (VALUE_BEFORE, VALUE_AFTER, N_ROWS)
)
QUALITY_CHECKS = Table(
    "quality_checks", "what was checked before anything is planned, and what to do; history shows drift",
    (RUN_ID, NAME, TABLE, SEGMENT), (VALUE, THRESHOLD, LEVEL, ACTION, MEASURED),
)  # fmt: skip
SERIES = Table(
    "series", "one row a series, arrays by period", (SKU, SITE, STREAM),
    (BUCKET, START_DATE, SALES_HISTORY, PRICE.by_period(), PROMOTION.by_period(), IN_STOCK.by_period(),
     CUSTOMER_COUNT.by_period(), INVENTORY_LEVEL.by_period(), PLANNED_PRICE, PLANNED_PROMOTION, COVARIATES,
     CATEGORY, BRAND, UNIT_PRICE, LAUNCH_DATE, END_DATE),
)  # fmt: skip
FORECASTS = Table(
    "forecasts", "demand as a distribution, one row a series", (RUN_ID, MODEL, SKU, SITE, STREAM),
    (BUCKET, CUTOFF, MEAN, MEDIAN, QUANTILES, FAMILY, PARAMETERS, DEPENDENCE, SEED, MODEL_VERSION, DEMAND_CLASS, ABC_CLASS,
     RECENT_REVENUE, REASON),
)  # fmt: skip
WEIGHTS = Table(
    "weights", "models of single series at the cutoff, one row an active series; there where a local forecaster was trained",
    (RUN_ID, MODEL, SKU, SITE, STREAM), (BUCKET, CUTOFF, MODEL_WEIGHTS, REASON),
)  # fmt: skip
PLAN = Table(
    "plan", "what to order when, later dates included", (RUN_ID, SKU, SITE, SUPPLIER, DATE),
    (ORDER_QUANTITY, RECEIPT, PROJECTED_ON_HAND, EXPECTED_LOST, EXPECTED_COST),
)  # fmt: skip
ORDERS = Table(
    "orders", "order lines of the plan date", (ORDER_ID,),
    (RUN_ID, SKU, SITE, SUPPLIER, ORDER_DATE, EXPECTED_DATE, NEXT_ORDER_DATE, ORDER_QUANTITY, REORDER_POINT, ORDER_UP_TO_LEVEL,
     SAFETY_STOCK, VALUE, POLICY, STATUS),
)  # fmt: skip
EXPLANATIONS = Table(
    "explanations", "why each order line is what it is", (ORDER_ID,),
    (RUN_ID, FORECAST_DEMAND, PROJECTED_STOCK, TARGET, BINDING, ROUNDING, LIMIT_PRICES, ALTERNATIVES, MODEL,
     MODEL_VERSION),
)  # fmt: skip
ORDER_EVENTS = Table(
    "order_events", "what people did with orders; rows are only ever added", (ORDER_ID, TIME),
    (FROM_STATUS, TO_STATUS, ORDER_QUANTITY, WHO, NOTE),
)  # fmt: skip
EXCEPTIONS = Table("exceptions", "what a person must look at", (RUN_ID, SKU, SITE, KIND), (SEVERITY, VALUE_AT_RISK, ACTION))
CERTIFICATES = Table(
    "certificates", "proof of how good the plan is", (RUN_ID, LIMIT_NAME),
    (DUAL_BOUND, FEASIBLE_COST, GAP, LARGEST_VIOLATION, ITERATIONS, AVAILABLE, USED, LIMIT_PRICE, SOLVER_COUNTS),
)  # fmt: skip
POLICIES = Table(
    "policies", "the plan beside the simple rule, both simulated on the same sample paths", (RUN_ID, POLICY),
    (EXPECTED_COST, MEAN_DEMAND, EXPECTED_SOLD, FILL_RATE),
)  # fmt: skip
MODELS = Table(
    "models", "forecasters of the run: where MLflow keeps them and what they forecast", (RUN_ID, MODEL),
    (MODEL_VERSION, MLFLOW_RUN, CHAMPION_OF, CHALLENGER_OF, FIT_SECONDS),
)  # fmt: skip
BACKTEST = Table(
    "backtest", "staging: parts of metrics by segment (metric, value) and metrics by series (metrics), of every fold",
    (MODEL, FOLD, SEGMENT), (METRIC, VALUE, SKU, SITE, STREAM, METRICS_BY_NAME),
)  # fmt: skip
DECISIONS = Table(
    "decisions", "staging: one row a series, of which plan, orders, explanations, exceptions and certificates are made",
    (SKU, SITE),
    (SUPPLIER, MODEL, MODEL_VERSION, REASON,
     *(c.by_step() for c in (DATE, ORDER_QUANTITY, RECEIPT, PROJECTED_ON_HAND, EXPECTED_LOST, EXPECTED_COST)),
     ORDER_ID, ORDER_DATE, EXPECTED_DATE, NEXT_ORDER_DATE, ORDER_QUANTITY, REORDER_POINT, ORDER_UP_TO_LEVEL, SAFETY_STOCK,
     VALUE, POLICY, FORECAST_DEMAND, PROJECTED_STOCK, TARGET, BINDING, ROUNDING, LIMIT_PRICES, ALTERNATIVES,
     *(c.by_exception() for c in (KIND, SEVERITY, VALUE_AT_RISK, ACTION)),
     DUAL_BOUND, FEASIBLE_COST, CONSTANT_COST, SOLVER, MEAN_DEMAND, PLAN_COST, PLAN_SOLD, RULE_COST, RULE_SOLD),
)  # fmt: skip
TRANSFERS = Table(
    "transfers", "staging: what is moved between sites today, decided before the orders", (SKU, SITE, SUPPLIER),
    (SOURCE_SITE, ORDER_ID, ORDER_DATE, EXPECTED_DATE, ORDER_QUANTITY, VALUE, POLICY, TARGET, BINDING, ROUNDING, MODEL,
     MODEL_VERSION),
)  # fmt: skip
OUTBOX = Table(
    "outbox", "what suppliers and warehouses are to hear of their orders; of the order database", (EVENT_ID,),
    (EVENT_KIND, RECIPIENT_KIND, RECIPIENT, PAYLOAD, CREATED_AT, STATE, ATTEMPTS, NEXT_ATTEMPT_AT, CLAIM, LAST_ERROR,
     DELIVERED_AT),
)  # fmt: skip
PLAYED = (
    COST, PURCHASE, LINE_COST, HOLDING, SHORTAGE, LEFT_VALUE, DEMAND, SOLD, WASTE, MEAN_ON_HAND, N_LINES, CYCLE_SERVICE_LEVEL,
    NERVOUSNESS,
)  # fmt: skip
SIMULATED = Table(
    "simulated", "staging: each series under each policy in each window; one row without measures where it was not played",
    (MODEL, POLICY, WINDOW, SKU, SITE), (REASON, SEGMENTS, *PLAYED),
)  # fmt: skip
SIMULATIONS = Table(
    "simulations", "policies played over past windows on the forecasts of their time; `replen simulate` writes it",
    (RUN_ID, MODEL, POLICY, WINDOW, SEGMENT),
    (N_PLAYED, *PLAYED, FILL_RATE, TURNS, COST_DIFFERENCE, DIFFERENCE_LOW, DIFFERENCE_HIGH),
)  # fmt: skip
METRICS = Table("metrics", "how good each forecaster is", (RUN_ID, MODEL, FOLD, SEGMENT, METRIC), (VALUE,))
SCORES = Table("scores", "sums that metrics are ratios of; `metric` names the part", (MODEL, FOLD, SEGMENT, METRIC), (VALUE,))
RUNS = Table(
    "runs", "what was committed; readers see only what stands here", (RUN_ID, JOB),
    (JOB_KEY, PRODUCER, COMMITTED_AT, CUTOFF, VERSIONS, COUNTS, CONFIG, RECIPE),
)  # fmt: skip

INPUTS = (SALES, BEHAVIOUR, MARKET, PLANNED_PRICES, CATALOGUE, STOCK, OPEN_ORDERS, SUPPLY, COSTS, LIMITS)
OUTPUTS = (
    QUALITY, QUALITY_CHECKS, SERIES, WEIGHTS, FORECASTS, PLAN, ORDERS, EXPLANATIONS, EXCEPTIONS, CERTIFICATES, POLICIES, MODELS,
    METRICS, SIMULATIONS, RUNS,
)  # fmt: skip
ALL = (*INPUTS, *OUTPUTS, ORDER_EVENTS, OUTBOX)

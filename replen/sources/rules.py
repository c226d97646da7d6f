"""What a row of each input table must hold to be used: columns that must be there, bounds, values for what is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from replen import tables as t

CURRENCY = t.Column("currency", "string", "currency of the row's money; null = the run's")
CUSTOMER = t.Column("customer", "string", "who bought; read to count distinct customers")
WEEKDAYS = r"(MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*"


@dataclass(frozen=True)
class Bound:
    """Values a column may take: low <= value <= high, or low < value where `above`; text must match `pattern`."""

    low: float = -inf
    high: float = inf
    above: bool = False
    pattern: str | None = None


@dataclass(frozen=True)
class Rules:
    """Rules of one table.

    Attributes:
        required: columns that the file must have besides the key.
        essential: columns whose missing or impossible value refuses the row; elsewhere the value becomes null (unknown).
        bounds: what values may be; numbers must be finite everywhere.
        ordered: pairs of columns; a row whose first is above its second is refused.
        fill: value of an empty or absent optional column.
        extra: columns that are read but not kept.
    """

    required: tuple[t.Column, ...] = ()
    essential: tuple[t.Column, ...] = ()
    bounds: Mapping[t.Column, Bound] = field(default_factory=dict)
    ordered: tuple[tuple[t.Column, t.Column], ...] = ()
    fill: Mapping[t.Column, str | float] = field(default_factory=dict)
    extra: tuple[t.Column, ...] = ()


NOT_NEGATIVE = Bound(low=0)
POSITIVE = Bound(low=0, above=True)
SHARE = Bound(low=0, high=1)

RULES: Mapping[str, Rules] = {
    t.SALES.name: Rules(
        required=(t.QUANTITY,),
        bounds={
            t.QUANTITY: NOT_NEGATIVE, t.PRICE: NOT_NEGATIVE, t.CUSTOMER_COUNT: NOT_NEGATIVE, t.PROMOTION: SHARE,
            t.IN_STOCK: SHARE, t.INVENTORY_LEVEL: NOT_NEGATIVE,
        },
        fill={t.CHANNEL: t.POOLED},
        extra=(CURRENCY, CUSTOMER),
    ),
    t.BEHAVIOUR.name: Rules(required=(t.VALUE,), essential=(t.VALUE,)),
    t.MARKET.name: Rules(required=(t.VALUE,), essential=(t.VALUE,), fill={t.SITE: t.POOLED, t.KNOWN_IN_ADVANCE: "false"}),
    t.PLANNED_PRICES.name: Rules(bounds={t.PRICE: NOT_NEGATIVE, t.PROMOTION: SHARE}, extra=(CURRENCY,)),
    t.CATALOGUE.name: Rules(
        bounds={t.UNIT_PRICE: NOT_NEGATIVE, t.UNIT_VOLUME: NOT_NEGATIVE, t.SHELF_LIFE_DAYS: POSITIVE}, extra=(CURRENCY,)
    ),
    t.STOCK.name: Rules(
        required=(t.ON_HAND,), essential=(t.ON_HAND,),
        bounds={t.ON_HAND: NOT_NEGATIVE, t.BACKORDERS: NOT_NEGATIVE}, fill={t.BACKORDERS: 0.0},
    ),
    t.OPEN_ORDERS.name: Rules(
        required=(t.SKU, t.SITE, t.QUANTITY, t.EXPECTED_DATE), essential=(t.SKU, t.SITE, t.QUANTITY, t.EXPECTED_DATE),
        bounds={t.QUANTITY: NOT_NEGATIVE},
    ),
    # A wrong term would be an order nobody meant: any impossible value refuses the row.
    t.SUPPLY.name: Rules(
        required=(t.LEAD_TIME_DAYS, t.REVIEW_PERIOD_DAYS, t.UNIT_COST), essential=t.SUPPLY.values,
        bounds={
            t.RANK: Bound(low=1), t.LEAD_TIME_DAYS: NOT_NEGATIVE, t.LEAD_TIME_SD_DAYS: NOT_NEGATIVE,
            t.ORDER_DAYS: Bound(pattern=WEEKDAYS), t.REVIEW_PERIOD_DAYS: POSITIVE, t.MIN_ORDER_QUANTITY: NOT_NEGATIVE,
            t.ORDER_MULTIPLE: Bound(low=1), t.MAX_ORDER_QUANTITY: POSITIVE, t.UNIT_COST: NOT_NEGATIVE,
        },
        ordered=((t.MIN_ORDER_QUANTITY, t.MAX_ORDER_QUANTITY), (t.ORDER_MULTIPLE, t.MAX_ORDER_QUANTITY)),
        fill={t.RANK: 1, t.MIN_ORDER_QUANTITY: 0.0, t.ORDER_MULTIPLE: 1.0}, extra=(CURRENCY,),
    ),
    t.COSTS.name: Rules(
        essential=t.COSTS.values,
        bounds={
            t.HOLDING_COST: POSITIVE, t.LOST_SALE_COST: NOT_NEGATIVE, t.BACKORDER_COST: NOT_NEGATIVE,
            t.ORDER_COST: NOT_NEGATIVE, t.END_VALUE: NOT_NEGATIVE,
        },
        extra=(CURRENCY,),
    ),
    t.LIMITS.name: Rules(
        required=(t.KIND, t.LIMIT), essential=t.LIMITS.values,
        fill={t.SCOPE: "all", t.SCOPE_VALUE: t.POOLED, t.PERIOD: t.POOLED},
        bounds={
            t.LIMIT: NOT_NEGATIVE, t.KIND: Bound(pattern="budget|volume|capacity"),
            t.SCOPE: Bound(pattern="all|category|supplier|site"), t.BASIS: Bound(pattern="order|receipt"),
            t.MEASURE: Bound(pattern="money|volume|units"), t.COUNTED: Bound(pattern="flow|stock"),
        },
    ),
}  # fmt: skip
MONEY = {t.PRICE, t.UNIT_PRICE, t.UNIT_COST, *t.COSTS.values}
PAST_ONLY = {t.SALES.name, t.BEHAVIOUR.name}
MAY_BE_EMPTY = {t.OPEN_ORDERS.name, t.BEHAVIOUR.name, t.MARKET.name, t.PLANNED_PRICES.name, t.COSTS.name, t.LIMITS.name}

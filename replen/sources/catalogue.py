"""A catalogue made from sale lines and descriptions, where the data set has none."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from replen import tables as t
from replen.sources import findings as q
from replen.sources.assume import PRICED_UNITS, REVENUE, Assumed
from replen.sources.clean import Cleaned

DESCRIPTION = "description"
MIN_PRODUCTS = 20  # a word that fewer products share is no category
# Words of looks, counts, materials and occasions: they do not say what a product is.
_NO_CATEGORY = (
    "SET PACK PCS PIECE ASSORTED ASST LARGE SMALL MEDIUM MINI BIG GIANT JUMBO TALL LONG ROUND SQUARE SINGLE DOUBLE TIER "
    "WHITE RED BLUE PINK BLACK GREEN IVORY CREAM SILVER GOLD PURPLE ORANGE YELLOW BROWN NATURAL CLEAR TURQUOISE LILAC AMBER "
    "VINTAGE RETRO RETROSPOT SPOT STRIPE POLKADOT ANTIQUE DESIGN STYLE COLOUR WOODEN WOOD METAL GLASS CERAMIC PAPER HANGING "
    "HEART FLOWER ROSE STAR CHRISTMAS EASTER LOVE SWEET HOME FRENCH ENGLISH WITH AND THE FOR FROM"
)


def products_of(series: DataFrame) -> DataFrame:
    """Return the `catalogue` of the products of `assume.series_of`: unit_price is the mean price of a unit, all else null."""
    price = F.round(F.sum(REVENUE) / F.nullif(F.sum(PRICED_UNITS), F.lit(0.0)), 6)
    priced = series.groupBy(t.SKU).agg(price.alias(t.UNIT_PRICE))
    unknown = {str(column): F.lit(None).cast(column.type) for column in t.CATALOGUE.values if column != t.UNIT_PRICE}
    return priced.withColumns(unknown).select(t.CATALOGUE.names)


def derived(series: DataFrame, described: DataFrame | None) -> Assumed:
    """Return the catalogue of the products sold: mean price, and a category where there are descriptions.

    Args:
        series: of `assume.series_of`.
        described: sku and description, many rows a product, or None.
    """
    products, sentence = products_of(series), "no catalogue is given: the products sold, unit_price the mean price of a unit"
    if described is None:
        return Assumed(products, sentence)
    return Assumed(with_categories(products, described), f"{sentence}, category the commonest word of their descriptions")


def completed(catalogue: Cleaned, series: DataFrame) -> Cleaned:
    """Return the catalogue with a row for each product that is sold and not in it, and a finding for each of those."""
    added = products_of(series.join(catalogue.rows.select(t.SKU), on=t.SKU, how="left_anti"))
    key, price = q.row_key({t.SKU: F.col(t.SKU)}), F.col(t.UNIT_PRICE)
    after = F.concat(F.lit("added, unit_price "), F.coalesce(price.cast("string"), F.lit("unknown")))
    findings = added.select(
        q.finding(t.CATALOGUE, F.lit("sku: sold, not in the catalogue"), key, before=F.lit(None), after=after)
    )
    return Cleaned(catalogue.rows.unionByName(added), catalogue.findings.union(findings))


def of_known_products(cleaned: Cleaned, table: t.Table, catalogue: DataFrame) -> Cleaned:
    """Return the rows whose product is in the catalogue, and a finding for each product that is not."""
    known = catalogue.select(t.SKU)
    unknown = cleaned.rows.join(known, on=t.SKU, how="left_anti")
    key = q.row_key({t.SKU: F.col(t.SKU)})
    findings = unknown.select(
        q.finding(table, F.lit("sku: neither sold nor in the catalogue"), key, before=F.col(t.SKU), after=F.lit(q.QUARANTINED))
    )
    rows = cleaned.rows.join(known, on=t.SKU, how="left_semi").select(table.names)
    return Cleaned(rows, cleaned.findings.union(findings))


def with_categories(products: DataFrame, described: DataFrame) -> DataFrame:
    """Return the catalogue with a category from its commonest description: the word that most products share.

    `WHITE HANGING HEART T-LIGHT HOLDER` is a LIGHT if more products are lights than holders. Plurals are cut; words shared
    by fewer than 20 products, and words of looks and counts, make no category (null).

    Args:
        products: rows of `tables.CATALOGUE`.
        described: sku and description, many rows a product.
    """
    named = described.where(F.length(DESCRIPTION) > 0).groupBy(t.SKU, DESCRIPTION).agg(F.count("*").alias("n"))
    commonest = named.groupBy(t.SKU).agg(F.max_by(DESCRIPTION, F.struct("n", DESCRIPTION)).alias(DESCRIPTION))
    words = commonest.select(t.SKU, F.explode(_words(F.col(DESCRIPTION))).alias("word"))
    shared = words.groupBy("word").agg(F.count("*").alias("n")).where(F.col("n") >= MIN_PRODUCTS)
    chosen = words.join(F.broadcast(shared), on="word", how="inner").groupBy(t.SKU)
    category = chosen.agg(F.max_by("word", F.struct("n", "word")).alias(t.CATEGORY))
    return products.drop(t.CATEGORY).join(category, on=t.SKU, how="left").select(t.CATALOGUE.names)


def _words(text: Column) -> Column:
    words = F.regexp_extract_all(F.upper(text), F.lit(r"([A-Z]{3,})"))
    singular = F.transform(
        words, lambda word: F.regexp_replace(word, r"(?<=[A-Z]{3})(?<![SAUI])S$", "")
    )  # not GLASS, CHRISTMAS
    return F.array_except(F.array_distinct(singular), F.split(F.lit(_NO_CATEGORY), " "))

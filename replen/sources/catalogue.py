"""A catalogue made from sale lines and descriptions, where the data set has none."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from replen import tables as t
from replen.sources import findings as q
from replen.sources.assume import Assumed
from replen.sources.clean import Cleaned

DESCRIPTION = "description"
MIN_PRODUCTS = 20  # a word that fewer products share is no category
# Words that say how a thing looks, how many there are or join other words, not what it is.
_NO_CATEGORY = (
    "SET PACK PCS PIECE ASSORTED ASST LARGE SMALL MEDIUM MINI BIG GIANT JUMBO WHITE RED BLUE PINK BLACK GREEN IVORY CREAM SILVER "
    "GOLD PURPLE ORANGE YELLOW BROWN NATURAL CLEAR TURQUOISE LILAC AMBER VINTAGE RETRO RETROSPOT SPOT STRIPE POLKADOT ANTIQUE "
    "DESIGN STYLE COLOUR WITH AND THE FOR FROM TALL LONG ROUND SQUARE SINGLE DOUBLE TIER WOODEN WOOD METAL GLASS CERAMIC PAPER "
    "HANGING LOVE SWEET HOME FRENCH ENGLISH"
).split()


def products_of(lines: DataFrame) -> DataFrame:
    """Return the `catalogue` of the products sold: unit_price is the median price of their lines, all else is unknown."""
    price = F.median(F.when(F.col(t.PRICE) > 0, F.col(t.PRICE))).alias(t.UNIT_PRICE)
    priced = lines.groupBy(t.SKU).agg(price)
    unknown = {column: F.lit(None).cast(column.type) for column in t.CATALOGUE.values if column != t.UNIT_PRICE}
    return priced.withColumns(unknown).select(t.CATALOGUE.names)


def derived(lines: DataFrame, described: DataFrame | None) -> Assumed:
    """Return the catalogue of the products sold: median price, and a category where there are descriptions.

    Args:
        lines: sale lines.
        described: sku and description, many rows a product, or None.
    """
    products, sentence = products_of(lines), "no catalogue is given: the products sold, unit_price the median price of their lines"
    if described is None:
        return Assumed(products, sentence)
    return Assumed(with_categories(products, described), f"{sentence}, category the commonest word of their descriptions")


def completed(catalogue: Cleaned, lines: DataFrame) -> Cleaned:
    """Return the catalogue with a row for each product that is sold and not in it, and a finding for each of those."""
    added = products_of(lines.join(catalogue.rows.select(t.SKU), on=t.SKU, how="left_anti"))
    key, price = q.row_key({t.SKU: F.col(t.SKU)}), F.col(t.UNIT_PRICE)
    after = F.concat(F.lit("added, unit_price "), F.coalesce(price.cast("string"), F.lit("unknown")))
    findings = added.select(q.finding(t.CATALOGUE, F.lit("sku: sold, not in the catalogue"), key, before=F.lit(None), after=after))
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

    `WHITE HANGING HEART T-LIGHT HOLDER` is a HOLDER if more products are holders than hearts. Plurals are cut; words shared
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
    singular = F.transform(words, lambda word: F.regexp_replace(word, r"(?<=[A-Z]{3})S$", ""))
    return F.array_except(F.array_distinct(singular), F.array(*map(F.lit, _NO_CATEGORY)))

"""Order ids: one line, one name; no two lines share one."""

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from replen import tables as t
from replen.orders.lines import order_id, with_order_ids

DATE = dt.date(2024, 4, 15)
names = st.text(alphabet='ab|,"\\[]\x00 \u00e9\U0001f600', max_size=4)


@given(one=st.tuples(names, names, names), other=st.tuples(names, names, names))
def test_ids_are_equal_only_for_equal_lines(one, other):
    ids = [order_id(DATE, sku=sku, site=site, supplier=supplier) for sku, site, supplier in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)


def test_id_does_not_change_between_versions():
    assert order_id(DATE, sku="a", site="b", supplier="c") == "317dee8bac11bcbd2cf46975ae27e78c"
    assert order_id(DATE, sku="a", site="b", supplier="c") != order_id(dt.date(2024, 4, 16), sku="a", site="b", supplier="c")


def test_only_lines_that_are_ordered_get_an_id():
    decisions = pd.DataFrame(
        {
            "order_date": [DATE, DATE, None],
            "sku": "a",
            "site": ["b", "c", "d"],
            "supplier": "e",
            "order_quantity": [6.0, 0.0, np.nan],
        }
    )
    ids = with_order_ids(decisions)[t.ORDER_ID]
    assert ids.notna().tolist() == [True, False, False]
    assert ids[0] == order_id(DATE, sku="a", site="b", supplier="e")

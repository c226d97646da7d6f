"""Who hears what of order changes: each recipient everything it should, once, in one message a batch."""

import csv
import datetime as dt
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from replen.errors import ConfigError
from replen.notify.changes import status_changes
from replen.notify.messages import STATUSES, Notification, heard_as, notifications
from replen.notify.sheet import as_csv, guarded
from replen.overlays import load_config
from tests.unit.notify_instances import AT, change, files_of, settings

CHANGES = st.builds(
    change,
    order_id=st.uuids().map(str),
    status=st.sampled_from(STATUSES),
    previous=st.sampled_from([None, *STATUSES]),
    site=st.sampled_from(["shop", "depot", "silent"]),
    supplier=st.sampled_from(["mill", "farm"]),
    previous_quantity=st.sampled_from([None, 6, 12]),
)


@pytest.mark.parametrize(
    ("status", "before", "moved", "when", "heard"),
    [
        ("sent", "approved", {}, ["sent"], "sent"),
        ("sent", "sent", {}, ["sent"], None),
        ("confirmed", "sent", {}, ["sent"], None),
        ("cancelled", "sent", {}, ["sent", "cancelled"], "cancelled"),
        ("cancelled", "confirmed", {}, ["sent", "cancelled"], "cancelled"),
        ("cancelled", "approved", {}, ["sent", "cancelled"], None),
        ("cancelled", "sent", {"previous_quantity": 12}, ["sent", "changed"], None),
        ("sent", "sent", {"previous_quantity": 12}, ["sent", "changed"], "changed"),
        ("sent", "sent", {"previous_expected_date": dt.date(2024, 4, 24)}, ["sent", "changed"], "changed"),
        ("sent", "sent", {"previous_quantity": 6}, ["sent", "changed"], None),
        ("approved", "approved", {"previous_quantity": 12}, ["sent", "changed"], None),
        ("confirmed", "sent", {"previous_quantity": 12}, ["sent", "changed"], "changed"),
        ("confirmed", "sent", {"previous_quantity": 12}, ["sent", "confirmed", "changed"], "confirmed"),
        ("approved", "proposed", {}, ["approved"], "approved"),
        ("cancelled", "proposed", {}, ["approved", "cancelled"], None),
    ],
)
def test_an_audience_hears_of_its_statuses_and_of_changes_to_what_it_knows(status, before, moved, when, heard):
    assert heard_as(change(status=status, previous=before, **moved), when) == heard


@given(changes=st.lists(CHANGES, max_size=20, unique_by=lambda one: one.order_id), lines=st.integers(1, 4))
def test_every_line_that_is_heard_is_told_once_to_its_supplier_and_its_site(changes, lines):
    using = settings(
        lines=lines,
        supplier={"default": files_of("out")},
        warehouse={"recipients": {"shop": files_of("out"), "depot": files_of("out")}},
    )
    told = notifications(changes, using, at=AT)
    expected = [
        ("supplier", one.supplier, f"orders_{heard}", one.order_id)
        for one in changes
        if (heard := heard_as(one, using.supplier.when))
    ] + [
        ("warehouse", one.site, f"orders_{heard}", one.order_id)
        for one in changes
        if one.site != "silent" and (heard := heard_as(one, using.warehouse.when))
    ]
    found = [(one.recipient.kind, one.recipient.name, one.kind, line.order_id) for one in told for line in one.lines]
    assert sorted(found) == sorted(expected)
    assert len({one.event_id for one in told}) == len(told)
    assert all(len(one.lines) <= lines and one.part <= one.parts for one in told)
    again = notifications(changes[::-1], using, at=AT + dt.timedelta(days=1))
    assert {one.event_id for one in again} == {one.event_id for one in told}


@pytest.mark.parametrize(
    "other", [{"version": 3}, {"order_quantity": 7}, {"expected_date": None}, {"order_id": "b"}, {"supplier": "farm"}]
)
def test_another_change_is_another_event(other):
    using = settings(supplier={"default": files_of("out")})
    first, second = (notifications([one], using, at=AT)[0].event_id for one in (change(), change(**other)))
    assert first != second


def test_a_payload_is_read_back_as_it_was():
    (told,) = notifications([change(sku="é;\n=1")], settings(supplier={"default": files_of("out")}), at=AT)
    assert Notification.model_validate_json(told.model_dump_json(exclude_none=True)) == told


def test_orders_that_take_a_status_are_changes_of_it():
    orders = pd.DataFrame(
        {
            "order_id": ["a", "b"], "run_id": "run", "sku": ["1", "2"], "site": "shop", "supplier": "mill",
            "order_date": dt.date(2024, 4, 15), "expected_date": [pd.Timestamp("2024-04-25"), None],
            "order_quantity": [6.0, 7.5], "status": ["proposed", "sent"], "value": 1.0,
        }
    )  # fmt: skip
    first, second = status_changes(orders, orders.assign(status="cancelled", order_quantity=[9.0, 7.5]))
    same = {"status": "cancelled", "version": 6}
    assert first == change("a", previous="proposed", sku="1", order_quantity=9.0, previous_quantity=6.0, **same)
    assert second == change("b", previous="sent", sku="2", order_quantity=7.5, expected_date=None, **same)


@pytest.mark.parametrize("quantity", [0, -1, float("nan"), float("inf")])
def test_a_quantity_that_no_order_has_is_refused(quantity):
    with pytest.raises(ValidationError):
        change(order_quantity=quantity)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1", "\n=1"])
def test_a_sheet_runs_nothing(name):
    (told,) = notifications([change(sku=name, previous_quantity=7)], settings(supplier={"default": files_of("o")}), at=AT)
    (row,) = csv.DictReader(io.StringIO(as_csv(told), newline=""))
    assert row["sku"] == f"'{name}"
    assert (row["order_id"], row["order_quantity"], row["event_id"]) == ("a", "6.0", told.event_id)
    assert guarded("mill - north") == "mill - north"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["notify.smtp.password=hunter2"], "a secret stands in the configuration"),
        (["notify.supplier.default={channel: webhook, url: 'https://x', secret: hunter2}"], "a secret stands"),
        (["notify.supplier.default={channel: smtp, to: [a@b.example]}"], "notify.smtp: expected host and sender"),
        (["notify.smtp.username=hunter2"], "both username and password"),
        (
            ["notify.smtp.tls=offered", "notify.smtp.username=u", "notify.smtp.password=env:P"],
            "notify.smtp.tls: expected required",
        ),
        (["notify.lease_seconds=20"], "notify.lease_seconds: expected at least twice"),
        (["notify.supplier.default={channel: pigeon}"], "notify.supplier.default"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_and_no_secret_told(keys, message):
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(None, keys)
    assert "hunter2" not in str(raised.value)

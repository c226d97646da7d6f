"""`replen orders` and `replen db` as a person uses them; neither starts Spark nor TensorFlow."""

import subprocess
import sys

import pytest

from replen import tables as t
from replen.cli import main
from replen.orders.database import OrderDatabase
from replen.orders.options import ACTS
from replen.orders.schema import HEAD
from tests.unit.orders_written import DATE, DAY, frames, id_of, of_lines, statuses


@pytest.fixture
def setting(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def orders(setting):
    found = OrderDatabase(setting)
    found.write_run("run", DATE, frames())
    return found


@pytest.fixture
def replen(setting, capsys):
    """Return a function that runs a command and returns its exit code and what it said."""

    def run(*arguments):
        code = main([*arguments, "--set", f"orders.database={setting}"])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_orders_are_listed_by_filter(orders, replen):
    code, told = replen("orders", "list", "--value-above", "12", "--limit", "1")
    assert code == 0
    assert told.splitlines()[0].split() == [
        "order_id", "status", "order_date", "supplier", "sku", "site", "expected_date", "order_quantity", "value",
    ]  # fmt: skip
    assert told.splitlines()[1].split() == [
        id_of(1), "proposed", "2024-04-15", "mill", "sku", "1", "'x';", "--", "shop", "2024-04-25", "12", "24",
    ]  # fmt: skip
    assert told.splitlines()[2:] == ["2 orders of 1 supplier, value 60, 1 of them shown"]
    assert replen("orders", "list", "--date", "2024-04-16")[1] == "0 orders\n"
    assert len(replen("orders", "list", "--order-id", id_of(0), id_of(2))[1].splitlines()) == 4


def test_an_order_is_followed_through_its_life(orders, replen):
    for action, status in ACTS.items():
        code, told = replen("orders", action, "--order-id", id_of(0), "--by", "ann", "--note", "why not")
        if action == "cancel":
            assert (code, "is received: it cannot become cancelled; what it can become: nothing more" in told) == (1, True)
        else:
            assert (code, told.splitlines()[-1]) == (0, f"1 order of 1 supplier, value 12 became {status}")
    code, told = replen("orders", "show", "--order-id", id_of(0))
    assert "UTC  confirmed -> received, 6 units, by ann: why not" in told
    assert "limit_prices          a: 1, budget: 0.50" in told


def test_what_was_agreed_takes_the_place_of_what_was_planned(orders, replen):
    assert replen("orders", "approve", "--order-id", id_of(0), "--quantity", "9")[0] == 0
    assert replen("orders", "send", "--order-id", id_of(0))[0] == 0
    dry = replen("orders", "confirm", "--order-id", id_of(0), "--quantity", "8", "--dry-run")[1]
    assert dry.splitlines()[1].split()[-2:] == ["8", "16"]
    assert replen("orders", "confirm", "--order-id", id_of(0), "--quantity", "8", "--expected-date", "2024-05-02")[0] == 0
    order = orders.read(t.ORDERS).set_index(t.ORDER_ID).loc[id_of(0)]
    assert (order[t.ORDER_QUANTITY], order[t.VALUE], str(order[t.EXPECTED_DATE])) == (8.0, 16.0, "2024-05-02")
    assert orders.read(t.ORDER_EVENTS)[t.ORDER_QUANTITY].tolist() == [9.0, 9.0, 8.0]
    (coming,) = orders.on_the_way(DATE + DAY).itertuples()
    assert (coming.quantity, str(coming.expected_date)) == (8.0, "2024-05-02")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--all", "--quantity", "5"], "--quantity is of one order; name it by --order-id"),
        (["--order-id", id_of(0), id_of(1), "--quantity", "5"], "--quantity is of one order"),
        (["--all", "--expected-date", "2024-05-02"], "--expected-date needs a filter"),
    ],
)
def test_what_was_agreed_is_of_orders_that_are_named(orders, replen, asked, said):
    code, told = replen("orders", "approve", *asked)
    assert (code, said in told) == (1, True), told
    assert set(statuses(orders).values()) == {"proposed"}


@pytest.mark.parametrize("quantity", ["0", "-1", "nan", "inf", "six"])
def test_a_quantity_is_above_zero(orders, replen, quantity):
    with pytest.raises(SystemExit):
        replen("orders", "approve", "--order-id", id_of(0), f"--quantity={quantity}")


def test_everything_must_be_said(orders, replen):
    code, told = replen("orders", "approve")
    assert (code, "expected a filter such as --supplier, or --all" in told) == (1, True)
    assert replen("orders", "approve", "--all")[0] == 0
    assert set(statuses(orders).values()) == {"approved"}
    assert set(orders.read(t.ORDER_EVENTS)[t.WHO]) != {None}


def test_a_dry_run_changes_nothing(orders, replen, tmp_path):
    for act in (["approve", "--all"], ["export", "--status", "proposed", "--to", f"{tmp_path}/out", "--all"]):
        code, told = replen("orders", *act, "--dry-run")
        assert (code, "would be" in told) == (0, True)
    assert set(statuses(orders).values()) == {"proposed"}
    assert orders.read(t.ORDER_EVENTS).empty
    assert not (tmp_path / "out").exists()


def test_exported_orders_are_sent_where_that_is_said(orders, replen, tmp_path):
    replen("orders", "approve", "--order-id", id_of(0), id_of(1))
    for more, left in (([], "approved"), (["--send", "--all"], "sent")):
        code, told = replen("orders", "export", "--to", str(tmp_path / "out"), *more)
        assert (code, "1 file in" in told) == (0, True)
        assert len((tmp_path / "out" / "mill.csv").read_text().splitlines()) == 3
        assert statuses(orders) == {id_of(0): left, id_of(1): left, id_of(2): "proposed"}


def test_orders_whose_files_cannot_be_written_are_not_sent(orders, replen, tmp_path):
    replen("orders", "approve", "--all")
    (tmp_path / "out").write_text("in the way")
    code, told = replen("orders", "export", "--to", str(tmp_path / "out"), "--send", "--all")
    assert (code, "purchase orders cannot be written" in told) == (1, True)
    assert set(statuses(orders).values()) == {"approved"}


def test_a_name_cannot_command_the_terminal(orders, replen):
    orders.write_run("run", DATE, of_lines({"\x1b[2J\n": 5.0}))
    assert "\x1b" not in replen("orders", "list")[1]


def test_the_database_is_upgraded_and_says_what_it_is(replen):
    assert f"revision none; this replen needs {HEAD}" in replen("db", "current")[1]
    assert replen("db", "upgrade") == (0, f"order tables are of revision {HEAD}, were of none\n")
    assert replen("db", "upgrade") == (0, f"order tables are of revision {HEAD} already\n")


def test_without_a_database_the_key_is_named(capsys):
    assert main(["orders", "list"]) == 1
    assert "orders.database: expected the URL of a database" in capsys.readouterr().err


def test_neither_spark_nor_tensorflow_is_loaded(setting):
    code = (
        "import sys; from replen.cli import main; main(sys.argv[1:]); "
        "sys.exit(bool({'pyspark', 'tensorflow', 'mlflow', 'numba'} & set(sys.modules)))"
    )
    for command in (["orders", "list"], ["db", "upgrade"]):
        done = subprocess.run([sys.executable, "-c", code, *command, "--set", f"orders.database={setting}"], check=False)
        assert done.returncode == 0

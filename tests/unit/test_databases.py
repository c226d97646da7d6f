"""Where the URL of a database comes from, and that no message tells its password."""

import pytest

from replen.databases import connect, database_url
from replen.errors import ConfigError

SECRET = "postgresql+psycopg://replen:s3cret@127.0.0.1:1/shop"


def test_a_url_comes_from_the_environment_a_file_or_the_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("ORDERS_URL", SECRET)
    (tmp_path / "url").write_text(f"{SECRET}\n")
    found = [database_url(setting, where="orders.database") for setting in ("env:ORDERS_URL", f"file:{tmp_path}/url")]
    assert [url.password for url in found] == ["s3cret", "s3cret"]
    assert database_url("sqlite:///orders.db", where="orders.database").database == "orders.db"


@pytest.mark.parametrize(
    "setting", ["env:NO_SUCH_NAME", "file:/no/such/file", SECRET, "env:ODD_URL", "env:ORDERS_URL", "orders.db"]
)
def test_a_setting_that_gives_no_database_names_the_key_and_tells_no_password(setting, monkeypatch):
    monkeypatch.setenv("ODD_URL", "s3cret and no URL")
    monkeypatch.setenv("ORDERS_URL", SECRET)
    with pytest.raises(ConfigError, match=r"^orders\.database: ") as raised:
        connect(setting, where="orders.database")
    assert "s3cret" not in str(raised.value)

"""What each channel hands to a real receiver, which answers are final, and that no secret is ever told."""

import base64
import csv
import os
import re
from pathlib import Path

import pytest

from replen.errors import ConfigError
from replen.notify import channels
from replen.notify.message import UndeliveredError
from replen.notify.messages import Notification
from replen.notify.webhook import signature
from replen.overlays import load_config
from tests.receivers import DROP, SLOW, Receiver, attachment, certificate, http_receiver, smtp_receiver
from tests.unit.notify_instances import AT, KEY, change, files_of, outbox_of, settings, tell, webhook_to

PASSWORD, TOKEN = "hunter2-password", "Bearer t0ken-of-ours"
MAIL = {"channel": "smtp", "to": ["buyer@mill.example"]}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("WEBHOOK_KEY", KEY)
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    (tmp_path / "token").write_text(f"{TOKEN}\n")


def event_for(tmp_path, channel, changes=None, **changed):
    """Return a claimed event for the supplier mill, and the settings it was made with."""
    using = settings(supplier={"recipients": {"mill": channel}}, **changed)
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    tell(engine, changes or [change("a"), change("b", sku="=1+1", site="depot")], using)
    return outbox.claim(AT, lease_seconds=300), using


def refusal(event, using):
    """Return the error of a delivery that must fail, after looking for secrets in it."""
    with pytest.raises(UndeliveredError) as raised:
        channels.deliver(event, using, at=AT)
    assert not any(secret in str(raised.value) for secret in (PASSWORD, TOKEN, KEY, "t0ken"))
    return raised.value


# --- files ----------------------------------------------------------------------------------------------------------------
def test_a_file_is_the_payload_and_a_repeat_replaces_it(tmp_path):
    event, using = event_for(tmp_path, files_of(tmp_path / "out"))
    for _ in range(2):
        channels.deliver(event, using, at=AT)
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == f"20240415T020000Z-orders_sent-mill-{event.event_id}.json"
    assert path.read_text() == event.payload


def test_a_sheet_has_a_row_a_line(tmp_path):
    event, using = event_for(tmp_path, files_of(tmp_path / "out", "csv"))
    channels.deliver(event, using, at=AT)
    (path,) = (tmp_path / "out").iterdir()
    assert [row["sku"] for row in csv.DictReader(path.open(newline=""))] == ["'=1+1", "sku a"]


def test_a_name_of_a_recipient_cannot_leave_the_folder(tmp_path):
    name = "../../etc/x\0\n" + "é" * 300
    using = settings(supplier={"default": files_of(tmp_path / "out")})
    engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
    tell(engine, [change(supplier=name)], using)
    channels.deliver(outbox.claim(AT, lease_seconds=300), using, at=AT)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    event, using = event_for(tmp_path, files_of(tmp_path / "out"))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    failure = refusal(event, using)
    assert (list((tmp_path / "out").iterdir()), failure.final) == ([], False)
    assert "No space left" in str(failure)


# --- webhook --------------------------------------------------------------------------------------------------------------
DOCUMENT = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


def documented(language):
    """Return the one block of this language in docs/notifications.md."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    return block


def verify(*request):
    """Verify a request as docs/notifications.md tells receivers to."""
    names = {}
    exec(documented("python"), names)
    return names["verify"](*request)


def test_the_documented_payload_and_configuration_are_valid(tmp_path):
    assert Notification.model_validate_json(documented("json")).lines[0].moved
    (tmp_path / "my.yaml").write_text(documented("yaml"))
    using = load_config(tmp_path / "my.yaml").notify
    assert (using.supplier.channel_of("mill").channel, using.warehouse.channel_of("any").format) == ("webhook", "json")


def by_lower_name(post):
    return {name.lower(): value for name, value in post.headers.items()}


def test_the_signature_is_that_of_the_standard():
    # The example of Standard Webhooks' own libraries.
    key, event, body = (
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
    )
    assert signature(key, event, 1614265330, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_is_verified_and_a_changed_one_is_not(tmp_path):
    with http_receiver(Receiver()) as receiver:
        event, using = event_for(tmp_path, webhook_to(receiver.port, authorization=f"file:{tmp_path}/token"))
        channels.deliver(event, using, at=AT)
    (post,) = receiver.taken
    headers, sent = by_lower_name(post), AT.timestamp()
    assert verify(KEY, headers, post.body, sent)["lines"][1]["order_id"] == "a"
    assert headers["idempotency-key"] == headers["webhook-id"] == event.event_id
    assert (headers["authorization"], headers["content-type"]) == (TOKEN, "application/json")
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    changed = post.body.replace(b"6.0", b"9.0")
    assert changed != post.body
    for secret, heads, body, now in (
        (KEY, headers, changed, sent),
        (KEY, headers | {"webhook-timestamp": str(int(sent) + 1)}, post.body, sent),
        (KEY, headers | {"webhook-id": "another"}, post.body, sent),
        (other, headers, post.body, sent),
        (KEY, headers, post.body, sent + 301),
    ):
        with pytest.raises(PermissionError):
            verify(secret, heads, body, now)


@pytest.mark.parametrize(
    ("answer", "final"),
    [(400, True), (401, True), (410, True), (301, True), (307, True), (408, False), (429, False), (500, False), (503, False),
     (SLOW, False), (DROP, False)],
)  # fmt: skip
def test_what_an_answer_means(tmp_path, answer, final):
    with http_receiver(Receiver(answer=lambda _: answer)) as receiver:
        receiver.headers["Location"] = f"http://127.0.0.1:{receiver.port}/elsewhere"
        event, using = event_for(tmp_path, webhook_to(receiver.port, authorization=f"file:{tmp_path}/token"))
        failure = refusal(event, using)
    assert (failure.final, failure.retry_after) == (final, None)
    assert [post.path for post in receiver.got] == ["/orders"], "a redirect is not followed"


def test_a_refused_connection_is_tried_again(tmp_path):
    with http_receiver(Receiver()) as receiver:
        pass
    event, using = event_for(tmp_path, webhook_to(receiver.port))
    assert not refusal(event, using).final


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("120", 120.0), ("Mon, 15 Apr 2024 02:03:00 GMT", 180.0), ("Mon, 15 Apr 2024 01:00:00 GMT", 0.0), ("soon", None)],
)  # fmt: skip
def test_a_receiver_says_when_to_come_again(tmp_path, asked, seconds):
    with http_receiver(Receiver(answer=lambda _: 429, headers={"Retry-After": asked})) as receiver:
        event, using = event_for(tmp_path, webhook_to(receiver.port))
        assert refusal(event, using).retry_after == seconds


def test_tls_is_verified(tmp_path):
    with http_receiver(Receiver(tls=certificate(tmp_path))) as receiver:
        to = webhook_to(receiver.port) | {"url": f"https://127.0.0.1:{receiver.port}/orders"}
        event, using = event_for(tmp_path, to)
        assert "certificate" in str(refusal(event, using)).lower()
        trusting = settings(supplier={"recipients": {"mill": to}}, http={"ca_file": f"{tmp_path}/cert.pem"})
        channels.deliver(event, trusting, at=AT)
    assert len(receiver.taken) == 1


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ({"url": "http://mill.example/orders"}, r"url: expected https"),
        ({"url": "https://me:hunter2@mill.example"}, "url: a login stands"),
        ({"url": "env:NO_SUCH"}, "url: env:NO_SUCH is missing"),
        ({"secret": "file:/no/such"}, "secret: file:/no/such is missing"),
        ({"secret": "env:SMTP_PASSWORD"}, "secret: expected whsec_"),
        ({"authorization": "env:NO_SUCH"}, "authorization: env:NO_SUCH is missing"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(to, message):
    using = settings(
        supplier={"recipients": {"mill": webhook_to(1) | to, "farm": webhook_to(1) | to}},
        smtp={"username": "u", "password": "env:NO", "tls": "required"},
    )
    with pytest.raises(ConfigError, match=message) as raised:
        channels.check(using)
    assert "3 problems" in str(raised.value)
    assert "hunter2" not in str(raised.value)


# --- mail -----------------------------------------------------------------------------------------------------------------
def test_a_mail_has_the_lines_as_text_and_attached(tmp_path):
    with smtp_receiver(Receiver()) as receiver:
        event, using = event_for(tmp_path, MAIL, smtp={"port": receiver.port})
        for _ in range(2):
            channels.deliver(event, using, at=AT)
    first, second = receiver.taken
    assert first["Message-ID"] == second["Message-ID"] == f"<{event.event_id}@shop.example>"
    assert (first["Subject"], first["To"]) == ("Orders sent: 2 lines, 12 units, supplier mill", "buyer@mill.example")
    assert attachment(first, ".json").decode() == event.payload
    assert b"'=1+1" in attachment(first, ".csv")
    assert "mill -> depot, expected 2024-04-25" in first.get_body().get_content()


def test_names_cannot_add_headers_to_a_mail(tmp_path):
    name = "mill\r\nBcc: all@shop.example"
    with smtp_receiver(Receiver()) as receiver:
        using = settings(supplier={"default": MAIL}, smtp={"port": receiver.port})
        engine, outbox = outbox_of(f"sqlite:///{tmp_path}/orders.db")
        tell(engine, [change(supplier=name)], using)
        channels.deliver(outbox.claim(AT, lease_seconds=300), using, at=AT)
    assert receiver.taken[0]["Bcc"] is None


def test_a_long_mail_shows_some_lines_and_attaches_all(tmp_path):
    with smtp_receiver(Receiver()) as receiver:
        event, using = event_for(tmp_path, MAIL, [change(f"{row:03}") for row in range(120)], smtp={"port": receiver.port})
        channels.deliver(event, using, at=AT)
    (mail,) = receiver.taken
    assert "... and 70 lines more" in mail.get_body().get_content()
    assert len(attachment(mail, ".csv").splitlines()) == 121


def test_a_password_goes_through_tls_only(tmp_path):
    login = {"username": "replen", "password": "env:SMTP_PASSWORD", "tls": "required"}
    tls = certificate(tmp_path)
    with smtp_receiver(Receiver(tls=tls, login=("replen", PASSWORD))) as receiver:
        server = login | {"port": receiver.port, "ca_file": f"{tmp_path}/cert.pem"}
        event, using = event_for(tmp_path, MAIL, smtp=server)
        channels.deliver(event, using, at=AT)
        assert receiver.encrypted == [True]
        assert (
            "certificate" in str(refusal(event, settings(supplier={"default": MAIL}, smtp=server | {"ca_file": None}))).lower()
        )
    with smtp_receiver(Receiver(login=("replen", PASSWORD))) as plain:
        failure = refusal(event, settings(supplier={"default": MAIL}, smtp=server | {"port": plain.port}))
        assert (plain.got, failure.final) == ([], False)
    with smtp_receiver(Receiver(tls=tls, login=("replen", "another"))) as other:
        failure = refusal(event, settings(supplier={"default": MAIL}, smtp=server | {"port": other.port}))
        assert (failure.final, "535 no ***" in str(failure)) == (False, True)


def test_tls_is_used_where_it_is_offered(tmp_path):
    for tls in (certificate(tmp_path), None):
        with smtp_receiver(Receiver(tls=tls)) as receiver:
            event, using = event_for(tmp_path, MAIL, smtp={"port": receiver.port, "ca_file": f"{tmp_path}/cert.pem"})
            channels.deliver(event, using, at=AT)
            assert receiver.encrypted == [tls is not None]
        (tmp_path / "orders.db").unlink()


@pytest.mark.parametrize(("answer", "final"), [(554, True), (451, False), (DROP, False), (SLOW, False)])
def test_what_a_mail_server_means(tmp_path, answer, final):
    with smtp_receiver(Receiver(answer=lambda _: answer)) as receiver:
        event, using = event_for(tmp_path, MAIL, smtp={"port": receiver.port})
        assert refusal(event, using).final == final


def test_an_address_that_does_not_exist_is_final_and_named(tmp_path):
    with smtp_receiver(Receiver()) as receiver:
        event, using = event_for(
            tmp_path, MAIL | {"to": ["nobody@mill.example", "b@mill.example"]}, smtp={"port": receiver.port}
        )
        failure = refusal(event, using)
    assert failure.final
    assert "nobody@mill.example: SMTP 550" in str(failure)
    assert len(receiver.taken) == 1, "the others have it"

"""Channel `smtp`: a mail a notification, its lines as text and as attachments."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime

from replen.config import Email, Smtp
from replen.notify.message import Message, UndeliveredError
from replen.notify.messages import Notification
from replen.notify.secret import secret, trusted, without
from replen.notify.sheet import as_csv

SHOWN = 50  # lines in the text of a mail; all stand in what is attached
PERMANENT = 500


def deliver(message: Message, channel: Email, server: Smtp) -> None:
    """Hand the mail to the server.

    Raises:
        UndeliveredError: for good where the server refuses the mail or an address with a 5xx, else until later.
    """
    password = None if server.password is None else secret(server.password, where="notify.smtp.password")
    try:
        mail = mail_of(message, channel, server)
        with _connected(server) as connection:
            if server.username is not None and password is not None:
                connection.login(server.username, password)
            refused = connection.send_message(mail, server.sender, channel.to)
    except smtplib.SMTPRecipientsRefused as refusal:
        raise _refused(refusal.recipients, [password]) from None
    except smtplib.SMTPResponseException as refusal:
        why = without(f"SMTP {refusal.smtp_code} {_text(refusal.smtp_error)}", [password])
        final = isinstance(refusal, smtplib.SMTPDataError) and refusal.smtp_code >= PERMANENT
        raise UndeliveredError(why, final=final) from None
    except (OSError, smtplib.SMTPException) as error:
        raise UndeliveredError(without(f"no answer: {error or type(error).__name__}", [password])) from None
    if refused:
        raise _refused(refused, [password])


def mail_of(message: Message, channel: Email, server: Smtp) -> EmailMessage:
    """Return the mail of a notification; a repeat has the same Message-ID."""
    content = message.content
    mail = EmailMessage()
    mail["Subject"] = subject(content)
    mail["From"] = server.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = format_datetime(content.created_at)
    mail["Message-ID"] = f"<{message.event_id}@{(server.sender or '').rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text_of(content))
    name = f"{content.kind}-{message.event_id}"
    mail.add_attachment(as_csv(content), subtype="csv", filename=f"{name}.csv")
    mail.add_attachment(message.body.encode(), maintype="application", subtype="json", filename=f"{name}.json")
    return mail


def subject(content: Notification) -> str:
    """Return what happened, in a line: kind, lines, units, recipient, part."""
    part = f", part {content.part} of {content.parts}" if content.parts > 1 else ""
    what = content.kind.replace("_", " ").capitalize()
    units = f"{len(content.lines)} lines, {content.total_quantity:g} units"
    return " ".join(f"{what}: {units}, {content.recipient.kind} {content.recipient.name}{part}".split())


def text_of(content: Notification) -> str:
    """Return the lines as a person reads them."""
    rows = [
        f"{line.order_quantity:>10g}  {line.sku}  {line.supplier} -> {line.site}, expected {line.expected_date or 'some day'}"
        f"{_before(line.previous_quantity, line.order_quantity)}  (order {line.order_id})"
        for line in content.lines[:SHOWN]
    ]
    more = len(content.lines) - SHOWN
    tail = [f"... and {more} lines more"] if more > 0 else []
    end = f"All lines are attached. Event {content.event_id}: a mail with this event again is a repeat."
    return "\n".join([subject(content), "", *rows, *tail, "", end])


def _before(previous: float | None, quantity: float) -> str:
    return f", was {previous:g}" if previous is not None and previous != quantity else ""


@contextmanager
def _connected(server: Smtp) -> Iterator[smtplib.SMTP]:
    """Give a connection, encrypted as the configuration asks; a farewell that fails undoes no delivery."""
    host, seconds = server.host or "", server.timeout_seconds
    if server.tls == "implicit":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(host, server.port, timeout=seconds, context=trusted(server.ca_file))
    else:
        connection = smtplib.SMTP(host, server.port, timeout=seconds)
    try:
        connection.ehlo_or_helo_if_needed()
        if server.tls == "required" or (server.tls == "offered" and connection.has_extn("starttls")):
            connection.starttls(context=trusted(server.ca_file))
        yield connection
        with suppress(OSError, smtplib.SMTPException):
            connection.quit()
    finally:
        connection.close()


def _refused(addresses: dict[str, tuple[int, bytes]], hidden: list[str | None]) -> UndeliveredError:
    """Return the refusal of some or all addresses: for good where each is for good."""
    said = "; ".join(f"{address}: SMTP {code} {_text(why)}" for address, (code, why) in addresses.items())
    return UndeliveredError(without(f"refused {said}", hidden), final=all(code >= PERMANENT for code, _ in addresses.values()))


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said

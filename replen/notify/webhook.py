"""Channel `webhook`: a POST of the payload, signed as Standard Webhooks 1.0 say (https://www.standardwebhooks.com)."""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import http.client
import ipaddress
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from replen.config import Http, Webhook
from replen.errors import ConfigError
from replen.notify.message import Message, UndeliveredError
from replen.notify.secret import secret, trusted, without

PREFIX, KEY_BYTES = "whsec_", 24  # the least that the standard allows
EXCERPT = 200  # bytes of a refusal that are kept
LATER = (408, 429)


@dataclass(frozen=True)
class Endpoint:
    """Where a webhook goes, all secrets known; nothing of it is ever told."""

    url: str
    secret: str
    authorization: str | None

    @property
    def key(self) -> bytes:
        """Return the key that signs."""
        return base64.b64decode(self.secret.removeprefix(PREFIX), validate=True)


def endpoint(channel: Webhook, *, where: str) -> Endpoint:
    """Return the endpoint of a channel.

    Raises:
        ConfigError: a secret is not there, the key is too short or no base64, or the URL would send orders in clear.
    """
    url = secret(channel.url, where=f"{where}.url")
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))):
        raise ConfigError(f"{where}.url: expected https://..., or http:// to a loopback address, found another")
    if parts.username is not None:
        raise ConfigError(f"{where}.url: a login stands in the URL; give it as authorization")
    token = None if channel.authorization is None else secret(channel.authorization, where=f"{where}.authorization")
    found = Endpoint(url, secret(channel.secret, where=f"{where}.secret"), token)
    try:
        strong = len(found.key) >= KEY_BYTES
    except binascii.Error:
        strong = False
    if not strong:
        raise ConfigError(
            f"{where}.secret: expected {PREFIX} and at least {KEY_BYTES} random bytes in base64, found something else"
        )
    return found


def signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header webhook-signature: an HMAC-SHA256 of event id, timestamp and body.

    Source: Standard Webhooks 1.0, "Signature scheme", symmetric (v1).
    """
    signed = hmac.new(key, b".".join([event_id.encode(), str(timestamp).encode(), body]), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def deliver(message: Message, to: Endpoint, http_settings: Http, *, at: dt.datetime) -> None:
    """Post the payload; any status 2xx is a delivery.

    Raises:
        UndeliveredError: for good on 3xx (redirects are not followed) and on 4xx but 408 and 429, else until later.
    """
    body, timestamp = message.body.encode(), int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "replen",
        "Idempotency-Key": message.event_id,
        "webhook-id": message.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(to.key, message.event_id, timestamp, body),
    }
    if to.authorization is not None:
        headers["Authorization"] = to.authorization
    hidden = [to.authorization, to.secret, to.url]
    request = urllib.request.Request(to.url, data=body, headers=headers, method="POST")
    try:
        _opener(http_settings).open(request, timeout=http_settings.timeout_seconds).close()
    except urllib.error.HTTPError as refusal:
        raise _refused(refusal, hidden, at) from None
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise UndeliveredError(without(f"no answer: {reason or type(error).__name__}", hidden)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect the error that it is: a signed body goes where the configuration says, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Return no request to follow."""


def _opener(settings: Http) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=trusted(settings.ca_file)))


def _refused(refusal: urllib.error.HTTPError, hidden: list[str | None], at: dt.datetime) -> UndeliveredError:
    with refusal:
        try:
            said = refusal.read(EXCERPT).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            said = ""
    later = refusal.code in LATER or refusal.code >= http.client.INTERNAL_SERVER_ERROR
    why = without(f"HTTP {refusal.code} {refusal.reason}: {said}", hidden)
    return UndeliveredError(
        why, final=not later, retry_after=_seconds(refusal.headers.get("Retry-After"), at) if later else None
    )


def _seconds(retry_after: str | None, at: dt.datetime) -> float | None:
    """Return the seconds that a header Retry-After asks for: it holds seconds or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after).astimezone(dt.UTC) - at).total_seconds(), 0.0)
    except ValueError:
        return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

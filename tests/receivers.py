"""Real receivers for tests, on loopback: an HTTP server and an SMTP sink that do what the test tells them."""

import base64
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OK, SLOW, DROP, LOST = "ok", "slow", "drop", "lost"
SLOWNESS = 1.0  # seconds; longer than a sender in a test waits


@dataclass(frozen=True)
class Post:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server and what it got.

    Attributes:
        answer: given what came, returns OK, SLOW (answers too late), DROP (hangs up without an answer), LOST (takes it, then
            hangs up without an answer), or a status code.
        got: everything that came, whatever was answered.
        taken: what it kept.
    """

    answer: Callable[..., str | int] = lambda _: OK
    got: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0


class _Http(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_GET(self) -> None:  # only a redirect that is followed comes so
        self.receiver.got.append(Post(self.path, dict(self.headers), b""))
        self._say(204)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        post = Post(self.path, dict(self.headers), self.rfile.read(length))
        if len(post.body) < length:  # who sent it was killed
            self.close_connection = True
            return
        self.receiver.got.append(post)
        answer = self.receiver.answer(post)
        if answer in (OK, LOST):
            self.receiver.taken.append(post)
        if answer in (DROP, LOST):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if answer == SLOW:
            time.sleep(SLOWNESS)
        try:
            self._say(answer if isinstance(answer, int) else 204)
        except OSError:  # it did not wait
            self.close_connection = True

    def _say(self, status: int) -> None:
        said = b"" if status == 204 else f"no: {self.headers.get('Authorization')}".encode()
        self.send_response(status)
        for name, value in self.receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


class _Smtp(socketserver.StreamRequestHandler):
    """The part of RFC 5321 that senders use, with STARTTLS and AUTH PLAIN."""

    receiver: Receiver
    secure = False

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            if not self._do(verb.upper(), rest):
                return

    def _do(self, verb: str, rest: str) -> bool:
        if verb == "EHLO":
            self._say("250-sink", *self._features(), "250 8BITMIME")
        elif verb == "STARTTLS":
            self._say("220 go")
            self.connection = self.receiver.tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile, self.secure = self.connection.makefile("rb"), self.connection.makefile("wb", 0), True
        elif verb == "AUTH":
            given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
            self._say("235 welcome" if tuple(given) == self.receiver.login else f"535 no {given[1]}")
        elif verb == "RCPT" and "nobody" in rest:
            self._say("550 no such user")
        elif verb == "DATA":
            return self._data()
        elif verb == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("250 ok")
        return True

    def _data(self) -> bool:
        self._say("354 go")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        self.receiver.got.append(mail)
        self.receiver.encrypted.append(self.secure)
        answer = self.receiver.answer(mail)
        if answer in (OK, LOST):
            self.receiver.taken.append(mail)
        if answer in (DROP, LOST):
            return False
        if answer == SLOW:
            time.sleep(SLOWNESS)
            return False
        self._say("250 taken" if answer == OK else f"{answer} not taken")
        return True

    def _features(self) -> list[str]:
        return [
            *(["250-STARTTLS"] if self.receiver.tls and not self.secure else []),
            *(["250-AUTH PLAIN"] if self.receiver.login else []),
        ]

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class _SmtpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def http_receiver(receiver: Receiver) -> Iterator[Receiver]:
    """Serve HTTP, or HTTPS where the receiver has a certificate."""
    server = _HttpServer(("127.0.0.1", receiver.port), type("Handler", (_Http,), {"receiver": receiver}))
    if receiver.tls is not None:
        server.socket = receiver.tls.wrap_socket(server.socket, server_side=True)
    with _serving(server, receiver):
        yield receiver


@contextmanager
def smtp_receiver(receiver: Receiver) -> Iterator[Receiver]:
    """Serve SMTP; STARTTLS is offered where the receiver has a certificate, AUTH where it has a login."""
    with _serving(_SmtpServer(("127.0.0.1", receiver.port), type("Handler", (_Smtp,), {"receiver": receiver})), receiver):
        yield receiver


@contextmanager
def _serving(server: socketserver.TCPServer, receiver: Receiver) -> Iterator[None]:
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's side of TLS for 127.0.0.1; clients trust `folder/cert.pem`."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def attachment(mail: EmailMessage, ending: str) -> bytes:
    """Return the attachment whose name ends so."""
    (found,) = [part for part in mail.iter_attachments() if part.get_filename().endswith(ending)]
    return found.get_payload(decode=True)

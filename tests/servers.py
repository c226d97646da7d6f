"""Real database servers for tests: started on a free loopback port in a temporary folder, with TLS, and stopped at the end."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import sqlalchemy as sa

USER, PATIENCE = "replen", 60.0


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: of its empty database, password included.
        process: that serves.
        folder: where its data, log and certificate are.
    """

    url: sa.URL
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def address(self) -> str:
        """Return the URL as text, password included."""
        return self.url.render_as_string(hide_password=False)

    @property
    def certificate(self) -> Path:
        """Return the certificate that the server shows."""
        return self.folder / "server.crt"

    def with_database(self, name: str) -> Self:
        """Return the same server with a new, empty database of this name."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            charset = " CHARACTER SET utf8mb4" if self.url.get_backend_name() == "mysql" else ""
            connection.exec_driver_sql(f"CREATE DATABASE {name}{charset}")
        engine.dispose()
        return replace(self, url=self.url.set(database=name))


@contextmanager
def postgresql() -> Iterator[Server]:
    """Serve an empty PostgreSQL database."""
    programs = _program("initdb", "postgresql").parent
    with _folder("postgres") as (folder, owner):
        password, data = secrets.token_hex(8), folder / "data"
        (folder / "password").write_text(password)
        _run(
            owner, programs / "initdb", "-D", data, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256",
            "--pwfile", folder / "password",
        )  # fmt: skip
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off", "ssl": "on",
            "ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key",
        }  # fmt: skip
        command = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        url = sa.URL.create("postgresql+psycopg", USER, password, "127.0.0.1", port, "postgres")
        with _serving(command, owner, folder, url, stop=signal.SIGINT) as server:  # SIGTERM waits until clients have gone
            yield server


@contextmanager
def mariadb() -> Iterator[Server]:
    """Serve an empty MariaDB database."""
    serve, install = _program("mariadbd", "mariadb-server"), _program("mariadb-install-db", "mariadb-server")
    with _folder("mysql") as (folder, owner):
        password, data, port = secrets.token_hex(8), folder / "data", _free_port()
        root = "--auth-root-authentication-method=normal"
        _run(owner, install, "--no-defaults", f"--datadir={data}", root, "--skip-test-db")
        first = [  # a statement a line
            f"CREATE DATABASE {USER} CHARACTER SET utf8mb4;",
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{password}';",
            f"GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION;",
        ]
        (folder / "first.sql").write_text("\n".join(first))
        options = {  # tmpdir: a server that starts deletes all temporary tables there, of others too
            "datadir": data, "tmpdir": folder, "bind-address": "127.0.0.1", "port": port, "socket": folder / "socket",
            "pid-file": folder / "pid", "init-file": folder / "first.sql", "innodb-flush-log-at-trx-commit": 0,
            "local-infile": 1, "ssl-cert": folder / "server.crt", "ssl-key": folder / "server.key", "skip-name-resolve": "ON",
        }  # fmt: skip
        command = [serve, "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
        url = sa.URL.create("mysql+pymysql", USER, password, "127.0.0.1", port, USER, {"charset": "utf8mb4"})
        with _serving(command, owner, folder, url) as server:
            yield server


@contextmanager
def _folder(service: str) -> Iterator[tuple[Path, str | None]]:
    """Give a folder with a certificate, and the user who must serve from it: servers refuse root."""
    owner = service if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix=f"replen-{service}-"))
    try:
        _run(
            None, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "server.key", "-out", folder / "server.crt",
        )  # fmt: skip
        if owner is not None:
            user = pwd.getpwnam(owner)
            for path in (folder, *folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
        folder.chmod(0o755)
        yield folder, owner
    finally:
        shutil.rmtree(folder)


@contextmanager
def _serving(
    command: Sequence[object], owner: str | None, folder: Path, url: sa.URL, *, stop: signal.Signals = signal.SIGTERM
) -> Iterator[Server]:
    """Run a server until the end; it is ready when it answers."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=folder, **_as(owner))
    try:
        _await(url, process, folder / "log")
        yield Server(url, process, folder)
    finally:
        process.send_signal(stop)
        process.wait(PATIENCE)


def _await(url: sa.URL, process: "subprocess.Popen[bytes]", log: Path) -> None:
    engine, deadline = sa.create_engine(url), time.monotonic() + PATIENCE
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start; its log says:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.1)
        else:
            engine.dispose()
            return


def _run(owner: str | None, *command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd="/", **_as(owner))
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _as(owner: str | None) -> dict[str, object]:
    return {} if owner is None else {"user": owner, "group": owner, "extra_groups": []}


def _program(name: str, package: str) -> Path:
    """Return a program of a server, wherever its package puts it."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    found = shutil.which(name, path=":".join([os.environ["PATH"], "/usr/sbin", *map(str, versions)]))
    if found is None:
        raise RuntimeError(f"{name} is not installed: these tests need a real server; apt-get install {package}, or make setup")
    return Path(found).resolve()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port

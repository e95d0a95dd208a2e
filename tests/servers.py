"""Real servers for the tests: uWSGI, gunicorn, and the proxy as a process of its own.

Each helper is a context manager: it returns when the server answers, and ends it, with all its
children, by process group. Waiting means connecting or reading until a deadline, never a fixed
pause. TCP ports come from the kernel: the listening socket is made here and inherited.
"""

import contextlib
import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Literal, NamedTuple
from urllib.parse import urlsplit

from protocol.uwsgi import PING, encode_packet, encode_vars

DEADLINE_S = 60.0
REPOSITORY = Path(__file__).resolve().parent.parent
DEBIAN_UWSGI = "/usr/bin/uwsgi-core"
Transport = Literal["unix", "tcp"]
Target = str | tuple[str, int]

_PING = encode_packet(b"", PING)
_STEP_S = 0.02


@dataclass(frozen=True)
class Server:
    """A running application server."""

    address: str
    """As `--upstream` takes it: `unix:/path` or `127.0.0.1:port`."""
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Return what the server has written so far."""
        return self.log_file.read_text(errors="replace")


@contextlib.contextmanager
def uwsgi(
    app: str,
    *,
    directory: Path,
    socket: Transport = "unix",
    processes: int = 1,
    threads: int = 1,
    gevent: int = 0,
    extra: Sequence[str] = (),
    binary: Literal["pyuwsgi", "debian"] = "pyuwsgi",
    python_path: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run uWSGI with stock limits; `extra` options come last.

    `app` is `module:callable`, found in `python_path`, by default in `directory`, where the log
    goes, too. Debian's uWSGI has Debian's Python: only applications without packages run there.
    """
    if binary == "debian":
        program = [DEBIAN_UWSGI, "--plugins", "python3,ping"]
    else:
        script = Path(sys.executable).with_name("pyuwsgi")
        program = [str(script), "--binary-path", sys.executable]
    command = [
        *program,
        *("--master", "--need-app", "--die-on-term", "--no-orphans"),
        *("--processes", str(processes), "--enable-threads"),
        *(("--gevent", str(gevent), "--gevent-monkey-patch") if gevent else ()),
        *(("--threads", str(threads)) if threads > 1 else ()),
        *("--pythonpath", str(python_path or directory), "--wsgi", app),
    ]
    with _listening(socket) as (address, listener):
        bound = f"fd://{listener.fileno()}" if listener else address.removeprefix("unix:")
        command += ["--socket", bound, *extra]
        with _running(command, address, listener, directory / "uwsgi.log", env) as server:
            yield server


@contextlib.contextmanager
def gunicorn(
    app: str,
    *,
    directory: Path,
    worker: Literal["sync", "gthread", "asgi"] = "sync",
    socket: Transport = "unix",
    processes: int = 1,
    threads: int = 1,
    extra: Sequence[str] = (),
    python_path: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run gunicorn with `--protocol uwsgi`; the arguments are those of `uwsgi`."""
    command = [
        *(sys.executable, "-m", "gunicorn", "--protocol", "uwsgi", "--no-control-socket"),
        *("--worker-class", worker, "--workers", str(processes), "--threads", str(threads)),
        *("--pythonpath", str(python_path or directory), "--worker-tmp-dir", str(directory)),
    ]
    with _listening(socket) as (address, listener):
        bound = f"fd://{listener.fileno()}" if listener else address
        command += ["--bind", bound, *extra, app]
        with _running(command, address, listener, directory / "gunicorn.log", env) as server:
            yield server


class Lines:
    """The lines of a stream, collected by a thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __call__(self) -> list[str]:
        """Return the lines so far."""
        with self._changed:
            return list(self._lines)

    def wait_for(self, text: str, count: int = 1, timeout_s: float = DEADLINE_S) -> list[str]:
        """Return the first `count` lines with `text` in them, as soon as they are there.

        Raises:
            AssertionError: the stream ended or the time passed before that.
        """

        def found() -> list[str]:
            return [line for line in self._lines if text in line]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count or self._ended, timeout_s)
            assert len(found()) >= count, f"no {text!r} in:\n" + "\n".join(self._lines)
            return found()[:count]

    def close(self) -> None:
        """Wait for the end of the stream and close it."""
        self._thread.join(DEADLINE_S)
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


RECENT: "deque[Proxy]" = deque(maxlen=3)
"""The last front ends that were started: the report of a failure shows their logs."""


class Proxy:
    """A running proxy."""

    def __init__(self, process: subprocess.Popen[bytes], listeners: int, admin: bool) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.log_lines = Lines(process.stderr)
        self.access_lines = Lines(process.stdout)
        RECENT.append(self)
        lines = self.log_lines.wait_for("listening on ", listeners)
        self.urls = [line.partition("listening on ")[2].strip() for line in lines]
        """One for each listener, in order: `http://host:port` or `unix:/path`."""
        self.admin_url = ""
        if admin:
            line = self.log_lines.wait_for("admin on ")[0]
            self.admin_url = line.partition("admin on ")[2].strip()

    @property
    def url(self) -> str:
        """The first listener."""
        return self.urls[0]

    @property
    def host(self) -> str:
        """Of the first listener."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Of the first listener."""
        return urlsplit(self.url).port or 0

    @property
    def address(self) -> Target:
        """The first listener, for `raw_request`."""
        return self.url if self.url.startswith("unix:") else (self.host, self.port)

    @property
    def log(self) -> list[str]:
        """What the proxy has written to standard error so far."""
        return self.log_lines()

    @property
    def access(self) -> list[str]:
        """What it has written to standard output so far: by default the access log."""
        return self.access_lines()

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40.0) -> int:
        """Send a signal, wait for the end, and return the exit code. All lines are there then."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        self.close()
        return code

    def close(self) -> None:
        """Collect the last lines of a process that has ended."""
        self.log_lines.close()
        self.access_lines.close()


@contextlib.contextmanager
def proxy_process(
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    under: Sequence[str] = (),
) -> Iterator[Proxy]:
    """Run `python -m proxy` with `args`; without `--listen` on a free port of 127.0.0.1.

    `under` is a command that becomes it, as `prlimit` does.

    Raises:
        AssertionError: it ended instead of listening; the text has its log.
    """
    options = args if _has(args, "--listen") else ("--listen", "127.0.0.1:0", *args)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UWSGI_FRONTEND_")}
    process = subprocess.Popen(
        [*under, sys.executable, "-m", "proxy", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_with_repository(environment), **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    proxy = None
    listeners = sum(arg.split("=")[0] == "--listen" for arg in options)
    try:
        proxy = Proxy(process, listeners, _has(options, "--admin"))
        yield proxy
        if process.poll() is None:
            proxy.stop()
    finally:
        _end(process)
        if proxy is None:  # it has not come up: its pipes are nobody's
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()
        else:
            proxy.close()


def connect(address: Target, timeout_s: float = DEADLINE_S) -> socket.socket:
    """Return a connection to `(host, port)`, `host:port` or `unix:/path`.

    Raises:
        OSError: nobody listens there.
    """
    if isinstance(address, str) and address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address.removeprefix("unix:").replace("@", "\0", 1))
        except OSError:
            connection.close()
            raise
        return connection
    if isinstance(address, str):
        host, _, port = address.rpartition(":")
        address = host.strip("[]"), int(port)
    return socket.create_connection(address, timeout_s)


def raw_request(address: Target, data: bytes, timeout_s: float = DEADLINE_S) -> bytes:
    """Send bytes as they are and return all that comes back, until the end or for `timeout_s`.

    A reset ends it, too: what came before that is returned.
    """
    with connect(address, timeout_s) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        return _read_all(connection, time.monotonic() + timeout_s)


def uwsgi_request(
    address: Target,
    variables: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    timeout_s: float = DEADLINE_S,
) -> bytes:
    """Speak uwsgi to an application server and return its reply as it came."""
    return raw_request(address, uwsgi_packet(variables, body), timeout_s)


def uwsgi_packet(
    variables: Mapping[str, str] | Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Return a whole request in the uwsgi protocol; `variables` come on top of the usual ones."""
    sent = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": ""}
    sent |= {"SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    sent |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost", "HTTP_CONNECTION": "close"}
    if body:
        sent["CONTENT_LENGTH"] = str(len(body))
    sent |= dict(variables)
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
    return encode_packet(encode_vars(pairs)) + body


class Reply(NamedTuple):
    """A reply or response, its body unframed."""

    status: int
    headers: Message
    body: bytes

    def cookies(self) -> str:
        """Return the cookies that it sets, as a Cookie header takes them."""
        given = self.headers.get_all("Set-Cookie") or []
        return "; ".join(cookie.partition(";")[0] for cookie in given)


def parse_reply(data: bytes, method: str = "GET") -> Reply:
    """Read a whole reply with the standard library's HTTP parser.

    Raises:
        http.client.HTTPException: it is none, or its body stops short.
    """
    response = http.client.HTTPResponse(_Canned(data), method=method)  # type: ignore[arg-type]
    response.begin()
    with response:
        return Reply(response.status, response.headers, response.read())


class _Canned:
    """What HTTPResponse needs of a socket: one that has received everything already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BytesIO(self._data)


def form_body(name: str, filename: str, content: bytes, **fields: str) -> tuple[str, bytes]:
    """Return the type and the bytes of a form with a file in it."""
    boundary = "a-boundary-that-is-not-in-the-file"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    ]
    parts.append(
        f"--{boundary}\r\nContent-Disposition: form-data; "
        f'name="{name}"; filename="{filename}"\r\n\r\n'
    )
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Return as soon as `condition()` is true.

    Raises:
        AssertionError: it does not become true in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout_s} s: {what}"
        time.sleep(_STEP_S)


def _read_all(connection: socket.socket, deadline: float) -> bytes:
    parts: list[bytes] = []
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while True:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(1 << 18)
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def _listening(transport: Transport) -> Iterator[tuple[str, socket.socket | None]]:
    """Yield an address and, for TCP, the socket that listens there already."""
    if transport == "tcp":
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            yield f"127.0.0.1:{listener.getsockname()[1]}", listener
        return
    # Not in the test's own directory, whose name may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="uf-") as directory:
        yield f"unix:{directory}/s.sock", None


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    address: str,
    listener: socket.socket | None,
    log_file: Path,
    env: Mapping[str, str] | None,
) -> Iterator[Server]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_with_repository(os.environ), **(env or {})},
            pass_fds=[listener.fileno()] if listener else [],
            start_new_session=True,
        )
    server = Server(address, process, log_file)
    try:
        if listener is not None:
            listener.close()  # or connections would queue up here after the server has died
        try:
            wait_until(lambda: _answers(server), f"{command[0]} answers")
        except AssertionError as error:
            error.add_note(server.log())
            raise
        yield server
    finally:
        _end(process)


def _answers(server: Server) -> bool:
    """Ping it; whatever comes back, even an end of file, comes from a loaded application."""
    assert server.process.poll() is None, server.log()
    try:
        with connect(server.address, timeout_s=DEADLINE_S) as connection:
            connection.sendall(_PING)
            connection.recv(len(_PING))
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all that it has started; nobody waits for a graceful end here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_S)


def _has(args: Iterable[str], option: str) -> bool:
    return any(arg.split("=")[0] == option for arg in args)


def _with_repository(env: Mapping[str, str]) -> dict[str, str]:
    """Let a child that starts elsewhere import this checkout."""
    path = [str(REPOSITORY), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, "PYTHONPATH": os.pathsep.join(path)}


def has_debian_uwsgi() -> bool:
    """Whether Debian's uWSGI with its Python plugin is there."""
    plugin = Path("/usr/lib/uwsgi/plugins/python3_plugin.so")
    return shutil.which(DEBIAN_UWSGI) is not None and plugin.exists()

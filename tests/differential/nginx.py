"""A real nginx of one's own: its prefix, its listeners, its end.

One process serves all settings, a server block each. Its listening sockets are made here, on ports
that the kernel chose, and handed over like in an upgrade of the binary, so no port is guessed and a
client may connect before nginx is up.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.settings import Address

STOP_TIMEOUT_S = 10.0

# Names and values as nginx ships them; a distribution may have added lines of its own.
UWSGI_PARAMS = """
uwsgi_param QUERY_STRING    $query_string;
uwsgi_param REQUEST_METHOD  $request_method;
uwsgi_param CONTENT_TYPE    $content_type;
uwsgi_param CONTENT_LENGTH  $content_length;
uwsgi_param REQUEST_URI     $request_uri;
uwsgi_param PATH_INFO       $document_uri;
uwsgi_param DOCUMENT_ROOT   $document_root;
uwsgi_param SERVER_PROTOCOL $server_protocol;
uwsgi_param REQUEST_SCHEME  $scheme;
uwsgi_param HTTPS           $https if_not_empty;
uwsgi_param REMOTE_ADDR     $remote_addr;
uwsgi_param REMOTE_PORT     $remote_port;
uwsgi_param SERVER_PORT     $server_port;
uwsgi_param SERVER_NAME     $server_name;
"""

_MAIN = """
daemon off;
worker_processes 1;
{user}
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/t1;
    proxy_temp_path {prefix}/t2;
    fastcgi_temp_path {prefix}/t3;
    uwsgi_temp_path {prefix}/t4;
    scgi_temp_path {prefix}/t5;
    include {prefix}/uwsgi_params;
    {servers}
}}
"""


def find_nginx(path: str = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") -> str:
    """Return nginx from this search path; skip the test without it, or fail if it is required."""
    found = shutil.which("nginx", path=path)
    if found is None:
        message = "nginx is not installed (REQUIRE_NGINX=1 makes this a failure)"
        if os.environ.get("REQUIRE_NGINX") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


def version_of(binary: str) -> tuple[int, ...]:
    """Return nginx's version as numbers."""
    told = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"nginx/([\d.]+)", told)
    assert match is not None, told
    return tuple(map(int, match[1].split(".")))


def listener(kind: str, prefix: Path, name: str) -> tuple[socket.socket, Address]:
    """Return a listening socket (`tcp`, `tcp6` or `unix`) and its address."""
    if kind == "unix":
        path = str(prefix / f"{name}.listen")
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(128)
        return sock, Address(path=path)
    family, host = {"tcp": (socket.AF_INET, "127.0.0.1"), "tcp6": (socket.AF_INET6, "::1")}[kind]
    sock = socket.create_server((host, 0), family=family)
    return sock, Address(host=host, port=sock.getsockname()[1])


class Nginx:
    """A running nginx. `stop` ends it by its pid."""

    def __init__(self, prefix: Path, servers: str, sockets: Sequence[socket.socket]) -> None:
        """Start in the foreground with these `server` and `upstream` blocks."""
        binary = find_nginx()
        self.version = version_of(binary)
        self.error_log = prefix / "error.log"
        (prefix / "uwsgi_params").write_text(UWSGI_PARAMS)
        config = prefix / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_MAIN.format(prefix=prefix, user=user, servers=servers))
        files = [sock.fileno() for sock in sockets]
        self.process = subprocess.Popen(
            [binary, "-p", str(prefix), "-c", str(config), "-e", str(self.error_log)],
            env={**os.environ, "NGINX": "".join(f"{number};" for number in files)},
            pass_fds=files,
            stdin=subprocess.DEVNULL,
        )

    def log(self) -> str:
        """Return the error log so far."""
        return self.error_log.read_text(errors="replace")

    def stop(self) -> None:
        """End it at once, answers or not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

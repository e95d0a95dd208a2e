"""Running the proxy as a command, and talking to it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy.settings import Address
from tests.differential.client import Client, Response
from tests.integration.messages import request
from tests.servers import DEADLINE_S, REPOSITORY, Proxy, Target, connect, raw_request


def run(*args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a proxy that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "proxy", *args],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def check_refused(args: Sequence[str], code: int, *words: str) -> None:
    """The command must end with this code, and one line that has these words in it."""
    done = run(*args)
    (line,) = done.stderr.splitlines()
    assert line.startswith("uwsgi-frontend: error: ")
    for word in words:
        assert word in line
    assert done.stdout == ""
    assert done.returncode == code


def address_of(url: str) -> Address:
    """Return where a listener that has announced itself is."""
    if url.startswith("unix:"):
        return Address(path=url.removeprefix("unix:").replace("@", "\0", 1))
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Address(host=host.strip("[]"), port=int(port))


def client_of(proxy: Proxy) -> Client:
    """Return a connection to the first listener."""
    return Client(address_of(proxy.url))


def ask(url: str, path: str = "/") -> Response:
    """Send one request on a connection of its own."""
    with Client(address_of(url)) as client:
        client.send(request(path))
        response = client.response()
    assert response is not None
    return response


def listens(address: Target) -> bool:
    """Whether a connection can be made."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def metric(proxy: Proxy, name: str) -> float:
    """Return the sum of all samples of a metric in /metrics; `name` is without our prefix."""
    admin = proxy.admin_url.removeprefix("http://")
    text = raw_request(admin, b"GET /metrics HTTP/1.0\r\n\r\n").decode()
    values = re.findall(rf"(?m)^uwsgi_frontend_{name}(?:{{.*}})? (\S+)$", text)
    assert values, text
    return sum(map(float, values))


def children(pid: int) -> list[int]:
    """Return the ids of all processes below this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found += [child, *children(child)]
    return found


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"

"""What the kernel has to give: ports, places in listen queues, open files. Loopback only.

    python kernel.py reports/kernel.json [--quick]

The lab times requests; this counts what they use up. `ports` sends requests through a front end
and then looks for connections that linger (TIME_WAIT), and on whose side: a client's ephemeral
port stays taken for a minute on the side that closed first. `many` sends more of them than there
are ports. `queue` connects more often than a listen queue has places. `files` counts descriptors of
a front end with idle clients. It takes about a minute.
"""

import argparse
import contextlib
import errno
import json
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.lab import measure
from proxy.lab.load.ask import Wanted
from proxy.lab.load.generator import Generator
from proxy.lab.load.plan import Load, Plan
from proxy.lab.processes import BenchError, Daemon, raise_file_limit, stop_all
from proxy.lab.stand import fronts, servers
from proxy.lab.stand.ports import free_port
from proxy.lab.stand.setup import Installed, Setup

HELLO = (Wanted("/.lab/hello"),)
REQUESTS_SECONDS = 1.0
CLIENTS = 4
IDLE = 200
BACKLOG = 100
CONNECTS = 300
MOST_SECONDS = 60.0
"""How long TIME_WAIT lasts on Linux, and so how long we try to use up all ports."""
QUICK_SECONDS = 4.0
_TIME_WAIT = "06"
_KERNEL = Path("/proc/sys/net")


@dataclass(frozen=True)
class Way:
    """One way from a front end to uWSGI."""

    front: str
    link: str
    """`unix`, `tcp`, or `kept`: TCP with connections that stay."""


WAYS = (
    Way("nginx", "unix"), Way("nginx", "tcp"),
    Way("proxy", "unix"), Way("proxy", "tcp"), Way("proxy", "kept"),
)  # fmt: skip


@dataclass
class Stand:
    """A front end with a uWSGI of two workers behind it."""

    front: Daemon
    port: int
    backend_ports: list[int]


@contextlib.contextmanager
def standing(way: Way, setup: Setup) -> Iterator[Stand]:
    """Start it; stop it afterwards."""
    setup = setup.within(f"{way.front}-{way.link}")
    ports = [] if way.link == "unix" else [free_port(), free_port()]
    sockets = ["--socket", str(setup.place / "app.sock")]
    if way.link == "tcp":
        sockets = ["--socket", f"127.0.0.1:{ports[0]}"]
    elif way.link == "kept":
        sockets = ["--puwsgi-socket", f"127.0.0.1:{ports[0]}", "--socket", f"127.0.0.1:{ports[1]}"]
    running = [servers.start_uwsgi(setup, sockets, 2).daemon]
    upstream = f"127.0.0.1:{ports[0]}" if ports else f"unix:{sockets[1]}"
    try:
        if way.front == "nginx":
            front, port, _ = fronts.start_nginx(setup, [upstream])
        else:
            upstreams = [f"{upstream} max_conns=2"]
            if way.link == "kept":  # one worker for kept connections, one for all others
                upstreams = [f"{upstream} puwsgi keepalive=1", f"127.0.0.1:{ports[1]} max_conns=1"]
            front, port, _ = fronts.start_proxy(setup, upstreams)
        running.insert(0, front)
        yield Stand(front, port, ports)
    finally:
        stop_all(running)


def lingering(ports: list[int]) -> tuple[int, int]:
    """Return connections in TIME_WAIT on the listening side of these ports, and on the other."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = [line.split()[1:4] for line in lines]
    waiting = [(local, remote) for local, remote, state in found if state == _TIME_WAIT]
    mine = {f"{port:04X}" for port in ports}
    ours = sum(local.rpartition(":")[2] in mine for local, _ in waiting)
    theirs = sum(remote.rpartition(":")[2] in mine for _, remote in waiting)
    return ours, theirs


def ports(way: Way, setup: Setup, generator: Generator) -> dict[str, Any]:
    """Count what requests leave behind between front end and uWSGI."""
    with standing(way, setup) as stand:
        plan = Plan(stand.port, clients=CLIENTS, seconds=REQUESTS_SECONDS, requests=HELLO)
        load = generator.run(plan)
        listening, connecting = lingering(stand.backend_ports)
    return {
        "front": way.front, "link": way.link, "requests": load.sent, "failed": load.failed,
        "time_wait_of_uwsgi": listening, "time_wait_of_front": connecting,
        "uwsgi_ports_per_request": round(listening / load.sent, 3),
        "front_ports_per_request": round(connecting / load.sent, 3),
    }  # fmt: skip


def many(way: Way, setup: Setup, generator: Generator, most_s: float) -> dict[str, Any]:
    """Send more requests than there are ephemeral ports, within the time that a port lingers."""
    wanted = int(1.2 * span())
    sent = failed = 0
    began = time.monotonic()
    with standing(way, setup) as stand:
        while sent < wanted and time.monotonic() - began < most_s:
            load: Load = generator.run(
                Plan(stand.port, clients=CLIENTS, seconds=4.0, requests=HELLO)
            )
            sent, failed = sent + load.sent, failed + load.failed
    took = time.monotonic() - began
    return {
        "front": way.front, "link": way.link, "ephemeral_ports": span(), "requests": sent,
        "failed": failed, "seconds": round(took, 1), "reached": sent >= wanted,
    }  # fmt: skip


def queue(kind: str, place: Path) -> dict[str, Any]:
    """Connect to somebody who never accepts, more often than the queue has places."""
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    found = {"at once": 0, "pending": 0, "refused at once": 0}
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(str(place / "queue.sock") if kind == "unix" else ("127.0.0.1", 0))
        listener.listen(BACKLOG)
        for _ in range(CONNECTS):
            client = stack.enter_context(socket.socket(family))
            client.setblocking(False)
            code = client.connect_ex(listener.getsockname())
            if code == errno.EAGAIN:
                found["refused at once"] += 1
            elif _connected(client):
                found["at once"] += 1
            else:
                found["pending"] += 1
    return {"kind": kind, "backlog": BACKLOG, "connects": CONNECTS, **found}


def _connected(client: socket.socket) -> bool:
    """Whether a connection stands; on loopback the handshake is over when connect returns."""
    try:
        client.getpeername()
    except OSError:
        return False
    return True


def files(front: str, setup: Setup) -> dict[str, Any]:
    """Count the descriptors of a front end with idle clients."""
    with standing(Way(front, "unix"), setup) as stand, contextlib.ExitStack() as stack:
        before = descriptors(stand.front.pid)
        for _ in range(IDLE):
            client = socket.create_connection(("127.0.0.1", stand.port))
            stack.enter_context(client)
            client.sendall(b"GET /.lab/hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not client.recv(4096):
                raise BenchError(f"{front} closed a connection that it should have kept")
        after = descriptors(stand.front.pid)
    return {
        "front": front, "idle_clients": IDLE, "descriptors": after - before,
        "per_client": round((after - before) / IDLE, 2),
    }  # fmt: skip


def descriptors(root: int) -> int:
    """Return how many files a process and its descendants have open."""
    pids = [pid for pid, _ in measure.identities(root)]
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def span() -> int:
    """Return how many ephemeral ports there are."""
    first, last = (_KERNEL / "ipv4/ip_local_port_range").read_text().split()
    return int(last) - int(first) + 1


def limits() -> dict[str, int]:
    """Return what this kernel allows."""
    return {
        "somaxconn": int((_KERNEL / "core/somaxconn").read_text()),
        "ephemeral_ports": span(),
        "tcp_tw_reuse": int((_KERNEL / "ipv4/tcp_tw_reuse").read_text()),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }


def run(place: Path, most_s: float = MOST_SECONDS) -> dict[str, Any]:
    """Count everything."""
    found: dict[str, Any] = {
        "schema": 1, "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": measure.machine(), "limits": limits(),
    }  # fmt: skip
    raise_file_limit()
    setup = Setup(place, installed=Installed.look())
    ways = [each for each in WAYS if each.front != "nginx" or setup.installed.nginx]
    with Generator() as generator:
        found["ports"] = [ports(each, setup.within("ports"), generator) for each in ways]
        long = [each for each in ways if each.link == "tcp"]
        found["many"] = [many(each, setup.within("many"), generator, most_s) for each in long]
    found["queue"] = [queue(kind, place) for kind in ("unix", "tcp")]
    fronts_here = dict.fromkeys(each.front for each in ways)
    found["files"] = [files(front, setup.within("files")) for front in fronts_here]
    return found


def main() -> int:
    """Write what was counted to the file that is named."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("file", type=Path, help="where it is written to")
    made.add_argument("--quick", action="store_true", help="do not try to use up all ports")
    args = made.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="kernel-") as place:
            found = run(Path(place), QUICK_SECONDS if args.quick else MOST_SECONDS)
    except BenchError as error:
        print(f"kernel.py: error: {error}", file=sys.stderr)
        return 1
    args.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{args.file} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

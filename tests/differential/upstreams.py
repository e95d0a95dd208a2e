"""An upstream of its own for each case, behind both front ends, since both remember failures.

nginx and the proxy get the same upstream and the same requests, one after the other; compared are
the statuses and how many connections each backend has accepted.
"""

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing import (
    Close,
    FakeBackend,
    Script,
    bad_head,
    close_before_reply,
    missing,
    refuse,
    reset_before_reply,
    respond,
    silence,
    truncate_after,
)
from proxy.upstream import diagnosis
from tests.differential.client import Client
from tests.differential.fleet import ALONE, AS_NGINX
from tests.differential.nginx import Nginx, listener
from tests.integration.frontend import ALL_ENGINES, Frontend

SCRIPTS: dict[str, Script] = {
    "ok": respond(body=b"ok"),
    "closes": close_before_reply(),
    "resets": reset_before_reply(),
    "half-head": bad_head(b"HTTP/1.1 200 OK\r\nContent-"),
    "garbage": bad_head(b"\x00\x01\r\n\r\n"),
    "wide": bad_head(b"HTTP/1.1 200 OK\r\nX-Wide: " + b"x" * 6000 + b"\r\n\r\n"),
    "silent": silence(),
    "short": truncate_after(10),
    **{
        str(status): (*respond(b"HTTP/1.1 %d Mine" % status, b"mine"), Close())
        for status in (403, 404, 429, 500, 502, 503, 504)
    },
}
"""What backends do; besides, there are `missing` and `refused`."""

DEFAULT = "error timeout"


@dataclass(frozen=True)
class Case:
    """An upstream, and requests to it.

    `backends` are names of `SCRIPTS`, each with parameters of nginx's `server` line behind it.
    `statuses` are those of nginx. Where the proxy intends others, they are `ours`, and `differs` is
    the reason.
    """

    backends: tuple[str, ...]
    statuses: tuple[int, ...]
    methods: tuple[str, ...] = ("GET",)
    conditions: str = DEFAULT
    nginx: str = ""
    proxy: tuple[str, ...] = ()
    differs: str = ""
    ours: tuple[int, ...] = ()

    @property
    def read_timeout_ms(self) -> int:
        """Short only where it is to pass: on a busy machine everybody is late."""
        return 300 if "silent" in self.backends else 10_000

    def __str__(self) -> str:
        parts = (*self.backends, "/", *self.methods, "/", self.conditions, self.nginx)
        return re.sub(r"[^\w.-]+", "-", " ".join(parts)).strip("-")


class Side:
    """The backends of one front end in one case."""

    def __init__(self, case: Case, stack: contextlib.ExitStack) -> None:
        self.servers: list[str] = []
        self._fakes: list[FakeBackend | None] = []
        for backend in case.backends:
            name, _, parameters = backend.partition(" ")
            address = self._make(name, stack)
            self.servers.append(f"{address} {parameters}".strip())

    def _make(self, name: str, stack: contextlib.ExitStack) -> Address:
        if name in ("missing", "refused"):
            self._fakes.append(None)
            return stack.enter_context(missing() if name == "missing" else refuse())
        fake = stack.enter_context(FakeBackend(SCRIPTS[name]))
        self._fakes.append(fake)
        return fake.address

    def ask(self, front: Address, methods: Sequence[str]) -> tuple[list[int], list[int]]:
        """Send requests; return their statuses, and how many each backend has got in all."""
        statuses = []
        for method in methods:
            body = b"x" * 1000 if method in ("POST", "PUT", "PATCH") else b""
            head = b"%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" % method.encode()
            length = b"Content-Length: %d\r\n" % len(body) if body else b""
            with Client(front) as client:
                client.send(head + length + b"\r\n" + body)
                response = client.response()
            assert response is not None
            statuses.append(response.status)
        return statuses, [0 if fake is None else fake.accepted for fake in self._fakes]


Seen = tuple[list[int], list[int]]
"""Statuses, and connections of each backend."""

Running = dict[Case, tuple[Side, Address]]


@contextlib.contextmanager
def serving(cases: Sequence[Case], prefix: Path) -> Iterator[Running]:
    """Run one nginx with an upstream and a server for each case."""
    with contextlib.ExitStack() as stack:
        blocks, sockets, sides = [], [], {}
        for number, case in enumerate(cases):
            side = Side(case, stack)
            sock, address = listener("tcp", prefix, "")
            sockets.append(stack.enter_context(sock))
            servers = " ".join(f"server {server};" for server in side.servers)
            blocks.append(
                f"upstream up{number} {{ {servers} }} server {{ listen {address}; {case.nginx}"
                f" uwsgi_next_upstream {case.conditions};"
                f" uwsgi_read_timeout {case.read_timeout_ms}ms;"
                f" location / {{ uwsgi_pass up{number}; }} }}"
            )
            sides[case] = side, address
        nginx = Nginx(prefix, "\n".join(blocks), sockets)
        stack.callback(nginx.stop)
        yield sides


def ask_nginx(running: Running, case: Case) -> Seen:
    """Put a case through nginx. Only once: it remembers."""
    side, address = running[case]
    return side.ask(address, case.methods)


def ask_proxy(case: Case, log: Path) -> Seen:
    """Put a case through a proxy that is told to be like nginx.

    Nor does it look who is there after a long silence, which would be one connection more.
    """
    options = [*AS_NGINX, *(ALONE if len(case.backends) == 1 else ()), *case.proxy]
    options += ["--next-upstream", case.conditions.replace(" ", ",")]
    options += ["--backend-read-timeout", f"{case.read_timeout_ms}ms"]
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "MIN_SILENCE_S", math.inf)
        side = Side(case, stack)
        front = Frontend(side.servers, " ".join(options), ALL_ENGINES[0], log)
        return side.ask(stack.enter_context(front).address, case.methods)

"""Rules 6.1 to 6.19: which backends a request is tried at, and which are left alone afterwards.

nginx and the proxy get the same upstream and the same requests, one after the other; compared are
the statuses and how many requests each backend has seen. Every case has an upstream of its own,
since both remember failures.
"""

import contextlib
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
from tests.differential.client import Client
from tests.differential.fleet import ALONE, AS_NGINX
from tests.differential.nginx import Nginx, listener
from tests.integration.frontend import ALL_ENGINES, Frontend

pytestmark = pytest.mark.nginx

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

    def __str__(self) -> str:
        parts = (*self.backends, "/", *self.methods, "/", self.conditions, self.nginx)
        return re.sub(r"[^\w.-]+", "-", " ".join(parts)).strip("-")


def each_method(
    backends: tuple[str, ...], get: int, post: int, conditions: str = DEFAULT
) -> Iterator[Case]:
    """Ask once with each method; PUT has a body like POST, and may be repeated like GET (6.3)."""
    for method, status in {"GET": get, "PUT": get, "DELETE": get, "POST": post}.items():
        yield Case(backends, (status,), (method,), conditions)


CASES = (
    # 6.1, 6.2, 6.3: what is an error or a timeout, and may be repeated
    *each_method(("closes", "ok"), 200, 502),
    *each_method(("resets", "ok"), 200, 502),
    *each_method(("half-head", "ok"), 200, 502),
    *each_method(("silent", "ok"), 200, 504),
    *each_method(("refused", "ok"), 200, 200),
    *each_method(("missing", "ok"), 200, 200),
    Case(("closes", "ok"), (502,), ("PATCH",)),
    Case(("closes", "ok"), (502,), ("LOCK",)),
    Case(("closes", "ok"), (200,), ("BREW",)),
    # one of the two only
    *each_method(("closes", "ok"), 502, 502, "timeout"),
    *each_method(("silent", "ok"), 504, 504, "error"),
    Case(("refused", "ok"), (502,), conditions="timeout"),
    # invalid_header
    *each_method(("garbage", "ok"), 502, 502),
    *each_method(("garbage", "ok"), 200, 502, "invalid_header"),
    *each_method(("wide", "ok"), 502, 502),
    *each_method(("wide", "ok"), 200, 502, "invalid_header"),
    Case(("closes", "ok"), (502,), conditions="invalid_header"),
    # statuses
    *(
        case
        for status in (500, 503, 403, 404, 429)
        for case in (
            Case((str(status), "ok"), (status,)),
            *each_method((str(status), "ok"), 200, status, f"http_{status}"),
            # 6.7: nothing left to try
            Case((str(status), str(status)), (status,), conditions=f"http_{status}"),
            Case((str(status),), (status, status), ("GET", "GET"), f"http_{status}"),
        )
    ),
    Case(("502", "ok"), (502,), conditions="error timeout http_500 http_503"),
    Case(("504", "ok"), (504,), conditions="error timeout http_500 http_503"),
    Case(("503", "500", "ok"), (500,), conditions="http_503"),
    Case(("503", "500", "ok"), (200,), conditions="http_503 http_500"),
    Case(("closes", "503", "ok"), (200,), conditions="error http_503"),
    # non_idempotent
    *each_method(("closes", "ok"), 200, 200, "error non_idempotent"),
    *each_method(("503", "ok"), 200, 200, "http_503 non_idempotent"),
    *each_method(("closes", "ok"), 502, 502, "non_idempotent"),
    # 6.8: off
    *each_method(("closes", "ok"), 502, 502, "off"),
    *each_method(("refused", "ok"), 502, 502, "off"),
    # 6.5: too late
    Case(("short", "ok"), (200,)),
    # 6.6, 6.9: how many, and whose answer
    Case(("closes", "closes", "ok"), (200,)),
    Case(("closes", "closes", "closes"), (502,)),
    Case(("closes", "silent"), (504,)),
    Case(("silent", "closes"), (502,)),
    *(
        Case(
            ("closes", "closes", "closes", "ok"),
            (status,),
            nginx=f"uwsgi_next_upstream_tries {tries};",
            proxy=("--next-upstream-tries", str(tries)),
        )
        for tries, status in {1: 502, 2: 502, 3: 502, 4: 200}.items()
    ),
    Case(
        ("refused", "closes", "ok"),
        (502,),
        nginx="uwsgi_next_upstream_tries 2;",
        proxy=("--next-upstream-tries", "2"),
    ),
    Case(
        ("silent", "ok"),
        (504,),
        nginx="uwsgi_next_upstream_timeout 100ms;",
        proxy=("--next-upstream-timeout", "0.1"),
    ),
    # 6.10, 6.11: what is a failure
    *(
        Case((bad, "ok"), (first, 200, 200, 200), ("GET",) * 4, "off")
        for bad, first in {
            "closes": 502,
            "resets": 502,
            "half-head": 502,
            "garbage": 502,
            "wide": 502,
            "silent": 504,
            "refused": 502,
            "missing": 502,
        }.items()
    ),
    *(
        Case((bad, "ok"), (status, 200, status, 200), ("GET",) * 4)
        for bad, status in {"short": 200, "500": 500, "503": 503, "404": 404, "429": 429}.items()
    ),
    *(
        Case((str(status), "ok"), (200,) * 6, ("GET",) * 6, f"http_{status}")
        for status in (403, 404, 429, 500, 503)
    ),
    Case(("503", "ok"), (503, 200, 503, 200), ("POST",) * 4, "http_503"),
    Case(("closes max_fails=0", "ok"), (200,) * 6, ("GET",) * 6),
    Case(("closes max_fails=3", "ok"), (200,) * 10, ("GET",) * 10),
    Case(("closes weight=5 max_fails=2", "ok", "ok"), (200,) * 14, ("GET",) * 14),
    # 6.14: a lone backend
    Case(("closes",), (502,) * 3, ("GET",) * 3),
    Case(("closes max_fails=1 fail_timeout=10s",), (502,) * 3, ("GET",) * 3),
    Case(("refused",), (502,) * 3, ("GET",) * 3),
    # 6.15: none is left
    Case(("closes", "closes"), (502,) * 3, ("GET",) * 3),
    Case(("closes", "silent"), (504, 502, 502), ("GET",) * 3),
    Case(("closes", "refused"), (502, 502), ("POST", "POST")),
    # 6.7: the trap
    Case(
        ("closes", "503"),
        (503, 502),
        ("GET", "GET"),
        "error http_503",
        differs="an application's answer is passed on when all others are paused",
        ours=(503, 503),
    ),
    # 6.17, 6.22: weights
    Case(("ok weight=5", "ok", "ok"), (200,) * 14, ("GET",) * 14),
    Case(("ok weight=3", "ok weight=2"), (200,) * 11, ("POST",) * 11),
    # 6.18: backups
    Case(("closes", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "ok backup"), (502, 200, 200), ("POST",) * 3),
    Case(("ok", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "closes backup", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("closes", "closes", "ok backup"), (200,) * 4, ("GET",) * 4),
    Case(("503", "ok backup"), (200,) * 3, ("GET",) * 3, "http_503"),
    # 6.19: down
    Case(("ok down", "ok"), (200,) * 4, ("GET",) * 4),
    Case(("ok down", "closes"), (502,) * 3, ("GET",) * 3),
    Case(("ok down", "ok down"), (502,) * 2, ("GET",) * 2),
)


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


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, tuple[Side, Address]]]:
    """One nginx with an upstream and a server for each case."""
    prefix = tmp_path_factory.mktemp("n")
    with contextlib.ExitStack() as stack:
        blocks, sockets, sides = [], [], {}
        for number, case in enumerate(CASES):
            side = Side(case, stack)
            sock, address = listener("tcp", prefix, "")
            sockets.append(stack.enter_context(sock))
            servers = " ".join(f"server {server};" for server in side.servers)
            blocks.append(
                f"upstream up{number} {{ {servers} }} server {{ listen {address}; {case.nginx}"
                f" uwsgi_next_upstream {case.conditions}; uwsgi_read_timeout 300ms;"
                f" location / {{ uwsgi_pass up{number}; }} }}"
            )
            sides[case] = side, address
        process = Nginx(prefix, "\n".join(blocks), sockets)
        stack.callback(process.stop)
        yield sides


@pytest.mark.parametrize("case", CASES, ids=str)
def test_next_upstream(nginx: dict[Case, tuple[Side, Address]], case: Case, tmp_path: Path) -> None:
    side, address = nginx[case]
    statuses, counts = side.ask(address, case.methods)
    assert tuple(statuses) == case.statuses, "nginx"
    options = [*AS_NGINX, *(ALONE if len(case.backends) == 1 else ()), *case.proxy]
    options += ["--next-upstream", case.conditions.replace(" ", ",")]
    options += ["--backend-read-timeout", "0.3"]
    with contextlib.ExitStack() as stack:
        ours = Side(case, stack)
        front = stack.enter_context(
            Frontend(ours.servers, " ".join(options), ALL_ENGINES[0], tmp_path / "log")
        )
        got = ours.ask(front.address, case.methods)
    assert got == (list(case.ours) if case.differs else statuses, counts)
    assert not case.differs or got[0] != statuses, "no difference"

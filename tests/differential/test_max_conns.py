"""Rule 6.20: how many requests a backend has at a time, and where the others go.

The requests are held in their backends until all have been sent. nginx has no waiting line, so the
proxy gets none here; its answer to those that find no place is 503 instead of 502.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing import READ, FakeBackend, Pause, Send
from tests.differential.client import Client
from tests.differential.fleet import AS_NGINX
from tests.differential.nginx import Nginx, listener
from tests.integration.frontend import ALL_ENGINES, Frontend
from tests.integration.messages import request
from tests.servers import wait_until

pytestmark = pytest.mark.nginx

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Case:
    """Parameters of each backend, and how many of some simultaneous requests each one gets."""

    backends: tuple[str, ...]
    running: tuple[int, ...]
    refused: int = 0


CASES = (
    Case(("max_conns=1",), (1,), 2),
    Case(("max_conns=3",), (3,), 1),
    Case(("max_conns=1", ""), (1, 4)),
    Case(("max_conns=1", "max_conns=2"), (1, 2), 2),
    Case(("max_conns=2 weight=5", "max_conns=1"), (2, 1), 1),
    Case(("max_conns=1", "backup"), (1, 2)),
    Case(("max_conns=1", "backup max_conns=1"), (1, 1), 1),
    Case(("max_conns=1", "down"), (1, 0), 1),
)


class Side:
    """Backends that hold their requests."""

    def __init__(self, case: Case, stack: contextlib.ExitStack) -> None:
        self.go = threading.Event()
        script = (*READ, Pause(self.go), Send(OK))
        self._fakes = [stack.enter_context(FakeBackend(script)) for _ in case.backends]
        self.servers = [
            f"{fake.address} {parameters}".strip()
            for fake, parameters in zip(self._fakes, case.backends, strict=True)
        ]

    @property
    def accepted(self) -> tuple[int, ...]:
        """Return how many connections each backend has."""
        return tuple(fake.accepted for fake in self._fakes)

    def check(self, front: Address, case: Case, refusal: int) -> None:
        """Send as many requests as the case says; when some have ended, as many fit in again."""
        with contextlib.ExitStack() as stack:
            held = []
            for number in range(sum(case.running)):
                held.append(stack.enter_context(Client(front)))
                held[-1].send(request())
                wait_until(lambda count=number: sum(self.accepted) > count, "a place")  # type: ignore[misc]
            assert self.accepted == case.running
            for _ in range(case.refused):
                assert ask(front) == refusal
            assert self.accepted == case.running
            self.go.set()
            for client in held:
                response = client.response()
                assert response is not None
                assert response.status == 200
        assert ask(front) == 200


def ask(front: Address) -> int:
    """Return the status of one request more."""
    with Client(front) as client:
        client.send(request())
        response = client.response()
    assert response is not None
    return response.status


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, tuple[Side, Address]]]:
    """Run nginx with all cases."""
    prefix = tmp_path_factory.mktemp("n")
    with contextlib.ExitStack() as stack:
        blocks, sockets, sides = [], [], {}
        for number, case in enumerate(CASES):
            side = Side(case, stack)
            sock, address = listener("tcp", prefix, "")
            sockets.append(stack.enter_context(sock))
            servers = " ".join(f"server {server};" for server in side.servers)
            blocks.append(
                f"upstream up{number} {{ {servers} }} server {{ listen {address};"
                f" location / {{ uwsgi_pass up{number}; }} }}"
            )
            sides[case] = side, address
        process = Nginx(prefix, "\n".join(blocks), sockets)
        stack.callback(process.stop)
        yield sides


@pytest.mark.parametrize("case", CASES, ids=lambda case: ",".join(case.backends).replace(" ", "-"))
def test_max_conns(nginx: dict[Case, tuple[Side, Address]], case: Case, tmp_path: Path) -> None:
    side, address = nginx[case]
    side.check(address, case, 502)
    options = " ".join((*AS_NGINX, "--queue-size", "0"))
    with contextlib.ExitStack() as stack:
        side = Side(case, stack)
        front = stack.enter_context(
            Frontend(side.servers, options, ALL_ENGINES[0], tmp_path / "log")
        )
        side.check(front.address, case, 503)

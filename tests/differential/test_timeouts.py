"""Section 5: every timeout set to a second or some, and somebody who stalls at each place.

All scenes run at the same time, in threads, against both front ends, before the first test looks at
its own; so the file takes as long as its longest scene.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.differential.client import DEADLINE_S, Client, Response
from tests.differential.corpus import request
from tests.differential.corpus_bodies import post
from tests.differential.fleet import Fleet

pytestmark = pytest.mark.nginx

Scene = Callable[[Client], str]


@dataclass(frozen=True)
class Plan:
    """A scene, and how it must end."""

    scene: Scene
    covers: str
    ends: str
    at_least_s: float = 0.9
    at_most_s: float = 20.0
    """Far less than any default, and far more than a slow machine adds."""
    setting: str = "quick"
    receive_buffer: int = 0


@dataclass(frozen=True)
class Result:
    """How a scene ended, and how long it took."""

    ends: str
    seconds: float


def _told(response: Response | None) -> str:
    if response is None:
        return "eof"
    whole = "" if response.complete else " cut"
    connection = b", ".join(response.values(b"connection")).decode()
    return f"{response.status} {connection}{whole}"


def _send(data: bytes) -> Scene:
    """Send this and wait for whatever comes."""

    def scene(client: Client) -> str:
        client.send(data)
        return _told(client.response())

    return scene


def _drip(start: bytes, rest: bytes, pause_s: float) -> Scene:
    """Send the start, then the rest in single bytes with pauses, until an answer comes."""

    def scene(client: Client) -> str:
        client.send(start)
        client.sock.settimeout(pause_s)
        for byte in rest:
            with contextlib.suppress(TimeoutError):
                data = client.sock.recv(65536)
                client.buffer += data
                if not data:
                    return "eof"
                break
            client.send(bytes((byte,)))
        client.sock.settimeout(DEADLINE_S)
        return _told(client.response())

    return scene


def _after_one(rest: bytes) -> Scene:
    """Have one request answered, then send the rest on the same connection."""

    def scene(client: Client) -> str:
        client.send(request())
        assert client.response() is not None
        client.send(rest)
        return _told(client.response())

    return scene


def _late_start(client: Client) -> str:
    """Idle for longer than a head may take: its time starts at its first byte."""
    client.send(request())
    assert client.response() is not None
    time.sleep(1.2)
    begun = time.monotonic()
    client.send(b"GET / HT")
    told = _told(client.response())
    return told if time.monotonic() - begun > 0.9 else f"{told} too soon"


def _not_reading(client: Client) -> str:
    client.send(request(b"/reply/large"))
    time.sleep(2.5)
    return _told(client.response())


PLANS = {
    "head-partial": Plan(_send(b"GET / HT"), "5.1 5.14", "eof"),
    "head-without-blank-line": Plan(_send(request()[:-2]), "5.1", "eof"),
    "head-drip": Plan(_drip(b"GET /", b"a" * 30, 0.2), "5.1", "eof"),
    "no-byte": Plan(_send(b""), "5.1", "eof"),
    "second-head-partial": Plan(_late_start, "5.1", "eof", at_least_s=2.1, setting="late"),
    "body-partial": Plan(_send(post(b"hello")[:-3]), "3.10 5.2", "eof"),
    "body-chunk-partial": Plan(
        _send(request(b"/", b"Transfer-Encoding: chunked", method=b"POST", body=b"5\r\nhe")),
        "3.10",
        "eof",
    ),
    "body-drip": Plan(
        _drip(post(b"hello, world")[:-12], b"hello, world", 0.5),
        "5.2",
        "200 keep-alive",
        at_least_s=5.0,
        setting="patient",
    ),
    "body-partial-streamed": Plan(
        _send(post(b"hello")[:-3]), "3.10", "eof", setting="quick-streamed-request"
    ),
    "idle": Plan(_after_one(b""), "5.3", "eof"),
    "idle-crlf": Plan(_after_one(b"\r\n"), "5.3 2.10", "eof"),
    "not-reading": Plan(_not_reading, "5.6", "200 keep-alive cut", receive_buffer=4096),
    "not-reading-streamed": Plan(
        _not_reading,
        "5.6",
        "200 keep-alive cut",
        setting="quick-streamed",
        receive_buffer=4096,
    ),
    "connect": Plan(_send(request()), "5.8", "504 keep-alive", setting="full-tcp"),
    "send": Plan(_send(post(b"x" * 1_000_000)), "5.9", "504 keep-alive", setting="deaf"),
    "read": Plan(_send(request(b"/reply/silence")), "5.10", "504 keep-alive"),
    "read-head-method": Plan(
        _send(request(b"/reply/silence", method=b"PUT")), "5.10", "504 keep-alive"
    ),
    "read-post": Plan(_send(post(target=b"/reply/silence")), "5.10 6.3", "504 keep-alive"),
    "read-close": Plan(
        _send(request(b"/reply/silence", b"Connection: close")), "5.10", "504 close"
    ),
    "read-head-drip": Plan(_send(request(b"/reply/drip-head")), "5.10", "504 keep-alive"),
    "read-body-stalls": Plan(
        _send(request(b"/reply/stall-length")), "5.10 4.23", "200 keep-alive cut"
    ),
    "read-body-stalls-free": Plan(
        _send(request(b"/reply/stall-free")), "5.10 4.24", "200 keep-alive cut"
    ),
    "read-body-stalls-streamed": Plan(
        _send(request(b"/reply/stall-length")),
        "5.10",
        "200 keep-alive cut",
        setting="quick-streamed",
    ),
    "read-body-drip": Plan(
        _send(request(b"/reply/drip-body")),
        "5.10",
        "200 keep-alive",
        at_least_s=5.0,
        setting="patient",
    ),
    "read-tcp": Plan(
        _send(request(b"/reply/silence")), "5.10", "504 keep-alive", setting="quick-tcp"
    ),
}


@pytest.fixture(scope="module")
def results(fleet: Fleet) -> Iterator[dict[tuple[str, str], Future[Result]]]:
    """All scenes, running."""
    fronts = {
        (which, plan.setting): fleet.front(which, plan.setting)
        for plan in PLANS.values()
        for which in ("nginx", "proxy")
    }

    def play(which: str, plan: Plan) -> Result:
        begun = time.monotonic()
        with Client(fronts[which, plan.setting].address, plan.receive_buffer) as client:
            told = plan.scene(client)
        return Result(told, time.monotonic() - begun)

    with ThreadPoolExecutor(2 * len(PLANS)) as pool:
        yield {
            (which, name): pool.submit(play, which, plan)
            for name, plan in PLANS.items()
            for which in ("nginx", "proxy")
        }


@pytest.mark.parametrize("which", ["nginx", "proxy"])
@pytest.mark.parametrize("name", list(PLANS))
def test_timeout(results: dict[tuple[str, str], Future[Result]], name: str, which: str) -> None:
    plan, result = PLANS[name], results[which, name].result(60)
    assert result.ends == plan.ends
    assert plan.at_least_s <= result.seconds <= plan.at_most_s

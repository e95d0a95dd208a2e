"""Single requests whose answer is known: does it arrive, and what does the client see if not?

Blocking sockets and few requests; nothing here is timed. An outcome is the word that the load
generator would use, and whether the body was the expected one.
"""

import socket
from dataclasses import dataclass

from proxy.lab.load.answer import Answer, BadReply
from proxy.lab.load.ask import Wanted
from proxy.lab.load.plan import class_of
from proxy.lab.stand.ports import HOST

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of request, and what should come back."""

    name: str
    wanted: Wanted
    expected: str = ""
    """The body; empty: any."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back."""

    outcome: str
    """A class of outcomes, or `wrong body`."""
    status: int = 0
    text: str = ""
    """The beginning of the body."""


def ask(port: int, probe: Probe, timeout_s: float = TIMEOUT_S) -> Seen:
    """Make one request on a connection of its own and say what came back."""
    wire = probe.wanted.encode(f"{HOST}:{port}", False)
    answer, got = Answer(probe.wanted.method == "HEAD"), b""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as sock:
            _send(sock, wire)
            while not answer.done:
                data = sock.recv(65536)
                if not data:
                    break
                got += data
                answer.feed(data)
    except ConnectionRefusedError:
        return Seen("refused")
    except TimeoutError:
        return Seen("timeout")
    except BadReply:
        return Seen("malformed", text=_start(got))
    except OSError:
        return Seen("truncated" if got else "reset")
    if not answer.done and not answer.ended():
        return Seen("truncated" if got else "empty", text=_start(got))
    assert answer.head is not None
    return _judge(probe, answer.head.status, got.partition(b"\r\n\r\n")[2])


def _send(sock: socket.socket, wire: bytes) -> None:
    """Send all that the server takes; it may have answered although it takes no more."""
    try:
        sock.sendall(wire)
    except TimeoutError:
        raise
    except OSError:
        pass


def _judge(probe: Probe, status: int, body: bytes) -> Seen:
    text = body[:80].decode(errors="replace")
    outcome = class_of(status)
    if outcome == "ok" and probe.expected and text != probe.expected:
        return Seen("wrong body", status, text)
    return Seen(outcome, status, text)


def _start(got: bytes) -> str:
    return got[:40].decode(errors="replace")


COOKIE_BYTES = 5000
PROBES = (
    Probe(
        "large-headers",
        Wanted("/.lab/headers", headers=(("Cookie", "c=" + "x" * (COOKIE_BYTES - 2)),)),
        str(COOKIE_BYTES),
    ),
    Probe(
        "chunked-upload",
        Wanted("/.lab/count", "POST", body="zeros:100000", chunked=True),
        "100000",
    ),
    Probe("unread-post", Wanted("/.lab/unread", "POST", body="zeros:4000000")),
    Probe("exception", Wanted("/.lab/raise")),
    Probe("crash", Wanted("/.lab/die")),
)

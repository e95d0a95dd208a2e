"""Ports: one that is free, and somebody who listens there."""

import contextlib
import http.client
import socket
import time

from proxy.lab.load.secure import trusting
from proxy.lab.processes import START_TIMEOUT_S, BenchError, Daemon

HOST = "127.0.0.1"
_STEP_S = 0.01


def free_port() -> int:
    """Return a port that the kernel had free just now, for programs that cannot listen on 0."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def wait_for_port(daemon: Daemon, port: int) -> None:
    """Wait until somebody listens there; stop the program if nobody comes to.

    Raises:
        BenchError: the program ended, or nobody listens in time.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while True:
            daemon.check()
            try:
                socket.create_connection((HOST, port), timeout=START_TIMEOUT_S).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise BenchError(f"{daemon.name}: nothing listens on its port") from None
                time.sleep(_STEP_S)
    except BaseException:
        daemon.stop()
        raise


def fetch(
    port: int, path: str, timeout_s: float = 30.0, certificate: str = ""
) -> tuple[int, bytes]:
    """GET a path on a connection of its own; return status and body.

    Args:
        certificate: with TLS, what to trust.

    Raises:
        OSError, http.client.HTTPException: there was no answer.
    """
    made = (
        http.client.HTTPSConnection(HOST, port, timeout=timeout_s, context=trusting(certificate))
        if certificate
        else http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    )
    with contextlib.closing(made) as asked:
        asked.request("GET", path, headers={"Connection": "close"})
        reply = asked.getresponse()
        return reply.status, reply.read()

"""Slow clients are slow, stay, and leave when they are told to."""

import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from proxy.lab.load.slow import SlowClient, SlowPlan, play


def serve(listener: socket.socket, reply: bytes, got: list[bytes]) -> None:
    with listener.accept()[0] as sock:
        sock.settimeout(30)
        while b"\r\n\r\n" not in b"".join(got):
            got.append(sock.recv(1000))
        if reply:
            sock.sendall(reply)
        try:
            while data := sock.recv(1000):
                got.append(data)
        except OSError:
            pass


Enough = Callable[[SlowClient], bool]


class Played(NamedTuple):
    """What one slow client came to."""

    said: list[dict[str, int]]
    got: bytes
    """By the server."""
    seconds: float


def run(
    monkeypatch: pytest.MonkeyPatch, plan: SlowPlan, enough: Enough, reply: bytes = b""
) -> Played:
    """Let one slow client talk to a server until it has had enough, and is told to leave."""
    got: list[bytes] = []
    step = SlowClient.step
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, reply, got))
        thread.start()
        said = io.StringIO()
        here, there = os.pipe()

        def step_and_look(client: SlowClient, allowed: int) -> None:
            step(client, allowed)
            if enough(client):
                os.write(there, b"\n")

        monkeypatch.setattr(SlowClient, "step", step_and_look)
        with os.fdopen(here) as orders, os.fdopen(there, "w"):
            play(
                SlowPlan.from_json(
                    json.dumps({**json.loads(plan.to_json()), "port": listener.getsockname()[1]})
                ),
                orders,
                said,
            )
        seconds = time.monotonic() - began
        thread.join(30)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    return Played(lines, b"".join(got), seconds)


def test_an_upload_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SlowPlan(0, clients=1, path="/up", bytes_per_s=20)
    said, got, seconds = run(monkeypatch, plan, lambda client: client.moved > 10)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /up HTTP/1.1\r\n")
    assert b"Content-Length: 100000" in head
    assert said[0] == {"connected": 1}
    assert said[1] == {"moved": len(body), "ended": 0}
    assert 10 < len(body) <= 20 * seconds + 1


def test_a_refused_upload_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 413 No\r\n\r\n"
    played = run(monkeypatch, SlowPlan(0, clients=1), lambda client: client.ended, refusal)
    assert played.said[1]["ended"] == 1


def test_a_download_goes_no_faster_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SlowPlan(0, clients=1, way="down", bytes_per_s=1000, body_bytes=10**6)
    said, got, seconds = run(monkeypatch, plan, lambda it: it.moved > 500, bytes(20_000))
    assert got.startswith(b"GET / HTTP/1.1\r\n")
    assert 500 < said[1]["moved"] <= 1000 * seconds + 1


def test_a_time_ends_them() -> None:
    here, there = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener, os.fdopen(here) as orders:
        said = io.StringIO()
        play(SlowPlan(listener.getsockname()[1], clients=1, seconds=0.1), orders, said)
    os.close(there)
    assert len(said.getvalue().splitlines()) == 2


def test_an_order_ends_them() -> None:
    here, there = os.pipe()
    os.write(there, b"\n")
    with socket.create_server(("127.0.0.1", 0)) as listener, os.fdopen(here) as orders:
        said = io.StringIO()
        play(SlowPlan(listener.getsockname()[1], clients=2, seconds=600.0), orders, said)
    os.close(there)
    assert json.loads(said.getvalue().splitlines()[0]) == {"connected": 2}

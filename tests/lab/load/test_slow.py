"""Slow clients are slow, stay, and leave when they are told to."""

import io
import json
import os
import socket
import threading

from proxy.lab.load.slow import SlowPlan, play


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


def run(plan: SlowPlan, reply: bytes = b"") -> tuple[list[dict[str, int]], bytes]:
    """Let one slow client talk to a server; return what it said, and what the server got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, reply, got))
        thread.start()
        said = io.StringIO()
        here, there = os.pipe()
        with os.fdopen(here) as orders, os.fdopen(there, "w"):
            play(
                SlowPlan.from_json(
                    json.dumps({**json.loads(plan.to_json()), "port": listener.getsockname()[1]})
                ),
                orders,
                said,
            )
        thread.join(30)
    return [json.loads(line) for line in said.getvalue().splitlines()], b"".join(got)


def test_an_upload_never_ends() -> None:
    plan = SlowPlan(0, clients=1, path="/up", bytes_per_s=20, seconds=1.5)
    said, got = run(plan)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /up HTTP/1.1\r\n")
    assert b"Content-Length: 100000" in head
    assert said[0] == {"connected": 1}
    assert said[1] == {"moved": len(body), "ended": 0}
    assert 1 <= len(body) <= 40


def test_a_refused_upload_has_ended() -> None:
    said, _ = run(SlowPlan(0, clients=1, seconds=1.5), b"HTTP/1.1 413 No\r\n\r\n")
    assert said[1]["ended"] == 1


def test_a_download_goes_no_faster_than_told() -> None:
    plan = SlowPlan(0, clients=1, way="down", bytes_per_s=1000, seconds=1.5, body_bytes=10**6)
    said, got = run(plan, bytes(20_000))
    assert got.startswith(b"GET / HTTP/1.1\r\n")
    assert 1 <= said[1]["moved"] <= 1600


def test_an_order_ends_them() -> None:
    here, there = os.pipe()
    os.write(there, b"\n")
    with socket.create_server(("127.0.0.1", 0)) as listener, os.fdopen(here) as orders:
        said = io.StringIO()
        play(SlowPlan(listener.getsockname()[1], clients=2, seconds=600.0), orders, said)
    os.close(there)
    assert json.loads(said.getvalue().splitlines()[0]) == {"connected": 2}

"""Servers whose behaviour is known exactly: by a script, by a function, or by arithmetic alone."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from heapq import heappop, heappush

import pytest

from proxy.lab.load import loops
from proxy.lab.load.ask import Ask
from proxy.lab.load.engine import Client, Finished

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RESET = b"(reset)"
"""In a script: what was read is answered with a reset."""

Script = list[list[bytes]]
"""For each connection in turn, what is answered to each request on it; empty bytes: close."""


@contextmanager
def scripted(script: Script) -> Iterator[int]:
    """Play a script on a port of its own; a connection ends with its last answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_play, args=(listener, script))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            thread.join(30)


def _play(listener: socket.socket, script: Script) -> None:
    for answers in script:
        with listener.accept()[0] as sock:
            sock.settimeout(30)
            for answer in answers:
                sock.recv(100_000)
                if answer.endswith(RESET):
                    sock.sendall(answer.removesuffix(RESET))
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sock.sendall(answer)


def _serve(sock: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    got = b""
    with sock, suppress(OSError):
        while data := sock.recv(65536):
            got += data
            while b"\r\n\r\n" in got:
                head, _, got = got.partition(b"\r\n\r\n")
                if not (said := answer(head)):
                    return
                sock.sendall(said)


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """Serve any number of connections, each request (head only) by a function; empty: close."""
    done = threading.Event()
    threads: list[threading.Thread] = []

    def accept(listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            if done.is_set():
                sock.close()
                return
            threads.append(threading.Thread(target=_serve, args=(sock, answer)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:  # more than any burst
        address = listener.getsockname()
        main = threading.Thread(target=accept, args=(listener,))
        main.start()
        try:
            yield int(address[1])
        finally:
            done.set()
            socket.create_connection(address).close()
            main.join(30)
            for each in threads:
                each.join(30)


class Clock:
    """Stands for the module `time` in `loops`; moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        """Return the time."""
        return self.now

    def process_time(self) -> float:
        """Return a CPU clock that runs at a tenth."""
        return self.now / 10


class Arithmetic:
    """Stands for the engine: one worker that serves in order, each request as long as it says.

    `service_s` gets the number of the request and returns its time; a stall is one long request.
    """

    def __init__(self, clock: Clock, service_s: Callable[[int], float]) -> None:
        self.clock, self.service_s = clock, service_s
        self.running = self.retried = self.bytes_in = 0
        self._ends: list[tuple[float, int, Client, Ask]] = []
        self._free_s = 0.0
        self._sent = 0
        self.log: list[tuple[str, float]] = []
        """What was asked: path, and the moment at which it was meant to be."""
        self.finished: Finished = lambda client, ask, outcome, now: None

    def __enter__(self) -> "Arithmetic":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> Client:
        """Return a client."""
        return Client()

    def settle(self, clients: list[Client]) -> None:
        """Everybody is connected."""

    def send(self, client: Client, ask: Ask) -> None:
        """Queue a request before the worker."""
        now = ask.sent_s = self.clock.now
        self.log.append((ask.wire.split()[1].decode(), ask.since_s))
        self._free_s = max(self._free_s, now) + self.service_s(self._sent)
        heappush(self._ends, (self._free_s, self._sent, client, ask))
        self._sent += 1
        self.running += 1

    def poll(self, timeout_s: float) -> None:
        """Let time pass until the next answer, or for `timeout_s`."""
        until_s = self.clock.now + timeout_s
        if not self._ends or self._ends[0][0] > until_s:
            self.clock.now = max(self.clock.now, until_s)
            return
        ended_s, _, client, ask = heappop(self._ends)
        self.clock.now = max(self.clock.now, ended_s)
        self.running -= 1
        self.finished(client, ask, 200, self.clock.now)


def arithmetic(
    monkeypatch: pytest.MonkeyPatch, service_s: Callable[[int], float]
) -> list[tuple[str, float]]:
    """Let loops run against arithmetic instead of sockets; return what will be asked, and when."""
    clock = Clock()
    log: list[tuple[str, float]] = []

    def made(address: object, timeout_s: float, finished: Finished, keep_alive: bool) -> Arithmetic:
        engine = Arithmetic(clock, service_s)
        engine.finished, engine.log = finished, log
        return engine

    monkeypatch.setattr(loops, "time", clock)
    monkeypatch.setattr(loops, "Engine", made)
    return log

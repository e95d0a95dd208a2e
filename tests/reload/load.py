"""A bounded closed loop of clients, and what became of each of their requests.

Each client keeps its connection and asks again when it has its answer, after a short pause. It runs
on a thread with an event loop of its own, so the test's thread is free for what shall happen
meanwhile. Nothing is asked twice: what a client got is what the front end made of one request.
"""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

from tests.servers import DEADLINE_S, wait_until

Method = Literal["GET", "POST"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

ANSWER_LIMIT_S = 18.0
"""For one answer. Longer than anybody may have to wait here."""
BODY = b"x" * 2000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request and what its client got."""

    ident: str
    method: Method
    began: float
    """Monotonic clock, in seconds, as `ended`."""
    ended: float
    status: int
    """0 if there was no whole response."""
    body: str
    """Of the response; without one, what happened."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def is_good(self) -> bool:
        """Whether the application has answered."""
        return self.status == 200

    @property
    def pid(self) -> int:
        """The process that has answered."""
        return int(self.body.split()[0])

    @property
    def instance(self) -> str:
        """The name of the instance that has answered."""
        return self.body.split()[1]


class Load:
    """Clients that ask until the end of a `with` block, or until `finish`."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clients: int = 24,
        post_every: int = 2,
        sleep_s: float = 0.02,
        pause_s: float = 0.01,
    ) -> None:
        """Every `post_every`-th request is a POST with a body; 0 for GET only.

        `sleep_s` is the application's time for each, `pause_s` a client's between two.
        """
        self.clients = clients
        self.outcomes: list[Outcome] = []
        """In the order of their ends; grows while the load runs."""
        self._target = host, port
        self._post_every = post_every
        self._sleep_s = sleep_s
        self._pause_s = pause_s
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> list[Outcome]:
        """Let each client get its last answer, and return all outcomes."""
        self._stopping.set()
        self._thread.join(ANSWER_LIMIT_S + DEADLINE_S)
        assert not self._thread.is_alive()
        assert self._failure is None, repr(self._failure)
        return self.outcomes

    def go_on(self, seconds: float) -> None:
        """Let it run for so long."""
        self._thread.join(seconds)
        assert self._thread.is_alive(), repr(self._failure)

    def wait_good(
        self,
        count: int = 1,
        which: Callable[[Outcome], bool] = lambda _: True,
        timeout_s: float = DEADLINE_S,
    ) -> None:
        """Wait until the application has answered so many more requests, of those that count."""
        seen = len(self.outcomes)

        def answered() -> bool:
            assert self._thread.is_alive(), repr(self._failure)
            new = self.outcomes[seen:]
            return sum(one.is_good and which(one) for one in new) >= count

        wait_until(answered, f"{count} good answers", timeout_s)

    def _run(self) -> None:
        try:
            asyncio.run(self._ask_all())
        except BaseException as error:
            self._failure = error

    async def _ask_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.clients):
                group.create_task(self._client())

    async def _client(self) -> None:
        streams: Streams | None = None
        try:
            while not self._stopping.is_set():
                streams = await self._ask(streams)
                await asyncio.sleep(self._pause_s)
        finally:
            await _close(streams)

    async def _ask(self, streams: Streams | None) -> Streams | None:
        """Ask once; return the connection, if it can be used again."""
        number = next(self._numbers)
        posts = self._post_every and number % self._post_every == 0
        method: Method = "POST" if posts else "GET"
        ident = f"{method}{number}"
        began = time.monotonic()
        status, text, keeps = 0, "", False
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                if streams is None:
                    streams = await asyncio.open_connection(*self._target)
                streams[1].write(_request(ident, method, self._sleep_s))
                status, text, keeps = await _response(streams[0])
        except (OSError, EOFError, TimeoutError) as error:
            text = repr(error)
        self.outcomes.append(Outcome(ident, method, began, time.monotonic(), status, text))
        if keeps:
            return streams
        await _close(streams)
        return None


def _request(ident: str, method: Method, sleep_s: float) -> bytes:
    body = BODY if method == "POST" else b""
    head = f"{method} /?id={ident}&sleep={sleep_s} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def _response(reader: asyncio.StreamReader) -> tuple[int, str, bool]:
    """Return status, body, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    body = await reader.readexactly(length)
    return int(head[9:12]), body.decode(), "\r\nconnection: close\r\n" not in head


async def _close(streams: Streams | None) -> None:
    if streams is None:
        return
    streams[1].close()
    with contextlib.suppress(OSError):
        await streams[1].wait_closed()

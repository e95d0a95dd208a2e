"""What a worker process does: it is a server, and obeys its supervisor.

From the supervisor:  {"question": ID, "value": ...}  to be answered (`proxy.control.members`)
                      {"drain": DELAYED}              finish what runs, and end; after the drain
                                                      delay, or at once
                      {"reopen": true}                its log files
To the supervisor:    {"serving": true}               from now on
                      {"failed": "why"}               it cannot start, and ends
                      {"answer": ID, "value": ...}
                      {"numbers": ...}                its metrics, now and then: what it has counted
                                                      is not lost when it dies
                      {"cut": COUNT}                  it has drained; so many exchanges were cut

The end of the channel means that the supervisor has gone: then the worker drains and ends, too. On
SIGTERM it does so alone; the supervisor starts another.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from dataclasses import dataclass, replace
from typing import Any

from proxy.exits import Exit, StartError
from proxy.fleet.channel import Channel, Message, connect
from proxy.loops import LoopErrors, loop_factory
from proxy.server import Seat, Server
from proxy.settings import Settings
from proxy.share import Share
from proxy.telemetry.exposition import to_plain
from proxy.telemetry.log_handler import flush_log, reopen_log
from proxy.upstream.discovery.feeds import ParseBackend

NUMBERS_S = 5.0
"""Between two reports of what has been counted: as much may be lost when a worker is killed. One
takes some milliseconds, in which nobody is served."""

GOODBYE_S = 2.0
"""For the supervisor to take the last messages."""

log = logging.getLogger("proxy")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is born with."""

    settings: Settings
    seat: Seat
    link: socket.socket
    """Its end of the channel."""
    parse_backend: ParseBackend | None = None

    @property
    def name(self) -> str:
        """As logs call it."""
        return name_of(self.seat.share.number)


def name_of(number: int) -> str:
    """Return what people call a worker; they count from 1."""
    return f"worker {number + 1}"


def work(orders: Orders) -> int:
    """Be a worker; return the exit code."""
    _sign_log(orders.name)
    _name_process(f"frontend w{orders.seat.share.number + 1}")
    settings = orders.settings
    with asyncio.Runner(loop_factory=loop_factory(settings.server.loop)) as runner:
        return runner.run(Worker(orders).run())


def part_of(settings: Settings, share: Share) -> Settings:
    """Return the settings of one worker: limits of the whole become those of its part.

    The limits of backends are not among them: backends come and go, see `Share`.
    """
    upstream = settings.upstream
    queue = replace(upstream.queue, max_waiting=share.part(upstream.queue.max_waiting))
    retry = replace(upstream.retry, budget_min=share.part(upstream.retry.budget_min))
    return replace(settings, upstream=replace(upstream, queue=queue, retry=retry))


class Worker:
    """See the module."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._delayed = False
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._terminated = False
        self._early: list[Message] | None = []
        """Questions that have come before there is a server; None once there is."""
        settings = part_of(orders.settings, orders.seat.share)
        self._server = Server(settings, parse_backend=orders.parse_backend, seat=orders.seat)
        self._channel: Channel
        self._loop: asyncio.AbstractEventLoop

    async def run(self) -> int:
        """Serve until told otherwise; return the exit code."""
        self._loop = loop = asyncio.get_running_loop()
        self._channel = await connect(self._orders.link, self._on_message, self._on_end)
        loop.add_signal_handler(signal.SIGTERM, self._on_term)
        try:
            await self._server.start()
        except StartError as error:
            self._channel.send({"failed": str(error)})
            await self._say_goodbye()
            return Exit.CANNOT_START
        loop.set_exception_handler(LoopErrors())
        early, self._early = self._early or [], None
        for question in early:  # what was changed before: it counts from the first request on
            self._reply(question)
        self._channel.send({"serving": True})
        gc.collect()
        gc.freeze()
        self._report()
        await self._stopping.wait()
        server = self._server
        timeout_s = self._orders.settings.server.shutdown_timeout_s
        cut = await (server.drain() if self._delayed else server.stop(timeout_s))
        self._channel.send({"numbers": self._numbers()})
        self._channel.send({"cut": cut})
        await self._say_goodbye()
        return Exit.CUT if cut else Exit.STOPPED

    # -- the supervisor -------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        if "question" in message:
            self._reply(message)
        elif "drain" in message:
            self._delayed = message["drain"]
            self._stopping.set()
        elif "reopen" in message:
            self._server.reopen_files()
            reopen_log()

    def _reply(self, message: Message) -> None:
        if self._early is not None:
            self._early.append(message)
            return
        answer = self._answer(message["value"])
        self._channel.send({"answer": message["question"], "value": answer})

    def _on_end(self) -> None:
        self._gone.set()
        if not self._stopping.is_set():
            log.error("the supervisor has gone: draining")
            self._stopping.set()

    def _on_term(self) -> None:
        """Somebody wants this worker to end, not the whole."""
        if self._terminated:
            flush_log()
            os._exit(128 + signal.SIGTERM)
        self._terminated = True
        log.info("SIGTERM: draining")
        self._stopping.set()

    async def _say_goodbye(self) -> None:
        """Have the last messages taken."""
        self._stopping.set()
        self._channel.close()
        timer = self._loop.call_later(GOODBYE_S, self._gone.set)
        await self._gone.wait()
        timer.cancel()

    # -- what it tells --------------------------------------------------------------------------

    def _answer(self, question: Any) -> Any:
        answers = self._server.answers
        return self._numbers() if answers is None else answers.answer(question)

    def _numbers(self) -> Any:
        return to_plain(self._server.metrics.families())

    def _report(self) -> None:
        if not self._stopping.is_set():
            self._channel.send({"numbers": self._numbers()})
            self._loop.call_later(NUMBERS_S, self._report)


def _name_process(name: str) -> None:
    """Have `top` and `ps -o comm` tell the workers apart (Linux only)."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def _sign_log(name: str) -> None:
    """Have every line of the log say which worker wrote it."""
    make = logging.getLogRecordFactory()

    def make_signed(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.name = f"{record.name} {name}"
        return record

    logging.setLogRecordFactory(make_signed)

"""A front end in a thread with an event loop of its own, for code that has none, or another one."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self, TypeVar

from proxy.loops import LoopFactory, loop_factory
from proxy.settings import Address

if TYPE_CHECKING:
    from proxy.embedding.frontend import Frontend
    from proxy.telemetry.reading import Reading

GRACE_S = 15.0
"""Beyond what a stop may take by its own limits, before it is reported that it does not end."""

SETTLING_TURNS = 25
"""How often `metrics` looks whether the requests that run are over; it does not wait for more."""
SETTLING_S = 0.01
"""Between two looks."""

T = TypeVar("T")


class FrontendThread:
    """See `Frontend.in_thread`. What it is can be asked only while it runs."""

    def __init__(self, frontend: "Frontend") -> None:
        self.frontend = frontend
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._cut = 0
        self._timeout_s: float | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:8080`, or `unix:/path`."""
        return self.frontend.url

    @property
    def urls(self) -> list[str]:
        """The same for each address."""
        return self.frontend.urls

    @property
    def address(self) -> Address:
        """The first of them as a value."""
        return self.frontend.address

    @property
    def port(self) -> int:
        """The port of the first; 0 for a unix socket."""
        return self.frontend.port

    @property
    def admin_url(self) -> str:
        """Where /metrics is; empty without the option `admin`."""
        return self.frontend.admin_url

    def metrics(self) -> "Reading":
        """Return all metrics as `Frontend.metrics` does.

        A client may have its response a moment before the exchange is over, and counted: while
        requests run, this waits for their end, for a quarter of a second or a little longer.
        """
        if threading.current_thread() is self._thread:
            return self.frontend.metrics()
        for _ in range(SETTLING_TURNS):
            if not self._in_loop(lambda: self.frontend.server.in_flight):
                break
            time.sleep(SETTLING_S)
        return self._in_loop(self.frontend.metrics)

    def metric(self, name: str, /, **labels: object) -> float:
        """Return one number of /metrics as `Frontend.metric` does."""
        return self.metrics()(name, **labels)

    def start(self) -> None:
        """Start, and return when requests are answered.

        Raises:
            Exception: whatever kept it from starting, as `Frontend.start` raises it.
            RuntimeError: it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the front end runs already; make another one")
        factory = loop_factory(self.frontend.settings.server.loop)
        self._error = None
        self._started.clear()
        self._thread = threading.Thread(
            target=self._run, args=(factory,), name="frontend", daemon=True
        )
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:  # a Ctrl-C meanwhile
            self.stop(0)
            raise
        self._tell_error()

    def stop(self, timeout_s: float | None = None) -> int:
        """Stop as `Frontend.stop` does. Does nothing when it does not run.

        In its own thread (a sink) it can only begin: it returns 0 at once, and who calls it from
        another one waits for the end.

        Raises:
            RuntimeError: the thread does not end; something blocks its event loop.
        """
        thread = self._thread
        if thread is None:
            return 0
        limit_s = self.frontend.settings.server.shutdown_timeout_s
        self._timeout_s = timeout_s
        self._started.wait(GRACE_S)
        try:
            self._loop.call_soon_threadsafe(self._stopping.set)
        except (AttributeError, RuntimeError):
            pass  # it has not come as far as that, or is over
        if thread is threading.current_thread():
            return 0
        self._join((limit_s if timeout_s is None else timeout_s) + GRACE_S)
        self._tell_error()
        return self._cut

    def _in_loop(self, function: Callable[[], T]) -> T:
        """Call it in the thread, and return what it returns."""
        self.frontend.server  # noqa: B018 (raises when it does not run)
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(GRACE_S)

    def _tell_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            self._join(GRACE_S)
            raise error

    def _join(self, timeout_s: float) -> None:
        thread = self._thread
        if thread is None:
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise RuntimeError(
                f"the front end's thread did not end in {timeout_s:g} s: something blocks its "
                "event loop (a sink that waits?)"
            )
        self._thread = None

    def _run(self, factory: LoopFactory) -> None:
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self.frontend.start()
        self._started.set()
        await self._stopping.wait()
        self._cut = await self.frontend.stop(self._timeout_s)

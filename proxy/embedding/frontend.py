"""`Frontend`: one front end in the running event loop, started and stopped as often as one likes.

async with Frontend(upstream="unix:/run/app.sock") as frontend:
    ...  # requests to frontend.url

with Frontend(app=my_wsgi_callable).in_thread() as frontend:
    ...  # the same, without an event loop
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from proxy.config.check_backend import parse_line
from proxy.embedding.keywords import settings_of
from proxy.embedding.thread import FrontendThread
from proxy.record import Sink
from proxy.server import Server
from proxy.settings import Address, BackendSettings, Settings
from proxy.worker.builtin import OnFailure
from proxy.worker.host import CallableJob, Host, Job, ProcessJob, check_callable
from proxy.worker.wsgi import Application

if TYPE_CHECKING:
    from proxy.telemetry.reading import Reading

APP_STOP_S = 5.0
"""For requests that the application still works on when the front end has stopped."""

APP_CUT_S = 1.0
"""The same when running exchanges were cut: what it still works on is for nobody."""

_PLACEHOLDER = "application:application"


class Frontend:
    """A front end that belongs to the program around it. See the module."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        app: str | Application | None = None,
        python_path: str = "",
        sinks: Iterable[Sink] = (),
        on_app_failure: OnFailure | None = None,
        **options: Any,
    ) -> None:
        """Prepare; nothing is bound or started yet.

        Args:
            settings: a whole tree, taken as it is; without one, the command line's defaults with
                those of `proxy.embedding.keywords.DEFAULTS`.
            app: an application to run: a WSGI callable, in threads of this process; or
                `package.module:callable`, in worker processes of its own.
            python_path: where the package of an `app` is looked for; the working directory.
            sinks: called with the `Record` of each finished exchange, in the event loop.
            on_app_failure: called in a thread of an `app` that is a callable, when it raises.
            options: those of the command line, in snake_case.

        Raises:
            TypeError: an option does not exist, or `app` is no application.
            ValueError: settings are wrong; one line for each.
        """
        self._callable: Application | None = None
        if app is not None and not isinstance(app, str):
            check_callable(app)
            self._callable, app = app, _PLACEHOLDER
            if options.get("processes", 1) != 1:
                raise ValueError(
                    f"processes={options['processes']}: a callable runs in threads of this "
                    "process; for more, give app='package.module:callable'"
                )
        self.settings = settings_of(settings, {**options, "app": app})
        self._python_path = python_path
        self._sinks = tuple(sinks)
        self._on_app_failure = on_app_failure
        self._host: Host | None = None
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def in_thread(self) -> FrontendThread:
        """Return the same for code without an event loop: it gets a thread with one of its own."""
        return FrontendThread(self)

    # -- what it is -----------------------------------------------------------------------------

    @property
    def server(self) -> Server:
        """The engine.

        Raises:
            RuntimeError: it does not run.
        """
        if self._server is None:
            raise RuntimeError("the front end is not running: start it first")
        return self._server

    @property
    def urls(self) -> list[str]:
        """Where it listens: `http://127.0.0.1:8080`, or `unix:/path`."""
        return [listener.url for listener in self.server.listeners]

    @property
    def url(self) -> str:
        """The first of them."""
        return self.urls[0]

    @property
    def address(self) -> Address:
        """The same as a value."""
        return self.server.listeners[0].address

    @property
    def port(self) -> int:
        """The port of the first; 0 for a unix socket."""
        return self.address.port

    @property
    def admin_url(self) -> str:
        """Where /metrics is; empty without the option `admin`."""
        return self.server.admin.url if self.server.admin is not None else ""

    def metrics(self) -> "Reading":
        """Return all metrics as they are now, whether or not there is an `admin` address.

        What it returns is called with a name and labels, as `metric` is.
        """
        return self.server.metrics.reading()

    def metric(self, name: str, /, **labels: object) -> float:
        """Return one number of /metrics: the sum over all series that have these labels.

        Raises:
            LookupError: no metric has that name, or not those labels, or there is no such reason.
        """
        return self.metrics()(name, **labels)

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the application, bind and serve; return when requests are answered.

        Raises:
            StartError: an address cannot be used.
            WorkerError: the application cannot be loaded; its traceback is in the notes.
            RuntimeError: it runs already.
        """
        if self._server is not None or self._host is not None:
            raise RuntimeError("the front end runs already; make another one")
        try:
            settings = await self._start_application()
            server = Server(settings, self._sinks, parse_line)
            await server.start()
        except BaseException:
            await self._stop_application(APP_CUT_S)
            raise
        self._server = server

    async def stop(self, timeout_s: float | None = None) -> int:
        """Drain, for `timeout_s` or the option `shutdown_timeout` at most, and end everything.

        Returns how many running exchanges had to be cut. Does nothing when it does not run.
        """
        server, self._server = self._server, None
        if server is None:
            return 0
        limit_s = self.settings.server.shutdown_timeout_s if timeout_s is None else timeout_s
        cut = 1  # unless it turns out otherwise
        try:
            cut = await server.stop(limit_s)
        except asyncio.CancelledError:
            await server.stop(0)
            raise
        finally:
            await self._stop_application(APP_CUT_S if cut else APP_STOP_S)
        return cut

    async def _start_application(self) -> Settings:
        settings, job = self.settings, self._make_job()
        if job is None:
            return settings
        self._host = Host(job)
        self._host.start()
        address = await asyncio.wrap_future(self._host.ready)
        room = settings.worker.processes * settings.worker.threads
        backends = (BackendSettings(address, max_conns=room),)
        return replace(settings, upstream=replace(settings.upstream, backends=backends))

    def _make_job(self) -> Job | None:
        worker = self.settings.worker
        if self._callable is not None:
            return CallableJob(self._callable, worker.threads, self._on_app_failure)
        return ProcessJob(worker, self._python_path) if worker.app else None

    async def _stop_application(self, timeout_s: float) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.stop(timeout_s)
            await asyncio.wrap_future(host.ended)
            host.join()

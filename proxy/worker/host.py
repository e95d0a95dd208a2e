"""An application beside an embedded front end: a thread that starts it, keeps it and ends it.

Starting takes time (which uWSGI works here? does the application import?) and so does ending, and
an event loop must not wait for either; and a worker process dies with the thread that has started
it. So there is one thread for each application. What is asked of it are two futures: `ready` and
`ended`.
"""

import shutil
import sys
import threading
import traceback
from concurrent.futures import Future
from inspect import iscoroutinefunction
from logging import getLogger
from typing import Any, Protocol

from proxy.settings import Address, WorkerSettings
from proxy.worker.builtin import OnFailure, Server, listen
from proxy.worker.command import Kind
from proxy.worker.supervise import Worker, private_directory, start
from proxy.worker.target import WorkerError
from proxy.worker.wsgi import Application

log = getLogger(__name__)

READY_S = 60.0
"""For an application to load."""


class Job(Protocol):
    """How one kind of application is run. All its methods are called by one thread."""

    def start(self, stopping: threading.Event) -> Address:
        """Return where it listens, as soon as it would answer.

        Raises:
            WorkerError: it cannot be started.
        """

    def finish(self, timeout_s: float) -> None:
        """End it, with what it works on if that takes longer. Also after a `start` that failed."""


class Host:
    """A thread with its application."""

    def __init__(self, job: Job) -> None:
        self.ready: Future[Address] = Future()
        """Where it listens, or why it does not."""
        self.ended: Future[None] = Future()
        """Nothing is left of it, but for requests that would not end."""
        for future in (self.ready, self.ended):
            future.set_running_or_notify_cancel()  # who waits may give up; the answer comes anyway
        self._job = job
        self._stopping = threading.Event()
        self._timeout_s = 0.0
        self._thread = threading.Thread(target=self._run, name="frontend-app", daemon=True)

    def start(self) -> None:
        """Begin; `ready` tells how it went."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Begin to end, with that much time for running requests. May be called again."""
        self._timeout_s = timeout_s
        self._stopping.set()

    def join(self) -> None:
        """Let the thread itself end, after `ended`."""
        self._thread.join()

    def _run(self) -> None:
        try:
            address = self._job.start(self._stopping)
        except BaseException as error:
            self._finish()
            self.ready.set_exception(error)
        else:
            self.ready.set_result(address)
            self._stopping.wait()
            self._finish()
        self.ended.set_result(None)

    def _finish(self) -> None:
        try:
            self._job.finish(self._timeout_s)
        except Exception:
            log.exception("internal_error: an application could not be ended")


class CallableJob:
    """A WSGI callable in threads of this process, by the built-in worker."""

    def __init__(
        self, application: Application, threads: int, on_failure: OnFailure | None = None
    ) -> None:
        check_callable(application)
        self._application = application
        self._threads = threads
        self._on_failure = on_failure
        self._directory = ""
        self._server: Server | None = None

    def start(self, stopping: threading.Event) -> Address:
        self._directory = private_directory()
        path = f"{self._directory}/app.sock"
        self._listener = listen(path)
        self._server = Server(self._listener, self._application, self._threads, self._on_failure)
        self._server.start()
        return Address(path=path)

    def finish(self, timeout_s: float) -> None:
        if self._server is not None:
            self._server.stop()
            for thread in self._server.join(timeout_s):
                log.warning("%s", _describe_stuck(thread))
            self._listener.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


class ProcessJob:
    """`package.module:callable` in processes of its own, as `--app` runs it."""

    def __init__(
        self,
        settings: WorkerSettings,
        python_path: str = "",
        kind: Kind = "auto",
        http: bool = False,
    ) -> None:
        """See `proxy.worker.supervise.start`."""
        self._settings = settings
        self._python_path = python_path
        self._kind = kind
        self._http = http
        self.worker: Worker | None = None

    def start(self, stopping: threading.Event) -> Address:
        worker = self.worker = start(
            self._settings, python_path=self._python_path, kind=self._kind, http=self._http
        )
        if not worker.wait_ready(READY_S, stopping):
            raise self._why_not(worker, stopping)
        return worker.address

    def _why_not(self, worker: Worker, stopping: threading.Event) -> WorkerError:
        if worker.poll() is None:
            late = f"{self._settings.app} is not ready after {READY_S:g} s"
            return WorkerError("stopped while it started" if stopping.is_set() else late)
        error = WorkerError(worker.failure(), worker.traceback())
        if error.traceback:
            error.add_note(error.traceback.rstrip())
        return error

    def finish(self, timeout_s: float) -> None:
        if self.worker is not None:
            self.worker.stop(timeout_s)


def check_callable(application: Any) -> None:
    """Find out early what would fail with every request.

    Raises:
        TypeError: it is no WSGI application, as far as can be seen.
    """
    if not callable(application):
        raise TypeError(f"app is no WSGI callable but {application!r}")
    # An object is called by its type's __call__; functions have one, too, that says nothing.
    by_type = vars(type(application)).get("__call__")
    if iscoroutinefunction(application) or iscoroutinefunction(by_type):
        name = getattr(application, "__name__", type(application).__name__)
        raise TypeError(f"app is an ASGI application ({name} is async), and uwsgi carries WSGI")


def _describe_stuck(thread: threading.Thread) -> str:
    """Say where in the application a thread is that does not end."""
    frame = sys._current_frames().get(thread.ident or 0)
    where = "".join(traceback.format_stack(frame)[-3:]) if frame is not None else ""
    return f"a request of the application does not end; its thread is left behind:\n{where}"

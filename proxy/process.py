"""The process around a server: event loop, signals, the embedded worker, exit codes."""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from dataclasses import replace
from types import TracebackType

from proxy import worker
from proxy.early import ENDING, Deliver, kept_signals
from proxy.exits import Exit, StartError
from proxy.fleet.supervisor import Embedded, Supervisor
from proxy.loops import LoopErrors, loop_factory
from proxy.server import Server
from proxy.settings import Address, BackendSettings, LogSettings, Settings, UpstreamSettings
from proxy.telemetry.destination import open_destination
from proxy.telemetry.log_handler import LogHandler, flush_log, reopen_log
from proxy.upstream.discovery.feeds import ParseBackend

log = logging.getLogger("proxy")

WORKER_STOP_S = 10.0
"""How long the embedded worker may take to end, before it is killed."""

WORKER_CUT_S = 1.0
"""The same when running exchanges were cut: what it still works on is for nobody."""

WORKER_CHECK_S = 0.5
"""How often the embedded worker is looked at."""

_STDERR = 2


def run(settings: Settings, parse_backend: ParseBackend | None = None) -> int:
    """Serve until a signal says otherwise; return the exit code (`proxy.exits`).

    `parse_backend` reads a line of --backends-file; see `proxy.server.Server`.
    """
    _open_standard_streams()
    with kept_signals() as deliver:
        return _run(settings, parse_backend, deliver)


def _run(settings: Settings, parse_backend: ParseBackend | None, deliver: Deliver) -> int:
    embedded: worker.Worker | None = None
    try:
        _set_up_log(settings.log)
        if settings.worker.app:
            embedded = worker.start(settings.worker)
            log.info("running %s on %s", settings.worker.app, embedded.description)
            settings = replace(settings, upstream=_serve_only(settings, embedded.address))
        # Not before the worker is started: uWSGI sizes tables by the limit that it inherits.
        _raise_descriptor_limit()
        if settings.server.workers > 1:
            return Supervisor(settings, parse_backend, _embedded(embedded), deliver).run()
        with asyncio.Runner(loop_factory=loop_factory(settings.server.loop)) as runner:
            return runner.run(_serve(settings, embedded, parse_backend, deliver))
    except (StartError, worker.WorkerError) as error:
        flush_log()
        print(f"uwsgi-frontend: error: {error}", file=sys.stderr)
        return Exit.CANNOT_START
    finally:
        if embedded is not None:
            embedded.stop(WORKER_STOP_S)
        flush_log()


def _embedded(embedded: worker.Worker | None) -> Embedded | None:
    if embedded is None:
        return None
    return Embedded(
        embedded.failure,
        lambda cut: embedded.stop(WORKER_CUT_S if cut else WORKER_STOP_S),
        embedded.kill,
    )


def _serve_only(settings: Settings, address: Address) -> UpstreamSettings:
    """Return the upstream that is the embedded worker, with as many requests as it has threads."""
    threads = settings.worker.processes * settings.worker.threads
    return replace(settings.upstream, backends=(BackendSettings(address, max_conns=threads),))


async def _serve(
    settings: Settings,
    embedded: worker.Worker | None,
    parse_backend: ParseBackend | None,
    deliver: Deliver,
) -> int:
    server = Server(settings, parse_backend=parse_backend)
    await server.start()
    stopping = asyncio.Event()
    _handle_signals(stopping, embedded)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _reopen_files, server)
    asyncio.get_running_loop().set_exception_handler(LoopErrors())
    _announce(server)  # from here on a signal is expected to drain
    deliver()
    # Everything that lives as long as the process exists by now: the collector may skip it.
    gc.collect()
    gc.freeze()
    if embedded is not None:
        _watch_worker(embedded, stopping)
    await stopping.wait()
    failed = embedded is not None and bool(embedded.failure())
    # Without its worker there is nothing to go on with.
    cut = await (server.stop(settings.server.shutdown_timeout_s) if failed else server.drain())
    if embedded is not None:
        # On another thread, so that a second signal is still heard.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, embedded.stop, WORKER_CUT_S if cut else WORKER_STOP_S)
    if cut:
        log.warning("--shutdown-timeout has passed: %d running exchanges were cut", cut)
        return Exit.CUT
    return Exit.CANNOT_START if failed else Exit.STOPPED


def _watch_worker(embedded: worker.Worker, stopping: asyncio.Event) -> None:
    """Stop when the embedded worker has died: nothing works without it."""
    if stopping.is_set():
        return  # it is meant to end
    if failure := embedded.failure():
        log.error("the embedded worker is gone: %s", failure)
        stopping.set()
    else:
        loop = asyncio.get_running_loop()
        loop.call_later(WORKER_CHECK_S, _watch_worker, embedded, stopping)


def _handle_signals(stopping: asyncio.Event, embedded: worker.Worker | None) -> None:
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            # At once means at once: no clean-up that could hang. The kernel closes everything.
            if embedded is not None:
                embedded.kill()
            logging.shutdown()
            sys.stderr.flush()
            os._exit(128 + number)
        log.info("%s: draining", signal.Signals(number).name)
        stopping.set()

    for number in ENDING:
        loop.add_signal_handler(number, on_signal, number)


def _announce(server: Server) -> None:
    """Say where we listen: with port 0 there is no other way to know."""
    flush_log()
    for listener in server.listeners:
        print(f"listening on {listener.url}", file=sys.stderr, flush=True)
    if server.admin is not None:
        print(f"admin on {server.admin.url}", file=sys.stderr, flush=True)


def _open_standard_streams() -> None:
    """Let streams that were closed when we started lead to nowhere.

    Otherwise the first sockets would get their numbers: log lines would go to clients, and libuv
    aborts the process when such a number is closed.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(fd)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # it stays open as long as the process lives
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _set_up_log(log: LogSettings) -> None:
    place = log.error_log
    try:
        handler = LogHandler(open_destination(place, sys.stderr))
    except OSError as error:
        raise StartError(f"cannot write --error-log {place}: {error.strerror}") from error
    logging.basicConfig(handlers=[handler], level=log.level.upper())
    if place != "-":
        sys.excepthook = _tell_crash


def _tell_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Let a bug that ends the process be seen in both places."""
    log.critical("internal_error: this is a bug, please report it", exc_info=(kind, error, trace))
    sys.__excepthook__(kind, error, trace)


def _reopen_files(server: Server) -> None:
    """Files have been moved away by logrotate, or certificates are new: go on in new ones."""
    log.info("SIGUSR1: opening the log files again")
    server.reopen_files()
    reopen_log()


def _raise_descriptor_limit() -> None:
    """Take as many descriptors as we may: a connection is one, an exchange another."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

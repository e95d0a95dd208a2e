"""The supervisor of the workers: binds, forks, watches, forks again, passes signals on.

    bind ──► fork all ──► all serve: announce ──► watch ──signal──► drain all ──► exit code
                │                                  │  ▲
                └─ one cannot start: end           └──┘ one ends: start another

It runs an event loop of its own, always asyncio's: there is little to do, and to fork it stops for
a moment (`proxy.fleet.fork`). It serves nobody but the admin listener, so it has no reason to die.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from proxy.control.admin import publish_nowhere
from proxy.control.limits import ADMIN_CLIENT, MAX_CONNECTIONS
from proxy.control.show import show_settings
from proxy.control.site import Site
from proxy.early import ENDING, Deliver
from proxy.exits import Exit, StartError
from proxy.fleet.announcements import Announcements
from proxy.fleet.channel import Message, connect
from proxy.fleet.fork import describe_end, fork
from proxy.fleet.member import Member, Stage
from proxy.fleet.panel import Panel
from proxy.fleet.restarts import Ended, GiveUp, Restart, Restarts, Serving
from proxy.fleet.worker import Orders, name_of, work
from proxy.listener import Listener, SharedSocket, SocketFile, bound_address, url_of
from proxy.reception import Reception, open_listener, open_public
from proxy.server import Seat, read_certificates, render_metrics
from proxy.settings import Settings
from proxy.share import Share
from proxy.telemetry.log_handler import flush_log, reopen_log, rest_log
from proxy.tls.certificates import Certificates
from proxy.upstream.discovery.feeds import ParseBackend

STOP_GRACE_S = 5.0
"""Beyond --shutdown-timeout, for a worker to end; then it is killed."""

EMBEDDED_CHECK_S = 0.5
"""How often the embedded application is looked at."""


log = logging.getLogger("proxy")


@dataclass(frozen=True, slots=True)
class Embedded:
    """What there is to do with the application server of --app (`proxy.worker`)."""

    failure: Callable[[], str]
    """Says why it died; empty while it lives."""
    stop: Callable[[bool], None]
    """Ends it, which may take a while; true for at once, since its requests have been cut."""
    kill: Callable[[], None]
    """Ends it without waiting for anything."""


class Supervisor:
    """See the module. `run` is called once."""

    def __init__(
        self,
        settings: Settings,
        parse_backend: ParseBackend | None = None,
        embedded: Embedded | None = None,
        deliver: Deliver | None = None,
    ) -> None:
        """Prepare; `deliver` sends signals again that have come too early."""
        self._settings = settings
        self._parse_backend = parse_backend
        self._embedded = embedded
        self._deliver = deliver
        self._loop = asyncio.SelectorEventLoop()
        self._panel = Panel(settings.server.workers, self._loop.call_later, show_settings(settings))
        self._restarts = Restarts()
        self._certificates: Certificates | None = None
        self._sockets: list[SharedSocket] = []
        self._files: list[SocketFile] = []
        self._admin_socket: socket.socket | None = None
        self._admin: Listener | None = None
        self._announcements: Announcements | None = None
        self._reception: Reception
        self._due: list[int] = []
        """The workers to be started as soon as the loop stands still."""
        self._urls: list[str] = []
        self._announced = False
        self._draining = False
        self._cut = 0
        self._lost = 0
        """Workers that ended in the middle of draining."""
        self._failure: str | None = None
        """Why it ends although nobody has asked for it."""
        self._finished = False
        self._is_busy = True
        """Whether the loop stands still, or runs for one thing only: nobody must stop it then."""

    def run(self) -> int:
        """Serve until a signal says otherwise; return the exit code.

        Raises:
            StartError: an address cannot be used, or the workers cannot start.
        """
        try:
            self._bind()
            self._watch_signals()
            self._watch_embedded()
            self._due += range(self._settings.server.workers)
            while not self._finished:
                while self._due:
                    self._start(self._due.pop(0))
                self._is_busy = False
                if not self._finished:
                    self._loop.run_forever()
                self._is_busy = True
        finally:
            self._close()
        return self._exit_code()

    def _exit_code(self) -> int:
        if self._failure is not None:
            if not self._announced:
                raise StartError(self._failure)
            log.error("%s", self._failure)
            return Exit.CANNOT_START
        if self._cut:
            log.warning("--shutdown-timeout has passed: %d running exchanges were cut", self._cut)
        return Exit.CUT if self._has_cut else Exit.STOPPED

    @property
    def _has_cut(self) -> bool:
        return bool(self._cut or self._lost)

    # -- begin ----------------------------------------------------------------------------------

    def _bind(self) -> None:
        server = self._settings.server
        self._certificates = read_certificates(self._settings)
        for address in server.listen:
            sock = open_public(address, server)
            sock.setblocking(False)
            shared = SharedSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
            self._sockets.append(shared)
            bound = replace(bound_address(shared), tls=address.tls)
            self._urls.append(url_of(bound))
            self._files.append(SocketFile(bound))
        if self._settings.upstream.discovery.subscribe is not None:
            discovery = self._settings.upstream.discovery
            self._announcements = Announcements(discovery, self._loop)
        if server.admin is not None:
            self._admin_socket = open_listener(server.admin, server.backlog, private=True)

    def _watch_signals(self) -> None:
        for number in ENDING:
            self._loop.add_signal_handler(number, self._on_signal, number)
        self._loop.add_signal_handler(signal.SIGUSR1, self._reopen_logs)
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def _watch_embedded(self) -> None:
        """End when the embedded application has died: nothing works without it."""
        if self._embedded is None or self._draining:
            return
        if failure := self._embedded.failure():
            self._end_because(f"the embedded worker is gone: {failure}")
        else:
            self._loop.call_later(EMBEDDED_CHECK_S, self._watch_embedded)

    def _start(self, number: int) -> None:
        """Fork a worker. The loop stands still meanwhile."""
        if self._draining:
            return
        ours, theirs = socket.socketpair()
        share = Share(number, self._settings.server.workers)
        keep = {theirs.fileno(), *(sock.fileno() for sock in self._sockets), *rest_log()}
        mailbox = None
        if self._announcements is not None:
            mailbox, descriptor = self._announcements.open(number)
            keep.add(descriptor)
        seat = Seat(tuple(self._sockets), share, mailbox, self._certificates)
        orders = Orders(self._settings, seat, theirs, self._parse_backend)
        try:
            pid = fork(lambda: work(orders), keep)
        except OSError as error:
            ours.close()
            self._on_no_fork(number, error)
            return
        finally:
            theirs.close()
            if mailbox is not None:
                mailbox.close()
        member = Member(number, pid)
        early: list[Callable[[], None]] = []

        def hear(what: Callable[[], None]) -> None:
            if self._panel.members.get(number) is member:
                what()
            else:  # it is quicker than we are
                early.append(what)

        member.channel = self._loop.run_until_complete(
            connect(
                ours,
                lambda message: hear(partial(self._on_message, member, message)),
                lambda: hear(partial(self._on_hang_up, member)),
            )
        )
        self._panel.join(member)
        for what in early:
            what()
        self._reap()  # if it has ended, that was said before we asked for it
        if self._failure is not None and not self._announced:
            self._kill_all()  # another's failure has ended them all meanwhile

    def _on_no_fork(self, number: int, error: OSError) -> None:
        why = f"{name_of(number)} cannot be forked: {error.strerror}"
        if self._announced:
            self._on_unexpected_end(number, why)
        else:
            self._end_because(why)

    async def _announce(self) -> None:
        """Say where we listen: with port 0 there is no other way to know."""
        flush_log()
        for url in self._urls:
            print(f"listening on {url}", file=sys.stderr, flush=True)
        if self._admin_socket is not None:
            self._reception = Reception(
                self._settings, self._settings.packet, self._loop, _nothing, _nothing
            )
            self._reception.start()
            server = self._settings.server
            site = Site(server, self._panel, render_metrics, self._loop.call_later)
            sock, self._admin_socket = self._admin_socket, None
            listen = self._reception.listen
            self._admin = await listen(sock, site.serve, publish_nowhere, ADMIN_CLIENT)
            self._admin.max_connections = MAX_CONNECTIONS
            site.start()
            print(f"admin on {self._admin.url}", file=sys.stderr, flush=True)
        if self._deliver is not None:
            self._deliver()

    # -- the workers ----------------------------------------------------------------------------

    def _on_message(self, member: Member, message: Message) -> None:
        member.take(message)
        if "serving" in message:
            self._restarts.decide(Serving(member.number), time.monotonic())
            log.info("%s serves, pid %d", name_of(member.number), member.pid)
            if self._draining:
                self._drain(member)
            elif not self._announced and self._all_serve:
                self._announced = True
                self._loop.create_task(self._announce())

    @property
    def _all_serve(self) -> bool:
        serving = [member for member in self._panel.members.values() if member.serves]
        return len(serving) == self._settings.server.workers

    def _on_hang_up(self, member: Member) -> None:
        member.hung_up = True
        self._bury(member)

    def _reap(self) -> None:
        """Ask who has ended. Not for all children: the embedded application is somebody else's."""
        for member in list(self._panel.members.values()):
            if member.status is None:
                with contextlib.suppress(ChildProcessError):
                    pid, status = os.waitpid(member.pid, os.WNOHANG)
                    if pid:
                        member.status = status
                        self._bury(member)

    def _bury(self, member: Member) -> None:
        """A worker has ended; what it has said before that has been heard."""
        if not member.has_ended or member.stage is Stage.ENDED:
            return
        was_serving, member.stage = member.serves, Stage.ENDED
        self._panel.leave(member)
        if self._announcements is not None:
            self._announcements.close(member.number)
        assert member.status is not None
        end = f"{name_of(member.number)} (pid {member.pid}) {describe_end(member.status)}"
        if self._draining:
            self._cut += member.cut or 0
            if member.cut is None and was_serving:
                self._lost += 1
                log.warning("%s before it had drained: what it was at is cut", end)
            self._finish_when_alone()
        elif not self._announced:
            self._end_because(member.failure or f"{end} while it started")
        else:
            failure = f": {member.failure}" if member.failure else ""
            self._on_unexpected_end(member.number, end + failure)

    def _on_unexpected_end(self, number: int, what: str) -> None:
        action = self._restarts.decide(Ended(number), time.monotonic())
        if isinstance(action, GiveUp):
            self._end_because(f"{what}; {action.failed_starts} starts in a row have failed")
        elif isinstance(action, Restart):
            log.error("%s; another is started in %.1f s", what, action.after_s)
            self._loop.call_later(action.after_s, self._start_soon, number)

    def _start_soon(self, number: int) -> None:
        if not self._draining:
            self._due.append(number)
            self._stop_loop()

    def _stop_loop(self) -> None:
        if not self._is_busy:
            self._loop.stop()

    def _reopen_logs(self) -> None:
        """Files have been moved away by logrotate: go on in new ones."""
        log.info("SIGUSR1: opening the log files again")
        reopen_log()
        for member in self._panel.members.values():
            member.tell({"reopen": True})

    # -- end ------------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if self._draining or not self._announced:
            # At once means at once: no clean-up that could hang. The kernel closes everything.
            self._kill_all()
            if self._embedded is not None:
                self._embedded.kill()
            self._remove_files()
            logging.shutdown()
            sys.stderr.flush()
            os._exit(128 + number)
        log.info("%s: draining", signal.Signals(number).name)
        self._drain_all()

    def _end_because(self, failure: str) -> None:
        """End what cannot go on. Who serves meanwhile drains, as after a signal."""
        if self._failure is None:
            self._failure = failure
            if not self._announced:
                self._kill_all()
            self._drain_all()

    def _drain_all(self) -> None:
        self._draining = True
        self._due.clear()
        self._close_sockets()
        for member in self._panel.members.values():
            self._drain(member)
        self._loop.call_later(self._delay_s, self._remove_files)
        longest_s = self._delay_s + self._settings.server.shutdown_timeout_s + STOP_GRACE_S
        self._loop.call_later(longest_s, self._kill_late)
        self._finish_when_alone()

    def _drain(self, member: Member) -> None:
        member.tell({"drain": self._delay_s > 0})

    @property
    def _delay_s(self) -> float:
        """How long clients are still let in; not at all when it ends for another reason."""
        return self._settings.server.drain_delay_s if self._failure is None else 0.0

    def _kill_late(self) -> None:
        for member in self._panel.members.values():
            log.error("%s (pid %d) does not end: killed", name_of(member.number), member.pid)
        self._kill_all()

    def _kill_all(self) -> None:
        for member in self._panel.members.values():
            if member.status is None:  # else the id may be somebody else's by now
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGKILL)

    def _finish_when_alone(self) -> None:
        if self._panel.members or self._finished:
            return
        self._finished = True
        if self._embedded is None:
            self._loop.call_soon(self._stop_loop)
        else:  # on another thread, so that a second signal is still heard
            stopped = self._loop.run_in_executor(None, self._embedded.stop, self._has_cut)
            stopped.add_done_callback(lambda _: self._stop_loop())

    def _close(self) -> None:
        if self._admin is not None:
            self._admin.stop()
            self._admin.cut()
            self._reception.stop()
        elif self._admin_socket is not None:
            self._admin_socket.close()
        if self._announcements is not None:
            self._announcements.stop()
        self._kill_all()
        self._close_sockets()
        self._remove_files()
        self._loop.run_until_complete(asyncio.sleep(0))  # let the transports report their end
        self._loop.close()

    def _close_sockets(self) -> None:
        """Let no more clients in from here: each worker closes its own end when it drains."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def _remove_files(self) -> None:
        for file in self._files:
            file.remove()
        self._files.clear()


def _nothing() -> None:
    """Nobody wants to know."""

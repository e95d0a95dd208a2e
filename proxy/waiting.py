"""What a connection's coroutine waits for: anything.

A client connection is one coroutine. Whenever it cannot go on it awaits its `Wake`; whatever
happens to the connection (bytes from the client, room to write, a backend that can be read, a
deadline) calls that `Wake`; the coroutine looks at the world again and decides. So there is one
place to wait, and no event can be lost between two of them.

The coroutine is resumed directly by the callback that woke it, not by an asyncio task: a task costs
two more turns of the event loop per request (docs/decisions/0002-one-coroutine-no-task.md). The
price is a rule: only I/O callbacks call a `Wake`. One coroutine wakes another through the loop's
`call_soon`, never directly. It may do for another what needs no coroutine: see `Waiter.start`.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from proxy.clock import Deadlines, Expirable
from proxy.errors import SHUTDOWN_CUT, ClientGone, ProxyError, Reason

OnEnd = Callable[[BaseException | None], None]


async def _nobody() -> None:
    """Stands in before the begin and after the end."""


_NONE: Coroutine[Any, None, None] = _nobody()
_NONE.close()


class Wake:
    """Resumes one coroutine. Calling it while the coroutine runs makes its next await return."""

    __slots__ = ("_coroutine", "_on_end", "_pending", "_suspended")

    def __init__(self) -> None:
        self._coroutine = _NONE
        self._on_end: OnEnd | None = None
        self._pending = False
        self._suspended = False

    def start(self, coroutine: Coroutine[Any, None, None], on_end: OnEnd) -> None:
        """Run `coroutine` up to its first wait; `on_end` gets its error, or None, at its end."""
        self._coroutine = coroutine
        self._on_end = on_end
        self._suspended = True
        self()

    def __call__(self) -> None:
        """Something happened."""
        if self._suspended:
            self._suspended = False
            try:
                self._coroutine.send(None)
            except StopIteration:
                self._end(None)
            except BaseException as error:
                self._end(error)
        else:
            self._pending = True

    def __await__(self) -> Generator[None, None, None]:
        """Wait until something happens, or has happened since the last wait."""
        if not self._pending:
            self._suspended = True
            yield
        self._pending = False

    def _end(self, error: BaseException | None) -> None:
        on_end, self._on_end, self._coroutine = self._on_end, None, _NONE
        if on_end is not None:
            on_end(error)


class Vigil(Expirable):
    """One connection's waiting: its wake, its one deadline, and whether its client is still there.

    To wait is `await vigil.wake`, then `vigil.check(...)`, in a loop around the condition.

    `client_gone` is set by the stream; `may_leave` while an exchange wants to go on without a
    client (uwsgi_ignore_client_abort); `cut` when it was the server that broke the connection;
    `now()` is the time in seconds, monotonic.
    """

    __slots__ = ("client_gone", "cut", "may_leave", "now", "wake")

    def __init__(self, deadlines: Deadlines, clock: Callable[[], float]) -> None:
        super().__init__(deadlines)
        self.wake = Wake()
        self.now = clock
        self.client_gone = False
        self.cut = False
        self.may_leave = False

    def on_deadline(self) -> None:
        self.expired = True
        self.wake()

    def poll_expired(self) -> bool:
        """Return whether the deadline has passed since the last call."""
        expired, self.expired = self.expired, False
        return expired

    def check(self, late: Reason) -> None:
        """Find out whether an exchange may go on; to be called before and after a wait in it.

        Raises:
            ProxyError: with the reason `late`, when the deadline has passed; `shutdown_cut`.
            ClientGone: the client has left, and that matters.
        """
        if self.expired:
            self.expired = False
            raise ProxyError(late)
        if self.client_gone:
            if self.cut:
                raise ProxyError(SHUTDOWN_CUT)
            if not self.may_leave:
                raise ClientGone

"""The admin site as a whole, for whoever owns its listener: a server, or who supervises several."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.clock import CallLater
from proxy.control.admin import Admin, Desk, RenderMetrics, answer_health, send
from proxy.control.asked import Refusal, read_request
from proxy.control.events import Pulse
from proxy.control.guard import Guard
from proxy.control.health import LIVEZ, READYZ
from proxy.control.members import Members
from proxy.control.turns import Turns, in_turns
from proxy.downstream import Downstream
from proxy.errors import ProxyError
from proxy.settings import ServerSettings

Serve = Callable[[Downstream], Coroutine[Any, Any, None]]

_PATHS = frozenset(f"/{page}".encode() for page in (LIVEZ, READYZ))
_READING = frozenset((b"GET", b"HEAD"))


class Site:
    """Everything behind the admin listener. `start` and `stop` go around its life."""

    def __init__(
        self,
        settings: ServerSettings,
        members: Members,
        render_metrics: RenderMetrics,
        call_later: CallLater,
    ) -> None:
        assert settings.admin is not None
        guard = Guard(
            settings.admin,
            settings.admin_token,
            settings.admin_token_file,
            tuple(name.lower() for name in settings.admin_hosts),
        )
        self.pulse = Pulse(members, call_later, time.monotonic, time.time)
        admin = Admin(Desk(members, guard, self.pulse, render_metrics))
        # The time of work, since a machine with much else to do is not the fault of an answer.
        self.serve: Serve = in_turns(
            admin.serve, lambda: Turns(call_later, time.monotonic, time.thread_time)
        )

    def start(self) -> None:
        """Begin to follow what happens."""
        self.pulse.start()

    def stop(self) -> None:
        """Follow it no more; may be called twice."""
        self.pulse.stop()


def with_health(serve: Serve, members: Members) -> Serve:
    """Return what serves /livez and /readyz itself, and leaves everything else to `serve`."""

    async def serve_health(client: Downstream) -> None:
        try:
            asked = read_request(client.request)
            send(client, await answer_health(client, asked, members, tells_why=False))
        except Refusal as refusal:
            send(client, refusal.answered())
        except ProxyError:
            client.keep_alive = False

    def choose(client: Downstream) -> Coroutine[Any, Any, None]:
        request = client.request
        is_health = request.target.path in _PATHS and request.method in _READING
        return serve_health(client) if is_health else serve(client)

    return choose

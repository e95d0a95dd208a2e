"""One test's stage: instances of uWSGI, a proxy in front of them, and a load in front of that."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.reload.account import Account
from tests.reload.instance import Instance, reserve_port
from tests.reload.journal import Journal
from tests.reload.load import Load
from tests.servers import Proxy, Transport, proxy_process


class Scene:
    """Starts what a test needs; all of it ends with the test."""

    def __init__(self, journal: Journal, sockets: Path, stack: ExitStack) -> None:
        """`sockets` is a directory with a short name."""
        self.journal = journal
        self.sockets = sockets
        self._stack = stack

    def instance(
        self,
        name: str = "one",
        *,
        transport: Transport = "unix",
        at: str = "",
        processes: int = 4,
        extra: Sequence[str] = (),
    ) -> Instance:
        """Start an instance, by default at an address of its own; `at` is a name for a socket."""
        place = self.sockets / f"{at or name}.sock"
        keeper = self._stack.enter_context(reserve_port()) if transport == "tcp" else None
        instance = Instance(
            self.journal, keeper or place, name=name, processes=processes, extra=extra
        )
        return self._stack.enter_context(instance)

    def proxy(self, *upstreams: str, options: Sequence[str] = ()) -> Proxy:
        """Start a proxy in front of these: addresses, with parameters behind them if need be."""
        args = [text for upstream in upstreams for text in ("--upstream", upstream)]
        proxy = proxy_process(*args, "--admin", "127.0.0.1:0", *options)
        return self._stack.enter_context(proxy)

    def load(self, proxy: Proxy, *, clients: int = 24, sleep_s: float = 0.02) -> Load:
        """Start a load, and return when each client has been served about once."""
        load = Load(proxy.host, proxy.port, clients=clients, sleep_s=sleep_s)
        self._stack.enter_context(load)
        load.wait_good(clients)
        return load

    def account(self, load: Load, proxy: Proxy) -> Account:
        """End load and proxy, and return what became of the requests."""
        outcomes = load.finish()
        assert proxy.stop() == 0
        return Account(outcomes, proxy, self.journal)

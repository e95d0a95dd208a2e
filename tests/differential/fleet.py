"""The two front ends under each setting, and the fake backends behind each of them."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from proxy.settings import Address
from proxy.testing import FakeBackend, Script, close_before_reply, full_backlog, missing, refuse
from tests.differential.nginx import Nginx, listener
from tests.differential.proxies import Proxy
from tests.differential.settings import DOCUMENT_ROOT, SETTINGS, Setting, Upstream

AS_NGINX = ("--try-duration", "0", "--panic-threshold", "0")
"""Nobody waits for absent backends, and paused ones stay paused."""

ALONE = ("--next-upstream-tries", "1")
"""A lone backend is tried once, whatever becomes of its worker."""


@dataclass(frozen=True)
class Front:
    """One front end under one setting."""

    address: Address
    backends: tuple[FakeBackend, ...]

    @property
    def backend(self) -> FakeBackend:
        """The only fake backend."""
        (backend,) = self.backends
        return backend


@dataclass(frozen=True)
class Pair:
    """Both front ends under one setting."""

    nginx: Front
    proxy: Front


class Fleet:
    """Starts nginx at once, with all settings, and a proxy when its setting is first asked for."""

    def __init__(self, prefix: Path, script: Script) -> None:
        self._prefix = prefix
        self._script = script
        self._stack = contextlib.ExitStack()
        self._fronts: dict[str, Front] = {}
        self._pairs: dict[str, Pair] = {}
        self._broken: dict[str, RuntimeError] = {}
        self.proxies: dict[str, Proxy] = {}
        self.nginx: Nginx

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._start_nginx(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start_nginx(self, stack: contextlib.ExitStack) -> None:
        blocks, sockets = [], []
        for name, setting in SETTINGS.items():
            sock, address = listener(setting.listen, self._prefix, name)
            sockets.append(stack.enter_context(sock))
            upstreams, backends = self._upstreams(setting, stack)
            self._fronts[name] = Front(address, backends)
            blocks.append(_server_block(name, setting, address, upstreams))
        self.nginx = Nginx(self._prefix, "\n".join(blocks), sockets)
        stack.callback(self.nginx.stop)

    def pair(self, name: str) -> Pair:
        """Return both front ends under this setting.

        Raises:
            RuntimeError: nginx has ended, or the proxy does not start (said once, then recalled).
        """
        if name in self._broken:
            raise self._broken[name]
        if name not in self._pairs:
            if self.nginx.process.poll() is not None:
                raise RuntimeError(f"nginx has ended:\n{self.nginx.log()}")
            try:
                self._pairs[name] = Pair(self._fronts[name], self._start_proxy(name))
            except RuntimeError as error:
                self._broken[name] = error
                raise
        return self._pairs[name]

    def front(self, which: str, name: str) -> Front:
        """Return one of the two, `nginx` or `proxy`, under this setting."""
        return self._fronts[name] if which == "nginx" else self.pair(name).proxy

    def _start_proxy(self, name: str) -> Front:
        setting = SETTINGS[name]
        upstreams, backends = self._upstreams(setting, self._stack)
        proxy = Proxy(_options(setting, upstreams, self._prefix / f"{name}.proxy"))
        self._stack.callback(_stop_cleanly, proxy)
        self.proxies[name] = proxy
        return Front(proxy.address, backends)

    def _upstreams(
        self, setting: Setting, stack: contextlib.ExitStack
    ) -> tuple[list[Address], tuple[FakeBackend, ...]]:
        addresses, backends = [], []
        for kind in setting.upstream:
            made = stack.enter_context(self._make(kind, setting))
            if isinstance(made, FakeBackend):
                backends.append(made)
                made = made.address
            addresses.append(made)
        return addresses, tuple(backends)

    def _make(
        self, kind: Upstream, setting: Setting
    ) -> contextlib.AbstractContextManager[Address | FakeBackend]:
        match kind:
            case "unix" | "tcp":
                return FakeBackend(setting.script or self._script, family=kind)
            case "closing":
                return FakeBackend(close_before_reply())
            case "missing":
                return missing()
            case "refuse-unix" | "refuse-tcp":
                return refuse("unix" if kind == "refuse-unix" else "tcp")
            case "full-unix" | "full-tcp":
                return full_backlog("unix" if kind == "full-unix" else "tcp")


def _stop_cleanly(proxy: Proxy) -> None:
    code = proxy.stop()
    assert code == 0, f"the proxy ended with {code}:\n{proxy.log()[-4000:]}"
    assert "Traceback" not in proxy.log(), proxy.log()[-4000:]


def _server_block(
    name: str, setting: Setting, address: Address, upstreams: Sequence[Address]
) -> str:
    target, block = str(upstreams[0]), ""
    if len(upstreams) > 1:
        target = f"up-{name}"
        servers = " ".join(f"server {one};" for one in upstreams)
        block = f"upstream {target} {{ {servers} }}\n"
    server_name = f'server_name "{setting.server_name}";'
    return (
        f"{block}server {{ listen {address}; {server_name} root {DOCUMENT_ROOT};"
        f" {setting.nginx} location / {{ uwsgi_pass {target}; }} }}"
    )


def _options(setting: Setting, upstreams: Sequence[Address], path: Path) -> list[str]:
    listen = {"tcp": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": f"unix:{path}"}[setting.listen]
    options = ["--listen", listen, "--document-root", DOCUMENT_ROOT, "--access-log", "off"]
    options += AS_NGINX if len(upstreams) > 1 else AS_NGINX + ALONE
    if setting.server_name:
        options += ["--server-name", setting.server_name]
    for address in upstreams:
        options += ["--upstream", str(address)]
    return [*options, *setting.proxy]

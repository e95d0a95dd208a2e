"""What is asked of a front end: the list of workloads. How each is driven is in `drive`.

Contests (see `contests`) are chosen by name like workloads, and come after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.app import HELLO, PAGE_64K
from benchmarks.contests import CONTESTS, Contest
from benchmarks.frontends import PROCESSES
from benchmarks.results import CONTROL, KEPT, MB

Kind = Literal["load", "transfer", "idle", "slow"]

UPLOAD_BYTES = MB
IDLE_CONNECTIONS = 5000
MANY_PROCESSES = 8
"""Of uWSGI: so many that there is always one with a request to do while replies are passed on."""
SLOW_BYTES_PER_S = 4 * MB

COOKIE = "Cookie: session=" + "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ" * 19
"""1 KB; the whole variable block stays under uWSGI's default of 4096 bytes."""

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: https://www.example.org/catalogue/section/list",
    "Connection: keep-alive",
    COOKIE,
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Cache-Control: max-age=0",
)
"""With Host, which the generator adds, 14 header lines."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to measure."""

    name: str
    title: str
    path: str
    kind: Kind = "load"
    connections: int = 32
    headers: tuple[str, ...] = ()
    script: str = ""
    """Of wrk, in benchmarks/scripts."""
    upstream: Literal["unix", "tcp"] = "unix"
    processes: int = PROCESSES
    """Of the uWSGI behind it."""
    context: tuple[str, ...] = ()
    """Variants measured beside proxy and nginx, in the same rounds."""
    body_bytes: int = 0
    """Request and reply body of one request."""
    count: int = 1
    """Requests of one round (transfer), or connections (idle)."""
    fresh: bool = False
    """Whether every round needs a front end that has done nothing yet: its memory is measured."""

    @property
    def detail(self) -> str:
        """Say in a few words what is not in the title."""
        words = [f"{self.path}, {self.upstream} socket"]
        if self.kind == "load":
            words.append(f"{self.connections} connection{'s' if self.connections > 1 else ''}")
        if self.processes != PROCESSES:
            words.append(f"{self.processes} processes")
        if self.headers:
            words.append(f"{len(self.headers) + 1} header lines")
        return ", ".join(words)


def _hello(name: str, title: str, **more: object) -> Workload:
    return Workload(name, title, "/hello", body_bytes=len(HELLO), **more)  # type: ignore[arg-type]


WORKLOADS: tuple[Workload, ...] = (
    _hello("hello-32", "hello, 32 clients", context=(KEPT, "router", CONTROL)),
    _hello(
        "hello-many",
        "hello, 32 clients, many workers",
        context=(KEPT,),
        processes=MANY_PROCESSES,
    ),
    _hello("hello-2", "hello, 2 clients", connections=2, context=(KEPT,)),
    _hello("hello-1", "hello, 1 client", connections=1),
    _hello("hello-256", "hello, 256 clients", connections=256),
    _hello("hello-tcp", "hello, TCP to the application", upstream="tcp"),
    _hello("hello-close", "hello, a new connection each", headers=("Connection: close",)),
    _hello("browser", "browser's request, always the same", headers=BROWSER),
    _hello(
        "browser-varied", "browser's request, all different", headers=BROWSER, script="varied.lua"
    ),
    Workload("reply-64k", "64 KB reply", "/64k", body_bytes=len(PAGE_64K)),
    Workload(
        "upload-1m",
        "1 MB upload, 8 clients",
        "/upload",
        connections=8,
        script="upload.lua",
        body_bytes=UPLOAD_BYTES,
    ),
    Workload(
        "reply-100m",
        "100 MB reply, one client",
        "/100m",
        kind="transfer",
        body_bytes=100 * MB,
        count=10,
    ),
    Workload(
        "idle-5000",
        "5,000 idle connections",
        "/hello",
        kind="idle",
        fresh=True,
        body_bytes=len(HELLO),
        count=IDLE_CONNECTIONS,
    ),
    Workload(
        "slow-1g",
        "1 GB reply to a slow client",
        "/1g",
        kind="slow",
        fresh=True,
        body_bytes=1024 * MB,
    ),
)


def select(names: Sequence[str]) -> list[Workload | Contest]:
    """Return the workloads and contests whose name begins with one of `names`; all without names.

    Raises:
        ValueError: a name that no workload begins with.
    """
    everything: tuple[Workload | Contest, ...] = (*WORKLOADS, *CONTESTS)
    for name in names:
        if not any(each.name.startswith(name) for each in everything):
            known = ", ".join(each.name for each in everything)
            raise ValueError(f"no workload {name!r}; there are: {known}")
    wanted = tuple(names) or ("",)
    return [each for each in everything if each.name.startswith(wanted)]

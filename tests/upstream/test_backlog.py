"""Listen queues as the kernel tells them: of real sockets, and what happens when it does not."""

import errno
import logging
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.settings import Address
from proxy.testing.fake_clock import FakeClock
from proxy.upstream.backlog import (
    BUDGET_S,
    MAX_STRIKES,
    BacklogWatch,
    Depth,
    Kernel,
)
from proxy.upstream.sock_diag import Kind

LIMIT = 9


@dataclass(eq=False)
class FakeBackend:
    address: Address
    replied: bool = False
    backlog: Depth | None = None

    def note_backlog(self, depth: Depth | None) -> None:
        self.backlog = depth

    @property
    def name(self) -> str:
        return str(self.address)


@dataclass
class FakePool:
    backends: list[FakeBackend] = field(default_factory=list)


def unix(path: Path | str) -> Address:
    return Address(path=str(path))


def ask(*addresses: Address) -> list[Depth | None]:
    """Ask the real kernel, once."""
    kernel = Kernel()
    backends = [FakeBackend(address) for address in addresses]
    try:
        depths = kernel.watch(backends)
        assert not kernel.refusals
    finally:
        kernel.close()
    return [depths.get(backend) for backend in backends]


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(
    stack: ExitStack, address: str | tuple[str, int], family: int = socket.AF_UNIX
) -> socket.socket:
    sock = stack.enter_context(socket.socket(family))
    sock.bind(address)
    sock.listen(LIMIT)
    return sock


def connect(stack: ExitStack, listener: socket.socket, times: int) -> None:
    """Make connections that nobody accepts."""
    for _ in range(times):
        client = stack.enter_context(socket.socket(listener.family))
        client.settimeout(10)
        client.connect(listener.getsockname())


def listen_alone(
    stack: ExitStack, family: socket.AddressFamily, host: str, elsewhere: str
) -> socket.socket:
    """Listen on a port that is nobody's at the IPv4 address `elsewhere` either, and stays so.

    The kernel chooses one that is free here; there, another program may listen on it.
    """
    for _ in range(100):
        with ExitStack() as attempt:
            sock = attempt.enter_context(socket.socket(family))
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, 0))
            sock.listen(LIMIT)
            keeper = attempt.enter_context(socket.socket())
            try:
                keeper.bind((elsewhere, sock.getsockname()[1]))
            except OSError:
                continue
            stack.enter_context(attempt.pop_all())
            return sock
    pytest.fail(f"no port is free at {host} and at {elsewhere}")


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells listen queues")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


@linux
def test_unix_sockets(tmp_path: Path, sockets: ExitStack) -> None:
    first = listen(sockets, str(tmp_path / "a"))
    second = listen(sockets, str(tmp_path / "b"))
    connect(sockets, first, 3)
    paths = [unix(tmp_path / name) for name in "abc"]
    assert ask(*paths) == [Depth(3, LIMIT), Depth(0, LIMIT), None]
    connect(sockets, second, LIMIT + 1)
    first.accept()[0].close()
    assert ask(*paths) == [Depth(2, LIMIT), Depth(LIMIT + 1, LIMIT), None]


@linux
def test_an_abstract_socket(sockets: ExitStack) -> None:
    name = f"\0uwsgi-frontend-test-{os.getpid()}"
    connect(sockets, listen(sockets, name), 2)
    assert ask(unix(name), unix(name + "x"), unix(name[:-1])) == [Depth(2, LIMIT), None, None]


@linux
def test_a_socket_that_does_not_listen(tmp_path: Path, sockets: ExitStack) -> None:
    bound = sockets.enter_context(socket.socket(socket.AF_UNIX))
    bound.bind(str(tmp_path / "bound"))
    datagram = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    datagram.bind(str(tmp_path / "datagram"))
    (tmp_path / "file").touch()
    left = listen(sockets, str(tmp_path / "left"))
    left.close()
    names = ["bound", "datagram", "file", "left", "missing/x"]
    assert ask(*(unix(tmp_path / name) for name in names)) == [None] * 5
    assert ask(unix("/proc/self/nonsense\0")) == [None]


@linux
def test_a_name_that_is_written_another_way(
    tmp_path: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to another directory, by a link, by /proc: the file is the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    connect(sockets, listen(sockets, "run/a"), 1)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    ways: list[Path | str] = [
        "a",
        tmp_path / "run" / "a",
        tmp_path / "link" / "a",
        "/proc/self/cwd/a",
    ]
    assert ask(*(unix(way) for way in ways)) == [Depth(1, LIMIT)] * 4


@linux
def test_the_socket_that_a_path_leads_to_now(tmp_path: Path, sockets: ExitStack) -> None:
    """The old ones listen on, with the same name, and nobody can connect to them any more."""
    path = tmp_path / "a"
    old = listen(sockets, str(path))
    connect(sockets, old, 4)
    path.rename(tmp_path / "old")
    connect(sockets, listen(sockets, str(path)), 1)
    path.unlink()
    assert ask(unix(path)) == [None]
    connect(sockets, listen(sockets, str(path)), 2)
    assert ask(unix(path), unix(tmp_path / "old")) == [Depth(2, LIMIT), Depth(4, LIMIT)]


@linux
def test_tcp_sockets(sockets: ExitStack) -> None:
    exact = listen_alone(sockets, socket.AF_INET, "127.0.0.1", elsewhere="127.0.0.2")
    every = listen(sockets, ("0.0.0.0", 0), socket.AF_INET)
    connect(sockets, exact, 3)
    connect(sockets, every, 2)
    port, port_of_every = exact.getsockname()[1], every.getsockname()[1]
    addresses = [
        Address("127.0.0.1", port),
        Address("127.0.0.2", port),
        Address("127.0.0.1", port_of_every),
        Address("127.0.0.2", port_of_every),
        Address("192.0.2.1", port_of_every),  # TEST-NET-1: not ours
        Address("localhost", port),  # not resolved
    ]
    three, two = Depth(3, LIMIT), Depth(2, LIMIT)
    assert ask(*addresses) == [three, None, two, two, None, None]


@linux
@ipv6
def test_tcp_sockets_over_ipv6(sockets: ExitStack) -> None:
    exact = listen_alone(sockets, socket.AF_INET6, "::1", elsewhere="0.0.0.0")
    connect(sockets, exact, 3)
    both = sockets.enter_context(socket.socket(socket.AF_INET6))
    both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    both.bind(("::", 0))
    both.listen(LIMIT)
    six = listen_alone(sockets, socket.AF_INET6, "::", elsewhere="0.0.0.0")
    ports = [sock.getsockname()[1] for sock in (exact, both, six)]
    assert ask(*(Address("::1", port) for port in ports)) == [
        Depth(3, LIMIT),
        Depth(0, LIMIT),
        Depth(0, LIMIT),
    ]
    assert ask(*(Address("127.0.0.1", port) for port in ports)) == [None, Depth(0, LIMIT), None]
    assert ask(Address("2001:db8::1", ports[1])) == [None]


@linux
def test_sockets_that_share_a_port_add_up(sockets: ExitStack) -> None:
    port = 0
    for _ in range(3):
        sock = sockets.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(LIMIT)
        port = sock.getsockname()[1]
    connect(sockets, sock, 5)
    assert ask(Address("127.0.0.1", port)) == [Depth(5, 3 * LIMIT)]


@linux
def test_one_socket_asks_again_and_again(tmp_path: Path, sockets: ExitStack) -> None:
    kernel = Kernel()
    sockets.callback(kernel.close)
    backend = FakeBackend(unix(tmp_path / "a"))
    assert kernel.watch([backend]) == {}
    listener = listen(sockets, str(tmp_path / "a"))
    for pending in range(3):
        assert kernel.watch([backend])[backend].pending == pending
        connect(sockets, listener, 1)
    kernel.close()
    assert kernel.watch([backend])[backend].pending == 3
    assert kernel.watch([]) == {}


@linux
def test_more_than_one_datagram_of_listeners(tmp_path: Path, sockets: ExitStack) -> None:
    for number in range(700):
        listen(sockets, str(tmp_path / f"{number:03}"))
    assert ask(unix(tmp_path / "000"), unix(tmp_path / "699")) == [Depth(0, LIMIT)] * 2


LISTEN_ELSEWHERE = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen(9)
print("listening", flush=True)
sys.stdin.read()
"""


@linux
def test_a_socket_of_another_network_namespace_is_not_seen(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--net", "true"], check=False).returncode:
        pytest.skip("no network namespace can be made here")
    command = [unshare, "--net", sys.executable, "-c", LISTEN_ELSEWHERE, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "a"))  # it is there
            seen = ask(unix(tmp_path / "a"))
        process.stdin.close()
    assert seen == [None]


# A kernel that does not answer.


def message(kind: int, body: bytes, sequence: int) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, sequence, 0) + body


class FakeSocket(socket.socket):
    """Answers each question with the same: an errno in NLMSG_ERROR, bytes, or nothing."""

    def __init__(self, answer: int | bytes | None) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.answer = answer
        self.sequence = 0

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        (self.sequence,) = struct.unpack_from("=I", data, 8)
        return len(data)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if self.answer is None:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        if isinstance(self.answer, int):
            return message(2, struct.pack("=i", -self.answer), self.sequence)
        return self.answer


def kernel_of(answer: int | bytes | None) -> Kernel:
    return Kernel(lambda: FakeSocket(answer))


def watch_until_refused(kernel: Kernel, backend: FakeBackend, looks: int) -> int:
    """Return after how many looks the kernel refuses, at most `looks`."""
    for number in range(looks):
        if kernel.refuses([backend]):
            return number
        assert kernel.watch([backend]) == {}
    kernel.close()
    return looks


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP])
def test_a_refusal_is_for_good_and_has_a_reason(code: int) -> None:
    kernel, backend = kernel_of(code), FakeBackend(unix("/a"))
    assert watch_until_refused(kernel, backend, 5) == 1
    reason = f"the kernel does not tell unix listen queues: {os.strerror(code)}"
    assert kernel.refusals == {Kind.UNIX: reason}


def test_what_passes_is_no_refusal() -> None:
    for code in (errno.ENOBUFS, errno.ENOMEM, errno.EBUSY, errno.EINTR):
        kernel = kernel_of(code)
        assert watch_until_refused(kernel, FakeBackend(unix("/a")), 10) == 10
        assert not kernel.refusals


@pytest.mark.parametrize("answer", [None, b"nonsense", b"x" * 100])
def test_no_answer_is_a_refusal_in_the_end(answer: bytes | None) -> None:
    assert watch_until_refused(kernel_of(answer), FakeBackend(unix("/a")), 9) == MAX_STRIKES


def test_strikes_in_a_row_count() -> None:
    answers: list[bytes | None] = [None, None, b"", None, None, b"", None]
    backend = FakeBackend(unix("/a"))

    class Moody(FakeSocket):
        def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
            if answers.pop(0) is None:
                raise BlockingIOError(errno.EAGAIN, "nothing there")
            return message(3, bytes(4), self.sequence)

    assert watch_until_refused(Kernel(lambda: Moody(None)), backend, len(answers)) == 7
    assert not answers


def test_a_kernel_that_has_refused_is_not_asked_again() -> None:
    opened = []

    def open_socket() -> socket.socket:
        opened.append(FakeSocket(errno.EPERM))
        return opened[-1]

    kernel = Kernel(open_socket)
    for _ in range(3):
        kernel.watch([FakeBackend(unix("/a"))])
    assert len(opened) == 1


def test_too_long_an_answer_is_broken_off() -> None:
    now = iter(range(1000))
    assert BUDGET_S < 1
    kernel = Kernel(lambda: FakeSocket(b""), lambda: float(next(now)))
    assert watch_until_refused(kernel, FakeBackend(unix("/a")), 9) == MAX_STRIKES
    assert "too many" in kernel.refusals[Kind.UNIX]


def test_a_socket_that_cannot_be_opened() -> None:
    def forbidden() -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    def exhausted() -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    backend = FakeBackend(unix("/a"))
    assert watch_until_refused(Kernel(forbidden), backend, 9) == 1
    assert watch_until_refused(Kernel(exhausted), backend, 9) == 9


def test_other_systems_do_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    kernel = Kernel()
    assert watch_until_refused(kernel, FakeBackend(unix("/a")), 9) == 1
    assert "only Linux tells listen queues" in kernel.refusals[Kind.UNIX]


def test_a_refusal_of_one_kind_leaves_the_others() -> None:
    kernel = kernel_of(errno.EPERM)
    path, tcp = FakeBackend(unix("/a")), FakeBackend(Address("127.0.0.1", 1))
    assert not kernel.refuses([])
    kernel.watch([path])
    assert kernel.refuses([path])
    assert not kernel.refuses([path, tcp])
    kernel.watch([path, tcp])
    assert kernel.refuses([path, tcp])


# The watch.


@pytest.fixture
def pool(tmp_path: Path) -> FakePool:
    return FakePool([FakeBackend(unix(tmp_path / "a"))])


@linux
def test_the_watch_keeps_backends_up_to_date(
    tmp_path: Path, sockets: ExitStack, pool: FakePool
) -> None:
    clock = FakeClock()
    watch = BacklogWatch(pool, Kernel(), 2.0, clock.call_later)
    watch.start()
    watch.start()
    listener = listen(sockets, str(tmp_path / "a"))
    connect(sockets, listener, 1)
    clock.advance(1.9)
    assert pool.backends[0].backlog is None
    clock.advance(0.2)
    assert pool.backends[0].backlog == Depth(1, LIMIT)
    pool.backends.append(FakeBackend(unix(tmp_path / "a")))
    connect(sockets, listener, 1)
    clock.advance(2)
    assert [backend.backlog for backend in pool.backends] == [Depth(2, LIMIT)] * 2
    listener.close()
    clock.advance(2)
    assert [backend.backlog for backend in pool.backends] == [None] * 2
    watch.stop()


@linux
def test_after_stop_nothing_is_known(tmp_path: Path, sockets: ExitStack, pool: FakePool) -> None:
    listen(sockets, str(tmp_path / "a"))
    clock = FakeClock()
    watch = BacklogWatch(pool, Kernel(), 1.0, clock.call_later)
    watch.start()
    assert pool.backends[0].backlog is not None
    watch.stop()
    assert pool.backends[0].backlog is None
    assert not watch.is_running
    clock.advance(5)
    assert pool.backends[0].backlog is None
    watch.stop()


class CountingKernel(Kernel):
    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def watch(self, backends):  # type: ignore[no-untyped-def]
        self.looks += 1
        return {}


def test_a_second_life_has_one_rhythm(pool: FakePool) -> None:
    clock, kernel = FakeClock(), CountingKernel()
    watch = BacklogWatch(pool, kernel, 1.0, clock.call_later)
    watch.start()
    watch.start()
    assert kernel.looks == 1
    watch.stop()
    watch.start()
    assert kernel.looks == 2
    clock.advance(3.05)
    assert kernel.looks == 5
    watch.stop()


def test_interval_0_is_off(pool: FakePool) -> None:
    kernel = CountingKernel()
    watch = BacklogWatch(pool, kernel, 0.0, FakeClock().call_later)
    watch.start()
    assert not watch.is_running
    assert not kernel.looks


def test_a_refusal_ends_the_watch_and_is_said_once(
    pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pool.backends[0].backlog = Depth(1, 2)
    clock = FakeClock()
    watch = BacklogWatch(pool, kernel_of(errno.EPERM), 1.0, clock.call_later)
    watch.start()
    clock.advance(5)
    assert not watch.is_running
    assert pool.backends[0].backlog is None
    assert len(caplog.messages) == 1
    assert "unix listen queues" in caplog.text


class BlindKernel(CountingKernel):
    """Sees nothing, and refuses nothing."""


def test_a_backend_that_serves_and_is_not_seen_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    near, far = FakeBackend(unix(tmp_path / "a")), FakeBackend(Address("192.0.2.1", 3031))
    watch = BacklogWatch(FakePool([near, far]), BlindKernel(), 1.0, clock.call_later)
    watch.start()
    assert not caplog.messages
    near.replied = far.replied = True
    clock.advance(5)
    assert watch.is_running
    assert len(caplog.messages) == 1
    assert near.name in caplog.text
    watch.stop()


@linux
def test_a_backend_that_was_seen_before_is_just_not_running(
    tmp_path: Path, sockets: ExitStack, pool: FakePool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    listener = listen(sockets, str(tmp_path / "a"))
    clock = FakeClock()
    watch = BacklogWatch(pool, Kernel(), 1.0, clock.call_later)
    watch.start()
    pool.backends[0].replied = True
    listener.close()
    clock.advance(5)
    assert pool.backends[0].backlog is None
    assert not caplog.messages
    watch.stop()

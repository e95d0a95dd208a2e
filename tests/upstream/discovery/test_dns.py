"""Answers to questions about names: from a real DNS server, from files, from the C library."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.settings import Address
from proxy.upstream.discovery import dns
from proxy.upstream.discovery.dns import (
    LOCAL_TTL_S,
    TIMEOUT_S,
    UNKNOWN_TTL_S,
    Answer,
    DnsResolver,
    Kind,
    LibraryResolver,
    Record,
    Resolver,
    ResolverError,
    SystemResolver,
    UnansweredError,
    make_resolver,
)
from tests.loops import both_loops, run
from tests.upstream.discovery.dns_server import DnsServer, Fault, dns_server

SILENCE_S = 0.05
"""How long a test waits for an answer that does not come."""


def addresses(*hosts: str, ttl_s: float = 60) -> Answer:
    return Answer(tuple(Record(host) for host in hosts), ttl_s)


@asynccontextmanager
async def asking(timeout_s: float = TIMEOUT_S) -> AsyncIterator[tuple[DnsServer, DnsResolver]]:
    async with dns_server() as server:
        yield server, DnsResolver([server.address], timeout_s)


async def refusal(resolver: Resolver, name: str, kind: Kind = "A") -> str:
    with pytest.raises(UnansweredError) as caught:
        await resolver.ask(name, kind)
    return str(caught.value)


async def silence(resolver: Resolver) -> None:
    """Expect no answer, after `SILENCE_S`."""
    begin = time.monotonic()
    assert await refusal(resolver, "app.test") == f"no answer within {SILENCE_S:g} s"
    assert SILENCE_S * 0.9 < time.monotonic() - begin < TIMEOUT_S * 0.9


@both_loops
def test_records_and_their_time_to_live(loop: str) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            server.zone["app.test", "A"] = ["10.0.0.1", "10.0.0.2"]
            server.zone["app.test", "AAAA"] = ["fd00::1"]
            server.zone["_u._tcp.app.test", "SRV"] = [
                "10 5 3031 a.test.",
                "20 0 3032 b.test.",
                "0 0 0 no-port.test.",
                "0 0 9 .",
            ]
            answer = await resolver.ask("app.test", "A")
            assert set(answer.records) == {Record("10.0.0.1"), Record("10.0.0.2")}
            assert answer.ttl_s == 60
            assert await resolver.ask("APP.test.", "AAAA") == addresses("fd00::1")
            services = await resolver.ask("_u._tcp.app.test", "SRV")
            assert set(services.records) == {
                Record("a.test.", 3031, 10, 5),
                Record("b.test.", 3032, 20, 0),
            }

    run(loop, main())


@both_loops
def test_nothing_is_cached(loop: str) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            for host in ("10.0.0.1", "10.0.0.2"):
                server.zone["app.test", "A"] = [host]
                assert await resolver.ask("app.test", "A") == addresses(host)

    run(loop, main())


@both_loops
def test_an_alias_is_followed(loop: str) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            server.zone["www.test", "CNAME"] = ["app.test."]
            server.zone["app.test", "A"] = ["10.0.0.1"]
            assert await resolver.ask("www.test", "A") == addresses("10.0.0.1")

    run(loop, main())


@both_loops
def test_what_there_is_not(loop: str) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            server.zone["app.test", "A"] = ["10.0.0.1"]
            assert await resolver.ask("app.test", "AAAA") == Answer((), 7)
            assert await resolver.ask("no.test", "A") == Answer((), 7, exists=False)
            assert await resolver.ask("no.test", "SRV") == Answer((), 7, exists=False)
            server.zone["app.test", "SRV"] = ["0 0 0 ."]
            assert await resolver.ask("app.test", "SRV") == Answer((), 60)

    run(loop, main())


@both_loops
@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED"])
def test_a_server_that_cannot_say(loop: str, fault: Fault) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            server.faults["app.test"] = fault
            assert fault in await refusal(resolver, "app.test")

    run(loop, main())


@both_loops
@pytest.mark.parametrize("fault", ["silence", "garbage"])
def test_a_server_that_says_nothing_of_use(loop: str, fault: Fault) -> None:
    async def main() -> None:
        async with asking(SILENCE_S) as (server, resolver):
            server.faults["app.test"] = fault
            await silence(resolver)

    run(loop, main())


@both_loops
def test_a_truncated_answer_is_asked_for_by_tcp(loop: str) -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            hosts = [f"10.0.{n // 256}.{n % 256}" for n in range(300)]  # 5 kB
            server.zone["app.test", "A"] = hosts
            server.faults["app.test"] = "truncated"
            answer = await resolver.ask("app.test", "A")
            assert {record.host for record in answer.records} == set(hosts)
            assert server.asked == ["app.test A", "app.test A by TCP"]

    run(loop, main())


@both_loops
def test_another_server_helps_out(loop: str) -> None:
    async def main() -> None:
        async with dns_server() as bad, dns_server() as good:
            bad.faults["app.test"] = "SERVFAIL"
            good.zone["app.test", "A"] = ["10.0.0.1"]
            resolver = DnsResolver([bad.address, good.address])
            assert await resolver.ask("app.test", "A") == addresses("10.0.0.1")

    run(loop, main())


@both_loops
@pytest.mark.parametrize("name", ["a..test", "a" * 64 + ".test", "a." * 200])
def test_what_is_no_name_is_not_answered(loop: str, name: str) -> None:
    async def main() -> None:
        async with asking() as (_, resolver):
            assert await refusal(resolver, name)
        if len(name) < 253:  # some libraries ask for it, some say that there is none
            assert await refusal(LibraryResolver(), name)

    run(loop, main())


def test_a_configured_server_gets_whole_names() -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            await resolver.ask("app", "A")
            assert server.asked == ["app A"]

    run("asyncio", main())


def test_localhost_is_nobody_else_s_business() -> None:
    async def main() -> None:
        async with asking() as (server, resolver):
            for name in ("localhost", "LOCALHOST.", "app.localhost"):
                assert await resolver.ask(name, "A") == addresses("127.0.0.1", ttl_s=LOCAL_TTL_S)
                assert await resolver.ask(name, "AAAA") == addresses("::1", ttl_s=LOCAL_TTL_S)
            assert not server.asked
            assert not (await resolver.ask("notlocalhost", "A")).exists

    run("asyncio", main())


def test_a_server_needs_an_ip_address() -> None:
    with pytest.raises(ResolverError, match=r"needs an IP address: dns\.test:53"):
        make_resolver([Address("dns.test", 53)])


# The system's.


def system_resolver(
    directory: Path, hosts: str = "", resolv_conf: str | None = None
) -> SystemResolver:
    (directory / "hosts").write_text(hosts)
    if resolv_conf is not None:
        (directory / "resolv.conf").write_text(resolv_conf)
    return SystemResolver(str(directory / "hosts"), str(directory / "resolv.conf"))


HOSTS = """
127.0.0.1\tlocalhost
::1 localhost ip6-localhost  # a comment
10.0.0.1 db DB.Example.com.
10.0.0.2 db
fd00::1 db#also
#10.0.0.3 db
10.0.0.300 db
nonsense

10.0.0.4
"""


def test_hosts_come_first(tmp_path: Path) -> None:
    resolver = system_resolver(tmp_path, HOSTS, "nameserver 192.0.2.1\n")

    async def main() -> None:
        async def hosts(name: str, kind: Kind) -> list[str]:
            answer = await resolver.ask(name, kind)
            assert answer.ttl_s == UNKNOWN_TTL_S
            return [record.host for record in answer.records]

        assert await hosts("db", "A") == ["10.0.0.1", "10.0.0.2"]
        assert await hosts("db", "AAAA") == ["fd00::1"]
        assert await hosts("db.example.COM", "A") == ["10.0.0.1"]
        assert await hosts("db.example.com.", "AAAA") == []
        assert await hosts("localhost", "A") == ["127.0.0.1"]
        assert await hosts("ip6-localhost", "AAAA") == ["::1"]

    run("asyncio", main())


def test_changed_hosts_count(tmp_path: Path) -> None:
    resolver = system_resolver(tmp_path, "10.0.0.1 db.test\n")

    async def main() -> None:
        assert (await resolver.ask("db.test", "A")).records == (Record("10.0.0.1"),)
        (tmp_path / "new").write_text("10.0.0.2 db.test\n")
        (tmp_path / "new").rename(tmp_path / "hosts")
        assert (await resolver.ask("db.test", "A")).records == (Record("10.0.0.2"),)

    run("asyncio", main())


def test_there_may_be_no_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch, ["10.9.9.9"])
    resolver = SystemResolver(str(tmp_path / "hosts"), str(tmp_path / "resolv.conf"))

    async def main() -> None:
        assert (await resolver.ask("db.test", "A")).records == (Record("10.9.9.9"),)

    run("asyncio", main())


@pytest.fixture
def port_53(monkeypatch: pytest.MonkeyPatch) -> Callable[[DnsServer], None]:
    """Let dnspython find a server of ours where resolv.conf can only mean port 53."""

    def redirect(server: DnsServer) -> None:
        read = dns._read_resolv_conf

        def with_port(path: str) -> Any:
            made = read(path)
            if made is not None:
                made.port = server.address.port
            return made

        monkeypatch.setattr(dns, "_read_resolv_conf", with_port)

    return redirect


Redirect = Callable[[DnsServer], None]


@both_loops
def test_the_servers_and_the_search_list_of_the_system(
    loop: str, tmp_path: Path, port_53: Redirect
) -> None:
    async def main() -> None:
        async with dns_server() as server:
            port_53(server)
            conf = "search a.test b.test\nnameserver 127.0.0.1\noptions ndots:2\n"
            resolver = system_resolver(tmp_path, "", conf)
            server.zone["app.b.test", "A"] = ["10.0.0.1"]
            server.zone["_u._tcp.app.b.test", "SRV"] = ["0 0 1 x.test."]
            assert await resolver.ask("app", "A") == addresses("10.0.0.1")
            assert server.asked == ["app.a.test A", "app.b.test A"]
            assert len((await resolver.ask("_u._tcp.app", "SRV")).records) == 1
            server.asked.clear()
            assert not (await resolver.ask("_u._tcp.no", "SRV")).exists
            assert await resolver.ask("app.b.test.", "AAAA") == Answer((), 7)  # not the library
            assert server.asked[-1] == "app.b.test AAAA"

    run(loop, main())


def test_a_changed_search_list_counts(tmp_path: Path, port_53: Redirect) -> None:
    async def main() -> None:
        async with dns_server() as server:
            port_53(server)
            server.zone["app.a.test", "A"] = ["10.0.0.1"]
            server.zone["app.b.test", "A"] = ["10.0.0.2"]
            conf = "nameserver 127.0.0.1\nsearch a.test\n"
            resolver = system_resolver(tmp_path, "", conf)
            assert await resolver.ask("app", "A") == addresses("10.0.0.1")
            (tmp_path / "new").write_text(conf.replace("a.test", "b.test"))
            (tmp_path / "new").rename(tmp_path / "resolv.conf")
            assert await resolver.ask("app", "A") == addresses("10.0.0.2")

    run("asyncio", main())


@both_loops
def test_what_dns_does_not_know_the_library_may_know(
    loop: str, tmp_path: Path, port_53: Redirect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with dns_server() as server:
            port_53(server)
            resolver = system_resolver(tmp_path, "", "nameserver 127.0.0.1\n")
            asked = library(monkeypatch, ["10.9.9.9"])
            assert await resolver.ask("printer.local", "A") == addresses(
                "10.9.9.9", ttl_s=UNKNOWN_TTL_S
            )
            assert asked == ["printer.local"]
            server.faults["app.test"] = "SERVFAIL"
            assert "SERVFAIL" in await refusal(resolver, "app.test")
            assert asked == ["printer.local"]

    run(loop, main())


@pytest.mark.parametrize("conf", [None, "", "# nothing\n", "nameserver nonsense\n"])
def test_without_servers_the_library_is_asked(
    conf: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = library(monkeypatch, ["10.9.9.9"])
    resolver = system_resolver(tmp_path, "", conf)

    async def main() -> None:
        assert (await resolver.ask("app.test", "A")).records == (Record("10.9.9.9"),)
        assert asked == ["app.test"]
        with pytest.raises(UnansweredError):
            await resolver.ask("app.test", "SRV")

    run("asyncio", main())


def test_servers_that_come_later_are_asked(
    tmp_path: Path, port_53: Redirect, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(monkeypatch, ["10.9.9.9"])
    resolver = system_resolver(tmp_path)

    async def main() -> None:
        async with dns_server() as server:
            port_53(server)
            server.zone["app.test", "A"] = ["10.0.0.1"]
            assert (await resolver.ask("app.test", "A")).records == (Record("10.9.9.9"),)
            (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
            assert await resolver.ask("app.test", "A") == addresses("10.0.0.1")

    run("asyncio", main())


# The C library's.


def library(monkeypatch: pytest.MonkeyPatch, answer: list[str] | OSError) -> list[str]:
    """Let the C library answer this; return what it is asked for."""
    asked: list[str] = []

    def getaddrinfo(name: str, *rest: object) -> list[tuple[Any, ...]]:
        asked.append(name)
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in answer]

    loop_s_own = socket.getaddrinfo

    def only_for_threads(name: str, *rest: Any, **more: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            return loop_s_own(name, *rest, **more)
        return getaddrinfo(name, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", only_for_threads)
    return asked


@both_loops
def test_the_library_knows_addresses(loop: str) -> None:
    async def main() -> None:
        resolver = LibraryResolver()
        assert await resolver.ask("127.0.0.1", "A") == addresses("127.0.0.1", ttl_s=UNKNOWN_TTL_S)
        assert await resolver.ask("::1", "AAAA") == addresses("::1", ttl_s=UNKNOWN_TTL_S)
        assert (await resolver.ask("localhost", "A")).records == (Record("127.0.0.1"),)

    run(loop, main())


@pytest.mark.parametrize(
    "error", [socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY, socket.EAI_AGAIN]
)
def test_what_the_library_does_not_know(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch, socket.gaierror(error, "some words"))

    async def main() -> None:
        resolver = LibraryResolver()
        if error == socket.EAI_AGAIN:
            assert await refusal(resolver, "app.test") == "some words"
        else:
            none = Answer((), UNKNOWN_TTL_S, exists=False)
            assert await resolver.ask("app.test", "AAAA") == none

    run("asyncio", main())


def test_the_same_address_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch, ["10.0.0.1", "10.0.0.1", "10.0.0.2"])

    async def main() -> None:
        answer = await LibraryResolver().ask("app.test", "A")
        assert answer == addresses("10.0.0.1", "10.0.0.2", ttl_s=UNKNOWN_TTL_S)

    run("asyncio", main())


def test_the_library_may_fail_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch, OSError("out of something"))
    assert run("asyncio", refusal(LibraryResolver(), "app.test")) == "out of something"


@both_loops
def test_nobody_waits_for_a_library_that_hangs(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the question nor the end of the loop; and the thread finds it closed."""
    may_end = threading.Event()

    def getaddrinfo(*args: object) -> list[tuple[Any, ...]]:
        may_end.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        run(loop, silence(LibraryResolver(SILENCE_S)))
        (thread,) = [t for t in threading.enumerate() if t.name == "resolver"]
        assert thread.daemon
    finally:
        may_end.set()
    thread.join(20)
    assert not thread.is_alive()


@both_loops
def test_a_library_that_answers_too_late(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    complaints: list[dict[str, Any]] = []

    def getaddrinfo(*args: object) -> list[tuple[Any, ...]]:
        may_end.wait(20)
        return []

    async def main() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: complaints.append(context))
        try:
            await silence(LibraryResolver(SILENCE_S))
            (thread,) = [t for t in threading.enumerate() if t.name == "resolver"]
        finally:
            may_end.set()
        thread.join(20)
        for _ in range(5):
            await asyncio.sleep(0)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    run(loop, main())
    assert not complaints


def test_services_take_dnspython() -> None:
    assert "uwsgi-frontend[dns]" in run("asyncio", refusal(LibraryResolver(), "a", "SRV"))


# Which one.


def test_who_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Address("192.0.2.1", 53)
    assert isinstance(make_resolver([]), SystemResolver)
    assert isinstance(make_resolver([], with_services=True), SystemResolver)
    assert isinstance(make_resolver([server]), DnsResolver)
    monkeypatch.setattr(dns, "find_spec", lambda name: None)
    assert isinstance(make_resolver([]), LibraryResolver)
    for servers, with_services in (([server], False), ([], True)):
        with pytest.raises(ResolverError, match="dnspython is not installed"):
            make_resolver(servers, with_services=with_services)

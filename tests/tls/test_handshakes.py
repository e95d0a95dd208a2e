"""How handshakes end: in time, in every wrong way, and without anything left behind."""

import ssl

import pytest

from protocol.messages import ConnectionFacts
from proxy.clock import TICK_S
from proxy.settings import TlsSettings
from proxy.stream import Stream
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory import MemoryClient
from proxy.tls.certificates import Certificates
from proxy.tls.handshakes import RESULTS, Failure, Handshakes, classify
from proxy.tls.stream import TlsStream
from proxy.waiting import Vigil
from tests.tls.authority import Authority
from tests.tls.talk import Client, Talk

FACTS = ConnectionFacts(b"192.0.2.1", b"40000", b"443")


class Door:
    """Handshakes, and who came through."""

    def __init__(self, authority: Authority, **settings: object) -> None:
        pair = authority.issue()
        values: dict[str, object] = {"certificates": (pair.certificate,), "keys": (pair.key,)}
        tls = TlsSettings(**(values | settings))  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.failures: list[Failure] = []
        self.through: list[ConnectionFacts] = []
        self.data: list[bytes] = []
        self.ends = 0
        self.handshakes = Handshakes(Certificates(tls), 5.0, self.failures.append)

    def client(self) -> MemoryClient:
        vigil = Vigil(self.clock.deadlines, self.clock)
        return MemoryClient(
            self.clock,
            lambda: self.handshakes.new_stream(vigil, self._on_connect, self.clock.call_soon),
        )

    def talk(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Talk:
        talk = Talk(self.client(), Client(context, "localhost", session))
        talk.shake()
        return talk

    def _on_connect(self, stream: Stream) -> None:
        assert isinstance(stream, TlsStream)
        self.handshakes.begin(stream, FACTS, self._through, self._on_end)

    def _through(self, stream: TlsStream, facts: ConnectionFacts) -> None:
        self.through.append(facts)
        self.data.append(stream.take())

    def _on_end(self) -> None:
        self.ends += 1

    @property
    def results(self) -> dict[str, int]:
        return {result: count for result, count in self.handshakes.results.items() if count}


def test_facts_about_who_came_through(authority: Authority) -> None:
    door = Door(authority)
    first = door.talk(authority.client_context())
    first.received()
    door.talk(authority.client_context(ssl.TLSVersion.TLSv1_2))
    one, two = door.through
    assert (one.scheme, one.remote_addr, one.server_port) == (b"https", b"192.0.2.1", b"443")
    assert one.tls is not None
    assert (one.tls.protocol, one.tls.server_name, one.tls.resumed) == (
        b"TLSv1.3",
        b"localhost",
        False,
    )
    assert one.tls.cipher.startswith(b"TLS_")
    assert two.tls is not None
    assert two.tls.protocol == b"TLSv1.2"
    assert two.tls.cipher.startswith(b"ECDHE-ECDSA-")
    assert door.results == {"full": 2}
    assert (door.ends, door.failures, door.handshakes.running) == (0, [], set())
    assert not len(door.clock.deadlines)


def test_a_client_that_comes_back(authority: Authority) -> None:
    door = Door(authority)
    context = authority.client_context()
    first = door.talk(context)
    first.received()
    door.talk(context, first.client.session.session)
    assert door.results == {"full": 1, "resumed": 1}
    assert door.through[1].tls is not None
    assert door.through[1].tls.resumed


def test_one_that_is_too_slow(authority: Authority) -> None:
    door = Door(authority)
    silent, slow = door.client(), door.client()
    slow.send(b"\x16\x03\x01")
    door.clock.advance(4.8)
    slow.send(b"\x02")  # a byte more gives it no more time
    assert len(door.handshakes.running) == 2
    door.clock.advance(0.2 + 3 * TICK_S)
    assert silent.closed
    assert slow.closed
    assert door.results == {"timeout": 2}
    assert [(one.result, one.detail, one.begun) for one in door.failures] == [
        ("timeout", "not a byte came", False),
        ("timeout", "in the middle", True),
    ]
    assert (door.ends, door.handshakes.running) == (2, set())
    assert not len(door.clock.deadlines)


@pytest.mark.parametrize("leave", ["end", "reset"])
def test_one_that_leaves(authority: Authority, leave: str) -> None:
    door = Door(authority)
    early, late = door.client(), door.client()
    late.send(b"\x16\x03")
    for client in (early, late):
        getattr(client, leave)()
        door.clock.settle()
        assert client.closed
    assert door.results == {"client_gone": 2}
    assert [one.begun for one in door.failures] == [False, True]
    assert door.ends == 2


def test_one_without_tls_goes_on_without_it(authority: Authority) -> None:
    door = Door(authority)
    client = door.client()
    client.send(b"GET")
    assert door.through == [FACTS]
    assert door.data == [b"GET"]
    assert door.results == {"plain_http": 1}
    assert door.failures == []


def test_one_of_old_times(authority: Authority) -> None:
    door = Door(authority, protocols=("TLSv1.3",))
    with pytest.raises(ssl.SSLError):
        door.talk(authority.client_context(ssl.TLSVersion.TLSv1_2))
    door.clock.settle()
    assert door.results == {"protocol_version": 1}
    assert (door.ends, door.handshakes.running) == (1, set())


def test_one_with_other_ciphers(authority: Authority) -> None:
    door = Door(authority, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384", protocols=("TLSv1.2",))
    context = authority.client_context()
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        door.talk(context)
    assert door.results == {"no_common_cipher": 1}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_that_does_not_trust_us(authority: Authority, version: ssl.TLSVersion) -> None:
    door = Door(authority)
    stranger = ssl.create_default_context()
    stranger.maximum_version = version
    client = Client(stranger)
    wire = door.client()
    client.shake()
    wire.send(client.sent())
    client.take(wire.received())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.shake()
    wire.send(client.sent())  # its alert
    assert door.results == {"certificate_refused": 1}
    assert door.failures[0].detail == "tlsv1 alert unknown ca"
    assert "chain" in door.failures[0].next_step


@pytest.mark.parametrize("data", [b"\x16nonsense", b"\x16\x03\x01\x00\x02xx" * 100])
def test_one_that_speaks_nonsense(authority: Authority, data: bytes) -> None:
    door = Door(authority)
    client = door.client()
    client.send(data)
    client.send(b"and more")
    door.clock.advance(6.0)
    assert client.closed
    assert sum(door.results.values()) == 1
    assert set(door.results) <= {"malformed", "protocol_version"}
    assert door.ends == 1


def test_to_stop_ends_those_that_run_and_blames_nobody(authority: Authority) -> None:
    door = Door(authority)
    client = door.client()
    door.handshakes.stop()
    door.clock.settle()
    assert client.closed
    assert (door.results, door.failures, door.ends) == ({}, [], 1)
    late = door.client()  # accepted before, told now
    door.clock.settle()
    assert late.closed
    assert (door.results, door.failures, door.ends) == ({}, [], 2)


def test_every_result_of_a_failure_says_what_to_do() -> None:
    assert [result for result, text in RESULTS.items() if not text] == ["full", "resumed"]
    assert classify(None) == "malformed"

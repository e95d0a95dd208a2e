"""The front end in memory, at its simplest: a request through all of it."""

from proxy.downstream import Downstream
from proxy.settings import PacketSettings, Settings
from proxy.testing.harness import Harness
from tests.wire import DATE_LINES, GET, OK


def test_a_transcript() -> None:
    wire = Harness()
    client = wire.client()
    client.send(GET)
    assert wire.in_flight == 1
    assert wire.backend.channel.variables["REMOTE_ADDR"] == b"192.0.2.1"
    wire.backend.channel.reply(OK)
    assert client.received() == (
        b"HTTP/1.1 200 OK\r\n" + DATE_LINES + b"Content-Length: 2\r\n"
        b"Connection: keep-alive\r\n\r\nok"
    )
    assert [record.status for record in wire.records] == [200]
    assert (wire.in_flight, len(wire.connections), wire.escaped) == (0, 1, [])
    client.end()
    assert (client.closed, len(wire.connections)) == (True, 0)


def test_settings_and_backends_are_the_test_s() -> None:
    wire = Harness(Settings(packet=PacketSettings(modifier1=5)), backends=2)
    for _ in range(2):
        wire.client().send(GET)
    assert [backend.tries for backend in wire.backends] == [1, 1]
    assert wire.backends[1].channel.sent[0] == 5


def test_a_unix_client() -> None:
    wire = Harness()
    wire.client(peername="", sockname="/run/http.sock").send(GET)
    assert wire.backend.channel.variables["REMOTE_ADDR"] == b"unix:"


def test_what_serves_may_be_the_test_s_and_what_escapes_is_kept() -> None:
    class Stop(BaseException):
        """Nothing that a connection would catch."""

    async def serve(client: Downstream) -> None:
        raise Stop

    wire = Harness(serve=serve)
    client = wire.client()
    client.send(GET)
    assert [type(error) for error in wire.escaped] == [Stop]
    assert client.closed

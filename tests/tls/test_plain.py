"""HTTP that comes without TLS where it is expected."""

from proxy import errors
from proxy.downstream import Downstream, page_for
from proxy.testing.harness import Harness
from proxy.tls.plain import refuse_plain
from tests.wire import GET


async def serve(client: Downstream) -> None:
    client.send_page(page_for(204))


def test_who_comes_without_is_told_and_goes() -> None:
    wire = Harness(serve=refuse_plain(serve))
    client = wire.client()
    client.send(GET + GET)
    text = client.received()
    assert text.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"The plain HTTP request was sent to HTTPS port" in text
    assert b"Connection: close" in text
    (record,) = wire.records
    assert (record.status, record.reason) == (400, errors.HTTP_ON_TLS_LISTENER)


def test_a_body_is_read_away_so_that_the_answer_is_read() -> None:
    wire = Harness(serve=refuse_plain(serve))
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin")
    assert client.at_end
    assert not client.closed
    client.send(b"x" * 50000)
    assert client.unread_bytes == 0

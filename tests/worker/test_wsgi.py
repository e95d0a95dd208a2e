"""One WSGI call over a socket pair: PEP 3333 from the worker's side."""

import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from proxy.worker.wsgi import Body, Disconnected, FileWrapper, Reply, content_length, environ

Pair = tuple[socket.socket, socket.socket]
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The worker's end and the proxy's end of a connection."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def variables(**more: str) -> list[tuple[bytes, bytes]]:
    fields = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_PROTOCOL": "HTTP/1.1", **more}
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]


def call(pair: Pair, app: App, body: bytes = b"", **more: str) -> bytes:
    """Run the application; return the whole reply."""
    ours, theirs = pair
    if body:
        theirs.sendall(body)
        more.setdefault("CONTENT_LENGTH", str(len(body)))
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: theirs.recv(65536), b"")))
    reader.start()
    try:
        request = environ(variables(**more), ours, threads=4)
        reply = Reply(ours, request["REQUEST_METHOD"], request["SERVER_PROTOCOL"])
        reply.run(app, request)
    finally:
        ours.shutdown(socket.SHUT_WR)
        reader.join(10)
    return b"".join(received)


def answering(body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> App:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body

    return app


def parts(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks


# --- the reply's framing


def test_a_list_gets_its_length(pair: Pair) -> None:
    reply = call(pair, answering([b"ab", b"c"], ("X-A", "é")))
    assert reply == "HTTP/1.1 200 OK\r\nX-A: é\r\nContent-Length: 3\r\n\r\nabc".encode("latin-1")


def test_an_empty_list_gets_length_zero(pair: Pair) -> None:
    assert call(pair, answering([])) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_an_iterator_without_parts_gets_length_zero(pair: Pair) -> None:
    assert call(pair, answering(parts())) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_an_iterator_is_chunked_so_that_its_end_can_be_told_from_a_failure(pair: Pair) -> None:
    reply = call(pair, answering(parts(b"ab", b"", b"cde")))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.endswith(b"\r\nTransfer-Encoding: chunked")
    assert body == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"


def test_http_1_0_is_not_chunked(pair: Pair) -> None:
    reply = call(pair, answering(parts(b"ab", b"c")), SERVER_PROTOCOL="HTTP/1.0")
    assert reply == b"HTTP/1.1 200 OK\r\n\r\nabc"


def test_the_framing_of_the_application_stays(pair: Pair) -> None:
    reply = call(pair, answering(parts(b"ab"), ("content-length", "2")))
    assert reply == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"


def test_the_chunks_of_the_application_stay(pair: Pair) -> None:
    own = b"2\r\nab\r\n0\r\n\r\n"
    reply = call(pair, answering([own], ("Transfer-Encoding", "chunked")))
    assert reply == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + own


def test_a_large_part_is_sent_whole(pair: Pair) -> None:
    data = bytes(range(256)) * 20_000
    assert call(pair, answering([data])).partition(b"\r\n\r\n")[2] == data


def test_head_has_the_length_and_no_body(pair: Pair) -> None:
    reply = call(pair, answering([b"abc"]), REQUEST_METHOD="HEAD")
    assert reply == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"


def test_head_stops_an_iterator_and_closes_it(pair: Pair) -> None:
    taken: list[bytes] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                taken.append(b"x")
                yield b"x"
        finally:
            taken.append(b"closed")

    assert call(pair, answering(endless()), REQUEST_METHOD="HEAD") == b"HTTP/1.1 200 OK\r\n\r\n"
    assert taken == [b"x", b"closed"]


@pytest.mark.parametrize("body", [[], [b"never"], parts(), parts(b"never")])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_reply_without_body(pair: Pair, status: str, body: Iterable[bytes]) -> None:
    body = list(body) if isinstance(body, list) else body
    reply = call(pair, answering(body, ("ETag", '"1"'), status=status))
    assert reply == f'HTTP/1.1 {status}\r\nETag: "1"\r\n\r\n'.encode()


def test_more_than_the_declared_length_is_cut_and_reported(pair: Pair) -> None:
    ours, theirs = pair
    reply = Reply(ours, "GET", "HTTP/1.1")
    with pytest.raises(ValueError, match="2 bytes more than Content-Length says"):
        reply.run(answering([b"abcd"], ("Content-Length", "2")), {})
    ours.close()
    assert theirs.recv(1000).endswith(b"\r\n\r\nab")


def test_less_than_the_declared_length_is_reported(pair: Pair) -> None:
    with pytest.raises(ValueError, match="3 bytes less than Content-Length says"):
        call(pair, answering([b"ab"], ("Content-Length", "5")))


# --- start_response


def test_the_write_callable_comes_before_the_iterable(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"one ")
        write(b"")
        return [b"two"]

    body = call(pair, app).partition(b"\r\n\r\n")[2]
    assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"


def test_an_error_replaces_a_head_that_has_not_been_sent(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("X-First", "1")])
        error = KeyError("late")
        start_response("500 Oops", [], (KeyError, error, None))
        return [b"sorry"]

    reply = call(pair, app)
    assert reply.startswith(b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\n")


def test_an_error_after_the_head_is_raised_again(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        start_response("500 Oops", [], (KeyError, KeyError("late"), None))

    with pytest.raises(KeyError, match="late"):
        call(pair, app)


def test_a_second_start_is_refused(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(AssertionError, match="a second time"):
        call(pair, app)


def test_no_start_at_all_is_an_error(pair: Pair) -> None:
    with pytest.raises(AssertionError, match="without calling start_response"):
        call(pair, lambda _environ, _start: [b"x"])


def test_the_application_may_start_with_its_first_part(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("201 Created", [("Content-Length", "1")])
        yield b"x"

    assert call(pair, app) == b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx"


def test_headers_that_change_later_do_not_matter(pair: Pair) -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = [("X-A", "1")]
        start_response("200 OK", headers)
        headers.append(("X-B", "2"))
        return [b""]

    assert b"X-B" not in call(pair, app)


@pytest.mark.parametrize(
    ("status", "header"),
    [
        ("OK", None),
        ("20 OK", None),
        ("200 O\r\nK", None),
        (200, None),
        ("200 OK", ("X-A", "1\r\nX-B: 2")),
        ("200 OK", ("X-A", "1\n")),
        ("200 OK", ("X-A", "\0")),
        ("200 OK", ("X-A", 1)),
        ("200 OK", ("X-A", "€")),
        ("200 OK", ("X A", "1")),
        ("200 OK", ("X-A:", "1")),
        ("200 OK", ("", "1")),
        ("200 OK", (b"X-A", "1")),
    ],
)
def test_what_cannot_stand_in_a_head_is_refused(pair: Pair, status: Any, header: Any) -> None:
    with pytest.raises(ValueError, match=r"status|header|codec"):
        call(pair, answering([], *([header] if header else []), status=status))


def test_the_body_must_be_bytes(pair: Pair) -> None:
    with pytest.raises(TypeError, match="not str"):
        call(pair, answering(["text"]))  # type: ignore[list-item]


def test_a_declared_length_must_be_a_number(pair: Pair) -> None:
    reply = Reply(pair[0], "GET", "HTTP/1.1")
    with pytest.raises(ValueError, match="'many'"):
        reply.run(answering([b"x"], ("Content-Length", "many")), {})
    assert not reply.head_sent
    reply.fail()
    assert pair[1].recv(1000).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


# --- close()


class Closing:
    """An iterable that counts its close() and may fail on the way."""

    def __init__(self, fails: bool = False) -> None:
        self.closed = 0
        self._fails = fails

    def __iter__(self) -> Iterator[bytes]:
        yield b"part"
        if self._fails:
            raise RuntimeError("half-way")

    def close(self) -> None:
        self.closed += 1


def test_closes_the_iterable(pair: Pair) -> None:
    body = Closing()
    call(pair, answering(body))
    assert body.closed == 1


def test_closes_it_after_a_failure_too(pair: Pair) -> None:
    body = Closing(fails=True)
    with pytest.raises(RuntimeError, match="half-way"):
        call(pair, answering(body))
    assert body.closed == 1


def test_a_failure_half_way_does_not_end_the_chunks(pair: Pair) -> None:
    ours, theirs = pair
    with pytest.raises(RuntimeError):
        Reply(ours, "GET", "HTTP/1.1").run(answering(Closing(fails=True)), {})
    ours.close()
    assert theirs.recv(1000).endswith(b"4\r\npart\r\n")


def test_a_proxy_that_has_gone_stops_the_application_and_closes_the_iterable(pair: Pair) -> None:
    pair[1].close()
    body = Closing()
    with pytest.raises(Disconnected, match="cannot be sent"):
        Reply(pair[0], "GET", "HTTP/1.1").run(answering(body), {})
    assert body.closed == 1


# --- the request


def test_text_is_latin_1_and_the_last_duplicate_counts(pair: Pair) -> None:
    fields = [(b"PATH_INFO", "/ü".encode()), (b"A", b"1"), (b"A", b"2")]
    result = environ(fields, pair[0], threads=1)
    assert result["PATH_INFO"] == "/ü".encode().decode("latin-1")
    assert result["A"] == "2"
    assert result["SCRIPT_NAME"] == ""
    assert result["wsgi.multithread"] is False


def test_no_variable_replaces_what_is_the_servers(pair: Pair) -> None:
    fields = [(b"wsgi.input", b"x"), (b"wsgi.url_scheme", b"gopher"), (b"wsgi.errors", b"")]
    result = environ(fields, pair[0], threads=2)
    assert result["wsgi.input"].read() == b""
    assert result["wsgi.url_scheme"] == "http"
    assert result["wsgi.errors"].write


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ({}, "http"),
        ({"HTTPS": "on"}, "https"),
        ({"HTTPS": "off"}, "http"),
        ({"REQUEST_SCHEME": "https"}, "https"),
        ({"REQUEST_SCHEME": "ftp"}, "http"),
        ({"UWSGI_SCHEME": "https", "REQUEST_SCHEME": "http"}, "https"),
        ({"HTTP_X_FORWARDED_PROTO": "https"}, "http"),  # any client may send that
    ],
)
def test_the_scheme_comes_from_configured_variables(
    pair: Pair, fields: dict[str, str], scheme: str
) -> None:
    assert environ(variables(**fields), pair[0], threads=1)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(("text", "length"), [("", 0), ("0", 0), ("17", 17), ("007", 7)])
def test_content_length(text: str, length: int) -> None:
    assert content_length(text) == length


@pytest.mark.parametrize("text", ["abc", "-1", "+5", "1.5", " 1", "²", "٣"])
def test_a_length_that_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="CONTENT_LENGTH is"):
        content_length(text)


BODY = b"first\nsecond\nno newline"


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda f: f.read(), BODY),
        (lambda f: f.read(-1), BODY),
        (lambda f: [f.read(6), f.read(100), f.read(1)], [BODY[:6], BODY[6:], b""]),
        (lambda f: [f.readline(), f.readline(3)], [b"first\n", b"sec"]),
        (lambda f: f.readlines(), BODY.splitlines(keepends=True)),
        (list, BODY.splitlines(keepends=True)),
    ],
)
def test_the_body_is_read_up_to_its_length(pair: Pair, read: Any, expected: object) -> None:
    pair[1].sendall(BODY + b" of the next packet")
    request = environ(variables(CONTENT_LENGTH=str(len(BODY))), pair[0], threads=1)
    assert read(request["wsgi.input"]) == expected


def test_a_body_that_stops_short_is_an_error_not_an_end(pair: Pair) -> None:
    pair[1].sendall(b"123")
    pair[1].shutdown(socket.SHUT_WR)
    body = io.BufferedReader(Body(pair[0], 10))
    with pytest.raises(Disconnected, match="7 bytes too early"):
        body.read()


def test_file_wrapper() -> None:
    file = io.BytesIO(b"abcdefg")
    file.seek(1)
    wrapper = FileWrapper(file, 3)
    assert list(wrapper) == [b"bcd", b"efg"]
    wrapper.close()
    assert file.closed
    FileWrapper(object()).close()


# --- an independent judge


def echo(request: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    request["wsgi.errors"].write("")
    request["wsgi.errors"].flush()
    body = request["wsgi.input"].read(3) + request["wsgi.input"].readline()
    body += b"".join(request["wsgi.input"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_wsgiref_finds_nothing_to_complain_about(pair: Pair, method: str) -> None:
    reply = call(pair, validator(echo), BODY, REQUEST_METHOD=method, CONTENT_TYPE="text/plain")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    assert (BODY in reply) is (method != "HEAD")

"""Keys: nginx's variables with nginx's values."""

import socket
from pathlib import Path

import pytest

from protocol.headers import HeaderDigest
from protocol.http1.httptools_engine import HttptoolsEngine
from protocol.http1.reader import RequestReader
from protocol.messages import ConnectionFacts, Request
from proxy.settings import ClientSettings, PacketSettings
from proxy.upstream.hash_key import compile_key
from tests.differential.nginx import Nginx, listener

FACTS = ConnectionFacts(b"192.0.2.1", b"40000", b"8080", b"https")

RAW = (
    b"GET /a%20b/../c?user=x%20y&ID=7&id=8&empty=&bare HTTP/1.1\r\n"
    b"Host: A.Example:8080\r\nX-Key: one\r\nx-key: two\r\n"
    b"Cookie: a=1; Sid=s1\r\nCookie: sid=s2\r\n\r\n"
)


def parse(raw: bytes) -> Request:
    client = ClientSettings()
    reader = RequestReader(client, HeaderDigest(client, PacketSettings()), HttptoolsEngine())
    reader.receive_data(raw)
    request = reader.next_event()
    assert isinstance(request, Request)
    return request


def key(template: str, raw: bytes = RAW, facts: ConnectionFacts = FACTS) -> bytes:
    return compile_key(template)(parse(raw), facts)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$request_uri", b"/a%20b/../c?user=x%20y&ID=7&id=8&empty=&bare"),
        ("$uri", b"/c"),
        ("$document_uri", b"/c"),
        ("$args", b"user=x%20y&ID=7&id=8&empty=&bare"),
        ("$query_string", b"user=x%20y&ID=7&id=8&empty=&bare"),
        ("$uri$is_args", b"/c?"),
        ("$host", b"a.example"),
        ("$request_method", b"GET"),
        ("$scheme", b"https"),
        ("$remote_addr", b"192.0.2.1"),
        ("$binary_remote_addr", b"\xc0\x00\x02\x01"),
        ("$remote_port", b"40000"),
        ("$server_port", b"8080"),
        ("$http_x_key", b"one, two"),
        ("$http_X_Key", b"one, two"),
        ("$http_host", b"A.Example:8080"),
        ("$http_absent", b""),
        ("$http_cookie", b"a=1; Sid=s1; sid=s2"),
        ("$arg_user", b"x%20y"),
        ("$arg_id", b"7"),
        ("$arg_ID", b"7"),
        ("$arg_empty", b""),
        ("$arg_bare", b""),
        ("$arg_er", b""),
        ("$cookie_sid", b"s1"),
        ("$cookie_absent", b""),
        ("plain", b"plain"),
        ("${uri}x", b"/cx"),
        ("$host$uri", b"a.example/c"),
        ("<$arg_id|$cookie_a>", b"<7|1>"),
        ("ä$uri", b"\xc3\xa4/c"),
    ],
)
def test_values(template: str, value: bytes) -> None:
    assert key(template) == value


@pytest.mark.parametrize(
    ("target", "host", "value"),
    [
        (b"/", b"a.example", b"a.example"),
        (b"/", b"[::1]:80", b"[::1]"),
        (b"/", b"[::1]", b"[::1]"),
        (b"/", b"[::1]:", b"[::1]"),
        (b"http://b.example:81/", b"a.example", b"b.example"),
    ],
)
def test_a_host_is_without_its_port(target: bytes, host: bytes, value: bytes) -> None:
    assert key("$host", b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)) == value


def test_what_is_missing_is_empty() -> None:
    raw = b"GET / HTTP/1.0\r\n\r\n"
    template = "$host$args$is_args$http_cookie$arg_a$cookie_a$http_x$remote_port"
    assert key(template, raw, ConnectionFacts()) == b""


@pytest.mark.parametrize(
    ("address", "value"),
    [
        (b"2001:db8::1", socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
        (b"fe80::1%eth0", socket.inet_pton(socket.AF_INET6, "fe80::1")),
        (b"unix:", b"unix:"),
        (b"\xff", b"\xff"),
        (b"a\0", b"a\0"),
    ],
)
def test_addresses_as_bytes(address: bytes, value: bytes) -> None:
    assert key("$binary_remote_addr", facts=ConnectionFacts(address)) == value


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "it is empty"),
        ("$", "a '[$]' without a variable"),
        ("$uri$", "a '[$]' without a variable"),
        ("$$uri", "a '[$]' without a variable"),
        ("${uri", "a '[$]' without a variable"),
        ("${}", "a '[$]' without a variable"),
        ("$-x", "a '[$]' without a variable"),
        ("$request_url", "[$]request_url is not known; did you mean [$]request_uri[?]"),
        ("${remote_adr}x", "did you mean [$]remote_addr[?]"),
        ("$arg_", "[$]arg_ is not known"),
        ("$zzz", "known are [$]request_uri, .*[$]http_NAME, [$]cookie_NAME, [$]arg_NAME"),
        ("$uri_x", "is not known"),
    ],
)
def test_what_is_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_key(template)


TEMPLATE = (
    "$request_uri|$uri|$args|$is_args|$host|$request_method|$scheme|$remote_addr|"
    "$http_x_key|$http_host|$arg_user|$arg_id|$arg_empty|$arg_bare|$arg_er|$cookie_sid|"
    "$cookie_a|${uri}x"
)

REQUESTS = [
    RAW.replace(b"x-key: two\r\n", b""),  # 1.22 takes the first line of several
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?id HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    b"GET /?id&xid=1&id=9&user&bare=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //x//y/./z?id=1?id=2&&id=3 HTTP/1.1\r\nHost: a.\r\n\r\n",
    b"GET /%41?xid=1&Id=2&user== HTTP/1.1\r\nHost: a_b:80\r\nCookie: sid =q;a = 2\r\n\r\n",
    b"GET http://B:81/p?user=u#f HTTP/1.1\r\nHost: B:81\r\nCookie: sid\r\n\r\n",
    b"GET /p HTTP/1.1\r\nHost: a\r\nCookie: asid=1; sidx=2; x=sid=3; SID=4 ; sid=5\r\n\r\n",
    b"GET /p HTTP/1.1\r\nHost: a\r\nCookie: a=;sid=  x y;\r\nX-Key:  k k \r\n\r\n",
    b"DELETE /p?user=%26&user=2 HTTP/1.1\r\nHost: a\r\nX_Key: no\r\n\r\n",
]


@pytest.mark.nginx
def test_values_are_nginx_s(tmp_path: Path) -> None:
    sock, address = listener("tcp", tmp_path, "front")
    with sock:
        block = f"server {{ listen {address}; location / {{ return 200 '{TEMPLATE}'; }} }}"
        nginx = Nginx(tmp_path, block, [sock])
        try:
            for raw in REQUESTS:
                with socket.create_connection((address.host, address.port), 20) as connection:
                    connection.sendall(raw)
                    theirs = read_body(connection)
                assert key(TEMPLATE, raw, ConnectionFacts(b"127.0.0.1")) == theirs
        finally:
            nginx.stop()


def read_body(connection: socket.socket) -> bytes:
    """Read a response with a length."""
    with connection.makefile("rb") as stream:
        assert stream.readline().startswith(b"HTTP/1.1 200"), "refused"
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b": ")
            if name == b"Content-Length":
                length = int(value)
        return stream.read(length)

"""Addresses: every form that is taken, and every mistake with what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.address import (
    MAX_UNIX_PATH_BYTES,
    parse_connect,
    parse_listen,
    parse_public,
    parse_resolver,
    parse_service_host,
    parse_stats,
    parse_subscribe,
)
from proxy.settings import Address
from proxy.settings.address import is_ip

BOTH = [
    ("unix:/run/app.sock", Address(path="/run/app.sock")),
    ("unix:app.sock", Address(path="app.sock")),
    ("unix:./app.sock", Address(path="./app.sock")),
    ("unix:///run/app.sock", Address(path="/run/app.sock")),
    ("unix:@app", Address(path="\0app")),
    ("unix:/run/with space:and=colon", Address(path="/run/with space:and=colon")),
    ("  unix:/run/app.sock\n", Address(path="/run/app.sock")),
    ("127.0.0.1:3031", Address(host="127.0.0.1", port=3031)),
    ("127.0.0.1:1", Address(host="127.0.0.1", port=1)),
    ("127.0.0.1:65535", Address(host="127.0.0.1", port=65535)),
    ("127.0.0.1:0080", Address(host="127.0.0.1", port=80)),
    ("localhost:8080", Address(host="localhost", port=8080)),
    ("app:8080", Address(host="app", port=8080)),
    ("my-app_1.prod.example.:80", Address(host="my-app_1.prod.example.", port=80)),
    ("[::1]:3031", Address(host="::1", port=3031)),
    ("[fe80::1%eth0]:3031", Address(host="fe80::1%eth0", port=3031)),
]

LISTEN_ONLY = [
    (":8080", Address(host="0.0.0.0", port=8080)),
    ("8080", Address(host="0.0.0.0", port=8080)),
    ("*:8080", Address(host="0.0.0.0", port=8080)),
    ("0.0.0.0:8080", Address(host="0.0.0.0", port=8080)),
    ("[::]:8080", Address(host="::", port=8080)),
    ("127.0.0.1:0", Address(host="127.0.0.1", port=0)),
    (":0", Address(host="0.0.0.0", port=0)),
    ("0", Address(host="0.0.0.0", port=0)),
]

WRONG_FOR_BOTH = [
    ("unix:", "names no socket; write unix:/run/app.sock or unix:@name"),
    ("unix:@", "names no socket; write unix:/run/app.sock or unix:@name"),
    ("unix:/run/", "a directory; name the socket in it, as unix:/run/app.sock"),
    ("unix:/", "a directory; name the socket in it, as unix:/run/app.sock"),
    ("unix://run/app.sock", "too many slashes; write unix:/run/app.sock"),
    ("unix:/a\0b", "contains a NUL byte"),
    ("\0", "contains a NUL byte"),
    ("app.sock", "not an address; did you mean unix:app.sock?"),
    ("/run/app.sock", "not an address; did you mean unix:/run/app.sock?"),
    ("./app.sock", "not an address; did you mean unix:./app.sock?"),
    ("/run/app:1", "not an address; did you mean unix:/run/app:1?"),
    ("@app", "not an address; did you mean unix:@app?"),
    ("UNIX://x", "not an address; write it like unix:/run/app.sock"),
    ("tcp://1.2.3.4:80", "a URL, not an address; write 1.2.3.4:80"),
    ("uwsgi://app:3031/x", "a URL, not an address; write app:3031"),
    ("uwsgi://unix:/a/b.sock", "a URL, not an address; write unix:/a/b.sock"),
    ("x y", "not an address; write it like unix:/run/app.sock or "),
    ("::1", "an IPv6 address needs brackets and a port; write [::1]:8080"),
    ("fe80::1:2:3031", "an IPv6 address needs brackets; write [fe80::1:2]:3031"),
    ("1:2:3", "more than one colon; write host:port, or [address]:port for IPv6"),
    ("[::1:80", "no closing bracket; write it like [::1]:8080"),
    ("[]:80", "brackets are for IPv6, and nothing is not an IPv6 address"),
    ("[1.2.3.4]:80", "brackets are for IPv6, and 1.2.3.4 is not an IPv6 address"),
    ("[::1]", "no port; write [::1]:"),
    ("[::1]80", "no port; write [::1]:"),
    ("[::1]:", "no port after the colon; write it like "),
    ("[::1]:x", "port 'x' is not a number; write it like "),
    ("host:", "no port after the colon; write it like "),
    ("host:http", "port 'http' is not a number; write it like "),
    ("host:80a", "port '80a' is not a number; write it like "),
    ("host:-1", "port '-1' is not a number; write it like "),
    ("host:٣", "port '٣' is not a number; write it like "),
    ("host: 80", "port ' 80' is not a number; write it like "),
    ("host:65536", "port 65536 is out of range; the largest is 65535"),
    ("host:" + "9" * 5000, "port 999"),
    ("[::1]:70000", "port 70000 is out of range; the largest is 65535"),
    ("256.0.0.1:80", "256.0.0.1 is not an IPv4 address"),
    ("1.2.3:80", "1.2.3 is not an IPv4 address"),
    ("ho st:80", "'ho st' is not a host name or an address"),
    ("-host:80", "'-host' is not a host name or an address"),
    ("hôst:80", "'hôst' is not a host name or an address"),
    ("localhost", "no port; write it like localhost:"),
    ("1.2.3.4", "no port; write it like 1.2.3.4:"),
]

WRONG_FOR_LISTENING = [
    ("", "empty; write unix:/run/app.sock or 127.0.0.1:8080"),
    ("http://0.0.0.0:8080/x", "a URL, not an address; write 0.0.0.0:8080"),
    ("http://localhost", "a URL, not an address; write 127.0.0.1:8080"),
    ("https://:443", 'a URL, not an address; for TLS write ":443 tls"'),
    ("70000", "port 70000 is out of range; the largest is 65535"),
]

WRONG_FOR_CONNECTING = [
    (
        "http://unix:/a/b.sock:/x",
        "an HTTP address, but backends speak uwsgi; open a uwsgi socket (uWSGI --socket "
        "unix:/a/b.sock, gunicorn --protocol uwsgi) and write unix:/a/b.sock",
    ),
    ("", "empty; write unix:/run/app.sock or 127.0.0.1:3031"),
    ("3031", "a port without a host; write 127.0.0.1:3031"),
    (":3031", "names no machine to connect to; write 127.0.0.1:3031"),
    ("*:3031", "names no machine to connect to; write 127.0.0.1:3031"),
    ("0.0.0.0:3031", "names no machine to connect to; write 127.0.0.1:3031"),
    ("[::]:3031", "[::] is for listening only; write [::1]:3031"),
    ("host:0", "port 0 lets the kernel choose, which works for listening only"),
    (
        "http://127.0.0.1:8000/",
        "an HTTP address, but backends speak uwsgi; open a uwsgi socket (uWSGI --socket "
        "127.0.0.1:8000, gunicorn --protocol uwsgi) and write 127.0.0.1:8000",
    ),
    ("https://app", "an HTTP address, but backends speak uwsgi"),
]


@pytest.mark.parametrize(("text", "address"), BOTH + LISTEN_ONLY)
def test_an_address_to_listen_on(text: str, address: Address) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(("text", "address"), BOTH)
def test_an_address_to_connect_to(text: str, address: Address) -> None:
    assert parse_connect(text) == address


@pytest.mark.parametrize(("text", "why"), WRONG_FOR_BOTH + WRONG_FOR_LISTENING)
def test_what_cannot_be_listened_on(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_listen(text)
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "why"), WRONG_FOR_BOTH + WRONG_FOR_CONNECTING)
def test_what_cannot_be_connected_to(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_connect(text)
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "ä", "@", "/"])
def test_a_unix_path_fits_into_the_kernels_address(name: str) -> None:
    head = "@" if name == "@" else "/" + name
    fits = head + "x" * (MAX_UNIX_PATH_BYTES - len(head.encode()))
    if name == "/":  # two slashes in front are refused for another reason
        fits = fits.replace("//", "/x", 1)
    assert parse_connect("unix:" + fits).is_unix
    with pytest.raises(ValueError, match="108 bytes and the kernel takes 107 at most; choose"):
        parse_connect("unix:" + fits + "x")


@pytest.mark.parametrize(("text", "address"), BOTH + LISTEN_ONLY)
def test_what_an_address_shows_is_read_back(text: str, address: Address) -> None:
    assert parse_listen(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8443 tls", Address(host="0.0.0.0", port=8443, tls=True)),
        ("[::1]:8443  SSL;", Address(host="::1", port=8443, tls=True)),
        ("unix:/run/s tls", Address(path="/run/s", tls=True)),
        ("8443 tls", Address(host="0.0.0.0", port=8443, tls=True)),
        ("unix:/run/a b", Address(path="/run/a b")),
    ],
)
def test_a_public_address_may_speak_tls(text: str, address: Address) -> None:
    assert parse_public(text) == address
    assert parse_public(str(address)) == address


@pytest.mark.parametrize(("text", "address"), BOTH + LISTEN_ONLY)
def test_a_public_address_without_a_word_is_one_to_listen_on(text: str, address: Address) -> None:
    assert parse_public(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (":8443 tsl", "'tsl' is no word for a listener; the only one is tls"),
        (":8443 tls http2", "'http2' is no word for a listener; the only one is tls"),
        ("tls", "no port; write it like tls:8080"),
        ("localhost tls", "no port; write it like localhost:8080"),
    ],
)
def test_what_is_no_word_for_a_listener(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_public(text)
    assert str(caught.value) == why
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30) | st.from_regex(r"[\[\]:.0-9a-z/@*]{0,20}", fullmatch=True))
def test_any_text_is_an_address_or_a_one_line_error(text: str) -> None:
    for parse in (parse_listen, parse_connect, parse_public):
        try:
            address = parse(text)
        except ValueError:
            continue
        assert parse(str(address)) == address
        assert address.is_unix != bool(address.host)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", Address(host="127.0.0.1", port=53)),
        ("127.0.0.1:5353", Address(host="127.0.0.1", port=5353)),
        ("::1", Address(host="::1", port=53)),
        ("[::1]", Address(host="::1", port=53)),
        (" [::1]:5353 ", Address(host="::1", port=5353)),
    ],
)
def test_a_resolver_is_on_port_53_unless_it_says_otherwise(text: str, address: Address) -> None:
    assert parse_resolver(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty; write unix:/run/app.sock or 127.0.0.1:53"),
        ("53", "a port without a host; write 127.0.0.1:53"),
        ("dns.example.com", "not an IP address; a name would need a resolver itself"),
        ("unix:/run/dns.sock", "not an IP address; a name would need a resolver itself"),
        ("udp://9.9.9.9", "a URL, not an address; write 127.0.0.1:53"),
        ("0.0.0.0", "names no machine to connect to; write 127.0.0.1:53"),
        ("[::]", "[::] is for listening only; write [::1]:53"),
        ("1.2.3", "1.2.3 is not an IPv4 address"),
    ],
)
def test_what_is_no_resolver(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_resolver(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("app.example.com", Address(host="app.example.com")),
        ("app:3031", Address(host="app", port=3031)),
        ("unix:/a", Address(path="/a")),
    ],
)
def test_a_service_is_looked_for_under_a_name_without_port(text: str, address: Address) -> None:
    assert parse_service_host(text) == address


def test_a_service_needs_a_name() -> None:
    with pytest.raises(ValueError, match=r"^not an address; write it like "):
        parse_service_host("a b")


@pytest.mark.parametrize(("text", "yes"), [("127.0.0.1", True), ("::1", True), ("a.b", False)])
def test_an_ip_address_is_no_name(text: str, yes: bool) -> None:
    assert is_ip(text) is yes


def test_a_stats_server_is_not_asked_in_uwsgi() -> None:
    assert parse_stats(" 10.0.0.1:1717 ") == Address("10.0.0.1", 1717)
    with pytest.raises(ValueError, match=r"^a URL, not an address; write h:1717$"):
        parse_stats("http://h:1717/")
    with pytest.raises(
        ValueError, match=r"^names no machine to connect to; write 127\.0\.0\.1:17$"
    ):
        parse_stats(":17")


def test_announcements_come_without_a_key() -> None:
    assert parse_subscribe(":2626") == Address("0.0.0.0", 2626)
    assert parse_subscribe(" unix:/run/a.sock ") == Address(path="/run/a.sock")
    for text in ("127.0.0.1:2626:app.example.com", "*:2626:app"):
        with pytest.raises(ValueError, match=r"^keys are for the instances .*; write .+:2626$"):
            parse_subscribe(text)

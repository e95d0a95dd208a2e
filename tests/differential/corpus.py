"""Raw requests as data: targets, hosts, request lines, connection facts (sections 1 and 2).

Each table groups what one set of rules says; a case names the rules that it looks at. The status is
what nginx answers; what the proxy must do instead, where that is intended, stands beside it.
"""

from collections.abc import Iterator

from tests.differential.compare import Case
from tests.differential.differences import (
    Differs,
    refused,
    with_host,
)

CONTROL = Differs("control characters never reach PATH_INFO", refused(400))
OLD_HOST = (1, 29, 5)
OLD_HOST_GRAMMAR = (1, 29, 4)

NAMED = Differs(
    "without Host, HTTP_HOST is the first server_name", with_host(b"front.example"), OLD_HOST
)


def request(
    target: bytes = b"/",
    *lines: bytes,
    method: bytes = b"GET",
    version: bytes = b"HTTP/1.1",
    host: bytes | None = b"a.example",
    body: bytes = b"",
) -> bytes:
    """Return a request; `lines` follow the Host line."""
    hosts = () if host is None else (b"Host: " + host,)
    head = (b"%s %s %s" % (method, target, version), *hosts, *lines, b"", body)
    return b"\r\n".join(head)


def _host(value: bytes) -> Differs:
    return Differs("HTTP_HOST is normalised, not copied", with_host(value), until=OLD_HOST)


REFUSED_HOST = Differs(
    "the characters of a host are those of RFC 3986", refused(400), until=OLD_HOST_GRAMMAR
)


def _targets() -> Iterator[Case]:
    """Rules 1.10, 1.14, 1.28 to 1.36: PATH_INFO, QUERY_STRING and REQUEST_URI."""
    good: dict[str, tuple[bytes, str]] = {
        "root": (b"/", "1.14 1.15"),
        "path": (b"/a/b.html", "1.15"),
        "query": (b"/p?a=1&b=2", "1.10"),
        "query-empty": (b"/p?", "1.10"),
        "query-bad-escape": (b"/p?x=%zz", "1.10"),
        "query-escaped": (b"/p?x=%41%20%00", "1.10"),
        "query-two-marks": (b"/p?a?b", "1.10"),
        "query-slashes-and-dots": (b"/p?a=//../x", "1.10 1.32"),
        "query-high-bytes": (b"/p?\xc3\xa9=\xff", "1.10 1.34"),
        "query-before-path-marks": (b"/a%3Fb?c", "1.10 1.28"),
        "fragment": (b"/a#f", "1.35"),
        "fragment-after-query": (b"/a?x#f", "1.35"),
        "fragment-with-mark": (b"/a#f?x", "1.35"),
        "escape-letter": (b"/%61%62", "1.28"),
        "escape-lower-hex": (b"/%c3%a9", "1.28"),
        "escape-percent": (b"/a%25b", "1.28"),
        "escape-twice": (b"/%2525", "1.28"),
        "escape-hash": (b"/a%23b", "1.28"),
        "escape-space": (b"/a%20b", "1.28"),
        "escape-plus": (b"/a+b", "1.34"),
        "slash-escaped": (b"/a%2Fb", "1.29"),
        "slash-escaped-run": (b"/a%2f%2fb", "1.29"),
        "slash-escaped-dots": (b"/a%2F..%2Fb", "1.29"),
        "dot": (b"/a/./b", "1.30"),
        "dot-end": (b"/a/.", "1.30"),
        "dot-alone": (b"/.", "1.30"),
        "dots": (b"/a/../b", "1.30"),
        "dots-end": (b"/a/b/..", "1.30"),
        "dots-to-root": (b"/a/..", "1.30"),
        "dots-twice": (b"/a/b/c/../../d", "1.30"),
        "dots-escaped": (b"/a/%2e%2e/x", "1.30"),
        "dots-half-escaped": (b"/a/.%2e/x", "1.30"),
        "dot-escaped": (b"/a/%2E/x", "1.30"),
        "dots-three": (b"/a/.../b", "1.30"),
        "dots-in-names": (b"/.a/..b/a..b/c.", "1.30"),
        "dots-before-query": (b"/a/..?q", "1.30 1.10"),
        "slashes": (b"//a///b//", "1.32"),
        "slashes-then-dots": (b"/a/b//../c", "1.32"),
        "slash-only-run": (b"///", "1.32"),
        "high-bytes": (b"/\xe9\xff", "1.34"),
        "odd-characters": (b"/;=:@!$&'()*,~-_", "1.34"),
        "wide-characters": (b'/\\"<>^`{|}[]', "1.34"),
        "absolute-path-query": (b"http://a.example/p?q", "1.14 1.39"),
        "absolute-no-path": (b"http://a.example", "1.14"),
        "absolute-only-query": (b"http://a.example?x=1", "1.14"),
        "absolute-https": (b"https://a.example/s", "1.18"),
        "absolute-odd-scheme": (b"ftp+1://a.example/p", "1.43"),
        "absolute-dots": (b"http://a.example/a/../b//c", "1.30 1.14"),
    }
    for name, (target, covers) in good.items():
        yield Case(f"target-{name}", request(target), covers)
    bad: dict[str, tuple[bytes, str]] = {
        "climb": (b"/..", "1.31"),
        "climb-slash": (b"/../a", "1.31"),
        "climb-later": (b"/a/../../b", "1.31"),
        "climb-escaped": (b"/%2e%2e/x", "1.31"),
        "climb-merged": (b"/a//../../b", "1.31 1.32"),
        "nul": (b"/a%00b", "1.33"),
        "escape-cut": (b"/a%", "1.33"),
        "escape-short": (b"/a%2", "1.33"),
        "escape-bad": (b"/a%zz", "1.33"),
        "escape-half-bad": (b"/a%2g", "1.33"),
        "raw-nul": (b"/a\x00b", "1.34"),
        "raw-control": (b"/a\x01b", "1.34"),
        "raw-tab": (b"/a\tb", "1.34"),
        "raw-delete": (b"/a\x7fb", "1.34"),
        "raw-control-in-query": (b"/a?b\x1f", "1.34"),
        "raw-space": (b"/a b", "1.34"),
        "star": (b"*", "1.36"),
        "no-slash": (b"a", "1.36"),
        "query-only": (b"?a", "1.36"),
        "absolute-no-host": (b"http:///p", "1.43"),
        "absolute-userinfo": (b"http://u@a.example/p", "1.43"),
        "absolute-underscore": (b"http://a_b/p", "1.43"),
        "absolute-one-slash": (b"http:/a.example/p", "1.36"),
        "absolute-bad-port": (b"http://a.example:8x/p", "1.43"),
    }
    for name, (target, covers) in bad.items():
        yield Case(f"target-{name}", request(target), covers, (400,))
    for name, escape in {"lf": b"%0a", "cr": b"%0D", "escape": b"%1b", "delete": b"%7f"}.items():
        yield Case(f"target-control-{name}", request(b"/a" + escape), "1.33", differs=(CONTROL,))
    yield Case("target-control-in-query", request(b"/a?" + b"%0a"), "1.10 1.33")


def _hosts() -> Iterator[Case]:
    """Rules 1.24, 1.39 to 1.43: which host wins, and how it is spelt."""
    plain = {
        "plain": b"a.example",
        "port": b"a.example:8080",
        "port-80": b"a.example:80",
        "port-443": b"a.example:443",
        "ipv4": b"127.0.0.1:5",
        "ipv6": b"[::1]:8080",
        "leading-dot": b".a",
        "sub-delimiters": b"_~!$&'()*+,;=%",
        "odd-brackets": b"[zz]",
    }
    for name, value in plain.items():
        yield Case(f"host-{name}", request(host=value), "1.24 1.40 1.42")
    changed = {
        "upper-case": (b"A.Example", b"a.example"),
        "trailing-dot": (b"a.example.", b"a.example"),
        "trailing-dot-port": (b"A.Example.:21000", b"a.example:21000"),
        "port-zeros": (b"a:080", b"a:80"),
        "port-zero": (b"a:0", b"a"),
        "port-empty": (b"a:", b"a"),
        "ipv6-upper": (b"[FE80::A]", b"[fe80::a]"),
    }
    for name, (value, spelt) in changed.items():
        yield Case(f"host-{name}", request(host=value), "1.40", differs=(_host(spelt),))
    for name, value in {
        "empty": b"",
        "dots": b"a..b",
        "slash": b"a/b",
        "nul": b"a\x00b",
        "space": b"a b",
        "tab": b"a\tb",
        "bare-ipv6": b"::1",
    }.items():
        yield Case(f"host-bad-{name}", request(host=value), "1.42", (400,))
    for name, value in {
        "port-text": b"a:8x",
        "port-large": b"a:65536",
        "bracket-open": b"[::1",
        "at": b"a@b",
        "quote": b'a"b',
        "hash": b"a#b",
        "question": b"a?b",
        "backslash": b"a\\b",
        "high-byte": b"a\xe9",
        "dot-behind-bracket": b"[::1].",
    }.items():
        yield Case(f"host-bad-{name}", request(host=value), "1.42", differs=(REFUSED_HOST,))
    yield Case("host-missing", request(host=None), "1.42 0.1", (400,))
    yield Case("host-twice", request(b"/", b"Host: a.example"), "1.42 2.11", (400,))
    yield Case("host-empty-1.0", request(host=b"", version=b"HTTP/1.0"), "1.42", (400,))
    yield Case("host-none-1.0", request(host=None, version=b"HTTP/1.0"), "1.41", differs=(NAMED,))
    yield Case(
        "host-none-1.0-unnamed",
        request(host=None, version=b"HTTP/1.0"),
        "1.41 1.23",
        setting="unnamed",
    )
    yield Case("host-1.0", request(version=b"HTTP/1.0"), "1.24")
    yield Case(
        "host-absolute-wins",
        request(b"http://abs:99/", host=b"other"),
        "1.39",
        differs=(_host(b"abs:99"),),
    )
    yield Case(
        "host-absolute-upper",
        request(b"HTTP://ABS.Example:080/p", host=b"other"),
        "1.39 1.40",
        differs=(_host(b"abs.example:80"),),
    )
    yield Case("host-absolute-without-header", request(b"http://abs/", host=None), "1.39", (400,))
    yield Case("host-absolute-bad-header", request(b"http://abs/", host=b"a/b"), "1.39", (400,))
    yield Case(
        "host-absolute-1.0",
        request(b"http://abs/p", host=None, version=b"HTTP/1.0"),
        "1.39",
        differs=(_host(b"abs"),),
    )
    yield Case("host-late", request(b"/", b"X-A: 1", b"Host: z.example", host=None), "1.2")


def _connection_facts() -> Iterator[Case]:
    """Rules 1.16 to 1.23, 1.7: what the connection and the configuration contribute."""
    yield Case("facts-unix", request(), "1.20 1.21 1.22", setting="from-unix")
    yield Case("facts-ipv6", request(), "1.20 1.22", setting="from-ipv6")
    yield Case("facts-unnamed", request(), "1.23", setting="unnamed")
    yield Case("facts-other-host", request(host=b"elsewhere.example"), "1.23 2.39")
    yield Case("facts-tcp-backend", request(b"/x", b"X-A: 1"), "1.1", setting="tcp")
    yield Case(
        "params",
        request(b"/", b"X-Set: client", b"x-gone: 1", b"X-Other: 2"),
        "1.1 1.2 1.5 1.6 1.7",
        setting="params",
    )
    yield Case(
        "params-post",
        request(b"/", b"Content-Length: 2", method=b"POST", body=b"hi"),
        "1.1",
        setting="params",
    )


def _methods() -> Iterator[Case]:
    """Rules 1.11, 2.17, 2.18."""
    for method in (
        b"HEAD",
        b"POST",
        b"PUT",
        b"DELETE",
        b"PATCH",
        b"OPTIONS",
        b"FOO",
        b"M-SEARCH",
        b"A_B",
        b"-",
        b"PROPFIND",
    ):
        yield Case(f"method-{method.decode()}", request(method=method), "1.11 2.17")
    for method in (b"get", b"F00", b"G\tT", b"G:T", b"G.T", b"\xc3\x89"):
        yield Case(f"method-bad-{method!r}", request(method=method), "2.17", (400,))
    yield Case("method-TRACE", request(method=b"TRACE"), "2.18", (405,))
    tunnels = "CONNECT takes host:port"
    yield Case(
        "method-CONNECT",
        request(b"a:1", method=b"CONNECT"),
        "2.18",
        (400,),
        (Differs(tunnels, refused(405), until=(1, 31)),),
    )
    yield Case(
        "method-CONNECT-path",
        request(b"/a", method=b"CONNECT"),
        "2.18",
        (405,),
        (Differs(tunnels, refused(400), until=(1, 31)),),
    )
    yield Case("method-OPTIONS-star", request(b"*", method=b"OPTIONS"), "1.36", (400,))
    yield Case(
        "method-TRACE-after-headers",
        request(b"/", b"Content-Length: x", method=b"TRACE"),
        "0.1",
        (400,),
    )


def _request_lines() -> Iterator[Case]:
    """Rules 1.17, 2.9, 2.10, 2.19 to 2.21."""
    for version in (b"HTTP/1.2", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/1.999", b"HTTP/1.00"):
        name = version.decode()[5:]
        yield Case(f"version-{name}", request(version=version), "1.17 2.19")
    for version, status in (
        (b"HTTP/2.0", 505),
        (b"HTTP/3.1", 505),
        (b"HTTP/9.9", 505),
        (b"HTTP/0.9", 400),
        (b"HTTP/01.1", 400),
        (b"HTTP/1.", 400),
        (b"HTTP/1", 400),
        (b"HTTP/1.1000", 400),
        (b"http/1.1", 400),
        (b"HTTP/1.1x", 400),
        (b"HTP/1.1", 400),
        (b"HTTP/1,1", 400),
    ):
        yield Case(f"version-bad-{version.decode()}", request(version=version), "2.19", (status,))
    tail = b"\r\nHost: a\r\n\r\n"
    yield Case("line-http-0.9", b"GET /old?q\r\n", "2.20 1.17", (0,), (NAMED,))
    yield Case("line-http-0.9-head", b"HEAD /old\r\n", "2.20", (0,), heads=(False,))
    yield Case("line-http-0.9-post", b"POST /old\r\n", "2.20", (0,))
    yield Case("line-spaces", b"GET   /   HTTP/1.1" + tail, "2.21")
    yield Case("line-trailing-space", b"GET / HTTP/1.1  " + tail, "2.21 1.17")
    yield Case("line-leading-space", b" GET / HTTP/1.1" + tail, "2.21", (400,))
    yield Case("line-leading-crlf", b"\r\n\r\nGET / HTTP/1.1" + tail, "2.10")
    yield Case("line-no-target", b"GET HTTP/1.1" + tail, "2.17", (400,))
    yield Case("line-no-target-space", b"GET  HTTP/1.1" + tail, "2.17", (400,))
    yield Case("line-garbage", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", "2.17", (400,))
    yield Case("line-four-words", b"GET / HTTP/1.1 more" + tail, "2.21", (400,))
    yield Case("line-cr", b"GET / HTTP/1.1\rX\nHost: a\r\n\r\n", "2.9", (400,))
    bare = Differs("a bare LF does not end a line", refused(400))
    yield Case("line-bare-lf", b"GET / HTTP/1.1\nHost: a\n\n", "2.9", differs=(bare,))
    yield Case("line-bare-lf-first", b"GET / HTTP/1.1\nHost: a\r\n\r\n", "2.9", differs=(bare,))
    yield Case(
        "line-bare-lf-header", b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", "2.9", differs=(bare,)
    )
    yield Case("line-bare-lf-last", b"GET / HTTP/1.1\r\nHost: a\r\n\n", "2.9", differs=(bare,))
    yield Case("line-leading-lf", b"\n" + request(), "2.9 2.10", differs=())


CASES: tuple[Case, ...] = (
    *_targets(),
    *_hosts(),
    *_connection_facts(),
    *_methods(),
    *_request_lines(),
)

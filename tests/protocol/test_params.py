"""Requests as variables: exact names, values and order, and the limits to the byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import PacketError, RequestError
from protocol.headers import HeaderDigest
from protocol.http1.httptools_engine import HttptoolsEngine
from protocol.http1.reader import RequestReader
from protocol.messages import ConnectionFacts, Request
from protocol.params import PacketBuilder, PacketTooLarge, withheld_headers
from protocol.uwsgi import (
    MAX_BLOCK_BYTES,
    decode_header,
    decode_vars,
    encode_packet,
    encode_vars,
)
from proxy.settings import ClientSettings, PacketSettings

Pair = tuple[bytes, bytes]

FACTS = ConnectionFacts(b"192.0.2.1", b"40000", b"8080")
PLAIN = PacketSettings(close_connection=False)
LARGE = ClientSettings(max_request_line_bytes=10**6, max_header_line_bytes=10**6)

CONNECTION = [
    (b"DOCUMENT_ROOT", b"/var/www/html"),
    (b"SERVER_PROTOCOL", b"HTTP/1.1"),
    (b"REQUEST_SCHEME", b"http"),
    (b"REMOTE_ADDR", b"192.0.2.1"),
    (b"REMOTE_PORT", b"40000"),
    (b"SERVER_PORT", b"8080"),
    (b"SERVER_NAME", b""),
]
REQUEST = [
    (b"QUERY_STRING", b""),
    (b"REQUEST_METHOD", b"GET"),
    (b"CONTENT_TYPE", b""),
    (b"CONTENT_LENGTH", b""),
    (b"REQUEST_URI", b"/"),
    (b"PATH_INFO", b"/"),
]
HOST = (b"HTTP_HOST", b"a")


def parse(raw: bytes, rules: PacketSettings, client: ClientSettings = LARGE) -> Request:
    """Return the request that begins `raw`."""
    digest = HeaderDigest(client, rules, withheld_headers(rules))
    control = rules.dangerously_pass_control_characters
    reader = RequestReader(client, digest, HttptoolsEngine(), control)
    reader.receive_data(raw)
    request = reader.next_event()
    assert isinstance(request, Request)
    return request


def packet(
    raw: bytes,
    rules: PacketSettings = PLAIN,
    facts: ConnectionFacts = FACTS,
    body_bytes: int | None = None,
) -> bytes:
    """Return the packet for the request that begins `raw`."""
    request = parse(raw, rules)
    builder = PacketBuilder(rules)
    connection = builder.connection_vars(facts, request.protocol)
    return builder.packet(request, connection, body_bytes)


def variables(
    raw: bytes,
    rules: PacketSettings = PLAIN,
    facts: ConnectionFacts = FACTS,
    body_bytes: int | None = None,
) -> list[Pair]:
    """Return the variables of that packet."""
    data = packet(raw, rules, facts, body_bytes)
    assert decode_header(data).size == len(data) - 4
    return decode_vars(data[4:])


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a GET request; `lines` follow a Host line."""
    return b"\r\n".join((b"GET %s %s" % (target, version), b"Host: a", *lines, b"", b""))


def changed(pairs: list[Pair], **values: bytes) -> list[Pair]:
    """Return the pairs with other values."""
    return [(name, values.get(name.decode(), value)) for name, value in pairs]


class TestDefaults:
    """Rules 1.1, 1.2, 1.10 to 1.27: nothing is configured."""

    def test_all_of_a_plain_request(self) -> None:
        assert variables(get()) == [*REQUEST, *CONNECTION, HOST]

    def test_all_of_a_post(self) -> None:
        raw = (
            b"POST /a%20b//c/../d?x=%41#f HTTP/1.0\r\nX-A: 1\r\nHost: A.Example.:080\r\n"
            b"Content-Type: text/plain\r\nCookie: c=1\r\nContent-Length: 003\r\nx-a: 2\r\n\r\nabc"
        )
        assert variables(raw) == [
            (b"QUERY_STRING", b"x=%41"),
            (b"REQUEST_METHOD", b"POST"),
            (b"CONTENT_TYPE", b"text/plain"),
            (b"CONTENT_LENGTH", b"003"),
            (b"REQUEST_URI", b"/a%20b//c/../d?x=%41#f"),
            (b"PATH_INFO", b"/a b/d"),
            *changed(CONNECTION, SERVER_PROTOCOL=b"HTTP/1.0"),
            (b"HTTP_HOST", b"a.example:80"),
            (b"HTTP_X_A", b"1, 2"),
            (b"HTTP_CONTENT_TYPE", b"text/plain"),
            (b"HTTP_COOKIE", b"c=1"),
            (b"HTTP_CONTENT_LENGTH", b"003"),
        ]

    def test_a_chunked_body_has_its_length_in_the_end(self) -> None:
        """Rules 1.13, 3.4; HTTP_TRANSFER_ENCODING is left out on purpose."""
        raw = get(b"Transfer-Encoding: chunked", b"Content-Type: t")
        for body_bytes in (0, 12345):
            expected = changed(REQUEST, CONTENT_LENGTH=b"%d" % body_bytes, CONTENT_TYPE=b"t")
            got = variables(raw, body_bytes=body_bytes)
            assert got == [*expected, *CONNECTION, HOST, (b"HTTP_CONTENT_TYPE", b"t")]

    @pytest.mark.parametrize("method", [b"HEAD", b"PUT", b"OPTIONS", b"FOO-BAR"])
    def test_the_method_is_passed_as_it_is(self, method: bytes) -> None:
        expected = changed(REQUEST, REQUEST_METHOD=method)
        assert variables(method + get()[3:])[:6] == expected

    def test_the_connection_of_a_tls_client(self) -> None:
        facts = FACTS._replace(scheme=b"https", server_port=b"443")
        assert variables(get(), facts=facts)[6:-1] == [
            (b"DOCUMENT_ROOT", b"/var/www/html"),
            (b"SERVER_PROTOCOL", b"HTTP/1.1"),
            (b"REQUEST_SCHEME", b"https"),
            (b"HTTPS", b"on"),
            (b"REMOTE_ADDR", b"192.0.2.1"),
            (b"REMOTE_PORT", b"40000"),
            (b"SERVER_PORT", b"443"),
            (b"SERVER_NAME", b""),
        ]

    def test_the_connection_of_a_unix_client(self) -> None:
        got = variables(get(), facts=ConnectionFacts())
        expected = changed(CONNECTION, REMOTE_ADDR=b"unix:", REMOTE_PORT=b"", SERVER_PORT=b"")
        assert got[6:-1] == expected

    def test_the_scheme_of_an_absolute_form_is_ignored(self) -> None:
        """Rules 1.14, 1.18, 1.39."""
        got = variables(get(target=b"https://B:99?x"))
        expected = changed(REQUEST, QUERY_STRING=b"x", REQUEST_URI=b"?x")
        assert got == [*expected, *CONNECTION, (b"HTTP_HOST", b"b:99")]

    def test_http_0_9(self) -> None:
        """Rule 1.17."""
        expected = changed(CONNECTION, SERVER_PROTOCOL=b"")
        assert variables(b"GET /\r\n") == [*REQUEST, *expected]

    def test_an_odd_version_is_passed_as_it_is(self) -> None:
        for version in (b"HTTP/1.2", b"HTTP/1.01", b"HTTP/1.1 "):
            got = variables(get(version=version))
            assert got[6:-1] == changed(CONNECTION, SERVER_PROTOCOL=version)

    def test_the_host_of_a_request_without_one(self) -> None:
        """Rules 1.24, 1.41."""
        raw = b"GET / HTTP/1.0\r\n\r\n"
        expected = changed(CONNECTION, SERVER_PROTOCOL=b"HTTP/1.0")
        assert variables(raw) == [*REQUEST, *expected]
        named = PacketSettings(close_connection=False, server_name="w.example")
        expected = changed(expected, SERVER_NAME=b"w.example")
        assert variables(raw, named) == [*REQUEST, *expected, (b"HTTP_HOST", b"w.example")]

    def test_the_connection_header_of_a_backend(self) -> None:
        raw = get(b"Connection: keep-alive", b"X: 1")
        expected = [(b"HTTP_CONNECTION", b"close"), (b"HTTP_X", b"1")]
        assert variables(raw, PacketSettings())[-2:] == expected

    def test_the_modifiers(self) -> None:
        assert decode_header(packet(get()))[::2] == (0, 0)
        rules = PacketSettings(modifier1=5, modifier2=255)
        assert decode_header(packet(get(), rules))[::2] == (5, 255)


class TestConfigured:
    """Rules 1.5 to 1.7: what `--param` adds and replaces."""

    @staticmethod
    def rules(*params: tuple[str, str], **others: str) -> PacketSettings:
        """Return settings with these parameters."""
        return PacketSettings(params=params, close_connection=False, **others)  # type: ignore[arg-type]

    def test_new_names_stand_in_front_of_the_headers(self) -> None:
        rules = self.rules(("A", "1"), ("B", ""), ("A", "2"), ("UWSGI_SCRIPT", "x"))
        added = [(b"A", b"1"), (b"B", b""), (b"A", b"2"), (b"UWSGI_SCRIPT", b"x")]
        assert variables(get(b"X: 1"), rules) == [
            *(*REQUEST, *CONNECTION, *added),
            *(HOST, (b"HTTP_X", b"1")),
        ]

    def test_known_names_keep_their_place(self) -> None:
        values = {name.decode(): b"new" for name, _ in (*REQUEST, *CONNECTION)}
        rules = self.rules(*((name, "new") for name in values))
        got = variables(get(b"Content-Type: t"), rules)
        expected = changed(REQUEST + CONNECTION, **values)
        assert got == [*expected, HOST, (b"HTTP_CONTENT_TYPE", b"t")]

    def test_some_known_names_leave_the_others_alone(self) -> None:
        rules = self.rules(("PATH_INFO", "/p"), ("SERVER_PORT", "443"), ("PATH_INFO", "/q"))
        raw = get(b"Content-Type: t", target=b"/x?y")
        expected = changed(REQUEST, QUERY_STRING=b"y", REQUEST_URI=b"/x?y", CONTENT_TYPE=b"t")
        assert variables(raw, rules)[:13] == [
            *changed(expected, PATH_INFO=b"/q"),
            *changed(CONNECTION, SERVER_PORT=b"443"),
        ]

    def test_https_can_be_set_for_a_plain_connection(self) -> None:
        """Behind a load balancer that speaks TLS it must not be lost."""
        rules = self.rules(("HTTPS", "on"), ("REQUEST_SCHEME", "https"))
        got = variables(get(), rules)
        assert got[8:10] == [(b"REQUEST_SCHEME", b"https"), (b"HTTPS", b"on")]
        assert len(got) == len(REQUEST) + len(CONNECTION) + 2

    def test_a_header_can_be_replaced(self) -> None:
        rules = self.rules(("HTTP_X_FOO", "ours"), ("HTTP_X_BAR", "ours"))
        raw = get(b"X-Foo: 1", b"X-Baz: 2", b"x-foo: 3")
        assert variables(raw, rules)[13:] == [
            (b"HTTP_X_FOO", b"ours"),
            (b"HTTP_X_BAR", b"ours"),
            HOST,
            (b"HTTP_X_BAZ", b"2"),
        ]

    def test_an_empty_header_is_only_taken_away(self) -> None:
        rules = self.rules(("HTTP_X_FOO", ""), ("http_x_bar", ""))
        assert variables(get(b"X-Foo: 1", b"X-Bar: 2"), rules)[13:] == [HOST]

    def test_the_host_can_be_replaced_or_taken_away(self) -> None:
        rules = self.rules(("HTTP_HOST", "other"))
        assert variables(get(), rules)[13:] == [(b"HTTP_HOST", b"other")]
        assert variables(get(), self.rules(("HTTP_HOST", "")))[13:] == []
        named = self.rules(("HTTP_HOST", ""), server_name="n")
        assert variables(b"GET / HTTP/1.0\r\n\r\n", named)[13:] == []

    def test_the_connection_header_can_be_replaced(self) -> None:
        rules = PacketSettings(params=(("HTTP_CONNECTION", "keep-alive"),))
        got = variables(get(b"Connection: close"), rules)
        assert got[13:] == [(b"HTTP_CONNECTION", b"keep-alive"), HOST]

    def test_names_of_the_server(self) -> None:
        rules = self.rules(server_name="w.example", document_root="/srv/\udcff")
        expected = changed(CONNECTION, SERVER_NAME=b"w.example", DOCUMENT_ROOT=b"/srv/\xff")
        assert variables(get(), rules)[6:13] == expected

    def test_values_are_the_bytes_that_the_operator_wrote(self) -> None:
        rules = self.rules(("A", "\u00e9\udce9"), ("SERVER_NAME", "\udcff"))
        got = dict(variables(get(), rules))
        assert (got[b"A"], got[b"SERVER_NAME"]) == (b"\xc3\xa9\xe9", b"\xff")


class TestRawPath:
    """PATH_INFO for servers that decode it themselves."""

    def test_it_is_normalised_and_quoted_again(self) -> None:
        rules = PacketSettings(path_info="raw")
        raw = get(target=b"/a%2Fb//c%20d/../%25?x#f")
        assert dict(variables(raw, rules))[b"PATH_INFO"] == b"/a/b/%25"

    def test_it_can_be_overridden_beside_other_names(self) -> None:
        rules = PacketSettings(path_info="raw", params=(("QUERY_STRING", "q"),))
        got = dict(variables(get(target=b"/a%20b"), rules))
        assert (got[b"PATH_INFO"], got[b"QUERY_STRING"]) == (b"/a%20b", b"q")


class TestContentOnce:
    """CONTENT_TYPE and CONTENT_LENGTH as PEP 3333 has them: once, and only when there."""

    RULES = PacketSettings(content_variables="wsgi", close_connection=False)

    def test_neither(self) -> None:
        assert variables(get(), self.RULES)[:4] == [REQUEST[0], REQUEST[1], *REQUEST[4:]]

    @pytest.mark.parametrize(
        ("line", "pair"),
        [
            (b"Content-Type: t", (b"CONTENT_TYPE", b"t")),
            (b"Content-Length: 3", (b"CONTENT_LENGTH", b"3")),
        ],
    )
    def test_one(self, line: bytes, pair: Pair) -> None:
        got = variables(get(line, b"X: 1"), self.RULES)
        assert got[:5] == [REQUEST[0], REQUEST[1], pair, *REQUEST[4:]]
        assert got[-2:] == [HOST, (b"HTTP_X", b"1")]

    def test_both(self) -> None:
        raw = get(b"Content-Type: t", b"Transfer-Encoding: chunked")
        got = variables(raw, self.RULES, body_bytes=7)
        assert got[2:4] == [(b"CONTENT_TYPE", b"t"), (b"CONTENT_LENGTH", b"7")]
        assert got[-1] == HOST

    def test_beside_an_override(self) -> None:
        rules = PacketSettings(content_variables="wsgi", params=(("QUERY_STRING", "q"),))
        assert variables(get(), rules)[:3] == [(b"QUERY_STRING", b"q"), *REQUEST[1:2], REQUEST[4]]

    def test_they_are_counted_as_they_are_sent(self) -> None:
        for lines in ((), (b"Content-Type: t",), (b"Content-Type: t", b"Content-Length: 3")):
            sent = len(variables(get(*lines), self.RULES))
            _fits(get(*lines), PacketSettings(
                content_variables="wsgi", close_connection=False, backend_max_vars=sent
            ))  # fmt: skip
            with pytest.raises(PacketTooLarge):
                packet(get(*lines), PacketSettings(
                    content_variables="wsgi", close_connection=False, backend_max_vars=sent - 1
                ))  # fmt: skip


def _fits(raw: bytes, rules: PacketSettings = PLAIN) -> int:
    return decode_header(packet(raw, rules)).size


def _padded(size: int, rules: PacketSettings = PLAIN) -> bytes:
    """Return a request whose variables have `size` bytes."""
    return get(b"X: " + b"v" * (size - _fits(get(b"X:"), rules)))


class TestLimits:
    """Rules 1.3, 2.26, 2.27: at the limit, and one over it."""

    def test_the_protocols_own(self) -> None:
        assert _fits(_padded(MAX_BLOCK_BYTES)) == 65535
        with pytest.raises(PacketTooLarge, match="65536 bytes, uwsgi carries 65535") as caught:
            packet(_padded(MAX_BLOCK_BYTES + 1))
        assert caught.value.ours

    @pytest.mark.parametrize("limit", [1000, 4096, 65534])
    def test_the_workers(self, limit: int) -> None:
        rules = PacketSettings(close_connection=False, backend_buffer_bytes=limit)
        assert _fits(_padded(limit), rules) == limit
        message = f"{limit + 1} bytes, the worker takes {limit}"
        with pytest.raises(PacketTooLarge, match=message) as caught:
            packet(_padded(limit + 1), rules)
        assert not caught.value.ours

    def test_the_number_of_variables(self) -> None:
        raw = get(b"X: 1", b"Y: 2")
        count = len(variables(raw))
        rules = PacketSettings(close_connection=False, backend_max_vars=count)
        assert len(variables(raw, rules)) == count
        with pytest.raises(PacketTooLarge, match=f"{count + 1} variables, the worker") as caught:
            packet(get(b"X: 1", b"Y: 2", b"Z: 3"), rules)
        assert not caught.value.ours

    @pytest.mark.parametrize("params", [(), (("A", "1"), ("A", "2")), (("HTTP_HOST", ""),)])
    def test_every_kind_of_variable_is_counted(self, params: tuple[tuple[str, str], ...]) -> None:
        facts = FACTS._replace(scheme=b"https")
        for raw in (get(), get(b"X: 1", b"x: 2", b"Proxy: 3"), b"GET / HTTP/1.0\r\n\r\n"):
            count = len(variables(raw, PacketSettings(params=params), facts))
            exact = PacketSettings(params=params, backend_max_vars=count)
            assert len(variables(raw, exact, facts)) == count
            short = PacketSettings(params=params, backend_max_vars=count - 1)
            with pytest.raises(PacketTooLarge):
                packet(raw, short, facts)

    @pytest.mark.parametrize(
        "raw",
        [
            get(target=b"/" + b"a" * 65535),
            get(target=b"/?" + b"a" * 65536),
            get(target=b"/" + b"%41" * 30_000),
            b"A" * 65536 + get()[3:],
            get(b"Content-Type: " + b"t" * 65535),
        ],
        ids=["path", "query", "uri", "method", "content type"],
    )
    def test_one_value_that_is_too_long_alone(self, raw: bytes) -> None:
        with pytest.raises(PacketTooLarge) as caught:
            packet(raw)
        assert caught.value.ours
        with pytest.raises(PacketTooLarge) as caught:
            packet(raw, PacketSettings(backend_buffer_bytes=4096))
        assert not caught.value.ours

    def test_too_large_is_an_error_of_packets(self) -> None:
        assert issubclass(PacketTooLarge, PacketError)


def test_what_no_header_may_become() -> None:
    params = (("HTTP_X_A", "1"), ("http_x_b", ""), ("A", "2"), ("HTTP_HOST", "h"))
    overridden = {b"HTTP_X_A", b"HTTP_X_B", b"HTTP_HOST"}
    assert withheld_headers(PacketSettings(params=params)) == overridden
    repeated = {b"HTTP_CONTENT_TYPE", b"HTTP_CONTENT_LENGTH"}
    assert withheld_headers(PacketSettings(content_variables="wsgi")) == repeated


_names = st.one_of(
    st.from_regex(rb"[A-Za-z0-9_.-]{1,15}", fullmatch=True),
    st.sampled_from([b"UWSGI_FILE", b"UWSGI-FILE", b"SCRIPT_NAME", b"Content-Type", b"Proxy"]),
)
_lines = st.lists(
    st.builds(bytes.__add__, _names.map(lambda name: name + b": "), st.binary(max_size=30)),
    max_size=6,
)
_targets = st.binary(max_size=20).map(lambda tail: b"/" + tail)


@settings(deadline=None, max_examples=150)
@given(_targets, _lines, st.booleans(), st.booleans())
def test_clients_choose_no_name_outside_http(
    target: bytes, lines: list[bytes], underscores: bool, wsgi: bool
) -> None:
    """Whatever a client sends, no variable, no value and no modifier is more than its place."""
    client = ClientSettings(underscores_in_headers=underscores, ignore_invalid_headers=False)
    rules = PacketSettings(modifier1=3, content_variables="wsgi" if wsgi else "nginx")
    try:
        request = parse(get(*lines, target=target), rules, client)
    except RequestError:
        return
    builder = PacketBuilder(rules)
    data = builder.packet(request, builder.connection_vars(FACTS, b"HTTP/1.1"), None)
    header = decode_header(data)
    assert (header.modifier1, header.modifier2, header.size) == (3, 0, len(data) - 4)
    names = [name for name, _ in decode_vars(data[4:])]
    fixed = [name for name, _ in (*REQUEST, *CONNECTION)]
    if wsgi:
        fixed = [name for name in fixed if name in names]
    assert names[: len(fixed)] == fixed
    assert all(name.startswith(b"HTTP_") for name in names[len(fixed) :])
    assert b"HTTP_PROXY" not in names


def test_a_packet_is_extended() -> None:
    builder = PacketBuilder(PacketSettings(modifier1=5, modifier2=6))
    packet = encode_packet(encode_vars([(b"A", b"1")]), 5, 6)
    more = encode_vars([(b"B", b"2")])
    both = encode_vars([(b"A", b"1"), (b"B", b"2")])
    assert builder.extend(packet, more) == encode_packet(both, 5, 6)
    assert builder.extend(packet, b"") == packet
    with pytest.raises(PacketTooLarge, match="uwsgi carries 65535"):
        builder.extend(packet, bytes(65535))

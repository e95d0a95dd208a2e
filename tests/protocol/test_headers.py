"""What header lines mean together. The corpus of http1 has them as bytes, these are the values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import RequestError
from protocol.headers import MAX_CONTENT_LENGTH, ONCE, HeaderDigest, has_token, variable_name
from protocol.messages import Field, HeaderBlock
from protocol.uwsgi import decode_vars
from proxy.settings import ClientSettings, PacketSettings

CLIENT, PACKET = ClientSettings(), PacketSettings()
HOST = (b"Host", b"a")


def digest(
    *fields: Field,
    client: ClientSettings = CLIENT,
    packet: PacketSettings = PACKET,
    withheld: frozenset[bytes] = frozenset(),
) -> HeaderBlock:
    """Digest fields behind a Host line, for HTTP/1.1."""
    return HeaderDigest(client, packet, withheld).digest([HOST, *fields], http_1_1=True)


def variables(block: HeaderBlock) -> list[tuple[bytes, bytes]]:
    """Return the HTTP_* variables of a block, decoded."""
    pairs = decode_vars(block.variables)
    assert len(pairs) == block.count
    return pairs


def refusal(*fields: Field, client: ClientSettings = CLIENT) -> tuple[int, str]:
    """Return status and reason of the refusal of some fields."""
    with pytest.raises(RequestError) as caught:
        digest(*fields, client=client)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        (b"X-Foo", b"HTTP_X_FOO"),
        (b"accept", b"HTTP_ACCEPT"),
        (b"A-1-z", b"HTTP_A_1_Z"),
        (b"X_A", b"HTTP_X_A"),
        (b"a.b\xe9", b"HTTP_A.B\xe9"),
    ],
)
def test_the_variable_of_a_name(name: bytes, variable: bytes) -> None:
    assert variable_name(name) == variable


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"close", True),
        (b"Close", True),
        (b"a, close", True),
        (b"close ,a", True),
        (b"a,\tclose\t,b", True),
        (b"close\t", True),
        (b"", False),
        (b"closed", False),
        (b"not-close", False),
        (b"close;q=1", False),
        (b'"close"', False),
        (b"a close", False),
    ],
)
def test_a_token_of_a_list(value: bytes, found: bool) -> None:
    assert has_token(value, b"close") is found


def test_the_host_is_not_among_the_variables() -> None:
    block = digest((b"X-A", b"1"))
    assert block.host == b"a"
    assert variables(block) == [(b"HTTP_X_A", b"1"), (b"HTTP_CONNECTION", b"close")]


def test_http_1_0_needs_no_host() -> None:
    assert HeaderDigest(CLIENT, PACKET).digest([], http_1_1=False).host is None
    with pytest.raises(RequestError) as caught:
        HeaderDigest(CLIENT, PACKET).digest([], http_1_1=True)
    assert (caught.value.status, caught.value.reason) == (400, "no_host")


def test_what_a_block_says() -> None:
    block = digest(
        (b"content-type", b"text/plain"),
        (b"Content-Length", b"007"),
        (b"Expect", b"100-Continue"),
        (b"Upgrade", b"x"),
        (b"Connection", b"Keep-Alive, Upgrade"),
    )
    assert block.content_type == b"text/plain"
    assert (block.content_length, block.content_length_text) == (7, b"007")
    assert (block.expects_continue, block.upgrade, block.chunked) == (True, True, False)
    assert (block.keep_alive, block.close) == (True, False)
    assert block.get(b"content-length") == b"007"


def test_dropped_lines_are_gone_from_the_fields_too() -> None:
    block = digest((b"X_A", b"1"), (b"X.B", b"2"), (b"X-C", b"3"))
    assert block.fields == [HOST, (b"X-C", b"3")]


def test_the_order_of_checks_is_nginxs() -> None:
    """Rule 0.1: the first of these in the list wins over those behind it."""
    bad_host, bad_length = (b"Host", b"a/b"), (b"Content-Length", b"x")
    coding = (b"Transfer-Encoding", b"x")
    old = HeaderDigest(CLIENT, PACKET)
    for fields, http_1_1, expected in (
        ([bad_host, HOST, bad_length], True, (400, "duplicate_header")),
        ([bad_host, bad_length], True, (400, "bad_host")),
        ([bad_length, coding], True, (400, "no_host")),
        ([HOST, bad_length, coding], True, (400, "bad_content_length")),
        ([coding, (b"Content-Length", b"1")], False, (400, "bad_transfer_encoding")),
        ([HOST, coding, (b"Content-Length", b"1")], True, (501, "bad_transfer_encoding")),
    ):
        with pytest.raises(RequestError) as caught:
            old.digest(fields, http_1_1)
        assert (caught.value.status, caught.value.reason) == expected


@pytest.mark.parametrize("variable", sorted(ONCE))
def test_what_may_come_only_once(variable: bytes) -> None:
    """nginx rule 2.11."""
    name = variable.removeprefix(b"HTTP_").replace(b"_", b"-")
    assert refusal((name, b"1"), (name.lower(), b"1")) == (400, "duplicate_header")


def test_joining_keeps_the_place_of_the_first() -> None:
    """nginx rule 2.3."""
    block = digest((b"A", b"1"), (b"Cookie", b"c=1"), (b"a", b""), (b"COOKIE", b"d"), (b"A", b"3"))
    assert variables(block)[:2] == [(b"HTTP_A", b"1, , 3"), (b"HTTP_COOKIE", b"c=1; d")]


class TestConnection:
    """HTTP_CONNECTION says `close`, since uwsgi workers serve one request per connection."""

    def test_it_takes_the_place_of_the_clients(self) -> None:
        block = digest((b"Connection", b"keep-alive"), (b"X", b"1"))
        assert variables(block) == [(b"HTTP_CONNECTION", b"close"), (b"HTTP_X", b"1")]
        assert block.keep_alive

    def test_it_is_added_where_there_is_none(self) -> None:
        assert variables(digest()) == [(b"HTTP_CONNECTION", b"close")]

    def test_an_upgrade_needs_the_clients_own(self) -> None:
        block = digest((b"Connection", b"upgrade"), (b"Upgrade", b"x"))
        assert dict(variables(block))[b"HTTP_CONNECTION"] == b"upgrade"

    def test_the_clients_own_can_be_passed(self) -> None:
        packet = PacketSettings(close_connection=False)
        block = digest((b"Connection", b"x"), packet=packet)
        assert variables(block) == [(b"HTTP_CONNECTION", b"x")]
        assert variables(digest(packet=packet)) == []

    def test_configuration_replaces_it(self) -> None:
        """What `--param HTTP_CONNECTION=x` sends must not be followed by another one."""
        withheld = frozenset([b"HTTP_CONNECTION"])
        assert variables(digest((b"Connection", b"x"), withheld=withheld)) == []
        assert variables(digest(withheld=withheld)) == []


class TestWithheld:
    """Headers that do not become variables."""

    def test_proxy_and_transfer_encoding(self) -> None:
        """Deviations from rules 2.2 and 3.4."""
        fields = ((b"Proxy", b"x"), (b"Transfer-Encoding", b"chunked"))
        assert variables(digest(*fields)) == [(b"HTTP_CONNECTION", b"close")]

    def test_they_can_be_let_through(self) -> None:
        packet = PacketSettings(
            dangerously_pass_proxy_header=True,
            dangerously_pass_transfer_encoding=True,
            close_connection=False,
        )
        block = digest((b"proxy", b"x"), (b"Transfer-Encoding", b"Chunked"), packet=packet)
        assert variables(block) == [
            (b"HTTP_PROXY", b"x"),
            (b"HTTP_TRANSFER_ENCODING", b"Chunked"),
        ]

    def test_withholding_changes_nothing_else(self) -> None:
        withheld = frozenset([b"HTTP_CONTENT_LENGTH", b"HTTP_EXPECT", b"HTTP_HOST"])
        fields = ((b"Content-Length", b"3"), (b"Expect", b"100-continue"), (b"X-A", b"1"))
        block = digest(*fields, withheld=withheld)
        assert variables(block) == [(b"HTTP_X_A", b"1"), (b"HTTP_CONNECTION", b"close")]
        assert (block.content_length, block.expects_continue, block.host) == (3, True, b"a")

    def test_no_spelling_goes_around_it(self) -> None:
        for client in (
            ClientSettings(underscores_in_headers=True),
            ClientSettings(ignore_invalid_headers=False),
        ):
            withheld = frozenset([b"HTTP_X_USER"])
            for name in (b"X-User", b"X_User", b"x-USER", b"x_user"):
                block = digest((name, b"root"), client=client, withheld=withheld)
                assert variables(block) == [(b"HTTP_CONNECTION", b"close")]


def test_names_with_underscores_frame_nothing() -> None:
    """What an ordinary reader takes for an unknown header must not say where a body ends."""
    for client in (
        ClientSettings(underscores_in_headers=True),
        ClientSettings(ignore_invalid_headers=False),
    ):
        block = digest((b"Content_Length", b"5"), (b"Transfer_Encoding", b"chunked"), client=client)
        assert (block.content_length, block.chunked) == (None, False)
        assert block.content_length_text == b""
        block = digest((b"Content_Type", b"x"), (b"Content-Type", b"y"), client=client)
        assert block.content_type == b"y"


def test_the_largest_content_length() -> None:
    assert digest((b"Content-Length", b"%d" % MAX_CONTENT_LENGTH)).content_length == 2**63 - 1
    for value in (b"%d" % (MAX_CONTENT_LENGTH + 1), b"9" * 64, b"0" * 65):
        assert refusal((b"Content-Length", value)) == (400, "bad_content_length")
    assert digest((b"Content-Length", b"0" * 63 + b"7")).content_length == 7


def test_the_number_of_lines_is_limited() -> None:
    """nginx rule 2.25: Host counts, dropped ones do not."""
    client = ClientSettings(max_headers=3)
    assert digest((b"A", b""), (b"B", b""), (b"_", b""), client=client).count == 3
    assert refusal((b"A", b""), (b"B", b""), (b"C", b""), client=client)[1] == "too_many_headers"


def test_a_value_that_no_packet_can_carry() -> None:
    """Only where the limits for header lines have been raised does one come this far."""
    assert refusal((b"A", b"v" * 65536)) == (400, "headers_too_large")
    half = b"v" * 40_000
    assert refusal((b"A", half), (b"A", half)) == (400, "headers_too_large")
    assert refusal((b"A" * 65536, b"")) == (400, "headers_too_large")
    assert digest((b"A", b"v" * 65535)).count == 2


def test_what_is_remembered_does_not_change_what_is_said() -> None:
    """One digest serves all clients: each of thousands of lines is as if it were the first."""
    shared = HeaderDigest(CLIENT, PACKET)
    for _ in range(2):
        for number in range(3000):
            fields = [HOST, (b"X-%d" % (number % 50), b"v%d" % number), (b"X_A", b"x")]
            block = shared.digest(fields, http_1_1=True)
            assert variables(block)[0] == (b"HTTP_X_%d" % (number % 50), b"v%d" % number)
            assert block.fields == fields[:2]


def test_two_digests_share_nothing() -> None:
    field = (b"X-A", b"1")
    packet = PacketSettings(close_connection=False)
    assert variables(digest(field, packet=packet)) == [(b"HTTP_X_A", b"1")]
    withheld = frozenset([b"HTTP_X_A"])
    assert variables(digest(field, packet=packet, withheld=withheld)) == []
    assert variables(digest(field, packet=packet)) == [(b"HTTP_X_A", b"1")]


_names = st.one_of(
    st.from_regex(rb"[A-Za-z0-9._!@-]{1,12}", fullmatch=True),
    st.sampled_from([b"UWSGI_FILE", b"Content-Type", b"HTTP_X", b"Host", b"X-A", b"X_A"]),
)
_fields = st.lists(st.tuples(_names, st.binary(max_size=20)), max_size=8)


@settings(deadline=None, max_examples=100)
@given(_fields, st.booleans(), st.booleans())
def test_every_variable_begins_with_http(
    fields: list[Field], underscores: bool, ignore_invalid: bool
) -> None:
    """A backend obeys variables such as UWSGI_FILE: no client may name one."""
    client = ClientSettings(
        underscores_in_headers=underscores, ignore_invalid_headers=ignore_invalid
    )
    try:
        block = digest(*fields, client=client)
    except RequestError:
        return
    assert all(name.startswith(b"HTTP_") for name, _ in variables(block))

"""Targets and hosts: literal tables that hold for a real nginx, then properties on any bytes.

The tables say what nginx 1.31.5 gives an application (rules 1.28 to 1.43). The paths are the same
in nginx 1.22; the hosts are not: it sends the Host line as it came and takes more of them.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.errors import RequestError
from protocol.uri import Target, _parse_slowly, parse_host, parse_target, quote_path

# target, PATH_INFO, QUERY_STRING; REQUEST_URI is the target itself
PATHS = [
    (b"/", b"/", b""),
    (b"/?", b"/", b""),
    (b"/a", b"/a", b""),
    (b"/a/", b"/a/", b""),
    (b"/a/b", b"/a/b", b""),
    (b"/a?b=c", b"/a", b"b=c"),
    # 1.10: the query is raw
    (b"/a?b?c", b"/a", b"b?c"),
    (b"/a?x=%zz", b"/a", b"x=%zz"),
    (b"/a?x=%00%0a%", b"/a", b"x=%00%0a%"),
    (b"/a?//./../..", b"/a", b"//./../.."),
    (b"/a?next=https://h/p?q", b"/a", b"next=https://h/p?q"),
    (b"/a?\xe4\xff", b"/a", b"\xe4\xff"),
    # 1.28: decoding, once
    (b"/%41", b"/A", b""),
    (b"/%6a%6A%c3%A9", b"/jj\xc3\xa9", b""),
    (b"/%25", b"/%", b""),
    (b"/%2525", b"/%25", b""),
    (b"/%252e%252e/a", b"/%2e%2e/a", b""),
    (b"/%23", b"/#", b""),
    (b"/%3F", b"/?", b""),
    (b"/a%3fb?c", b"/a?b", b"c"),
    (b"/a%23b#c", b"/a#b", b""),
    (b"/%20", b"/ ", b""),
    (b"/a%2bb+c", b"/a+b+c", b""),
    (b"/%80%ff", b"/\x80\xff", b""),
    # 1.29: an encoded slash is a slash
    (b"/a%2Fb", b"/a/b", b""),
    (b"/a%2f", b"/a/", b""),
    (b"/%2F", b"/", b""),
    (b"/a%2Fb/..", b"/a/", b""),
    (b"/a%2Fb/../c", b"/a/c", b""),
    (b"/a%2Fb%2F..%2F..%2Fc", b"/c", b""),
    (b"/a%2F..%2Fb", b"/b", b""),
    (b"/a%2f%2fb", b"/a/b", b""),
    (b"/a/%2f/b", b"/a/b", b""),
    # 1.30: dot segments
    (b"/.", b"/", b""),
    (b"/./", b"/", b""),
    (b"/a/./b", b"/a/b", b""),
    (b"/a/../b", b"/b", b""),
    (b"/a/b/..", b"/a/", b""),
    (b"/a/b/../", b"/a/", b""),
    (b"/a/.", b"/a/", b""),
    (b"/a/./", b"/a/", b""),
    (b"/a/..", b"/", b""),
    (b"/a/b/../..", b"/", b""),
    (b"/a/b/../../c", b"/c", b""),
    (b"/././.", b"/", b""),
    (b"/a/.?x", b"/a/", b"x"),
    (b"/a/..?x", b"/", b"x"),
    (b"/a/..#x", b"/", b""),
    (b"/a/.#x", b"/a/", b""),
    (b"/a/%2e%2e/x", b"/x", b""),
    (b"/a/%2E./x", b"/x", b""),
    (b"/a/.%2e/x", b"/x", b""),
    (b"/a/%2e/x", b"/a/x", b""),
    (b"/a/%2e", b"/a/", b""),
    (b"/a/.%2fb", b"/a/b", b""),
    (b"/a/..%2fb", b"/b", b""),
    (b"/...", b"/...", b""),
    (b"/.../", b"/.../", b""),
    (b"/.a", b"/.a", b""),
    (b"/.well-known/x", b"/.well-known/x", b""),
    (b"/..b", b"/..b", b""),
    (b"/a..b", b"/a..b", b""),
    (b"/a../b", b"/a../b", b""),
    (b"/a./b.", b"/a./b.", b""),
    (b"/..;/a", b"/..;/a", b""),
    (b"/..%23", b"/..#", b""),
    (b"/.%25/a", b"/.%/a", b""),
    (b"/..%3f", b"/..?", b""),
    # 1.32: slashes merge before dots are looked at
    (b"//", b"/", b""),
    (b"///a", b"/a", b""),
    (b"/a//b", b"/a/b", b""),
    (b"/a///", b"/a/", b""),
    (b"/a/b//../c", b"/a/c", b""),
    (b"/a//.//b", b"/a/b", b""),
    (b"//h/p", b"/h/p", b""),
    # 1.34: what else passes
    (b"/\x80\xff\xc3\xa9", b"/\x80\xff\xc3\xa9", b""),
    (b"/a;b=c", b"/a;b=c", b""),
    (b"/a+b", b"/a+b", b""),
    (b"/a\\..\\b", b"/a\\..\\b", b""),
    (b"/\"<>^`{|}'", b"/\"<>^`{|}'", b""),
    (b"/!$&()*,=:@~_-", b"/!$&()*,=:@~_-", b""),
    (b"/http://h/", b"/http:/h/", b""),
    # 1.35: fragments
    (b"/a#f", b"/a", b""),
    (b"/#", b"/", b""),
    (b"/a#f?x", b"/a", b""),
    (b"/a?x#f", b"/a", b"x"),
    (b"/a?x#f?y#g", b"/a", b"x"),
    (b"/a?#", b"/a", b""),
    (b"/a#%zz//..", b"/a", b""),
]

# target, PATH_INFO with merge_slashes off
UNMERGED = [
    (b"/", b"/"),
    (b"//", b"//"),
    (b"///a", b"///a"),
    (b"/a//", b"/a//"),
    (b"/a%2f%2fb", b"/a//b"),
    (b"/a//../b", b"/a/b"),
    (b"/a//..", b"/a/"),
    (b"/a//./b", b"/a//b"),
    (b"/a/.//b", b"/a//b"),
    (b"/a/..//b", b"//b"),
    (b"//..", b"/"),
    (b"//../a", b"/a"),
    (b"/a/b/../../..//", None),
]

# target, REQUEST_URI, PATH_INFO, QUERY_STRING, authority
ABSOLUTE = [
    (b"http://h", b"/", b"/", b"", b"h"),
    (b"http://h/", b"/", b"/", b"", b"h"),
    (b"http://h:8080/a/../b?x#f", b"/a/../b?x#f", b"/b", b"x", b"h:8080"),
    (b"http://h?x=1", b"?x=1", b"/", b"x=1", b"h"),
    (b"http://h?", b"?", b"/", b"", b"h"),
    (b"http://h:80?x#f", b"?x#f", b"/", b"x", b"h:80"),
    (b"http://h/#f", b"/#f", b"/", b"", b"h"),
    (b"HTTPS://A.Example./x", b"/x", b"/x", b"", b"a.example"),
    (b"http://h:", b"/", b"/", b"", b"h"),
    (b"http://h:/", b"/", b"/", b"", b"h"),
    (b"http://h:0/", b"/", b"/", b"", b"h"),
    (b"http://h:00443/", b"/", b"/", b"", b"h:443"),
    (b"http://h:65535//a", b"//a", b"/a", b"", b"h:65535"),
    (b"http://h.:99", b"/", b"/", b"", b"h:99"),
    (b"http://[::1]", b"/", b"/", b"", b"[::1]"),
    (b"http://[FE80::A]:81/", b"/", b"/", b"", b"[fe80::a]:81"),
    (b"http://[v1.a_b,c]?q", b"?q", b"/", b"q", b"[v1.a_b,c]"),
    (b"http://[]/", b"/", b"/", b"", b"[]"),
    (b"http://-.-/", b"/", b"/", b"", b"-.-"),
    (b"http://.a/", b"/", b"/", b"", b".a"),
    (b"http://h/http://g/", b"/http://g/", b"/http:/g/", b"", b"h"),
    (b"ftp+1://h/p", b"/p", b"/p", b"", b"h"),
    (b"x-y.z://h/p", b"/p", b"/p", b"", b"h"),
]

REFUSED = [
    b"",
    b"*",
    b"a",
    b"a/b",
    b"?a",
    b"#a",
    b"h:80",
    # 1.31: above the root
    b"/..",
    b"/../",
    b"/../a",
    b"//..",
    b"//../a",
    b"/./..",
    b"/a/../..",
    b"/a/../../b",
    b"/a/%2e%2e/..",
    b"/%2e%2e/x",
    b"/%2e%2e%2fx",
    b"/..%2f",
    b"/..?x",
    b"/..#x",
    b"/../#%2e",
    # 1.33: escapes
    b"/%",
    b"/%2",
    b"/%zz",
    b"/%2g",
    b"/%g2",
    b"/a%?x",
    b"/a%4#x",
    b"/%%41",
    b"/% 1",
    b"/%+1",
    b"/%-1",
    b"/%0x",
    b"/%00",
    b"/a%00b",
    b"/%00/../a",
    # 1.34: raw bytes
    b"/ ",
    b" /",
    b"/a b",
    b"/a?b c",
    b"/a#b c",
    b"/\x00",
    b"/\t",
    b"/\n",
    b"/a\r",
    b"/a?\x1f",
    b"/a#\x01",
    b"/\x7f",
    b"/a?\x7f",
    # 1.43: the absolute form
    b"http:",
    b"http:/",
    b"http:/h/",
    b"http://",
    b"http:///x",
    b"http://?x",
    b"http://:80/",
    b"http://./",
    b"http://h#f",
    b"http://h:80#f",
    b"http://u@h/",
    b"http://u:p@h/",
    b"http://a_b/",
    b"http://a~b/",
    b"http://a%41/",
    b"http://a..b/",
    b"http://h:a/",
    b"http://h:80:80/",
    b"http://h:-1/",
    b"http://h:65536/",
    b"http://\xe9/",
    b"http://[::1/",
    b"http://::1/",
    b"http://[::1].:80/",
    b"http://[::1]a/",
    b"http://[fe80::1%25eth0]/",
    b"http://[1..2]/",
    b"http://[[]]/",
    b"http://h\\a/",
    b"http://h/../a",
    b"http://h/%00",
    b"http://h/a b",
    b"1http://h/",
    b"+://h/",
    b"ht_tp://h/",
    b"://h/",
    b"/http://h/../../..",
]

# Deviation: nginx decodes these into PATH_INFO
CONTROL = [
    (b"/%0a", b"/\n"),
    (b"/a%0D%0Ab", b"/a\r\nb"),
    (b"/%01", b"/\x01"),
    (b"/%1f?x", b"/\x1f"),
    (b"/%7f", b"/\x7f"),
    (b"/%09/a", b"/\t/a"),
    (b"/%0a/../a", b"/a"),
    (b"http://h/%0a", b"/\n"),
]

# Host line, HTTP_HOST (None: 400)
HOSTS = [
    (b"localhost", b"localhost"),
    (b"example.com", b"example.com"),
    (b"example.com:8080", b"example.com:8080"),
    (b"127.0.0.1:65535", b"127.0.0.1:65535"),
    (b"a:59999", b"a:59999"),
    (b"a:60000", b"a:60000"),
    (b"a-b_c.d", b"a-b_c.d"),
    (b"1", b"1"),
    # 1.40: the one spelling
    (b"A.Example.:21000", b"a.example:21000"),
    (b"EXAMPLE", b"example"),
    (b"a.", b"a"),
    (b"a.:", b"a"),
    (b".a", b".a"),
    (b".a.", b".a"),
    (b"a:", b"a"),
    (b"a:0", b"a"),
    (b"a:000", b"a"),
    (b"a:080", b"a:80"),
    (b"a:0000065535", b"a:65535"),
    (b"a:80", b"a:80"),
    (b"a:443", b"a:443"),
    (b"[::1]", b"[::1]"),
    (b"[::1]:", b"[::1]"),
    (b"[::1]:80", b"[::1]:80"),
    (b"[FE80::A]:081", b"[fe80::a]:81"),
    (b"[::ffff:1.2.3.4]", b"[::ffff:1.2.3.4]"),
    # 1.42: odd, and accepted
    (b"_", b"_"),
    (b"-", b"-"),
    (b"a~!$&'()*+,;=%", b"a~!$&'()*+,;=%"),
    (b"%zz", b"%zz"),
    (b"%2E%2E", b"%2e%2e"),
    (b"[zz]", b"[zz]"),
    (b"[]", b"[]"),
    (b"[.]", b"[.]"),
    (b"[a.]", b"[a.]"),
    (b"[v1.A~!$&'()*+,;=_-]", b"[v1.a~!$&'()*+,;=_-]"),
    # 1.42: refused
    (b"", None),
    (b".", None),
    (b".:80", None),
    (b":", None),
    (b":80", None),
    (b"..", None),
    (b"a..", None),
    (b"a..b", None),
    (b"..a", None),
    (b"[a..b]", None),
    (b"a/b", None),
    (b"a b", None),
    (b" a", None),
    (b"a ", None),
    (b"a\t", None),
    (b"a\n", None),
    (b"a\x00", None),
    (b"a\x7f", None),
    (b"u@a", None),
    (b'"a"', None),
    (b"a#", None),
    (b"a?", None),
    (b"a\\b", None),
    (b"a<b>", None),
    (b"a|b", None),
    (b"a^`{}", None),
    (b"\x80", None),
    (b"b\xc3\xbcro", None),
    (b"a:b", None),
    (b"a:8o", None),
    (b"a:-1", None),
    (b"a:+1", None),
    (b"a:8_0", None),
    (b"a: 80", None),
    (b"a:80:80", None),
    (b"a:65536", None),
    (b"a:99999", None),
    (b"a:100000", None),
    (b"[", None),
    (b"]", None),
    (b"[::1", None),
    (b"::1", None),
    (b"a[::1]", None),
    (b"[::1].", None),
    (b"[::1]a", None),
    (b"[::1]80", None),
    (b"[::1]:65536", None),
    (b"[[::1]]", None),
    (b"[fe80::1%eth0]", None),
    (b"[a/b]", None),
]

# Words that the rules speak of, so that generated targets meet the rules often.
_WORDS = (
    b"/ / // /. /.. . .. ... %2f %2F %2e %2E a B ? # %23 %3f %25 %00 %0a %7f % %2 %zz + ; : @ [ ]"
    b" \x80 \xff \x7f \x01 %20 %c3%a9 x=1 http:// h :80 :0 _"
).split()
_words = st.lists(st.sampled_from([*_WORDS, b" "]), max_size=12).map(b"".join)
targets = st.one_of(_words, _words.map(lambda words: b"/" + words), st.binary(max_size=40))
hosts = st.one_of(
    st.binary(max_size=20),
    st.lists(
        st.sampled_from(
            [b"a", b"B", b".", b":", b"80", b"0", b"[", b"]", b"::1", b"_", b"%", b"@"]
        ),
        max_size=8,
    ).map(b"".join),
)
T = TypeVar("T")
anything = settings(deadline=None, max_examples=300)


def _refusal(target: bytes, *, allow_control: bool = False, merge_slashes: bool = True) -> str:
    with pytest.raises(RequestError) as caught:
        parse_target(target, merge_slashes=merge_slashes, allow_control=allow_control)
    assert (caught.value.status, caught.value.reason) == (400, "bad_request_target")
    return str(caught.value)


def _outcome(parse: Callable[[], T]) -> T | RequestError:
    try:
        return parse()
    except RequestError as error:
        return error


@pytest.mark.parametrize(("target", "path", "query"), PATHS)
def test_path_and_query(target: bytes, path: bytes, query: bytes) -> None:
    assert parse_target(target) == Target(target, path, query, None)


@pytest.mark.parametrize(("target", "path"), UNMERGED)
def test_without_merging_runs_of_slashes_stay(target: bytes, path: bytes | None) -> None:
    if path is None:
        _refusal(target, merge_slashes=False)
    else:
        assert parse_target(target, merge_slashes=False).path == path


@pytest.mark.parametrize(("target", "uri", "path", "query", "authority"), ABSOLUTE)
def test_absolute_form(
    target: bytes, uri: bytes, path: bytes, query: bytes, authority: bytes
) -> None:
    assert parse_target(target) == Target(uri, path, query, authority)


@pytest.mark.parametrize("target", REFUSED)
def test_refused(target: bytes) -> None:
    _refusal(target)
    _refusal(target, allow_control=True)


@pytest.mark.parametrize(("target", "path"), CONTROL)
def test_escaped_control_characters_need_a_permission(target: bytes, path: bytes) -> None:
    assert "control character" in _refusal(target)
    assert parse_target(target, allow_control=True).path == path


@pytest.mark.parametrize(
    ("target", "part"),
    [
        (b"/a b", "byte 2 is a space"),
        (b"*", "neither a path nor scheme://host"),
        (b"/%zz", "without two hexadecimal digits"),
        (b"/%00", "%00"),
        (b"/..", "above the root"),
        (b"http://a..b/", "two dots"),
        (b"http://./", "empty"),
        (b"http://a:65536/", "larger than 65535"),
    ],
)
def test_the_message_says_what_is_wrong(target: bytes, part: str) -> None:
    assert part in _refusal(target)


@pytest.mark.parametrize(("value", "host"), HOSTS)
def test_host(value: bytes, host: bytes | None) -> None:
    if host is not None:
        assert parse_host(value) == host
        return
    with pytest.raises(RequestError) as caught:
        parse_host(value)
    assert (caught.value.status, caught.value.reason) == (400, "bad_host")


def test_a_port_of_thousands_of_digits_is_an_answer_not_a_crash() -> None:
    assert parse_host(b"a:" + b"0" * 8000 + b"80") == b"a:80"
    with pytest.raises(RequestError):
        parse_host(b"a:" + b"1" * 8000)


@pytest.mark.parametrize(
    "target",
    [
        b"/" * 60_000 + b"a/b\x01",
        b"/a" * 60_000 + b"\x01",
        b"/a/.." * 20_000 + b"/..",
        b"/" + b"a/" * 30_000 + b"../" * 30_001,
        b"/" + b"%2e" * 30_000 + b"%",
        b"http://" + b"a." * 30_000 + b"_",
        b"http://[" + b":" * 60_000,
        b"a" * 60_000,
    ],
    ids=lambda target: repr(target[:12]),
)
def test_long_targets_take_linear_time(target: bytes) -> None:
    """Anything quadratic would run into the test's time limit a few times over."""
    for _ in range(10):
        _refusal(target)


@anything
@given(targets, st.booleans(), st.booleans())
def test_any_target_parses_or_is_refused(target: bytes, merge: bool, control: bool) -> None:
    got = _outcome(lambda: parse_target(target, merge_slashes=merge, allow_control=control))
    if isinstance(got, RequestError):
        assert (got.status, got.reason) == (400, "bad_request_target")
        return
    assert got.path.startswith(b"/")
    assert not {b".", b".."} & set(got.path.split(b"/"))
    assert not merge or b"//" not in got.path
    assert b"\0" not in got.path
    assert control or not re.search(rb"[\x00-\x1f\x7f]", got.path)
    assert not re.search(rb"[#\x00-\x20\x7f]", got.query)
    assert target.endswith(got.uri) or (got.uri, got.path) == (b"/", b"/")
    assert got.authority is None or parse_host(got.authority) == got.authority


@anything
@given(targets, st.booleans(), st.booleans())
def test_fast_and_slow_agree(target: bytes, merge: bool, control: bool) -> None:
    fast = _outcome(lambda: parse_target(target, merge_slashes=merge, allow_control=control))
    slow = _outcome(lambda: _parse_slowly(target, merge, control))
    if isinstance(fast, RequestError):
        assert str(fast) == str(slow)
    else:
        assert fast == slow


@anything
@given(targets.map(lambda target: b"/" + target), st.booleans())
def test_a_walk_byte_by_byte_agrees(target: bytes, merge: bool) -> None:
    expected = None if re.search(rb"[\x00-\x20\x7f]", target) else _walk(target, merge)
    if expected is None:
        _refusal(target, merge_slashes=merge, allow_control=True)
    else:
        assert parse_target(target, merge_slashes=merge, allow_control=True).path == expected


def _walk(target: bytes, merge: bool) -> bytes | None:
    """The path as a reader of single bytes finds it; None where it must refuse."""
    out = bytearray()
    for unit in re.findall(rb"%..|.", re.split(rb"[?#]", target)[0], re.DOTALL):
        byte = unit
        if unit.startswith(b"%"):
            if unit == b"%00" or not re.fullmatch(rb"%[0-9A-Fa-f]{2}", unit):
                return None
            byte = bytes.fromhex(unit[1:].decode())
        if byte != b"/":
            out += byte
        elif (dots := _drop_dots(out)) is None:
            return None
        elif not dots and not (merge and out.endswith(b"/")):
            out += b"/"
    return None if _drop_dots(out) is None else bytes(out)


def _drop_dots(out: bytearray) -> bool | None:
    """Resolve a dot segment at the end of `out`: was there one? None if it climbs too far."""
    if out.endswith(b"/."):
        del out[-1:]
        return True
    if not out.endswith(b"/.."):
        return False
    if len(out) == 3:
        return None
    del out[out.rindex(b"/", 0, -3) + 1 :]
    return True


@anything
@given(st.binary(max_size=40))
@example(bytes(range(256)))
def test_quoting_keeps_the_path(tail: bytes) -> None:
    quoted = quote_path(b"/" + tail)
    assert re.fullmatch(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+", quoted)
    decoded = re.sub(rb"%(..)", lambda escape: bytes.fromhex(escape[1].decode()), quoted)
    assert decoded == b"/" + tail


@anything
@given(targets, st.booleans())
@example(b"/%2565", True)
@example(b"/a%3fb%23%20%5c", True)
def test_parsing_a_quoted_path_gives_the_path(target: bytes, merge: bool) -> None:
    got = _outcome(lambda: parse_target(target, merge_slashes=merge, allow_control=True))
    if isinstance(got, RequestError):
        return
    again = parse_target(quote_path(got.path), merge_slashes=merge, allow_control=True)
    assert (again.path, again.query, again.authority) == (got.path, b"", None)


def test_quoting_is_exact() -> None:
    assert quote_path(b"/a b%/\xc3\xa9?#\n") == b"/a%20b%25/%C3%A9%3F%23%0A"
    assert quote_path(b"/plain-._~!$&'()*+,;=:@") == b"/plain-._~!$&'()*+,;=:@"


@anything
@given(hosts)
def test_any_host_has_one_spelling_or_is_refused(value: bytes) -> None:
    host = _outcome(lambda: parse_host(value))
    if isinstance(host, RequestError):
        assert (host.status, host.reason) == (400, "bad_host")
        return
    assert host
    assert host == host.lower()
    assert parse_host(host) == host
    assert parse_host(value.upper()) == host

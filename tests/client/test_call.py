import pytest

from proxy.client.call import USER_AGENT, prepare
from proxy.errors import PACKET_TOO_LARGE, ProxyError


def test_the_usual_variables() -> None:
    sent = dict(prepare("GET", "/a%20b/../c?x=1").variables)
    assert sent["REQUEST_METHOD"] == "GET"
    assert sent["REQUEST_URI"] == "/a%20b/../c?x=1"
    assert sent["PATH_INFO"] == "/c"
    assert sent["QUERY_STRING"] == "x=1"
    assert sent["HTTP_HOST"] == sent["SERVER_NAME"] == "localhost"
    assert sent["HTTP_USER_AGENT"] == USER_AGENT
    assert sent["HTTP_CONNECTION"] == "close"
    assert sent["CONTENT_LENGTH"] == ""


def test_a_body_has_its_length() -> None:
    assert dict(prepare("PUT", body=b"12345").variables)["CONTENT_LENGTH"] == "5"
    assert dict(prepare("POST").variables)["CONTENT_LENGTH"] == "0"


def test_what_is_given_comes_instead() -> None:
    headers = [("host", "Example.com:8080"), ("User-Agent", "me"), ("X-A", "1"), ("X-A", "2")]
    sent = dict(prepare(headers=headers).variables)
    assert sent["HTTP_HOST"] == "example.com:8080"
    assert sent["SERVER_NAME"] == "example.com"
    assert sent["HTTP_USER_AGENT"] == "me"
    assert sent["HTTP_X_A"] == "1, 2"


def test_params_win() -> None:
    params = {"REMOTE_USER": "alice", "REMOTE_ADDR": "192.0.2.1", "HTTP_X_A": "p"}
    call = prepare(headers={"X-A": "h"}, params=params, modifiers=(5, 1))
    sent = dict(call.variables)
    assert (sent["REMOTE_USER"], sent["REMOTE_ADDR"], sent["HTTP_X_A"]) == (
        "alice",
        "192.0.2.1",
        "p",
    )
    assert (call.packet[0], call.packet[3]) == (5, 1)


def test_a_path_for_people() -> None:
    assert dict(prepare(path="/müll haufen").variables)["REQUEST_URI"] == "/m%C3%BCll%20haufen"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "get"}, "'get' is not a method"),
        ({"path": "a"}, "request target"),
        ({"path": "/a%zz"}, "two hexadecimal digits"),
        ({"headers": {"X_A": "1"}}, "params set variables: HTTP_X_A"),
        ({"headers": {"X A": "1"}}, "'X A' is no header name"),
        ({"headers": {"X": "1\r\nY: 2"}}, "control character"),
        ({"headers": {"Host": "a b"}}, "host"),
        ({"headers": {"Content-Length": "x"}}, "not a number"),
    ],
)
def test_what_cannot_be_sent(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prepare(**arguments)  # type: ignore[arg-type]


def test_too_large() -> None:
    with pytest.raises(ProxyError) as caught:
        prepare(headers={"Cookie": "x" * 66_000})
    assert caught.value.reason is PACKET_TOO_LARGE

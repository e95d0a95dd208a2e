"""The environment as a source."""

from typing import Any

import pytest

from proxy.config.env import read_env
from proxy.config.options import OPTIONS
from proxy.config.sources import Given
from proxy.settings import Address, BackendSettings


def values(environ: dict[str, str]) -> dict[str, Any]:
    source = read_env({"UWSGI_FRONTEND_" + name: value for name, value in environ.items()})
    assert source.complaints == []
    return {path: given.value for path, given in source.given.items()}


def complaints(environ: dict[str, str]) -> list[str]:
    return read_env({"UWSGI_FRONTEND_" + name: value for name, value in environ.items()}).complaints


def test_every_option_has_a_variable() -> None:
    environ = {option.environment: option.kind.example for option in OPTIONS}
    source = read_env(environ)
    assert source.complaints == []
    assert source.given.keys() == {option.path for option in OPTIONS}


def test_the_variable_is_remembered_as_the_origin() -> None:
    source = read_env({"UWSGI_FRONTEND_SEND_TIMEOUT": "5"})
    assert source.given == {"client.send_timeout_s": Given(5.0, "UWSGI_FRONTEND_SEND_TIMEOUT")}


def test_variables_of_others_are_not_looked_at() -> None:
    assert values({}) == {}
    assert read_env({"PATH": "x", "UWSGI_LISTEN": "x", "uwsgi_frontend_listen": "x"}).given == {}


def test_a_list_is_separated_by_commas() -> None:
    assert values({"LISTEN": ":80, [::]:80,,unix:/a ,"}) == {
        "server.listen": (
            Address(host="0.0.0.0", port=80),
            Address(host="::", port=80),
            Address(path="/a"),
        )
    }


def test_a_list_may_be_laid_out_in_lines() -> None:
    """As `|` in YAML leaves it; the lines of nginx as well."""
    text = "\n  server unix:/a weight=5;\n  server unix:/b;\n"
    assert values({"UPSTREAM": text}) == {
        "upstream.backends": (
            BackendSettings(Address(path="/a"), weight=5),
            BackendSettings(Address(path="/b")),
        )
    }


def test_parameters_are_separated_by_line_breaks_and_may_have_commas() -> None:
    assert values({"PARAM": "A=1,2\n\n  B=x y  \r\nC="}) == {
        "packet.params": (("A", "1,2"), ("B", "x y"), ("C", ""))
    }


@pytest.mark.parametrize("empty", ["", " ", "\n", ",", " , "])
def test_an_empty_variable_counts_as_not_set(empty: str) -> None:
    assert values({"UPSTREAM": empty}) == {}


def test_an_empty_single_value_counts_as_not_set() -> None:
    assert values({"ADMIN": "", "SEND_TIMEOUT": "", "BUFFERING": " "}) == {}


def test_a_single_value_keeps_its_commas() -> None:
    assert values({"DOCUMENT_ROOT": "/a,b"}) == {"packet.document_root": "/a,b"}


def test_a_wrong_value_names_the_variable() -> None:
    assert complaints({"SEND_TIMEOUT": "5x", "UPSTREAM": "unix:/a,app.sock"}) == [
        "UWSGI_FRONTEND_SEND_TIMEOUT=5x: not a time; write seconds (60, 1.5), or 500ms, 30s, 2m, "
        "1h, 1d",
        "UWSGI_FRONTEND_UPSTREAM=app.sock: not an address; did you mean unix:app.sock?",
    ]


def test_an_unknown_variable_is_an_error_that_names_the_nearest() -> None:
    assert complaints({"UPSTRAEM": "unix:/a"}) == [
        "unknown environment variable UWSGI_FRONTEND_UPSTRAEM: did you mean "
        "UWSGI_FRONTEND_UPSTREAM?"
    ]


def test_an_unknown_variable_is_an_error_even_when_empty() -> None:
    assert len(complaints({"UPSTRAEM": ""})) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PORT_80_TCP_PORT", "80"),
        ("PORT_80_TCP_PROTO", "tcp"),
        ("PORT_53_UDP", "udp://10.0.0.1:53"),
    ],
)
def test_what_kubernetes_says_about_a_service_of_our_name_is_not_for_us(
    name: str, value: str
) -> None:
    assert values({name: value}) == {}


def test_a_port_that_is_no_service_is_for_us_and_unknown() -> None:
    assert complaints({"PORT": "8080"}) == [
        "unknown environment variable UWSGI_FRONTEND_PORT: did you mean UWSGI_FRONTEND_LISTEN?"
    ]

"""One option: its names, its default, how it reads and shows values."""

import pytest

from proxy.config.kinds import COUNT, NAME, SWITCH
from proxy.config.option import DEFAULTS, Option
from proxy.config.options import BY_PATH
from proxy.settings import Address, BackendSettings

TIMEOUT = BY_PATH["client.header_timeout_s"]
UPSTREAM = BY_PATH["upstream.backends"]


def test_the_environment_name_is_derived_from_the_flag() -> None:
    assert TIMEOUT.name == "client-header-timeout"
    assert TIMEOUT.environment == "UWSGI_FRONTEND_CLIENT_HEADER_TIMEOUT"


def test_the_usage_names_the_kind_of_value() -> None:
    assert TIMEOUT.usage == "--client-header-timeout TIME"
    assert Option("--x", "a.b", SWITCH, "").usage == "--x [on|off]"
    assert UPSTREAM.example == "--upstream unix:/run/app.sock"


def test_a_value_is_read_from_a_tree() -> None:
    assert TIMEOUT.read(DEFAULTS) == 60.0
    assert TIMEOUT.default == "60s"
    assert UPSTREAM.default == ""


def test_the_last_text_counts_for_an_option_that_cannot_repeat() -> None:
    assert TIMEOUT.parse(["1", "2m"]) == 120.0


def test_every_text_counts_for_an_option_that_can() -> None:
    backends = (BackendSettings(Address(path="/a")), BackendSettings(Address(host="h", port=1)))
    assert UPSTREAM.parse(["unix:/a", "h:1"]) == backends
    assert UPSTREAM.show(backends) == ["unix:/a", "h:1"]


def test_an_earlier_text_has_to_be_right_too() -> None:
    with pytest.raises(ValueError, match=r"^x: not a time"):
        TIMEOUT.parse(["x", "2m"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x", "x"), ("", "''"), ("a b", "'a b'"), ("a'", "'a'\"'\"''")],
)
def test_an_error_shows_the_text_as_a_shell_would_take_it(text: str, shown: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Option("--n", "a.b", COUNT, "").parse([text])
    assert str(caught.value) == f"{shown}: not a whole number"


def test_an_empty_value_shows_as_no_text() -> None:
    assert Option("--n", "a.b", NAME, "").show("") == []

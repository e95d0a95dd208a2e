"""Who may read, and who may change: names, origins, tokens."""

from pathlib import Path

import pytest

from proxy.control.asked import Asked, Refusal
from proxy.control.guard import Guard
from proxy.settings import Address
from tests.control.test_asked import parse

TOKEN = "0123456789abcdef"
LOOPBACK = Address(host="127.0.0.1", port=9090)
EVERYWHERE = Address(host="0.0.0.0", port=9090)
FILE = Address(path="/run/admin.sock")
ABSTRACT = Address(path="\0admin")


def asked(host: str = "localhost:9090", **headers: str) -> Asked:
    one = parse("/")
    one.request.headers.host = host.encode()
    one.request.headers.fields = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
    ]
    return one


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9090", "LOCALHOST.", "127.0.0.1:9090", "[::1]:9090", "10.0.0.1", ""],
)
def test_names_that_are_always_known(host: str) -> None:
    for address in (LOOPBACK, EVERYWHERE, FILE):
        Guard(address).check(asked(host))
        Guard(address, hosts=("other",)).check(asked(host))


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:9090", "127.0.0.1.x"])
@pytest.mark.parametrize("address", [LOOPBACK, Address(host="::1"), Address(host="localhost")])
def test_names_that_a_loopback_address_does_not_have(host: str, address: Address) -> None:
    with pytest.raises(Refusal) as refused:
        Guard(address).check(asked(host))
    assert (refused.value.status, refused.value.code) == (403, "unknown_host")


def test_other_addresses_have_any_name_unless_names_are_given() -> None:
    Guard(EVERYWHERE).check(asked("app.example:9090"))
    named = Guard(EVERYWHERE, hosts=("app.example",))
    named.check(asked("APP.example:9090"))
    with pytest.raises(Refusal):
        named.check(asked("evil.example"))
    Guard(LOOPBACK, hosts=("app.example",)).check(asked("app.example"))


@pytest.mark.parametrize(
    ("guard", "writing"),
    [
        (Guard(LOOPBACK), "off"),
        (Guard(LOOPBACK, TOKEN), "token"),
        (Guard(LOOPBACK, token_file="/t"), "token"),
        (Guard(FILE), "socket"),
        (Guard(ABSTRACT), "off"),
        (Guard(ABSTRACT, TOKEN), "token"),
    ],
)
def test_what_a_change_needs(guard: Guard, writing: str) -> None:
    assert guard.writing == writing


def test_a_token_that_is_replaced_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nwhat follows does not matter\n")
    guard = Guard(LOOPBACK, token_file=str(file))
    guard.check_change(asked(authorization=f"Bearer {TOKEN}"))
    guard.check_change(asked(authorization=f"bearer  {TOKEN} "))
    file.write_text("another-token-of-16")
    with pytest.raises(Refusal) as refused:
        guard.check_change(asked(authorization=f"Bearer {TOKEN}"))
    assert (refused.value.status, refused.value.code) == (403, "token_wrong")
    guard.check_change(asked(authorization="Bearer another-token-of-16"))
    file.unlink()
    with pytest.raises(Refusal) as refused:
        guard.check_change(asked(authorization=f"Bearer {TOKEN}"))
    assert (refused.value.status, refused.value.code) == (403, "token_unreadable")


def test_a_token_with_other_characters_is_only_wrong() -> None:
    with pytest.raises(Refusal) as refused:
        Guard(LOOPBACK, TOKEN).check_change(asked(authorization="Bearer éé"))
    assert refused.value.code == "token_wrong"


def test_an_origin_on_another_port_is_another_site() -> None:
    guard = Guard(FILE)
    guard.check_change(asked(origin="http://localhost:9090"))
    guard.check_change(asked(sec_fetch_site="none"))
    for origin in ("http://localhost:8080", "http://localhost", "null", "x"):
        with pytest.raises(Refusal):
            guard.check_change(asked(origin=origin))

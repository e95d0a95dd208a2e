"""Complaints about the settings of the admin address."""

from pathlib import Path

import pytest

from proxy.config.check_admin import complaints
from proxy.settings import Address, ServerSettings

ADMIN = Address(host="127.0.0.1", port=9090)
TOKEN = "0123456789abcdef"


def test_nothing_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    assert not list(complaints(ServerSettings()))
    for good in (
        ServerSettings(admin=ADMIN, admin_token=TOKEN, admin_hosts=("app.example",)),
        ServerSettings(admin=ADMIN, admin_token_file=str(file)),
        ServerSettings(expose_health=True),
    ):
        assert not list(complaints(good))


def test_a_token_for_nothing() -> None:
    settings = ServerSettings(admin_token="x", admin_token_file="/x", admin_hosts=("a",))
    flags = [complaint.partition(":")[0] for complaint in complaints(settings)]
    assert flags == ["--admin-token-file", "--admin-token", "--admin-host"]


def test_tokens_that_cannot_be_used(tmp_path: Path) -> None:
    (complaint,) = complaints(ServerSettings(admin=ADMIN, admin_token="short"))
    assert complaint == "--admin-token: a token has at least 16 characters, this one has 5"
    missing = str(tmp_path / "missing")
    (complaint,) = complaints(ServerSettings(admin=ADMIN, admin_token_file=missing))
    assert complaint.endswith("missing: cannot be read: No such file or directory")


@pytest.mark.parametrize("name", ["http://a", "a:80", "", "a/b", "-a"])
def test_names_that_are_none(name: str) -> None:
    (complaint,) = complaints(ServerSettings(admin=ADMIN, admin_hosts=(name,)))
    assert complaint.startswith("--admin-host")

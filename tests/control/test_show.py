"""The settings as JSON, without what is secret."""

import json

import pytest

from proxy.control.show import MASK, is_secret, show_settings
from proxy.settings import (
    Address,
    BackendSettings,
    CheckSettings,
    CheckSpec,
    PacketSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)


def test_the_whole_tree() -> None:
    settings = Settings(
        server=ServerSettings(admin_token="0123456789abcdef", admin_token_file="/run/token"),
        packet=PacketSettings(params=(("APP_ENV", "production"), ("DB_PASSWORD", "hunter2"))),
        upstream=UpstreamSettings(
            backends=(BackendSettings(Address(path="/run/a.sock"), stats=Address("::1", 1)),),
            check=CheckSettings((CheckSpec("http", headers=(("X-Api-Key", "k"), ("X", "y"))),)),
        ),
    )
    shown = show_settings(settings)
    text = json.dumps(shown)
    assert "0123456789abcdef" not in text
    assert "hunter2" not in text
    assert shown["server"]["admin_token"] == MASK
    assert shown["server"]["admin_token_file"] == "/run/token"
    assert shown["packet"]["params"] == [["APP_ENV", "production"], ["DB_PASSWORD", MASK]]
    assert shown["upstream"]["check"]["checks"][0]["headers"] == [["X-Api-Key", MASK], ["X", "y"]]
    backend = shown["upstream"]["backends"][0]
    assert (backend["address"], backend["stats"]) == ("unix:/run/a.sock", "[::1]:1")
    assert shown["server"]["listen"] == ["127.0.0.1:8080"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("admin_token", True),
        ("SECRET_KEY", True),
        ("DATABASE_PASSWORD", True),
        ("AWS_CREDENTIALS", True),
        ("Authorization", True),
        ("admin_token_file", False),
        ("hash_key", False),
        ("APP_ENV", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret(name) is secret

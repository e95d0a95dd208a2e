from pathlib import Path

import pytest

from proxy.config.options import OPTIONS
from proxy.embedding.keywords import BY_KEYWORD, settings_of
from proxy.settings import Address, BackendSettings, ServerSettings, Settings
from proxy.testing import FakeBackend

UPSTREAM = "unix:/run/app.sock"


def test_every_option_has_a_keyword() -> None:
    assert len(BY_KEYWORD) == len(OPTIONS)
    assert all(name.isidentifier() for name in BY_KEYWORD)


def test_what_differs_from_the_command_line() -> None:
    settings = settings_of(None, {"upstream": UPSTREAM})
    assert settings.server.listen == (Address(host="127.0.0.1", port=0),)
    assert settings.log.access_log == ""
    assert settings.server.shutdown_timeout_s == 5


def test_a_tree_is_taken_as_it_is() -> None:
    base = Settings(server=ServerSettings(backlog=7))
    settings = settings_of(base, {"upstream": UPSTREAM})
    assert settings.server == base.server
    assert settings.log == base.log
    assert settings_of(settings, {}) == settings


def test_values_as_python_has_them(tmp_path: Path) -> None:
    settings = settings_of(
        None,
        {
            "upstream": [UPSTREAM, Address(host="::1", port=3031), "unix:/b weight=2"],
            "send_timeout": 5,
            "keepalive_timeout": 0.25,
            "client_max_body_size": 1000,
            "client_body_buffer_size": "64k",
            "buffering": False,
            "admin": Address(host="127.0.0.1", port=0),
            "param": {"A": "b", "C": "d=e"},
            "spool_dir": tmp_path,
            "log_level": None,
        },
    )
    assert [str(one.address) for one in settings.upstream.backends] == [
        UPSTREAM,
        "[::1]:3031",
        "unix:/b",
    ]
    assert settings.upstream.backends[2].weight == 2
    assert settings.client.send_timeout_s == 5
    assert settings.client.keepalive_timeout_s == 0.25
    assert settings.client.max_body_bytes == 1000
    assert settings.buffers.request_memory_bytes == 65536
    assert settings.buffers.reply_buffering is False
    assert settings.server.admin == Address(host="127.0.0.1", port=0)
    assert settings.packet.params == (("A", "b"), ("C", "d=e"))
    assert settings.buffers.spool_dir == str(tmp_path)


def test_things_that_have_an_address() -> None:
    with FakeBackend() as backend:
        settings = settings_of(None, {"upstream": backend, "access_log": False})
    assert settings.upstream.backends[0].address == backend.address
    one = BackendSettings(Address(path="/a"), weight=3)
    assert settings_of(None, {"upstream": [one]}).upstream.backends == (one,)


def test_one_process_has_one_worker() -> None:
    with pytest.raises(ValueError, match="for several, run the command"):
        settings_of(None, {"upstream": UPSTREAM, "workers": 2})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("upstrem", "did you mean upstream?"),
        ("uwsgi_read_timeout", "did you mean backend_read_timeout?"),
        ("port", "did you mean listen?"),
        ("zzz", "docs/settings.md"),
    ],
)
def test_an_unknown_option(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match=rf"unknown option '{name}': .*{hint}"):
        settings_of(None, {"upstream": UPSTREAM, name: 1})


def test_everything_that_is_wrong() -> None:
    options = {"upstream": "app.sock", "send_timeout": "soon", "backlog": True}
    with pytest.raises(ValueError, match=r"did you mean unix:app\.sock") as caught:
        settings_of(None, options)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("send_timeout=soon: ")
    assert lines[2] == "backlog=True: cannot be written like --backlog 1"


def test_what_the_checks_say() -> None:
    with pytest.raises(ValueError, match="nowhere to pass requests to"):
        settings_of(None, {})
    with pytest.raises(ValueError, match="--modifier1 256: must be from 0 to 255"):
        settings_of(None, {"upstream": UPSTREAM, "modifier1": 256})

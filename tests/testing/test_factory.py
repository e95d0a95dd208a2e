from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from proxy.testing import Exchanges, FakeBackend, respond
from proxy.testing.factory import start_site
from proxy.testing.hosts import Hosts


def fails(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    raise LookupError("of the application")


def test_a_backend(tmp_path: Path) -> None:
    seen = Exchanges()
    with FakeBackend(respond(body=b"x")) as backend:
        with start_site(Hosts(str(tmp_path)), seen, {"upstream": backend}) as site:
            assert site.get("/a").body == b"x"
        assert seen.wait(1)[0].target == "/a"
        with pytest.raises(ConnectionRefusedError):
            site.connect()


def test_an_application_of_this_process(tmp_path: Path) -> None:
    with start_site(Hosts(str(tmp_path)), Exchanges(), {"app": fails}) as site:
        assert site.get("/a").status == 500
        ((what, error),) = site.app_failures
    assert what == "GET '/a'"
    assert isinstance(error, LookupError)


def test_what_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(TypeError, match="did you mean upstream"),
        start_site(Hosts(str(tmp_path)), Exchanges(), {"upstrem": "x"}),
    ):
        pass

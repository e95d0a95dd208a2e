"""The three ways to serve, without the plugin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.testing import Exchanges
from proxy.testing.hosts import Hosts
from proxy.testing.topologies import NAMES, Missing, Stage, name_of, serve
from tests.differential.nginx import find_nginx
from tests.embedding.asking import hello

APP = "tests.embedding.asking:hello"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    hosts = Hosts(str(Path(__file__).parents[2]))
    yield hosts
    hosts.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("app", [APP, hello], ids=["name", "callable"])
def test_each_serves_it(name: str, app: object, hosts: Hosts, tmp_path: Path) -> None:
    if name == "nginx":
        find_nginx()
    seen = Exchanges()
    with serve(name, app, Stage(hosts, seen, tmp_path), {"threads": 2}) as site:  # type: ignore[arg-type]
        assert site.name == name
        assert site.get("/a").body == b"/a"
    if name == "frontend":
        assert seen.wait(1)[0].target == "/a"
    if name != "uwsgi":  # which stays for the next test
        with pytest.raises(ConnectionRefusedError):
            site.connect()


def test_what_is_missing(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(hosts, Exchanges(), tmp_path)
    with (
        pytest.raises(Missing, match="is an object of this process"),
        serve("uwsgi", lambda *_: [], stage, {}),
    ):
        pass
    monkeypatch.setattr("proxy.testing.topologies.find", lambda _: None)
    with pytest.raises(Missing, match="apt-get install nginx"), serve("nginx", APP, stage, {}):
        pass
    monkeypatch.setattr("proxy.testing.topologies._has_uwsgi", lambda: False)
    with pytest.raises(Missing, match="pip install pyuwsgi"), serve("uwsgi", APP, stage, {}):
        pass


def test_names() -> None:
    assert name_of(hello) == APP
    assert name_of(lambda *_: []) == ""
    assert name_of(object()) == ""  # type: ignore[arg-type]

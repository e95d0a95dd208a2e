"""Front ends that cannot start say why; the others are started by test_topologies."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.lab.processes import BenchError
from proxy.lab.stand import fronts
from proxy.lab.stand.setup import Setup
from tests.lab.needs import installed, needs_nginx


def test_without_nginx(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="apt-get install nginx"):
        fronts.start_nginx(Setup(tmp_path), ["unix:/x"])


@pytest.mark.parametrize("upstream", [pytest.param("no such thing", marks=needs_nginx)])
def test_nginx_says_what_is_wrong(upstream: str, tmp_path: Path) -> None:
    setup = replace(Setup(tmp_path), installed=installed())
    with pytest.raises(BenchError, match=r"(?s)nginx: ended with.*uwsgi_pass"):
        fronts.start_nginx(setup, [upstream])


def test_the_proxy_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"(?s)proxy: ended with.*--upstream"):
        fronts.start_proxy(Setup(tmp_path), ["nonsense"])


def test_several_instances_are_balanced() -> None:
    assert "least-conn" in fronts.proxy_options(2)
    assert "least-conn" not in fronts.proxy_options(1)

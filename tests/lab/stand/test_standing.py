"""Servers that run already: what is known of them, and what is not."""

from pathlib import Path

import pytest

from proxy.lab.stand.setup import Setup
from proxy.lab.stand.standing import standing
from proxy.testing import Site


def test_what_is_known(tmp_path: Path) -> None:
    made = standing(Site("http://[::1]:81", "nginx"), Setup(tmp_path), {})
    assert (made.topology.name, made.host, made.port) == ("nginx:81", "::1", 81)
    assert made.topology.keeps
    assert made.facts["keep-alive"] == "as it is"
    assert made.config == ["http://[::1]:81"]
    assert made.cpu_s() == {}
    assert made.daemons == []
    made.check()
    with made:
        pass  # whoever has started it stops it


def test_uwsgi_alone_closes_after_each_answer(tmp_path: Path) -> None:
    made = standing(Site("http://127.0.0.1", "uwsgi"), Setup(tmp_path), {})
    assert (made.port, made.topology.keeps, made.facts["keep-alive"]) == (80, False, "never")


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "unix:/run/x", "http:///"])
def test_what_cannot_be_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="only"):
        standing(Site(url), Setup(tmp_path), {})

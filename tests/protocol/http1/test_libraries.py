"""The choice between the parser libraries."""

import sys

import pytest

from protocol.http1.libraries import choose_engine


@pytest.mark.parametrize(
    ("name", "engine"), [("httptools", "httptools"), ("h11", "h11"), ("auto", "httptools")]
)
def test_the_engine_asked_for(name: str, engine: str) -> None:
    assert choose_engine(name).name == engine


def test_without_httptools_there_is_h11(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "protocol.http1.httptools_engine", raising=False)
    assert choose_engine("auto").name == "h11"
    with pytest.raises(ImportError):
        choose_engine("httptools")

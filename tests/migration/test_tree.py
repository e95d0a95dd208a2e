"""Directives, their place in the file, and what cannot be read."""

import sys
from pathlib import Path

import pytest

from proxy.migration.tree import Directive, Unreadable, read
from tests.migration.trees import tree


def test_directives_know_where_they_stand() -> None:
    (server,) = tree("# a comment\nserver {\n  listen 80;\n  server_name 'a b' c;\n}\n")
    assert server.where == "a.conf:2"
    assert server.block == (
        Directive("listen", ("80",), "a.conf:3"),
        Directive("server_name", ("a b", "c"), "a.conf:4"),
    )
    assert [one.text for one in server.inner("listen")] == ["listen 80"]


def test_included_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "shop").write_text("listen 80;")
    (tmp_path / "nginx.conf").write_text("server { include sites/*; }")
    (server,) = read(tmp_path / "nginx.conf")
    assert server.block == (Directive("listen", ("80",), "shop:1"),)


def test_files_that_come_with_nginx_may_be_elsewhere() -> None:
    (location,) = tree("location / { include uwsgi_params; include mime.types; uwsgi_pass a; }")
    assert location.block == (Directive("uwsgi_pass", ("a",), "a.conf:1"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("server {", "a.conf:1: unexpected end of file, expecting"),
        ("server { listen; }", "a.conf:1: too few words behind listen"),
        ("server { } }", "a.conf:1: unexpected"),
        ("\ninclude gone.conf;", r"a.conf:2: .*gone.conf'; nginx looks for it beside"),
    ],
)
def test_what_is_no_configuration_is_one_line(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        tree(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"gone.conf: No such file or directory"):
        read(tmp_path / "gone.conf")


def test_without_the_package_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crossplane", None)
    with pytest.raises(Unreadable, match=r"pip install 'uwsgi-frontend\[nginx\]'"):
        tree("")

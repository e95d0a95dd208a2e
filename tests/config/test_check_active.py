"""Active checks that cannot be made, or have nobody to ask."""

import warnings
from typing import Any

import pytest

from proxy.config.backend import parse_backend
from proxy.config.check_active import complaints
from proxy.config.check_spec import parse_check
from proxy.config.sources import build
from proxy.settings import CheckSpec


def wrong(*backends: str, **values: Any) -> list[str]:
    """Return what is wrong with a pool's checks; `__` stands for the dot in a path."""
    given: dict[str, Any] = {f"upstream.{p.replace('__', '.')}": v for p, v in values.items()}
    given["upstream.backends"] = tuple(map(parse_backend, backends or ("unix:/a",)))
    return list(complaints(build(given).upstream))


@pytest.mark.parametrize(
    "text",
    ["connect", "ping", "http", "http /a?b=%20 method=HEAD host=a:80 header=A:^b body='^o k$'"],
)
def test_a_check_that_can_be_done(text: str) -> None:
    assert wrong(check__checks=(parse_check(text),)) == []


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        (CheckSpec("http", "/a b"), "'/a b' is not a path of printable ASCII that begins with /"),
        (CheckSpec("http", "a"), "'a' is not a path of printable ASCII that begins with /"),
        (CheckSpec("http", method="G T"), "method='G T': not a method"),
        (CheckSpec("http", host="a\n"), r"host='a\n': not a host"),
        (CheckSpec("http", statuses=()), "status: without a status, no reply is good"),
        (CheckSpec("http", headers=(("A b", ""),)), "header='A b': not a name that a header can "),
        (
            CheckSpec("http", headers=(("A", "("),)),
            "header=A:(: not a regular expression: missing ), unterminated subpattern at ",
        ),
        (
            CheckSpec("http", body="a{99999999999999999999}"),
            "body=a{99999999999999999999}: not a re",
        ),
        (CheckSpec("http", body="[[:a:]]"), "body=[[:a:]]: Possible nested set at position 1; in "),
        (CheckSpec("http", "/%zz"), "bad request target: the path has a '%' without two hexadeci"),
        (CheckSpec("http", "/../.."), "bad request target: '..' climbs above the root"),
        (CheckSpec("http", "/" + "a" * 70000), ""),
        (CheckSpec("http", body="["), "body=[: not a regular expression: unterminated "),
    ],
)
def test_a_check_that_cannot_be_done(check: CheckSpec, complaint: str) -> None:
    (line,) = wrong(check__checks=(check,))
    assert line.startswith("--check ")
    assert line.partition(": ")[2].startswith(complaint)


def test_a_warning_is_told_by_us_alone() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (line,) = wrong(check__checks=(CheckSpec("http", body="[[:alpha:]]"),))
    assert line.endswith("in regular expressions of Python, write \\[ for a bracket in a set")


def test_a_check_given_twice_is_told_once() -> None:
    assert wrong(check__checks=(CheckSpec("ping"),) * 3) == ["--check ping: given more than once"]


def test_a_stats_check_needs_a_stats_server() -> None:
    checks = (CheckSpec("stats"),)
    assert wrong("unix:/a stats=unix:/s", "unix:/b", check__checks=checks) == []
    assert wrong(check__checks=checks, discovery__file="/x") == []
    assert wrong(check__checks=checks) == [
        "--check stats: no backend says where its stats server is; add stats=ADDRESS to one"
    ]


def test_a_stats_server_is_there_to_be_asked() -> None:
    backends = ("unix:/a", "unix:/b stats=unix:/s", "unix:/c stats=unix:/t")
    assert wrong(*backends, check__checks=(CheckSpec("ping"),)) == [
        "--upstream unix:/b: stats= is asked by --check stats only; add that"
    ]
    assert wrong(*backends, check__checks=(CheckSpec("ping"), CheckSpec("stats"))) == []


def test_without_checks_nobody_waits_for_one() -> None:
    assert wrong(check__initial="down", check__checks=(CheckSpec("ping"),)) == []
    assert wrong(check__initial="down") == [
        "--check-initial down: without a --check, no backend would ever come up"
    ]

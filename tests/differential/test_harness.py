"""The comparison itself: it must see what is different, and know when nginx is missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.differential.client import Response
from tests.differential.compare import Case, show, verdict
from tests.differential.differences import (
    ALWAYS,
    Differs,
    StaleDifference,
    apply,
    refused,
    with_value,
)
from tests.differential.nginx import find_nginx
from tests.differential.observe import (
    Observation,
    Seen,
    hide_nginx_pages,
    hide_pages,
    page,
)

VARIABLES = (
    (b"PATH_INFO", b"/"),
    (b"HTTP_X_A", b"1"),
    (b"HTTP_HOST", b"h"),
    (b"HTTP_X_A", b"2"),
    (b"HTTP_TRANSFER_ENCODING", b"chunked"),
)
ANSWER = Response(b"HTTP/1.1 200 OK", ((b"Connection", b"keep-alive"),), "length", b"ok")
SEEN = Observation((ANSWER,), "open", (Seen(0, 0, VARIABLES, b"", "complete"),), 1)


def test_a_named_difference_changes_what_is_expected() -> None:
    changed = apply((Differs("why", with_value(b"PATH_INFO", b"/x")),), SEEN, (1, 22, 1))
    assert changed.requests[0].variables[0] == (b"PATH_INFO", b"/x")
    assert changed.responses == SEEN.responses


def test_a_named_difference_that_is_none_is_refused() -> None:
    with pytest.raises(StaleDifference, match="why"):
        apply((Differs("why", with_value(b"PATH_INFO", b"/")),), SEEN, (1, 22, 1))


def test_a_difference_between_versions_ends_with_its_version() -> None:
    difference = Differs("why", with_value(b"PATH_INFO", b"/x"), until=(1, 23))
    assert apply((difference,), SEEN, (1, 22, 9)) != SEEN
    assert apply((difference,), SEEN, (1, 23, 0)) == SEEN


def test_what_always_differs() -> None:
    assert apply(ALWAYS, SEEN, (1, 22, 1)).requests[0].variables == (
        (b"PATH_INFO", b"/"),
        (b"HTTP_HOST", b"h"),
        (b"HTTP_X_A", b"1, 2"),
        (b"HTTP_CONNECTION", b"close"),
    )


def test_a_refusal_ends_everything() -> None:
    assert refused(400)(SEEN) == Observation((page(400),), "closed", (), 0)


@pytest.mark.parametrize(
    "other",
    [
        replace(SEEN, fate="closed"),
        replace(SEEN, connections=2),
        replace(SEEN, responses=(replace(ANSWER, body=b"no"),)),
        replace(SEEN, responses=(replace(ANSWER, complete=False),)),
        replace(SEEN, responses=(replace(ANSWER, status_line=b"HTTP/1.1 200 Ok"),)),
        replace(SEEN, requests=()),
    ],
)
def test_each_part_of_an_observation_counts(other: Observation) -> None:
    assert show(SEEN) != show(other)
    assert "- " in verdict(SEEN, other, Case("name", b"raw", "1.1"))


def test_pages_are_compared_without_their_wording() -> None:
    headers = ((b"Server", b"*"), (b"Content-Type", b"text/html"), (b"Content-Length", b"5"))
    one = Response(b"HTTP/1.1 400 Bad", headers, "length", b"<center>nginx</center>")
    two = replace(one, status_line=b"HTTP/1.1 400 Wrong", body=b"ours")
    nginx = hide_nginx_pages(replace(SEEN, responses=(one,)))
    assert hide_pages(replace(SEEN, responses=(two,)), nginx) == nginx
    three = replace(two, status_line=b"HTTP/1.1 500 Wrong")
    assert hide_pages(replace(SEEN, responses=(three,)), nginx) != nginx


def test_a_missing_nginx_is_a_visible_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_NGINX", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nginx is not installed"):
        find_nginx(str(tmp_path))


def test_a_missing_nginx_is_a_failure_where_it_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_NGINX", "1")
    with pytest.raises(pytest.fail.Exception, match="nginx is not installed"):
        find_nginx(str(tmp_path))

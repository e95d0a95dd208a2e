"""The list of workloads is what the documentation says it is."""

import pytest

from benchmarks.contests import CONTESTS, OVERLOAD
from benchmarks.workloads import BROWSER, COOKIE, WORKLOADS, select


def test_names_are_unique() -> None:
    names = [each.name for each in WORKLOADS] + [each.name for each in CONTESTS]
    assert len(set(names)) == len(names)


def test_a_browser_sends_14_lines_with_a_cookie_of_1_kb() -> None:
    assert len(BROWSER) + 1 == 14
    assert 1000 <= len(COOKIE) <= 1050
    assert sum(map(len, BROWSER)) < 3000


def test_selection_is_by_the_beginning_of_the_name() -> None:
    assert select([]) == [*WORKLOADS, *CONTESTS]
    assert select(["over"]) == [OVERLOAD]
    assert [each.name for each in select(["browser"])] == ["browser", "browser-varied"]
    assert [each.name for each in select(["slow", "hello-1"])] == ["hello-1", "slow-1g"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no workload 'bye'.*hello-32"):
        select(["hello", "bye"])


def test_detail_says_what_the_title_leaves_out() -> None:
    details = {each.name: each.detail for each in WORKLOADS}
    assert details["hello-1"] == "/hello, unix socket, 1 connection"
    assert details["browser"] == "/hello, unix socket, 32 connections, 14 header lines"
    assert details["hello-many"] == "/hello, unix socket, 32 connections, 8 processes"
    assert details["hello-tcp"] == "/hello, tcp socket, 32 connections"
    assert details["slow-1g"] == "/1g, unix socket"

"""Descriptors that run out: somebody has to say so."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.descriptors import (
    FORGET_S,
    MAX_KEPT,
    TELL_S,
    Allowance,
    DescriptorWatch,
    highest_for_clients,
)


@contextmanager
def limit_of(count: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_lack_of_descriptors_is_told_and_not_too_often(caplog: pytest.LogCaptureFixture) -> None:
    watch = DescriptorWatch()
    watch.look(0.0)
    assert caplog.records == []
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    with limit_of(lowest_free):
        for now in (1.0, 2.0, TELL_S, 1.0 + TELL_S):
            watch.look(now)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("out_of_descriptors: none are left (Too many open files), new ")
    assert "; next: raise the limit of open files" in messages[0]
    watch.look(100.0)
    assert len(caplog.records) == 2


def test_clients_that_were_turned_away_are_counted_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = DescriptorWatch()
    watch.note(gave_way=1, turned_away=False)
    watch.look(0.0)
    for _ in range(1200):
        watch.note(gave_way=0, turned_away=True)
    for now in (1.0, TELL_S, TELL_S + 1.0, 3 * TELL_S):
        watch.look(now)
    first, second = [record.getMessage() for record in caplog.records]
    assert ": 0 new ones were turned away, 1 idle ones gave way; next: " in first
    assert ": 1,200 new ones were turned away, 0 idle ones gave way; next: " in second


@pytest.mark.parametrize(("limit", "kept"), [(200, 50), (900, 225), (4000, MAX_KEPT)])
def test_some_are_kept(limit: int, kept: int) -> None:
    with limit_of(limit):
        assert highest_for_clients() == limit - kept - 1


class Kernel:
    """Gives the lowest number that is free."""

    def __init__(self, others: int) -> None:
        self.used = set(range(others))

    def open(self) -> int:
        number = next(each for each in range(len(self.used) + 1) if each not in self.used)
        self.used.add(number)
        return number


def test_clients_that_give_way_one_after_the_other_leave_what_is_kept() -> None:
    """The next one gets the number of who has left, which looks as if there were room."""
    kernel, allowance = Kernel(others=10), Allowance(highest=47)
    clients: list[int] = []
    for _ in range(1000):
        newest = kernel.open()
        for _ in range(allowance.surplus(newest, len(clients) + 1, now=0.0)):
            kernel.used.remove(clients.pop(0))
        clients.append(newest)
        assert len(kernel.used) <= 48
    assert len(clients) == 38


def test_what_others_take_and_give_back_is_taken_into_account() -> None:
    kernel, allowance = Kernel(others=10), Allowance(highest=47)
    clients: list[int] = []

    def come(count: int, now: float) -> None:
        for _ in range(count):
            newest = kernel.open()
            for _ in range(allowance.surplus(newest, len(clients) + 1, now)):
                kernel.used.remove(clients.pop(0))
            clients.append(newest)

    come(100, now=0.0)
    backends = [kernel.open() for _ in range(10)]
    come(100, now=1.0)
    assert (len(clients), len(kernel.used)) == (28, 48)
    kernel.used -= set(backends)
    come(100, now=1.0 + FORGET_S)
    assert len(clients) == 28, "it is remembered for a while"
    come(100, now=2.0 + FORGET_S)
    assert (len(clients), len(kernel.used)) == (38, 48), "it was found out anew"


def test_there_are_no_more_too_many_than_there_are() -> None:
    assert Allowance(highest=1).surplus(newest=50, clients=3, now=0.0) == 3

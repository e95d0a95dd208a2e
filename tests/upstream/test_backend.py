"""Backends and leases: what is counted, and what a backend takes."""

import pytest

from proxy.settings import Address, BackendSettings
from proxy.share import Share
from proxy.upstream.backend import Backend, Lease
from proxy.upstream.backlog import Depth
from proxy.upstream.health import Outcome

ADDRESS = Address(path="/run/app.sock")


class Ledger:
    """Takes leases back and notes how they ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[Backend, Outcome, int]] = []

    def give_back(self, backend: Backend, outcome: Outcome, status: int) -> None:
        self.ended.append((backend, outcome, status))


def make(**settings: object) -> Backend:
    return Backend(ADDRESS, "app", BackendSettings(ADDRESS, **settings))  # type: ignore[arg-type]


def test_a_lease_counts_and_goes_back_once() -> None:
    backend, ledger = make(), Ledger()
    first, second = Lease(backend, ledger), Lease(backend, ledger)
    assert (backend.in_flight, backend.attempts) == (2, 2)
    first.release(Outcome.BAD)
    first.release(Outcome.GOOD, 200)
    second.release(Outcome.GOOD, 204)
    assert ledger.ended == [(backend, Outcome.BAD, 0), (backend, Outcome.GOOD, 204)]


def test_backends_of_the_same_address_are_not_the_same() -> None:
    assert make() != make()
    assert len({make(), make()}) == 2


def test_what_is_in_force_begins_with_what_is_configured() -> None:
    backend = make(weight=3, max_conns=2, down=True)
    assert (backend.weight, backend.effective_weight, backend.max_conns) == (3, 3, 2)
    assert backend.down
    assert not backend.serves


def test_new_settings_are_adopted_whole() -> None:
    backend = make(weight=3, down=True)
    backend.leaving = True
    backend.adopt(BackendSettings(ADDRESS, weight=2, max_conns=4))
    assert (backend.weight, backend.effective_weight, backend.max_conns) == (2, 2, 4)
    assert backend.serves


@pytest.mark.parametrize(
    ("max_conns", "learned", "ramp", "cap"),
    [(0, 0, 1, 0), (2, 0, 1, 2), (0, 4, 1, 4), (2, 4, 1, 2), (4, 0, 0.1, 1), (0, 8, 0.5, 4)],
)
def test_the_cap(max_conns: int, learned: int, ramp: float, cap: int) -> None:
    backend = make(max_conns=max_conns)
    backend.learned_conns, backend.ramp = learned, ramp
    assert backend.cap == cap
    backend.in_flight = cap
    assert backend.has_room(0.0) is (cap == 0)
    backend.in_flight = max(0, cap - 1)
    assert backend.has_room(0.0)


def test_a_narrow_gate_leaves_no_room() -> None:
    backend = make()
    backend.gate.narrow(3, now=10.0)
    backend.in_flight = 3
    assert not backend.has_room(10.0)
    backend.in_flight = 2
    assert backend.has_room(10.0)


@pytest.mark.parametrize("attribute", ["down", "draining", "leaving"])
def test_who_is_taken_out_serves_nobody(attribute: str) -> None:
    backend = make()
    assert backend.serves
    setattr(backend, attribute, True)
    assert not backend.serves


@pytest.mark.parametrize(
    ("in_flight", "pending", "workers", "foreign"),
    [(3, None, 2, 0), (3, 0, 2, 0), (3, 1, 2, 0), (1, 4, 0, 3), (1, 4, 2, 5), (9, 4, 2, 0)],
)
def test_the_listen_queue_tells_of_requests_that_are_not_ours(
    in_flight: int, pending: int | None, workers: int, foreign: int
) -> None:
    backend = make()
    backend.in_flight, backend.learned_conns = in_flight, workers
    backend.note_backlog(None if pending is None else Depth(pending, 100))
    assert backend.foreign == foreign


def test_of_a_shared_limit_it_takes_its_part() -> None:
    """Together the workers have no more requests there than one alone would have."""
    for settings in ({"max_conns": 5}, {"keepalive": 5, "puwsgi": True}):
        shared = BackendSettings(ADDRESS, **settings)  # type: ignore[arg-type]
        both = [Backend(ADDRESS, "app", shared, share=Share(number, 2)) for number in range(2)]
        assert sorted(one.cap for one in both) == [2, 3]
        assert sum(one.idle.limit for one in both) == shared.keepalive
        for one in both:
            one.adopt(BackendSettings(ADDRESS, keepalive=3))
            one.learned_conns = 4
        assert [one.cap for one in both] == [2, 2]
        assert sorted(one.idle.limit for one in both) == [1, 2]

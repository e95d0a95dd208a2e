"""Does somebody accept connections there? With backends in memory and a fake clock."""

from collections.abc import Callable

import pytest

from proxy import errors
from proxy.settings import Address
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork, Outcome
from proxy.upstream.discovery.proof import MAX_RUNNING, MAX_WAITING, TIMEOUT_S, Proofs


class World:
    """Backends, and the answers to what was asked about them."""

    def __init__(self, backends: int = 1, outcome: Outcome = "accept") -> None:
        self.clock = FakeClock()
        self.backends = [
            MemoryBackend(Address("127.0.0.1", 1 + number), outcome) for number in range(backends)
        ]
        self.proofs = Proofs(MemoryNetwork(self.clock, self.backends), self.clock.call_later)
        self.answers: list[tuple[int, bool]] = []

    def ask(self, number: int = 0) -> None:
        self.proofs.start(self.backends[number].address, self.noting(number))

    def noting(self, number: int) -> Callable[[bool], None]:
        return lambda up: self.answers.append((number, up))

    @property
    def open_channels(self) -> int:
        return sum(not one.closed for backend in self.backends for one in backend.channels)


@pytest.mark.parametrize(
    ("outcome", "up"),
    [
        ("accept", True),
        ("busy", True),
        (errors.CONNECT_REFUSED, False),
        (errors.SOCKET_MISSING, False),
        (errors.OUT_OF_DESCRIPTORS, False),
    ],
)
def test_what_is_known_at_once(outcome: Outcome, up: bool) -> None:
    world = World(outcome=outcome)
    world.ask()
    assert world.answers == [(0, up)]
    world.clock.settle()
    world.clock.advance(2 * TIMEOUT_S)
    assert world.answers == [(0, up)]
    assert world.open_channels == 0
    assert all(not channel.sent for channel in world.backends[0].channels)


def test_a_connection_that_takes_a_while() -> None:
    world = World(outcome="connecting")
    world.ask()
    world.clock.settle()
    assert world.answers == []
    world.backends[0].channel.accept()
    assert world.answers == [(0, True)]
    assert world.open_channels == 0


def test_a_connection_that_fails_after_a_while() -> None:
    world = World(outcome="connecting")
    world.ask()
    world.backends[0].channel.refuse(errors.CONNECT_REFUSED)
    assert world.answers == [(0, False)]
    assert world.open_channels == 0


def test_a_connection_that_takes_too_long() -> None:
    world = World(outcome="connecting")
    world.ask()
    world.clock.advance(TIMEOUT_S - 0.1)
    assert world.answers == []
    world.clock.advance(0.2)
    assert world.answers == [(0, False)]
    assert world.open_channels == 0


def test_a_few_at_a_time() -> None:
    world = World(MAX_RUNNING + 2, "connecting")
    for number in range(MAX_RUNNING + 2):
        world.ask(number)
    assert world.open_channels == MAX_RUNNING
    world.backends[3].channel.accept()
    assert world.answers == [(3, True)]
    assert world.open_channels == MAX_RUNNING
    world.backends[8].channel.accept()
    world.clock.advance(TIMEOUT_S + 0.1)
    assert len(world.answers) == MAX_RUNNING + 2
    assert world.open_channels == 0


def test_not_more_wait_than_allowed() -> None:
    world = World(outcome="connecting")
    for _ in range(MAX_RUNNING + MAX_WAITING):
        world.ask()
    assert world.answers == []
    world.ask()
    assert world.answers == [(0, False)]


def test_many_that_end_at_once() -> None:
    """One after the other, not one within the other."""
    world = World(MAX_RUNNING + MAX_WAITING, "connecting")
    for number in range(MAX_RUNNING + MAX_WAITING):
        world.ask(number)
    for backend in world.backends:
        backend.outcome = errors.CONNECT_REFUSED
    world.backends[0].channel.accept()
    assert world.answers[0] == (0, True)
    assert len(world.answers) == 1 + MAX_WAITING


def test_asking_again_from_within_an_answer() -> None:
    world = World(outcome=errors.CONNECT_REFUSED)
    rounds: list[bool] = []

    def again(up: bool) -> None:
        rounds.append(up)
        if len(rounds) < 3:
            world.proofs.start(world.backends[0].address, again)

    world.proofs.start(world.backends[0].address, again)
    assert rounds == [False] * 3


def test_close_answers_nobody() -> None:
    world = World(MAX_RUNNING + 1, "connecting")
    for number in range(MAX_RUNNING + 1):
        world.ask(number)
    world.proofs.close()
    world.clock.advance(2 * TIMEOUT_S)
    assert world.answers == []
    assert world.open_channels == 0

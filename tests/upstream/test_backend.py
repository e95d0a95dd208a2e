"""Leases: taken once, given back once."""

from proxy.settings import Address
from proxy.upstream.backend import Backend, Lease


def counters(backend: Backend) -> tuple[int, int, int]:
    return backend.in_flight, backend.attempts, backend.failures


def test_a_lease_is_counted_until_it_is_released() -> None:
    backend = Backend(Address(path="/run/app.sock"), "app")
    first, second = Lease(backend), Lease(backend)
    assert counters(backend) == (2, 2, 0)
    first.release()
    assert counters(backend) == (1, 2, 0)
    second.release(failed=True)
    assert counters(backend) == (0, 2, 1)


def test_a_second_release_does_nothing() -> None:
    backend = Backend(Address(host="127.0.0.1", port=3031), "app")
    lease = Lease(backend)
    lease.release()
    lease.release(failed=True)
    assert counters(backend) == (0, 1, 0)


def test_backends_of_the_same_address_are_not_the_same() -> None:
    address = Address(path="/run/app.sock")
    assert Backend(address, "app") != Backend(address, "app")
    assert len({Backend(address, "app"), Backend(address, "app")}) == 2

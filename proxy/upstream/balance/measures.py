"""Load and capacity of a backend, as all algorithms measure them, and who is lightest by them."""

from collections.abc import Callable, Sequence

from proxy.upstream.backend import Backend


def load(backend: Backend) -> int:
    """Return how many requests the backend is busy with, as far as is known here.

    Those in flight, and those of others who use the same backend, if its listen queue tells of any.
    """
    return backend.in_flight + backend.foreign


def capacity(backend: Backend) -> float:
    """Return the backend's weight, as much of it as slow start allows by now."""
    return backend.weight * backend.ramp


def lightest(usable: Sequence[Backend], cost: Callable[[Backend], int]) -> list[Backend]:
    """Return those that share the smallest cost per capacity, in their order.

    Compared by cross-multiplication, as nginx does: no division, so equal is equal. A sum of
    whole numbers decides while no backend is in slow start.
    """
    first, *others = usable
    tied, least, room = [first], cost(first), capacity(first)
    for backend in others:
        own, own_room = cost(backend), capacity(backend)
        difference = own * room - least * own_room
        if difference < 0:
            tied, least, room = [backend], own, own_room
        elif difference == 0:
            tied.append(backend)
    return tied

"""What a request can use."""

from proxy.settings import Address, BackendSettings
from proxy.upstream.backend import Backend
from proxy.upstream.wanted import Wanted

ADDRESS = Address(path="/run/app.sock")


def test_who_has_failed_it_will_not_do() -> None:
    backend = Backend(ADDRESS, "app")
    assert Wanted().takes(backend)
    assert not Wanted(tried={backend}).takes(backend)


def test_a_body_cannot_go_to_puwsgi() -> None:
    backend = Backend(ADDRESS, "app", BackendSettings(ADDRESS, puwsgi=True))
    assert Wanted().takes(backend)
    assert not Wanted(has_body=True).takes(backend)


def test_who_can_use_less_is_picky() -> None:
    assert not Wanted().is_picky
    assert Wanted(has_body=True).is_picky
    assert Wanted(tried={Backend(ADDRESS, "app")}).is_picky

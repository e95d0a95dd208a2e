"""What a request can use."""

from proxy.settings import Address, BackendSettings
from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query
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


def test_who_can_use_the_same_is_of_one_kind() -> None:
    one, two = Backend(ADDRESS, "app"), Backend(ADDRESS, "app")
    assert Wanted(tried={one, two}).kind == Wanted(tried={two, one}).kind
    kinds = {Wanted().kind, Wanted(has_body=True).kind, Wanted(tried={one}).kind}
    assert len(kinds | {Wanted(tried={two}).kind}) == 4


def test_a_cookie_is_part_of_the_query() -> None:
    assert Wanted().cookie == ""
    assert Wanted(Query(0.0, cookie="a")).cookie == "a"

"""What a request can use."""

from proxy.settings import Address, BackendSettings
from proxy.upstream.backend import Backend
from proxy.upstream.balance.query import Query
from proxy.upstream.wanted import Wanted

ADDRESS = Address(path="/run/app.sock")


def test_who_has_failed_it_will_not_do() -> None:
    backend, wanted = Backend(ADDRESS, "app"), Wanted()
    assert not wanted.has_tried(backend)
    now_wanted = wanted.without(backend)
    assert now_wanted.has_tried(backend)
    assert not wanted.has_tried(backend), "others may share it"
    backend.health.returns += 1
    assert not now_wanted.has_tried(backend), "who was away since is another one"


def test_a_body_cannot_go_to_puwsgi() -> None:
    backend = Backend(ADDRESS, "app", BackendSettings(ADDRESS, puwsgi=True))
    assert Wanted().suits(backend)
    assert not Wanted(has_body=True).suits(backend)


def test_who_can_use_less_is_picky() -> None:
    assert not Wanted().is_picky
    assert Wanted(has_body=True).is_picky
    assert Wanted(tried={Backend(ADDRESS, "app"): 0}).is_picky


def test_who_can_use_the_same_is_of_one_kind() -> None:
    one, two = Backend(ADDRESS, "app"), Backend(ADDRESS, "app")
    assert Wanted(tried={one: 0, two: 0}).kind == Wanted(tried={two: 0, one: 0}).kind
    kinds = {Wanted().kind, Wanted(has_body=True).kind, Wanted(tried={one: 0}).kind}
    assert len(kinds | {Wanted(tried={two: 0}).kind}) == 4


def test_a_cookie_is_part_of_the_query() -> None:
    assert Wanted().cookie == ""
    assert Wanted(Query(0.0, cookie="a")).cookie == "a"

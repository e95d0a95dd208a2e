"""Backends to choose from, without anything behind them."""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from hypothesis import settings as hypothesis_settings

from proxy.settings import Address, BackendSettings, HealthSettings
from proxy.upstream.backend import Backend
from proxy.upstream.balance import Balance, Query
from proxy.upstream.health import Health

NOW = Query(now=1000.0)

unhurried = hypothesis_settings(deadline=None)
"""For properties: a busy machine is no failure."""


def member(name: str = "A", settings: BackendSettings | None = None) -> Backend:
    """Return a backend; without settings, of an address like no other name's."""
    settings = settings or BackendSettings(Address(path=f"/run/{name}"))
    return Backend(settings.address, name, settings, Health(settings, HealthSettings(), 10.0))


def weighted(*weights: int) -> tuple[Backend, ...]:
    """Return backends A, B, C, ... with these weights."""
    names = (ascii_uppercase[i] if i < 26 else f"N{i}" for i in range(len(weights)))
    return tuple(
        member(name, replace(member(name).settings, weight=weight))
        for name, weight in zip(names, weights, strict=True)
    )


def choose(
    balance: Balance,
    members: Sequence[Backend],
    query: Query = NOW,
    usable: Sequence[Backend] | None = None,
) -> Backend:
    """Return the choice; all are usable if nothing else is said."""
    chosen = balance.choose(members, members if usable is None else usable, query)
    assert chosen is not None
    return chosen


def picks(
    balance: Balance,
    members: Sequence[Backend],
    count: int,
    usable: Sequence[Backend] | None = None,
) -> str:
    """Return the names of several choices in a row, which are all over at once."""
    return "".join(choose(balance, members, usable=usable).name for _ in range(count))

"""Makes the algorithm that the settings name."""

import random
from collections.abc import Callable

from proxy.settings import Algorithm, BalanceSettings
from proxy.upstream.balance.first import First
from proxy.upstream.balance.hashes import IpHash, KeyHash
from proxy.upstream.balance.least_conn import LeastConn
from proxy.upstream.balance.least_time import LeastTime, header_time, last_byte_time
from proxy.upstream.balance.query import Balance
from proxy.upstream.balance.ring import ConsistentHash
from proxy.upstream.balance.round_robin import RoundRobin
from proxy.upstream.balance.weighted_random import RandomTwo, WeightedRandom

_MAKERS: dict[Algorithm, Callable[[random.Random], Balance]] = {
    "round-robin": lambda rng: RoundRobin(),
    "least-conn": lambda rng: LeastConn(),
    "least-time": lambda rng: LeastTime(header_time),
    "least-time-last-byte": lambda rng: LeastTime(last_byte_time),
    "random": WeightedRandom,
    "random-two": RandomTwo,
    "ip-hash": lambda rng: IpHash(),
    "hash": lambda rng: KeyHash(),
    "consistent-hash": lambda rng: ConsistentHash(),
    "first": lambda rng: First(),
}


def make_balance(settings: BalanceSettings, rng: random.Random) -> Balance:
    """Return the algorithm for one upstream; `rng` is where it gets its chance from."""
    return _MAKERS[settings.algorithm](rng)

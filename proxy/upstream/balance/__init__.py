"""Balancing: which of the usable backends is next. Each algorithm is a short pure decision.

    query           what an algorithm is told, and what it has to be able to do
    measures        load and capacity of a backend, and who is lightest by them
    round_robin     smooth weighted round robin; every other algorithm falls back to it
    least_conn least_time weighted_random first
    hashes          ip-hash and hash
    ring            consistent-hash
    make            settings -> algorithm

Time and chance are arguments. An algorithm moves the memory of the round robin and nothing else of
a backend (least-time: also its time stamp); who is usable, and the counting of requests in flight,
is the pool's business. Source: nginx rules 6.17 and 6.22 to 6.28.
"""

from proxy.upstream.balance.least_time import observe_times
from proxy.upstream.balance.make import make_balance
from proxy.upstream.balance.measures import load
from proxy.upstream.balance.query import Balance, Query

__all__ = ["Balance", "Query", "load", "make_balance", "observe_times"]

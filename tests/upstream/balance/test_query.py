"""What an algorithm is told."""

from proxy.upstream.balance import Query


def test_all_but_the_time_may_be_unknown() -> None:
    query = Query(now=3.0)
    assert (query.now, query.client, query.key, query.cookie) == (3.0, "", b"", "")

"""The pool's branch: names, and defaults that are nginx's."""

from proxy.settings import Address, BackendSettings, StickySettings, UpstreamSettings


def test_a_backend_is_called_by_its_address() -> None:
    assert BackendSettings(Address(path="/run/a.sock"), weight=5).name == "unix:/run/a.sock"
    assert BackendSettings(Address(host="::1", port=3031)).name == "[::1]:3031"


def test_a_backend_is_what_nginx_makes_of_a_bare_server_line() -> None:
    backend = BackendSettings(Address(path="/a"))
    assert (backend.weight, backend.max_conns, backend.max_fails) == (1, 0, 1)
    assert backend.fail_timeout_s == 10.0
    assert (backend.backup, backend.down, backend.resolve) == (False, False, False)
    assert (backend.keepalive, backend.slow_start_s) == (0, 0.0)


def test_trying_again_is_what_nginx_does_by_default() -> None:
    upstream = UpstreamSettings()
    assert upstream.retry.conditions == ("error", "timeout")
    assert (upstream.retry.tries, upstream.retry.timeout_s) == (0, 0.0)
    assert upstream.balance.algorithm == "round-robin"
    assert upstream.balance.sticky == StickySettings()


def test_nothing_is_checked_ejected_or_listened_to_unless_asked_for() -> None:
    upstream = UpstreamSettings()
    assert upstream.check.checks == ()
    assert (upstream.health.outlier_failures, upstream.health.outlier_percent) == (0, 0)
    assert upstream.discovery.subscribe is None
    assert upstream.discovery.file == ""

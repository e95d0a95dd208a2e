"""The plugin as its users have it: small test suites of theirs, and what pytest says about them."""

import re
import subprocess
import sys

import pytest

from proxy.lab.stand.setup import Installed
from proxy.testing import bench, factory, topologies

__all__ = ["bench", "factory", "topologies"]  # imported here, or each suite would import them anew

pytest_plugins = ("pytester",)

APP = """
import os, time
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise LookupError("of the application")
    if path == "/die":
        os._exit(1)
    if path == "/slow":
        time.sleep(1.0)
    body = environ["wsgi.input"].read() or path.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
HEAVY = {
    "uvloop",
    "httptools",
    "h11",
    "asyncio",
    "prometheus_client",
    "proxy.server",
    "proxy.lab.comparison",
    "proxy.testing.public",
}


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory with an application that the configuration names."""
    pytester.makepyfile(shop=APP, broken="1 / 0\n")
    pytester.makeini("[pytest]\nuwsgi_app = shop:application\nuwsgi_options =\n    threads = 2\n")
    return pytester


def outcomes(suite: pytest.Pytester, text: str, *args: str, **expected: int) -> str:
    """Run a suite of one file; return what pytest says."""
    suite.makepyfile(test_it=text)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "-rs", *args)
    result.assert_outcomes(**expected)
    return result.stdout.str()


def test_the_application_of_the_configuration(suite: pytest.Pytester) -> None:
    outcomes(
        suite,
        """
        import pytest

        def test_serving(uwsgi_frontend, exchanges):
            assert uwsgi_frontend.url.startswith("http://127.0.0.1:")
            assert uwsgi_frontend.get("/a?b").text == "/a"
            (one,) = exchanges.wait(1)
            assert one.variables["QUERY_STRING"] == "b"
            assert (one.status, one.reason) == (200, "")
            assert uwsgi_frontend.exchanges is exchanges

        def test_metrics(uwsgi_frontend):
            with uwsgi_frontend.metrics_delta() as moved:
                uwsgi_frontend.get("/raise")
            assert moved("errors_total", reason="eof_before_headers") == 1
            assert uwsgi_frontend.metric("http_requests_total") == 1

        def test_each_has_its_own(exchanges):
            assert not exchanges

        def test_a_crash_has_a_reason(uwsgi_frontend, exchanges):
            assert uwsgi_frontend.get("/raise").status == 502
            assert exchanges.wait(1)[0].reason == "eof_before_headers"

        def test_a_dead_worker_has_one_too_and_the_next_test_is_served(uwsgi_frontend, exchanges):
            assert uwsgi_frontend.get("/die").status == 502
            assert exchanges.wait(1)[0].reason == "eof_before_headers"

        @pytest.mark.uwsgi_frontend(client_max_body_size=10)
        class TestOptions:
            def test_of_a_class(self, uwsgi_frontend, exchanges):
                assert uwsgi_frontend.post("/", b"12345678901").status == 413
                assert exchanges.wait(1)[0].reason == "body_too_large"

            @pytest.mark.uwsgi_frontend(client_max_body_size=20)
            def test_the_nearest_wins(self, uwsgi_frontend):
                assert uwsgi_frontend.post("/", b"12345678901").status == 200

            @pytest.mark.uwsgi_frontend(backend_read_timeout=0.1)
            def test_a_slow_application(self, uwsgi_frontend, exchanges):
                assert uwsgi_frontend.get("/slow").status == 504
                (one,) = exchanges.wait(1)
                assert one.reason == "read_timeout"
                assert one.total_s > 0.09
        """,
        passed=8,
    )


def test_an_application_of_ones_own(suite: pytest.Pytester) -> None:
    outcomes(
        suite,
        """
        import asyncio
        import pytest

        def app(environ, start_response):
            asyncio.run(asyncio.sleep(0))
            if environ["PATH_INFO"] == "/raise":
                raise LookupError("of the application")
            start_response("204 No Content", [])
            return []

        @pytest.fixture
        def wsgi_app():
            return app

        def test_it(uwsgi_frontend):
            assert uwsgi_frontend.get("/").status == 204

        def test_what_it_raises(uwsgi_frontend):
            assert uwsgi_frontend.get("/raise").status == 500
            ((what, error),) = uwsgi_frontend.app_failures
            assert isinstance(error, LookupError)
        """,
        passed=2,
    )


def test_a_fake_backend_and_a_front_end_for_it(suite: pytest.Pytester) -> None:
    outcomes(
        suite,
        """
        from proxy.testing import close_before_reply, in_turn, respond

        def test_faults(fake_backend, frontend_factory, exchanges):
            fake_backend.script = in_turn(close_before_reply(), respond(body=b"ok"))
            site = frontend_factory(upstream=fake_backend)
            assert [site.get("/").status for _ in range(2)] == [502, 200]
            assert [one.reason for one in exchanges.wait(2)] == ["eof_before_headers", ""]

        def test_a_full_queue(fake_backend, frontend_factory, exchanges):
            fake_backend.script = respond(body=b"ok")
            site = frontend_factory(upstream=fake_backend, queue_timeout=0.1)
            with fake_backend.full():
                assert site.get("/").status == 503
            assert site.get("/").body == b"ok"
            assert [one.reason for one in exchanges.wait(2)] == ["backlog_full", ""]
        """,
        passed=2,
    )


def test_failures_are_readable(suite: pytest.Pytester) -> None:
    text = outcomes(
        suite,
        """
        import pytest

        def test_wrong(uwsgi_frontend):
            assert uwsgi_frontend.get("/raise").status == 200

        @pytest.mark.uwsgi_frontend(app="broken:application")
        def test_broken(uwsgi_frontend):
            pass

        @pytest.mark.uwsgi_frontend(threads="many")
        def test_number(uwsgi_frontend):
            pass

        def test_option(frontend_factory):
            frontend_factory(upstrem="unix:/x")

        @pytest.mark.uwsgi_frontend(app=None)
        def test_asgi(frontend_factory):
            async def asgi(scope, receive, send): ...
            frontend_factory(app=asgi)
        """,
        failed=3,
        errors=2,
    )
    assert "- exchanges of the front end -" in text
    assert "0: 502 'GET /raise HTTP/1.1' in " in text
    assert "the application does not start: the module 'broken' fails to import: Zero" in text
    assert 'broken.py", line 1, in <module>' in text
    assert "the front end does not start: threads='many' is no number" in text
    assert "the front end does not start: unknown option 'upstrem': did you mean upstream?" in text
    assert "is an ASGI application (asgi is async)" in text
    assert "During handling" not in text


def test_without_an_application(pytester: pytest.Pytester) -> None:
    text = outcomes(pytester, "def test_it(uwsgi_frontend): pass", errors=1)
    assert "uwsgi_app = mysite.wsgi:application" in text
    assert '@pytest.mark.uwsgi_frontend(app="mysite.wsgi:application")' in text
    assert "Traceback" not in text


def test_topologies(suite: pytest.Pytester) -> None:
    text = """
    def test_it(topology):
        assert topology.get("/a").text == "/a"
        assert topology.name in ("uwsgi", "frontend")
        if topology.name == "frontend":
            assert topology.metric("http_requests_total") == 1
    """
    said = outcomes(suite, text, "--uwsgi-topologies=uwsgi,frontend", passed=2, skipped=1)
    assert "not among --uwsgi-topologies" in said


def test_a_topology_that_is_missing(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.testing.topologies.find", lambda _: None)
    text = "def test_it(topology): pass"
    said = outcomes(suite, text, "--uwsgi-topologies=nginx", skipped=3)
    assert "nginx: nginx is not installed" in said
    only = ("--uwsgi-topologies=nginx", "--uwsgi-require-topologies")
    said = outcomes(suite, text, *only, skipped=2, errors=1)
    assert "required, but not to be had: nginx: nginx is not installed" in said


def test_a_comparison_is_refused_in_one_line(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.testing.bench._installed", Installed)
    text = """
    def test_unknown(lab):
        lab.compare("uwsgi-direct", "nonsense")

    def test_missing(lab):
        lab.compare("uwsgi-direct", "proxy-uwsgi")
    """
    said = outcomes(suite, text, failed=1, skipped=1)
    assert "nothing to compare: no topology 'nonsense'; there are: " in said
    assert "uWSGI is not installed: pip install pyuwsgi" in said
    assert "During handling" not in said
    outcomes(suite, text, "--uwsgi-require-topologies", failed=2)


@pytest.mark.soak
def test_comparisons(suite: pytest.Pytester) -> None:
    """By name, and of what other fixtures have started; a bound that does not hold says why."""
    text = """
    def test_by_name(lab):
        found = lab.compare("uwsgi-direct", "proxy-uwsgi", rounds=6, seconds=0.2)
        assert found.p50_ratio < 1000
        assert found.cpu_ratio > 1
        assert sum(found.failed.values()) == 0

    def test_of_what_runs(lab, uwsgi_frontend, frontend_factory, exchanges):
        other = frontend_factory(app="shop:application")
        found = lab.compare(uwsgi_frontend, other, rounds=6, seconds=0.2, paths=["/a"])
        assert not exchanges
        assert other.metric("http_requests_total", code=200) > 10
        assert found.p50_ratio < 0.001

    def test_of_one_and_the_other(lab, topology):
        found = lab.compare(topology, "uwsgi-http", rounds=6, seconds=0.2)
        assert found.p50_ratio < 1000
    """
    chosen = "--uwsgi-topologies=uwsgi,frontend"
    said = outcomes(suite, text, chosen, passed=3, failed=1, skipped=1)
    assert "assert <p50_us of frontend:" in said
    assert "surely (97%, 6 pairs) between" in said
    assert re.search(r"\(no errors\)(; an unsteady machine: .*)?> < 0\.001", said)


@pytest.mark.soak
def test_in_several_processes_at_once(suite: pytest.Pytester) -> None:
    text = """
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_it(number, uwsgi_frontend, exchanges):
        assert uwsgi_frontend.get(f"/{number}").text == f"/{number}"
        assert len(exchanges.wait(1)) == 1
    """
    outcomes(suite, text, "-n", "2", passed=6)


def test_to_have_it_installed_costs_nothing() -> None:
    code = (
        "import sys, pytest, proxy.testing.plugin; from importlib.metadata import entry_points; "
        "assert [one.value for one in entry_points(group='pytest11') if one.name == "
        "'uwsgi_frontend'] == ['proxy.testing.plugin']; "
        f"print(*({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

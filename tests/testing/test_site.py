import json
from pathlib import Path

import pytest

from proxy import Frontend
from proxy.testing import FakeBackend, MetricsDelta, Site, close_before_reply, respond
from tests.tls.authority import Authority


def test_a_client_that_is_enough() -> None:
    with FakeBackend() as backend, Frontend(upstream=backend).in_thread() as running:
        site = Site(running.url)
        assert (site.host, site.port) == ("127.0.0.1", running.port)
        got = site.get("/a", headers={"X-A": "1"})
        assert got.status == 200
        assert got.headers["content-type"] == "application/json"
        assert ["HTTP_X_A", "1"] in got.json()["variables"]
        assert json.loads(got.text) == got.json()
        assert site.post("/b", b"12345").json()["length"] == 5
        assert site.post("/b", iter([b"123", b"45"])).json()["length"] == 5
        backend.script = respond(body=b"x")
        assert site.request("PUT", "/c").body == b"x"
        with site.connect() as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(9) == b"HTTP/1.1 "


def test_what_it_looks_like_in_a_failure() -> None:
    assert repr(Site("http://127.0.0.1:1")) == "Site(url='http://127.0.0.1:1', name='frontend')"


def test_its_metrics_are_numbers_for_assertions() -> None:
    """Each number is right at once: no scraping, no waiting for the exchange to be counted."""
    with FakeBackend(respond()) as backend, Frontend(upstream=backend).in_thread() as running:
        site = Site(running.url, metrics=running.metrics)
        assert site.metric("http_requests_total") == 0
        for count in range(1, 21):
            assert site.get().status == 200
            assert site.metric("http_requests_total", code=200, method="GET") == count
        backend.script = close_before_reply()
        with site.metrics_delta() as moved:
            assert site.get().status == 502
            assert moved("errors_total", reason="eof_before_headers") == 1
        site.get()
        assert moved("http_requests_total") == moved("http_requests_total", code=502) == 1
        assert moved("http_requests_total", code=200) == 0
        assert site.metric("http_requests_total") == 22
        with pytest.raises(LookupError, match="did you mean errors_total"):
            moved("error_total")


def test_a_change_is_also_that_of_what_is_new() -> None:
    from proxy.telemetry.metrics import Metrics
    from proxy.telemetry.reading import Reading

    readings = [Reading([]), Metrics().reading()]
    delta = MetricsDelta(lambda: readings.pop(0))
    delta.end()
    assert delta("received_bytes_total") == 0


def test_others_have_no_metrics() -> None:
    with pytest.raises(LookupError, match="only a front end of ours"):
        Site("http://127.0.0.1:1", "nginx").metric("errors_total")


def test_one_that_speaks_tls(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue()
    with FakeBackend() as backend:
        secure = Frontend(
            upstream=backend,
            listen="127.0.0.1:0 tls",
            tls_certificate=pair.certificate,
            tls_certificate_key=pair.key,
        )
        with secure.in_thread() as running:
            assert running.url == f"https://127.0.0.1:{running.port}"
            site = Site(running.url)
            assert ["HTTPS", "on"] in site.get("/a").json()["variables"]
            with site.connect() as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert client.recv(9) == b"HTTP/1.1 "

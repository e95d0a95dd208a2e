"""What Prometheus itself thinks: its linter, and a real server that scrapes a real front end."""

import contextlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from proxy.telemetry.catalogue import OWN
from proxy.testing import FakeBackend, respond
from tests.prometheus import START_S, prometheus, promtool
from tests.servers import Proxy, proxy_process, raw_request, wait_until
from tests.wire import request

CLOSING = request(b"GET / HTTP/1.1", b"Connection: close")
CONFIG = """
scrape_configs:
  - job_name: uwsgi-frontend
    scrape_interval: 1s
    static_configs: [{{targets: ["{target}"]}}]
"""


@contextlib.contextmanager
def running() -> Iterator[Proxy]:
    """Run a front end that has had traffic of several fates."""
    options = ("--admin", "127.0.0.1:0", "--check", "connect")
    with (
        FakeBackend(respond(body=b"hello")) as backend,
        proxy_process("--upstream", str(backend.address), *options) as proxy,
    ):
        brew = request(b"BREW / HTTP/1.1", b"Connection: close")
        for data in (CLOSING, CLOSING, brew, b"nonsense\r\n\r\n"):
            raw_request(proxy.address, data)
        yield proxy


def test_the_linter_is_content() -> None:
    with running() as proxy, urllib.request.urlopen(f"{proxy.admin_url}/metrics") as got:
        text = got.read()
    assert b'uwsgi_frontend_http_requests_total{code="200",method="GET"} 2.0' in text
    assert b'uwsgi_frontend_http_requests_total{code="200",method="other"} 1.0' in text
    assert b'uwsgi_frontend_http_requests_total{code="400",method="other"} 1.0' in text
    assert promtool("check", "metrics", data=text) == ""


def test_a_real_prometheus_reads_it(tmp_path: Path) -> None:
    with running() as proxy:
        config = CONFIG.format(target=proxy.admin_url.removeprefix("http://"))
        with prometheus(tmp_path, config) as server:
            wait_until(server.has_scraped, "it has scraped", START_S)
            total = "sum by (code) (uwsgi_frontend_http_requests_total > 0)"
            wait_until(lambda: bool(server.query(total)), "it has the numbers", START_S)
            before = {labels["code"]: value for labels, value in server.query(total)}
            assert before == {"200": 3, "400": 1}
            raw_request(proxy.address, CLOSING)

            def seen() -> bool:
                return ({"code": "200"}, 4.0) in server.query(total)

            wait_until(seen, "it has seen one more", START_S)
            ((build, _),) = server.query("uwsgi_frontend_build_info")
            assert build["parser"] in ("httptools", "h11")
            median = "histogram_quantile(0.5, uwsgi_frontend_http_request_duration_seconds_bucket)"
            assert server.query(median)
            types = server.types()
    for entry in OWN:
        if entry.name.startswith(("uwsgi_frontend_worker", "uwsgi_frontend_tls_")):
            continue  # of several workers, and of listeners with TLS, only
        kind = types.get(entry.name) or types.get(entry.shown)
        assert kind == entry.kind or (kind, entry.kind) == ("gauge", "info"), entry.name

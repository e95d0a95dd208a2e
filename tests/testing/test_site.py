import json

from proxy import Frontend
from proxy.testing import FakeBackend, Site, respond


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

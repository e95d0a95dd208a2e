"""nginx's configuration says what it should."""

from pathlib import Path

from proxy.lab.stand.nginx import BODY_BUFFER, MAX_BODY, Nginx, upstream_block


def test_it_gets_the_same_limits_as_the_proxy(tmp_path: Path) -> None:
    text = Nginx(tmp_path, 8080, "unix:/run/app.sock").config()
    assert "uwsgi_pass unix:/run/app.sock;" in text
    assert "listen 127.0.0.1:8080 backlog=511;" in text
    assert f"client_max_body_size {MAX_BODY};" in text
    assert f"client_body_buffer_size {BODY_BUFFER};" in text
    assert "worker_processes 1;" in text
    assert text.count("{") == text.count("}")


def test_it_may_have_an_upstream_block(tmp_path: Path) -> None:
    group = upstream_block(["unix:/a", "unix:/b"], "least_conn")
    assert group == "upstream app {\n    least_conn;\n    server unix:/a;\n    server unix:/b;\n}\n"
    text = Nginx(tmp_path, 8080, "app", group).config()
    assert text.index("http {") < text.index(group) < text.index("server {\n        listen")
    assert "uwsgi_pass app;" in text
    assert text.count("{") == text.count("}")

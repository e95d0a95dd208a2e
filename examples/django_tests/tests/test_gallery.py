"""What only shows with a server: limits, slow clients, crashes, and what Django is told.

`uwsgi_frontend`, `exchanges` and `topology` come with the package; the application and the options
are in pytest.ini.
"""

import pytest


def form(content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with a picture."""
    head = b'--X\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
    return head + content + b"\r\n--X--\r\n", {"Content-Type": "multipart/form-data; boundary=X"}


def test_the_session_lives_in_a_cookie(uwsgi_frontend):
    first = uwsgi_frontend.get("/")
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    assert first.text == "visit 1"
    assert uwsgi_frontend.get("/", headers={"Cookie": cookie}).text == "visit 2"


def test_an_upload_arrives_whole(uwsgi_frontend, exchanges):
    body, headers = form(b"x" * 3_000_000)
    answer = uwsgi_frontend.post("/picture/", body, headers)
    assert answer.json() == {"name": "a.png", "bytes": 3_000_000}
    (upload,) = exchanges.wait(1)
    assert upload.variables["CONTENT_LENGTH"] == str(len(body))


def test_an_upload_in_chunks_has_a_length_for_django(uwsgi_frontend, exchanges):
    body, headers = form(b"x" * 100_000)
    pieces = (body[start : start + 5000] for start in range(0, len(body), 5000))
    assert uwsgi_frontend.post("/picture/", pieces, headers).json()["bytes"] == 100_000
    assert exchanges.wait(1)[0].variables["CONTENT_LENGTH"] == str(len(body))


def test_an_upload_over_the_limit_never_reaches_django(uwsgi_frontend, exchanges):
    body, headers = form(b"x" * 5_000_000)
    assert uwsgi_frontend.post("/picture/", body, headers).status == 413
    (refused,) = exchanges.wait(1)
    assert refused.reason == "body_too_large"
    assert refused.attempts == ()


def test_what_django_is_told(uwsgi_frontend):
    assert uwsgi_frontend.get("/me//?a=%20").json() == {
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "gallery.example",
        "REQUEST_URI": "/me//?a=%20",
        "PATH_INFO": "/me/",
    }


def test_an_exception_is_djangos_to_answer(uwsgi_frontend, exchanges):
    assert uwsgi_frontend.get("/error/").status == 500
    assert exchanges.wait(1)[0].reason == ""


def test_a_crash_has_a_reason_and_the_next_request_an_answer(uwsgi_frontend, exchanges):
    assert uwsgi_frontend.get("/crash/").status == 502
    assert exchanges.wait(1)[0].reason == "eof_before_headers"
    assert uwsgi_frontend.get("/").text == "visit 1"


@pytest.mark.uwsgi_frontend(backend_buffer_size=4096)
def test_large_cookies_are_refused_in_words(uwsgi_frontend, exchanges):
    """With the default of uWSGI's --buffer-size, which would reset the connection."""
    assert uwsgi_frontend.get("/", headers={"Cookie": "a=" + "x" * 5000}).status == 431
    assert exchanges.wait(1)[0].reason == "packet_over_worker_limit"


@pytest.mark.uwsgi_frontend(backend_read_timeout=0.2)
def test_a_page_that_takes_too_long(uwsgi_frontend, exchanges):
    assert uwsgi_frontend.get("/thumbnails/?seconds=0.7").status == 504
    assert exchanges.wait(1)[0].reason == "read_timeout"


def test_does_a_slow_upload_stop_everybody_else(topology):
    """With one worker: behind a front end it does not, at uWSGI's own HTTP socket it does."""
    body, headers = form(b"x" * 1000)
    with topology.connect() as slow, topology.connect() as other:
        slow.sendall(b"POST /picture/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n")
        slow.sendall(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body[:100])
        if topology.name == "uwsgi":
            see_it_wait(slow, other)
        else:
            assert topology.get("/").status == 200


def see_it_wait(slow, other):
    """See that nobody else is served until the slow client has gone."""
    other.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    other.settimeout(0.5)
    with pytest.raises(TimeoutError):
        other.recv(1)
    slow.close()
    other.settimeout(30)
    assert other.recv(9).startswith(b"HTTP/1.")

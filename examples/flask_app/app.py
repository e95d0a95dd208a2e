"""A small Flask application: sessions, uploads, a stream, redirects, errors.

python -m proxy --app app:app
"""

import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, jsonify, redirect, request, session, stream_with_context, url_for
from werkzeug.wrappers import Response as BaseResponse

app = Flask(__name__)
# Several worker processes must agree on the key: a random one per process would lose sessions.
app.secret_key = os.environ.get("SECRET_KEY", "only for trying this example")

PAGE = """<!doctype html><meta charset="utf-8"><title>Flask behind uwsgi</title>
<h1>Flask behind uwsgi</h1>
<p>You have been here {visits} times. You are {address}, and asked for {url}.</p>
<form method="post" action="/upload" enctype="multipart/form-data">
<input type="file" name="file" required> <button>Upload</button></form>
<ul><li><a href="/stream">a stream</a> <li><a href="/login/alice">log in</a>
<li><a href="/whoami">who am I</a> <li><a href="/json">JSON</a></ul>
"""


@app.get("/")
def home() -> str:
    """Count visits in the session."""
    session["visits"] = session.get("visits", 0) + 1
    return PAGE.format(visits=session["visits"], address=request.remote_addr, url=request.base_url)


@app.get("/login/<name>")
def login(name: str) -> BaseResponse:
    """Remember a name and send the visitor on: a redirect that sets a cookie."""
    session["name"] = name
    return redirect(url_for("whoami"))


@app.get("/whoami")
def whoami() -> tuple[str, int]:
    """Return the name that the session remembers."""
    if "name" not in session:
        return "nobody\n", 401
    return f"{session['name']}\n", 200


@app.post("/upload")
def upload() -> Response:
    """Take a file from a form and say what arrived."""
    file = request.files["file"]
    digest, size = hashlib.sha256(), 0
    while block := file.stream.read(1 << 20):
        digest.update(block)
        size += len(block)
    return jsonify(name=file.filename, bytes=size, sha256=digest.hexdigest())


@app.put("/raw")
def raw() -> Response:
    """Take a body of any type, chunked or not: the front end always gives it a length."""
    data = request.get_data()
    return jsonify(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


@app.get("/stream")
def stream() -> Response:
    """Send server-sent events as they happen; the header keeps the front end from buffering."""

    def events() -> Iterator[str]:
        for number in range(request.args.get("count", 5, int)):
            if number:
                time.sleep(request.args.get("pause", 0.5, float))
            yield f"data: {number}\n\n"

    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(stream_with_context(events()), headers=headers, mimetype="text/event-stream")


@app.route("/json", methods=["GET", "POST", "DELETE"])
def as_json() -> Response:
    """Return what Flask made of the request."""
    seen: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "query": request.args.to_dict(flat=False),
        "scheme": request.scheme,
        "host": request.host,
        "remote_addr": request.remote_addr,
        "headers": dict(request.headers),
        "form": request.form.to_dict(flat=False),
    }
    return jsonify(seen)


@app.get("/path/<path:rest>")
def path(rest: str) -> str:
    """Return a part of the path as the application sees it: decoded once."""
    return rest


@app.get("/empty")
def empty() -> tuple[str, int]:
    """Return no content."""
    return "", 204


@app.get("/cached")
def cached() -> BaseResponse:
    """Answer a conditional request with 304."""
    response = Response("the same as ever\n", mimetype="text/plain")
    response.set_etag("v1")
    return response.make_conditional(request)


@app.get("/error")
def error() -> str:
    """Fail; Flask answers with its 500 page."""
    raise RuntimeError("asked to")

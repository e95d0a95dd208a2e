"""The example application of `make run`: a page that shows what an application receives.

Plain WSGI without dependencies, and safe to show to anybody: everything that comes from the request
is escaped. Its other paths are there to be tried through the proxy; the page links to them.
"""

import hashlib
import html
import json
import math
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
Start = Callable[..., Any]
Handler = Callable[[Environ, Start], Iterable[bytes]]

_MIB = 1024 * 1024
_LONGEST_SLEEP_S = 30.0
_LARGEST_MIB = 4096.0
_STREAM_EVENTS = 10
_STREAM_INTERVAL_S = 0.5

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5d6b7a; --paper: #f5f6f8;
  --card: #fff; --line: #dde2e8; --accent: #0b63ce; --tint: #e8f1fc }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --soft: #93a1b1; --paper: #12161b; --card: #1a2027; --line: #2c343e;
    --accent: #6db0ff; --tint: #18293d } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif }
main { max-width: 56rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .7rem }
p { margin: 0 0 .8rem } .lead { color: var(--soft) }
a { color: var(--accent) }
code, td, .request { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  font-size: .86rem }
.request { display: block; margin: 1.4rem 0; padding: .9rem 1.1rem; border-radius: .5rem;
  background: var(--tint); overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.tries { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
.tries a { display: block; height: 100%; padding: .7rem .9rem; border: 1px solid var(--line);
  border-radius: .5rem; background: var(--card); color: inherit; text-decoration: none }
.tries a:hover, .tries a:focus-visible { border-color: var(--accent) }
.tries b { display: block; color: var(--accent); font: .9rem ui-monospace, Menlo, monospace }
.tries span { color: var(--soft); font-size: .9rem }
.frame { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card) }
table { border-collapse: collapse; width: 100% }
td, th { padding: .35rem .9rem; text-align: left; vertical-align: top; font-weight: normal;
  border-top: 1px solid var(--line) }
tr:first-child > * { border-top: 0 }
th { color: var(--soft); white-space: nowrap; font-size: .86rem }
td { overflow-wrap: anywhere; width: 100% }
button { font: inherit; padding: .35rem 1rem; cursor: pointer }
"""

_TRIES = (
    ("/stream", "Ten server-sent events, one every half second, each delivered at once"),
    ("/upload", "Send a file: its size and SHA-256 as the application saw them"),
    ("/slow?s=2", "Two seconds of work before the reply"),
    ("/large?mb=10", "Ten megabytes; take up to 4096"),
    ("/json", "The same variables as JSON"),
    ("/redirect", "302 back to this page"),
    ("/error", "The application raises an exception"),
    ("/nothing/here", "404 from the application"),
)


def application(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answer by path; WSGI entry point."""
    handler = _ROUTES.get(environ.get("PATH_INFO") or "/", _not_found)
    return handler(environ, start_response)


def server_name() -> str:
    """Return which server runs this code."""
    try:
        import uwsgi  # exists inside uWSGI only
    except ImportError:
        return ""
    version: bytes = uwsgi.version
    return f"uWSGI {version.decode()}"


def _home(environ: Environ, start_response: Start) -> Iterable[bytes]:
    server = server_name() or environ.get("SERVER_SOFTWARE") or "unknown"
    facts = (
        ("Server", server),
        ("Process, thread", f"{os.getpid()}, {threading.current_thread().name}"),
        ("Python", platform.python_version()),
    )
    body = f"""
<h1>It works</h1>
<p class="lead">Your browser spoke HTTP, this application was spoken to in uwsgi.
Below is what arrived.</p>
<code class="request">{_escape(_request_line(environ))}</code>
<dl>{"".join(f"<dt>{name}</dt><dd>{_escape(value)}</dd>" for name, value in facts)}</dl>
<h2>Things to try</h2>
<ul class="tries">{"".join(_try(path, text) for path, text in _TRIES)}</ul>
<h2>Variables of this request</h2>
<div class="frame"><table>{_rows(_variables(environ))}</table></div>
<h2>Your own application</h2>
<p>Run <code>python -m proxy --app package.module:callable</code>, or put the proxy in front of a
server that runs already: <code>python -m proxy --upstream unix:/run/app.sock</code>.</p>"""
    return _page(start_response, "It works", body)


def _stream(_environ: Environ, start_response: Start) -> Iterable[bytes]:
    headers = [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
    ]
    start_response("200 OK", headers)
    return _events()


def _events() -> Iterator[bytes]:
    for number in range(_STREAM_EVENTS):
        if number:
            time.sleep(_STREAM_INTERVAL_S)
        yield f"id: {number}\ndata: event {number} at {time.strftime('%H:%M:%S')}\n\n".encode()


def _upload(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Show a form; answer POST and PUT with what arrived, whatever its type is."""
    if environ["REQUEST_METHOD"] not in ("POST", "PUT"):
        form = """<h1>Upload</h1><p class="lead">The form wraps your file into a multipart body;
the figures are those of the whole body. <code>curl -T file</code> sends the file alone.</p>
<form method="post" enctype="multipart/form-data"><p><input type="file" name="file" required>
<button>Send</button></p></form><p><a href="/">Back</a></p>"""
        return _page(start_response, "Upload", form)
    digest, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(_MIB):
        digest.update(block)
        size += len(block)
    told = environ.get("CONTENT_LENGTH") or None
    return _json(
        start_response, {"bytes": size, "content_length": told, "sha256": digest.hexdigest()}
    )


def _slow(environ: Environ, start_response: Start) -> Iterable[bytes]:
    seconds = _number(environ, "s", 1.0, _LONGEST_SLEEP_S)
    time.sleep(seconds)
    return _text(start_response, "200 OK", f"slept {seconds:g} s\n")


def _large(environ: Environ, start_response: Start) -> Iterable[bytes]:
    size = int(_number(environ, "mb", 10.0, _LARGEST_MIB) * _MIB)
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))]
    start_response("200 OK", headers)
    return _blocks(size)


def _blocks(size: int) -> Iterator[bytes]:
    block = bytes(range(256)) * 256
    for _ in range(size // len(block)):
        yield block
    yield block[: size % len(block)]


def _as_json(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return _json(start_response, _variables(environ))


def _redirect(_environ: Environ, start_response: Start) -> Iterable[bytes]:
    return _text(start_response, "302 Found", "back to /\n", ("Location", "/"))


def _error(_environ: Environ, _start_response: Start) -> Iterable[bytes]:
    raise RuntimeError("the example application was asked to fail")


def _not_found(environ: Environ, start_response: Start) -> Iterable[bytes]:
    path = str(environ.get("PATH_INFO"))
    body = f"<h1>404</h1><p>Nothing at <code>{_escape(path)}</code>. <a href='/'>Back</a></p>"
    return _page(start_response, "Not found", body, status="404 Not Found")


_ROUTES: dict[str, Handler] = {
    "/": _home,
    "/stream": _stream,
    "/upload": _upload,
    "/slow": _slow,
    "/large": _large,
    "/json": _as_json,
    "/redirect": _redirect,
    "/error": _error,
}


def _page(start_response: Start, title: str, body: str, status: str = "200 OK") -> Iterable[bytes]:
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
    return _send(start_response, status, "text/html; charset=utf-8", text)


def _json(start_response: Start, value: object) -> Iterable[bytes]:
    return _send(start_response, "200 OK", "application/json", json.dumps(value, indent=2) + "\n")


def _text(start_response: Start, status: str, text: str, *more: tuple[str, str]) -> Iterable[bytes]:
    return _send(start_response, status, "text/plain; charset=utf-8", text, *more)


def _send(
    start_response: Start, status: str, content_type: str, text: str, *more: tuple[str, str]
) -> Iterable[bytes]:
    data = text.encode()
    headers = [
        *more,
        ("Content-Type", content_type),
        ("Content-Length", str(len(data))),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [data]


def _number(environ: Environ, name: str, default: float, largest: float) -> float:
    """Return a number from the query string, between 0 and `largest`; `default` when it is none."""
    values = parse_qs(environ.get("QUERY_STRING", "")).get(name, [])
    try:
        number = float(values[0])
    except (IndexError, ValueError):
        return default
    return min(max(number, 0.0), largest) if math.isfinite(number) else default


def _request_line(environ: Environ) -> str:
    target = environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    return f"{environ['REQUEST_METHOD']} {target} {environ.get('SERVER_PROTOCOL', '')}"


def _variables(environ: Environ) -> dict[str, str]:
    """Return what came over the wire: text under a name without a dot (PEP 3333's own have one)."""
    pairs = ((name, value) for name, value in environ.items() if isinstance(value, str))
    return dict(sorted(pair for pair in pairs if "." not in pair[0]))


def _rows(variables: dict[str, str]) -> str:
    return "".join(
        f"<tr><th scope='row'>{_escape(name)}</th><td>{_escape(value)}</td></tr>"
        for name, value in variables.items()
    )


def _try(path: str, text: str) -> str:
    return f'<li><a href="{path}"><b>{path}</b><span>{text}</span></a></li>'


def _escape(text: str) -> str:
    """Escape for HTML; bytes that WSGI carries as Latin-1 are shown as the UTF-8 that they are."""
    return html.escape(text.encode("latin-1", "replace").decode("utf-8", "replace"))

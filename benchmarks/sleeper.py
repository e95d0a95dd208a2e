"""The application of the contests: it sleeps as long as the path says, and takes no CPU meanwhile.

`/20` answers after 20 ms. Sleeping stands for waiting for a database: what is compared is how front
ends share out workers that are busy, and that must not depend on how many cores the machine has.
Standard library only; it runs inside uWSGI.
"""

import time
from collections.abc import Iterable

from benchmarks.app import Environ, StartResponse

BODY = b"done\n"
LONGEST_MS = 10_000


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sleep for the milliseconds in the path, then answer; 404 for any other path."""
    text = environ["PATH_INFO"][1:]
    if not text.isascii() or not text.isdigit() or int(text) > LONGEST_MS:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    if environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"].read()
    time.sleep(int(text) / 1000)
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]

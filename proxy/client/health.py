"""`uwsgi-frontend health [ADDRESS]`: does a front end live? For HEALTHCHECK and exec probes.

Asks /livez (or another path) of the admin address, which is that of the environment unless one is
given, so that an image needs neither curl nor a shell. Exit codes are those that container engines
know: 0 for yes, 1 for everything else.
"""

import argparse
import http.client
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from proxy.config.address import parse_listen
from proxy.config.units import parse_duration
from proxy.settings import Address

TIMEOUT_S = 3.0
"""For each step of the answer, unless the caller says otherwise; Docker gives up after 5."""

VARIABLE = "UWSGI_FRONTEND_ADMIN"
"""The variable of --admin. Its table is not asked: to load that takes longer than all the rest."""

HEALTHY, UNHEALTHY = 0, 1

_PROGRAM = "uwsgi-frontend health"
_SHOWN_BYTES = 4096
"""Of an answer; engines keep about as much of what a check has said."""


def main(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Ask once and say in one line what came of it; return the exit code."""
    words = _parser().parse_args(arguments)
    try:
        address = _choose(words.address, os.environ if environ is None else environ)
        status, text = ask(address, words.path, parse_duration(words.timeout))
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{_PROGRAM}: {str(error).strip()}", file=sys.stderr)
        return UNHEALTHY
    print(text.strip() or status)
    return HEALTHY if status == http.client.OK else UNHEALTHY


def ask(address: Address, path: str, timeout_s: float) -> tuple[int, str]:
    """Return the status and the text of a front end's answer.

    Raises:
        OSError: nobody answers.
        http.client.HTTPException: what answers does not speak HTTP.
    """
    try:
        with _connect(address, timeout_s) as sock:
            sock.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            with http.client.HTTPResponse(sock, method="GET") as response:
                response.begin()
                return response.status, response.read(_SHOWN_BYTES).decode(errors="replace")
    except OSError as error:
        raise OSError(f"{address}{path}: {error.strerror or error}") from error


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if not address.is_unix:
        # Where all addresses are listened on, this one is.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
        return socket.create_connection((host, address.port), timeout_s)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(address.path)
    except OSError:
        sock.close()
        raise
    return sock


def _choose(given: str, environ: Mapping[str, str]) -> Address:
    """Return the address that was given, else the environment's.

    Raises:
        ValueError: there is none, or none that can be asked.
    """
    text = given or environ.get(VARIABLE, "")
    if text in ("", "off"):
        raise ValueError(f"there is no admin address to ask; set {VARIABLE}, or give one")
    address = parse_listen(text)
    if not address.is_unix and not address.port:
        raise ValueError(f"{address}: which port the kernel has chosen is not known here")
    return address


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        allow_abbrev=False,
        description="Ask a running front end on its admin address whether it lives.",
        epilog="exit codes: 0 yes, 1 no.",
    )
    add = parser.add_argument
    add("address", metavar="ADDRESS", nargs="?", default="", help=f"instead of that in {VARIABLE}")
    add("--path", default="/livez", help="what to ask for [%(default)s]")
    add("--timeout", default="3s", metavar="TIME", help="for each step [%(default)s]")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

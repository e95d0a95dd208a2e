"""Requests as bytes."""

from collections.abc import Iterable


def request(
    path: str = "/", *headers: str, method: str = "GET", version: str = "1.1", body: bytes = b""
) -> bytes:
    """Return a request; one with a body has a Content-Length."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def post(body: bytes, path: str = "/", *headers: str) -> bytes:
    """Return an upload with a length."""
    return request(path, *headers, method="POST", body=body)


def chunked_head(path: str = "/", *headers: str) -> bytes:
    """Return the head of an upload in chunks."""
    return request(path, "Transfer-Encoding: chunked", *headers, method="POST")


def chunks(pieces: Iterable[bytes], last: bool = True) -> bytes:
    """Return pieces as chunks, and with `last` the end."""
    framed = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join(framed) + (b"0\r\n\r\n" if last else b"")

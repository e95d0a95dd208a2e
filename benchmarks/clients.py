"""Load that wrk cannot make: huge replies, idle connections, a slow reader.

Runs as a process of its own (`python -m benchmarks.clients read|idle|slow ...`) and prints one JSON
object per line, so that its CPU time and memory are never counted as the front end's. Blocking
sockets; bodies go into one reused buffer, so reading costs what the kernel's copy costs. It speaks
only what the bench needs: GET, status 200, Content-Length; anything else is an error.
"""

import argparse
import json
import re
import select
import socket
import sys
import time
from collections.abc import Sequence

from proxy.lab.load.answer import BadReply

HOST = "127.0.0.1"
TIMEOUT_S = 30.0
_BUFFER_BYTES = 1024 * 1024
_SLOW_STEP_BYTES = 64 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024


def connect(port: int, receive_buffer_bytes: int = 0) -> socket.socket:
    """Connect to the front end; a receive buffer, if given, is fixed before the handshake."""
    sock = socket.socket()
    try:
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.settimeout(TIMEOUT_S)
        sock.connect((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def body_length(head: bytes) -> int:
    """Return the Content-Length of a response head.

    Raises:
        BadReply: another status than 200, or no length.
    """
    length = re.search(rb"\r\ncontent-length:[ \t]*(\d+)", head, re.IGNORECASE)
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")) or length is None:
        raise BadReply(repr(head[:200]))
    return int(length[1])


def ask(sock: socket.socket, path: str) -> tuple[int, int]:
    """Send a GET and read to the end of the head.

    Returns:
        The length of the body, and how many bytes of it have been read already.
    """
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(16 * 1024)
        if not data or len(head) > _HEAD_LIMIT_BYTES:
            raise BadReply(repr(head[:200]))
        head += data
    end = head.index(b"\r\n\r\n") + 4
    return body_length(head[:end]), len(head) - end


def fetch(sock: socket.socket, path: str, buffer: bytearray) -> int:
    """GET `path`, throw the body away, return its length in bytes."""
    length, got = ask(sock, path)
    while got < length:
        count = sock.recv_into(buffer, min(len(buffer), length - got))
        if not count:
            raise BadReply(f"ended after {got} of {length} bytes")
        got += count
    return length


def read(port: int, path: str, count: int) -> dict[str, float]:
    """Fetch `path` `count` times on one connection; say how many bytes came in how many seconds."""
    buffer = bytearray(_BUFFER_BYTES)
    with connect(port) as sock:
        began = time.perf_counter()
        total = sum(fetch(sock, path, buffer) for _ in range(count))
        return {"requests": count, "bytes": total, "seconds": time.perf_counter() - began}


def slow(port: int, path: str, bytes_per_s: int, seconds: float) -> dict[str, float]:
    """Read a reply at a capped rate for a while, then close in the middle of it."""
    buffer = bytearray(_SLOW_STEP_BYTES)
    with connect(port, _SLOW_STEP_BYTES) as sock:
        length, got = ask(sock, path)
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds and got < length:
            ahead_s = got / bytes_per_s - now
            if ahead_s > 0:
                time.sleep(ahead_s)
            count = sock.recv_into(buffer)
            if not count:
                raise BadReply(f"ended after {got} of {length} bytes")
            got += count
        return {"requests": 1, "bytes": got, "seconds": time.monotonic() - began}


def still_open(socks: Sequence[socket.socket]) -> int:
    """Count the connections that the other side has not closed; none has anything to say."""
    poller = select.poll()
    for sock in socks:
        poller.register(sock, select.POLLIN)
    return len(socks) - len(poller.poll(0))


def idle(port: int, path: str, count: int) -> None:
    """Open connections, make one request on each, and hold them until a line comes on stdin."""
    buffer = bytearray(_BUFFER_BYTES)
    socks: list[socket.socket] = []
    try:
        for _ in range(count):
            socks.append(connect(port))
            fetch(socks[-1], path, buffer)
        print(json.dumps({"open": len(socks)}), flush=True)
        sys.stdin.readline()
        print(json.dumps({"still_open": still_open(socks)}), flush=True)
    finally:
        for sock in socks:
            sock.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one client; 1 and a line on stderr when the front end did not do its part."""
    parser = argparse.ArgumentParser(prog="benchmarks.clients")
    parser.add_argument("what", choices=("read", "idle", "slow"))
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--rate", type=int, default=4 * 1024 * 1024, help="bytes per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args(argv)
    try:
        if args.what == "idle":
            idle(args.port, args.path, args.count)
        elif args.what == "read":
            print(json.dumps(read(args.port, args.path, args.count)))
        else:
            print(json.dumps(slow(args.port, args.path, args.rate, args.seconds)))
    except (OSError, BadReply) as error:
        print(f"{args.what} {args.path}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

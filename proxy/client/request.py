"""One request to a uwsgi socket, and its whole reply.

    reply = await uwsgi_request("unix:/run/app.sock", "POST", "/login", body=b"user=a")
    assert reply.status == 200, reply.body

Failures are `ProxyError`s with a reason of the closed list, as everywhere in this project. Nothing
is tried again, and a listen queue that is full is not waited for: it is reported.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.messages import ReplyHead
from protocol.reply import ReplyParser
from proxy import errors
from proxy.client.call import Call, Headers, Pairs, prepare
from proxy.client.drive import drive, resolve, run_alone
from proxy.config.address import parse_connect
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import Address, UpstreamSettings
from proxy.upstream.body import ReplyBody
from proxy.upstream.channel import Network
from proxy.upstream.checks.http import MAX_HEAD_BYTES, read_head
from proxy.upstream.checks.talk import Talk
from proxy.waiting import Vigil

TIMEOUT_S = 60.0
"""For a whole request, unless the caller says otherwise."""

_RULES = UpstreamSettings(max_head_bytes=MAX_HEAD_BYTES)

OnHead = Callable[[ReplyHead, bytes], None]
"""Told the reply head, parsed and as it came."""

OnData = Callable[[bytes], None]
"""Given the body, piece by piece."""


@dataclass(frozen=True, slots=True)
class Timings:
    """When things happened, in seconds from the start."""

    connect_s: float
    head_s: float
    """The reply head was there."""
    total_s: float


@dataclass(frozen=True, slots=True)
class UwsgiReply:
    """What an application answered."""

    status: int
    reason: str
    """What stands behind the status: `Not Found`."""
    headers: tuple[tuple[str, str], ...]
    """All header lines as they came, in order."""
    body: bytes
    timings: Timings
    variables: tuple[tuple[str, str], ...]
    """What was sent, in wire order."""

    def header(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first header called so, in any spelling."""
        wanted = name.lower()
        return next((value for known, value in self.headers if known.lower() == wanted), default)

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.body.decode("utf-8", "replace")


async def uwsgi_request(  # noqa: PLR0913 (what a request consists of)
    address: str | Address,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Headers = (),
    body: bytes = b"",
    params: Pairs = (),
    timeout_s: float | None = TIMEOUT_S,
) -> UwsgiReply:
    """Ask the application behind a uwsgi socket.

    Args:
        address: `unix:/path`, `unix:@name` or `host:port`.
        path: with its query.
        headers: names and values; None for a usual one that is not to be sent.
        params: uwsgi variables besides those of the request, or in their place.
        timeout_s: for everything; None for no limit.

    Raises:
        ProxyError: there is no reply; `reason.word` says why, `reason.next_step` what to do.
        ValueError: the address or the request is malformed.
    """
    call = prepare(method, path, headers, body, params)
    pieces: list[bytes] = []
    heads: list[tuple[ReplyHead, bytes]] = []
    timings = await perform(
        as_address(address),
        call,
        timeout_s,
        on_head=lambda head, text: heads.append((head, text)),
        on_data=pieces.append,
    )
    (head, text) = heads[0]
    return UwsgiReply(
        head.status,
        head.status_line[4:].decode("latin-1"),
        tuple(_header_lines(text)),
        b"".join(pieces),
        timings,
        tuple(call.variables),
    )


def uwsgi_request_sync(  # noqa: PLR0913 (what a request consists of)
    address: str | Address,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Headers = (),
    body: bytes = b"",
    params: Pairs = (),
    timeout_s: float | None = TIMEOUT_S,
) -> UwsgiReply:
    """Do the same as `uwsgi_request` for code without an event loop.

    Raises:
        ProxyError, ValueError: as there.
        RuntimeError: an event loop runs in this thread.
    """
    return run_alone(
        uwsgi_request(
            address, method, path, headers=headers, body=body, params=params, timeout_s=timeout_s
        )
    )


def as_address(address: str | Address) -> Address:
    """Return an address that may have been written as text.

    Raises:
        ValueError: with one line that says what is wrong with it.
    """
    if isinstance(address, Address):
        return address
    try:
        return parse_connect(address)
    except ValueError as error:
        raise ValueError(f"{address}: {error}") from None


async def perform(
    address: Address, call: Call, timeout_s: float | None, *, on_head: OnHead, on_data: OnData
) -> Timings:
    """Send a call and hand over the reply as it comes.

    Raises:
        ProxyError: there is no reply, or not all of it.
    """
    where = await resolve(address)
    begun = time.monotonic()
    try:
        return await drive(
            lambda network, vigil: _Conversation(network, vigil, call).run(
                where, timeout_s, on_head, on_data
            )
        )
    except BackendBusy:
        detail = f"{address}: the listen queue is full"
        raise ProxyError(errors.BACKLOG_FULL, detail, nothing_sent=True) from None
    except ProxyError as error:
        late = f"not in {timeout_s:g} s" if timeout_s and not error.detail else ""
        if error.reason in (errors.EOF_BEFORE_HEADERS, errors.RESET_BEFORE_HEADERS):
            # What the next step tells one to compare.
            elapsed_s = time.monotonic() - begun
            error.detail += f", after {elapsed_s:.3f} s, packet of {len(call.packet)} bytes"
        error.detail = _locate(address, error.detail or late)
        raise


def _locate(address: Address, detail: str) -> str:
    return detail if detail.startswith(str(address)) else f"{address}: {detail}"


class _Conversation:
    """One connection, one request, one reply."""

    def __init__(self, network: Network, vigil: Vigil, call: Call) -> None:
        self._talk = Talk(network, vigil)
        self._vigil = vigil
        self._call = call

    async def run(
        self, address: Address, timeout_s: float | None, on_head: OnHead, on_data: OnData
    ) -> Timings:
        talk, vigil, call = self._talk, self._vigil, self._call
        begun = vigil.now()
        if timeout_s is not None:
            vigil.arm(timeout_s)
        try:
            await talk.connect(address)
            connected = vigil.now()
            await talk.send(call.packet)
            if call.body:  # not joined: it may be large
                await talk.send(call.body)
            head, text, rest = await read_head(talk, ReplyParser(_RULES))
            headed = vigil.now()
            on_head(head, text)
            if call.method != "HEAD" and not head.bodiless and head.status != 101:
                await self._read_body(head, rest, on_data)
        finally:
            talk.close()
            vigil.disarm()
        return Timings(connected - begun, headed - begun, vigil.now() - begun)

    async def _read_body(self, head: ReplyHead, data: bytes, on_data: OnData) -> None:
        body = ReplyBody(head)
        while True:
            if data and (piece := body.feed(data)):
                on_data(piece)
            if body.complete:
                return
            data = await self._talk.receive(errors.READ_TIMEOUT_MID_BODY, errors.RESET_MID_BODY)
            if not data:
                body.finish(reset=False)


def _header_lines(text: bytes) -> list[tuple[str, str]]:
    """Return the header lines of a head that has been parsed: it has nothing but such lines."""
    lines = [line.rstrip("\r") for line in text.decode("latin-1").split("\n")]
    pairs = [line.partition(":") for line in lines if line and not line.startswith("HTTP/")]
    return [(name, value.strip()) for name, _, value in pairs]

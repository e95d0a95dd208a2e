"""Is this a uwsgi socket at all? Asked once of a backend that has never answered.

An HTTP server that is sent a uwsgi packet mostly says nothing: gunicorn and uWSGI's HTTP router
wait for more until they time out, uWSGI's --http-socket closes after its socket timeout. From
outside that looks like an application that hangs or crashes. So after such a failure a backend from
which no reply has ever come is asked one question in HTTP; only an HTTP server will answer it in
kind (on a uwsgi socket, uWSGI logs `invalid request block size` and closes).
"""

from protocol.messages import Request
from proxy import errors
from proxy.errors import BackendBusy, ClientGone, ProxyError
from proxy.settings import Address
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Channel, Network
from proxy.waiting import Vigil

PATIENCE_S = 1.0
"""For the answer, in seconds; the client is waiting as well."""

MIN_SILENCE_S = 0.5
"""An HTTP server waits for the rest of its request; what closes sooner than this is none."""


def is_suspicious(error: ProxyError, silence_s: float) -> bool:
    """Whether a failure raises the question. `silence_s` is how long the backend said nothing."""
    silent = error.reason in (errors.EOF_BEFORE_HEADERS, errors.READ_TIMEOUT)
    return silent and silence_s >= MIN_SILENCE_S


def is_http(answer: bytes) -> bool:
    """Whether an HTTP server has said this, when asked in HTTP.

    A 500 proves nothing: gunicorn's workers answer so to whatever they do not understand, in HTTP
    and without having looked at the question, also when they speak uwsgi.
    """
    return answer.startswith(b"HTTP/") and answer[9:12] != b"500"


def question_for(request: Request) -> bytes:
    """Return something harmless that an HTTP server has to answer (RFC 9110 9.2.1: safe)."""
    if request.method in (b"GET", b"HEAD") and request.target.uri.startswith(b"/"):
        return b"HEAD " + request.target.uri + b" HTTP/1.0\r\n\r\n"
    return b"OPTIONS * HTTP/1.0\r\n\r\n"


async def speaks_http(backend: Backend, request: Request, network: Network, vigil: Vigil) -> bool:
    """Find out, unless a reply has ever come from this backend, or it has been asked before."""
    if backend.replied:
        return False
    if backend.speaks_http is None:
        question = question_for(request)
        backend.speaks_http = await answers_http(backend.address, question, network, vigil)
    return bool(backend.speaks_http)


async def answers_http(
    address: Address, question: bytes, network: Network, vigil: Vigil
) -> bool | None:
    """Ask; None when there was nobody to be asked."""
    try:
        channel = network.open(address, vigil.wake)
    except (BackendBusy, ProxyError):
        return None
    vigil.arm(PATIENCE_S)
    try:
        return is_http(await _ask(channel, question, vigil))
    except ClientGone:
        return None
    except (OSError, ProxyError):
        return False
    finally:
        channel.close()


async def _ask(channel: Channel, question: bytes, vigil: Vigil) -> bytes:
    while not channel.connected():
        channel.want(read=False, write=True)
        await _wait(vigil)
    channel.send(question)
    channel.want(read=True, write=False)
    while True:
        while not channel.readable:
            await _wait(vigil)
        data = channel.receive()
        if data is not None:
            return data


async def _wait(vigil: Vigil) -> None:
    await vigil.wake
    vigil.check(errors.READ_TIMEOUT)

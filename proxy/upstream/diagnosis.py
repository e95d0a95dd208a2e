"""Is this a uwsgi socket at all? Asked once of a backend that has never answered.

An HTTP server that is sent a uwsgi packet mostly says nothing: gunicorn and uWSGI's HTTP router
wait for more until they time out, uWSGI's --http-socket closes after its socket timeout. From
outside that looks like an application that hangs or crashes. So after such a failure a backend from
which no reply has ever come is asked one question in HTTP; only an HTTP server will answer it in
kind (on a uwsgi socket, uWSGI logs `invalid request block size` and closes).
"""

from proxy import errors
from proxy.errors import BackendBusy, ClientGone, ProxyError
from proxy.upstream.backend import Backend
from proxy.upstream.channel import Channel, Network
from proxy.waiting import Vigil

QUESTION = b"OPTIONS * HTTP/1.0\r\n\r\n"
ANSWER = b"HTTP/"
PATIENCE_S = 1.0
"""For the answer; the client is waiting as well."""

_SILENT = (errors.EOF_BEFORE_HEADERS, errors.RESET_BEFORE_HEADERS, errors.READ_TIMEOUT)


async def diagnose(
    error: ProxyError, backend: Backend, network: Network, vigil: Vigil
) -> ProxyError:
    """Return `error`, or a better one: `backend_speaks_http`."""
    if error.reason in _SILENT and await speaks_http(backend, network, vigil):
        return ProxyError(errors.NOT_UWSGI, error.detail)
    return error


async def speaks_http(backend: Backend, network: Network, vigil: Vigil) -> bool:
    """Find out, unless a reply has ever come from this backend, or it has been asked before."""
    if backend.replied:
        return False
    if backend.speaks_http is None:
        backend.speaks_http = await _ask_whether(backend, network, vigil)
    return bool(backend.speaks_http)


async def _ask_whether(backend: Backend, network: Network, vigil: Vigil) -> bool | None:
    """Ask; None when there was nobody to be asked."""
    try:
        channel = network.open(backend.address, vigil.wake)
    except (BackendBusy, ProxyError):
        return None
    vigil.arm(PATIENCE_S)
    try:
        return (await _ask(channel, vigil)).startswith(ANSWER)
    except ClientGone:
        return None  # that was no answer: the next one may ask again
    except (OSError, ProxyError):
        return False
    finally:
        channel.close()


async def _ask(channel: Channel, vigil: Vigil) -> bytes:
    while not channel.connected():
        channel.want(read=False, write=True)
        await _wait(vigil)
    channel.send(QUESTION)
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

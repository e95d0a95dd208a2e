"""Is what said nothing an HTTP server? Asked by the commands when a question in uwsgi has failed.

A server that waits for the end of an HTTP request line looks like one whose workers are all busy.
"""

from proxy import errors
from proxy.client.drive import drive
from proxy.errors import ProxyError
from proxy.settings import Address
from proxy.upstream.diagnosis import answers_http

_QUESTION = b"HEAD / HTTP/1.0\r\n\r\n"
_SILENT = (errors.READ_TIMEOUT.word, errors.EOF_BEFORE_HEADERS.word)


async def is_http(address: Address, word: str) -> bool:
    """Whether it answers in HTTP what a failure with the reason `word` leaves open."""
    if word not in _SILENT:
        return False
    return bool(await drive(lambda net, vigil: answers_http(address, _QUESTION, net, vigil)))


async def explain(address: Address, error: ProxyError) -> ProxyError:
    """Return what is wrong: the error, or that the socket speaks HTTP."""
    if await is_http(address, error.reason.word):
        return ProxyError(errors.NOT_UWSGI, str(address))
    return error

"""HTTP without TLS at a listener for TLS: an answer that says so (nginx rule 2.35)."""

from protocol.http1.writer import error_page
from proxy import errors
from proxy.connection import Serve
from proxy.downstream import Downstream

_PAGE = error_page(400, detail="The plain HTTP request was sent to HTTPS port")


def refuse_plain(serve: Serve) -> Serve:
    """Return what serves like `serve`, but nobody whose connection is not encrypted."""
    return lambda client: serve(client) if client.facts.tls is not None else _refuse(client)


async def _refuse(client: Downstream) -> None:
    client.record.reason = errors.HTTP_ON_TLS_LISTENER
    client.keep_alive = False
    client.send_page(_PAGE)

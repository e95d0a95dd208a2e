"""The admin listener's endpoints: GET /metrics."""

from collections.abc import Callable

from protocol.http1.writer import BodyFraming
from protocol.messages import ReplyHead
from proxy.downstream import Downstream, page_for

Render = Callable[[], bytes]


class Admin:
    """Serves requests of the admin listener."""

    def __init__(self, metrics: Render, metrics_type: str) -> None:
        self._metrics = metrics
        self._metrics_type = metrics_type.encode()

    async def serve(self, client: Downstream) -> None:
        """Answer one request."""
        request = client.request
        if client.body_left:
            client.keep_alive = False
        if request.method not in (b"GET", b"HEAD"):
            client.send_page(page_for(405))
        elif request.target.path != b"/metrics":
            client.send_page(page_for(404))
        else:
            self._send(client, self._metrics())

    def _send(self, client: Downstream, body: bytes) -> None:
        reply = ReplyHead(200, b"200 OK", content_type=self._metrics_type, content_length=len(body))
        head_only = client.request.method == b"HEAD"
        client.start(reply, BodyFraming.NONE if head_only else BodyFraming.LENGTH)
        client.write_body(b"" if head_only else body, last=True)

"""Where the body of a reply ends: bytes of the backend in, bytes of the body out."""

from protocol.errors import RequestError
from protocol.http1.chunks import ChunkDecoder
from protocol.messages import ReplyHead
from proxy import errors
from proxy.errors import ProxyError


class ReplyBody:
    """The body behind one reply head (nginx rules 4.19 to 4.26).

    `complete` turns true when the last byte has been seen; whatever follows is dropped, and noted
    in `has_excess`.
    """

    __slots__ = ("_chunks", "_remaining", "complete", "has_excess")

    def __init__(self, head: ReplyHead) -> None:
        self._chunks = ChunkDecoder() if head.chunked else None
        self._remaining = head.content_length
        self.complete = self._remaining == 0
        self.has_excess = False

    def feed(self, data: bytes) -> bytes:
        """Return the part of `data` that belongs to the body, without framing.

        Raises:
            ProxyError: `bad_reply_body`, when the application's own chunks are malformed.
        """
        if self._chunks is not None:
            return self._feed_chunks(self._chunks, data)
        if self._remaining is None:
            return data
        if len(data) > self._remaining:
            data = data[: self._remaining]
            self.has_excess = True
        self._remaining -= len(data)
        self.complete = not self._remaining
        return data

    def finish(self, reset: bool) -> None:
        """Judge the end of the connection: is it where the body may end?

        Raises:
            ProxyError: the reply was cut off.
        """
        if self.complete:
            return
        if reset:
            raise ProxyError(errors.RESET_MID_BODY, "connection reset by the backend")
        if self._remaining is not None:
            raise ProxyError(errors.EOF_MID_BODY, f"{self._remaining} bytes are missing")
        if self._chunks is not None:
            raise ProxyError(errors.EOF_MID_BODY, "the last chunk is missing")
        self.complete = True

    def _feed_chunks(self, chunks: ChunkDecoder, data: bytes) -> bytes:
        try:
            pieces = chunks.feed(data)
        except RequestError as error:
            raise ProxyError(errors.BAD_REPLY_BODY, str(error)) from error
        self.complete = chunks.done
        return b"".join(pieces)

"""X-Accel-Redirect: an application answers by sending its request somewhere else.

The reply's head is kept in part, its body is dropped, and the request goes on as a GET for another
path (nginx rules 4.37, 4.38). There is one location here, so the other path is the application's
own: what nginx does with a single `location /`.
"""

from dataclasses import replace

from protocol.errors import ReplyError, RequestError
from protocol.messages import HeaderBlock, ReplyHead, Request
from protocol.uri import Target, parse_target

MAX_REDIRECTS = 10
"""For one request; nginx calls more a cycle and answers 500."""

_KEPT = frozenset(
    (b"set-cookie", b"content-disposition", b"cache-control", b"expires", b"accept-ranges")
)


def redirect(request: Request, location: bytes) -> Request:
    """Return the request that `location`, the header's value, asks for.

    The method becomes GET (HEAD stays), REQUEST_URI stays what the client sent, and the body is
    gone: the application has had it.

    Raises:
        ReplyError: `unsafe_redirect`, when the location is not a path of this server.
    """
    path, _, query = location.partition(b"?")
    if not path.startswith(b"/") or b"/../" in path or path.endswith(b"/.."):
        raise ReplyError("unsafe_redirect", f"X-Accel-Redirect: {location[:100]!r}")
    try:
        parsed = parse_target(location)
    except RequestError as error:
        raise ReplyError("unsafe_redirect", f"X-Accel-Redirect: {error}") from error
    target = Target(request.target.uri, parsed.path, query, request.target.authority)
    method = b"HEAD" if request.method == b"HEAD" else b"GET"
    return replace(request, method=method, target=target, headers=_without_body(request.headers))


def _without_body(headers: HeaderBlock) -> HeaderBlock:
    return replace(headers, content_length=None, content_length_text=b"", chunked=False)


def inherit(reply: ReplyHead, first: ReplyHead) -> ReplyHead:
    """Return `reply` with what it takes over from the reply that redirected to it."""
    kept = [field for field in first.fields if field[0].lower() in _KEPT]
    return replace(
        reply,
        fields=kept + reply.fields,
        content_type=reply.content_type or first.content_type,
        rendered=None,
    )

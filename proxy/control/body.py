"""The body of a request that changes something: JSON, small, and said to be JSON."""

import json
from dataclasses import replace

from proxy import errors
from proxy.control.asked import Asked, Refusal
from proxy.downstream import Downstream
from proxy.errors import ProxyError
from proxy.spool import Spool

MAX_BODY_BYTES = 16 * 1024
"""413 over it."""

BODY_TIMEOUT_S = 10.0
"""Between two reads of it."""


async def read_json(client: Downstream, asked: Asked) -> Asked:
    """Return the request with its body read.

    A form of another site's page cannot send this type without asking first, and nobody says yes.

    Raises:
        Refusal: it is no JSON, does not say so, or is too large.
        ProxyError: it does not come, or is malformed.
    """
    if asked.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            415,
            "not_json",
            "the body is not said to be JSON",
            "send Content-Type: application/json",
        )
    client.send_continue()
    spool = Spool(MAX_BODY_BYTES)
    try:
        size = await client.read_body(spool, MAX_BODY_BYTES, BODY_TIMEOUT_S)
    except ProxyError as error:
        if error.reason is errors.BODY_TOO_LARGE:
            text = f"the body has more than {MAX_BODY_BYTES} bytes"
            raise Refusal(413, "body_too_large", text) from error
        raise
    try:
        body = json.loads(spool.take() if size else b"")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", f"the body is not JSON: {error}") from error
    return replace(asked, body=body)

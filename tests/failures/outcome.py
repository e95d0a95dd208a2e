"""What every failure has to leave behind, wherever it happened."""

import re
from typing import Literal

from proxy.errors import Reason
from proxy.settings import QueueSettings
from proxy.testing import FakeBackend
from tests.differential.client import Client, Response
from tests.integration.frontend import PREFIX, Frontend
from tests.servers import wait_until

Fate = Literal["open", "closed", "reset"]
RETRY_AFTER = b"%d" % QueueSettings().retry_after_s


def check_answer(client: Client, status: int, fate: Fate) -> Response:
    """Read an answer of the front end's own making; the connection must fare as it says."""
    response = client.response()
    assert response is not None
    assert response.status == status
    assert response.complete
    assert b"<center><h1>%d " % status in response.body
    assert response.values(b"retry-after") == ([RETRY_AFTER] if status == 503 else [])
    kept = response.values(b"connection") == [b"keep-alive"]
    assert kept == (fate == "open")
    if not kept:
        check_end(client, fate)
    return response


def check_end(client: Client, fate: Fate) -> None:
    """The connection ends without another byte."""
    assert not client.buffer
    assert not client.fill()
    assert client.ended == fate


def check_failed(
    front: Frontend, reason: Reason, seen: str = "", *, status: int | None = None, served: int = 0
) -> str:
    """Check that one exchange, and no other, has failed for this reason; `served` went well.

    The same word must stand in the metric, in one line of the error log, together with what was
    seen and the next step, and at the end of the access log's line.

    Returns what the error log says was seen.
    """
    word, expected = reason.word, reason.status if status is None else status
    wait_until(lambda: front.failures() == {word: 1}, f"one {word}")
    logs = front.finish()
    (failure,) = logs.errors
    match = re.fullmatch(r'(\w+) (\d+) "(.*)" from (\S+): (.*); next: (.*)', failure)
    assert match is not None, failure
    assert (match[1], int(match[2])) == (word, expected)
    assert match[6] == reason.next_step
    assert seen in match[5], failure
    words = [line.split()[-1] for line in logs.access]
    assert sorted(words) == sorted([word, *["-"] * served])
    access = logs.access[words.index(word)]
    assert re.search(rf'" {expected} \d+ "', access), access
    return match[5]


def attempts(front: Frontend, backend: FakeBackend | object) -> dict[str, float]:
    """Return the number of tries at a backend by result; nothing for results without any."""
    address = backend.address if isinstance(backend, FakeBackend) else backend
    return {
        dict(labels)["result"]: value
        for (name, labels), value in front.metrics().items()
        if name == PREFIX + "upstream_attempts_total"
        and dict(labels)["backend"] == str(address)
        and value
    }

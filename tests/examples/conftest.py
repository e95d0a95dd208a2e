"""The example applications on each worker that `--app` may choose."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from proxy.settings import WorkerSettings
from proxy.worker import start
from proxy.worker.command import Kind
from tests.servers import DEADLINE_S, REPOSITORY, Reply, parse_reply, uwsgi_request

Ask = Callable[..., Reply]


@pytest.fixture(scope="module", params=["uwsgi", "builtin"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which worker."""
    chosen: Kind = request.param
    return chosen


def asking(app: str, directory: str, kind: Kind) -> Iterator[Ask]:
    """Start an example; yield a function that asks it something."""
    settings = WorkerSettings(app=app, processes=2, threads=2)
    worker = start(settings, python_path=str(REPOSITORY / "examples" / directory), kind=kind)
    with ExitStack() as stack:
        stack.callback(worker.stop, 0)
        assert worker.wait_ready(DEADLINE_S), worker.failure()

        def ask(path: str, method: str = "GET", body: bytes = b"", **more: str) -> Reply:
            path, _, query = path.partition("?")
            variables = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
            reply = uwsgi_request(str(worker.address), {**variables, **more}, body)
            return parse_reply(reply, method)

        yield ask

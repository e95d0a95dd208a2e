"""The thread of an application; what runs in it is tested with the front end."""

import threading

import pytest

from proxy.settings import Address, WorkerSettings
from proxy.worker.host import CallableJob, Host, ProcessJob, check_callable
from proxy.worker.target import WorkerError
from tests.embedding.asking import hello
from tests.servers import parse_reply, uwsgi_request


def test_a_callable() -> None:
    host = Host(CallableJob(hello, 2))
    host.start()
    address = host.ready.result(20)
    assert parse_reply(uwsgi_request(str(address), {"PATH_INFO": "/a"})).body == b"/a"
    host.stop(5)
    host.ended.result(20)
    host.join()
    with pytest.raises(FileNotFoundError):
        uwsgi_request(str(address))


def test_stopped_before_it_is_ready() -> None:
    host = Host(ProcessJob(WorkerSettings("tests.worker.sleeper:application"), kind="builtin"))
    host.start()
    host.stop(1)
    with pytest.raises(WorkerError):
        host.ready.result(30)
    host.ended.result(20)
    host.join()


class Odd:
    """A job that ends in an error."""

    def start(self, stopping: threading.Event) -> Address:
        return Address(path="/s")

    def finish(self, timeout_s: float) -> None:
        raise OSError("cannot")


def test_it_ends_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(Odd())
    host.start()
    host.stop(0)
    host.ended.result(20)
    host.join()
    assert "internal_error" in caplog.text


def test_callables() -> None:
    check_callable(hello)
    check_callable(type("App", (), {"__call__": lambda *_: []})())

"""How much is measured, and that a wrong answer stops a workload before it is measured."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.contests import OVERLOAD
from benchmarks.drive import Effort, Meter, drive, warm
from benchmarks.frontends import Backend, Frontend
from benchmarks.workloads import Workload
from proxy.lab.processes import BenchError, Daemon

HELLO = Workload("hello", "hello", "/hello", body_bytes=14)
EFFORT = Effort(rounds=9, warm=False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment

    def do_GET(self) -> None:
        body = b"Hello, world!\n" if self.path == "/hello" else bytes(1000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def frontend(tmp_path: Path) -> Iterator[Frontend]:
    """A server in this process, with a sleeping one whose cost is measured in its place."""
    with (
        Daemon.start("idler", [sys.executable, "-c", "import signal; signal.pause()"],
                     tmp_path / "log") as daemon,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):  # fmt: skip
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Frontend("idler", daemon, int(server.server_address[1]), "")
        finally:
            server.shutdown()
            thread.join()


def beside(frontend: Frontend) -> Backend:
    return Backend(frontend.daemon, "", 0, "")


def test_rounds_of_each_kind() -> None:
    kinds = {kind: Workload("x", "x", "/", kind=kind) for kind in ("load", "idle", "slow")}
    assert EFFORT.rounds_of(OVERLOAD) == 9
    assert {kind: EFFORT.rounds_of(each) for kind, each in kinds.items()} == {
        "load": 9, "idle": 3, "slow": 1,
    }  # fmt: skip


def test_a_right_answer_is_warm_enough(frontend: Frontend) -> None:
    warm(HELLO, frontend, EFFORT)


def test_a_wrong_answer_is_refused(frontend: Frontend) -> None:
    with pytest.raises(BenchError, match=r"GET /64k: 200 .* instead of"):
        warm(Workload("reply", "reply", "/64k"), frontend, EFFORT)


def test_no_answer_is_told(frontend: Frontend, tmp_path: Path) -> None:
    gone = Frontend("gone", frontend.daemon, 1, "")
    with pytest.raises(BenchError, match="gone: ConnectionRefusedError"):
        warm(HELLO, gone, EFFORT)


def test_meter_reads_memory_and_time(frontend: Frontend) -> None:
    found = Meter(frontend, beside(frontend)).sample(seconds=1.0, requests=1)
    assert found.pss_kb > 0
    assert found.frontend_cpu_s >= 0
    assert found.other_cpu_s >= 0


def test_transfer(frontend: Frontend) -> None:
    workload = Workload("reply", "reply", "/1000", kind="transfer")
    found = drive(workload, frontend, beside(frontend), Effort(transfers=4))
    assert (found.requests, found.body_bytes) == (4, 4000)
    assert found.generator_cpu_s > 0


def test_idle(frontend: Frontend) -> None:
    workload = Workload("idle", "idle", "/hello", kind="idle", count=7)
    found = drive(workload, frontend, beside(frontend), EFFORT)
    assert (found.requests, found.idle_connections) == (7, 7)


def test_slow(frontend: Frontend) -> None:
    workload = Workload("slow", "slow", "/1000", kind="slow")
    found = drive(workload, frontend, beside(frontend), Effort(slow_seconds=5.0))
    assert found.body_bytes == 1000


def test_a_client_that_fails_says_why(frontend: Frontend) -> None:
    workload = Workload("reply", "reply", "/1000", kind="transfer")
    gone = Frontend("gone", frontend.daemon, 1, "")
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        drive(workload, gone, beside(frontend), EFFORT)

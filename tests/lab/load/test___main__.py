"""The generator as a process: a line in, a line out."""

import io
import json
import socket
import subprocess
import sys

import pytest

from proxy.lab.load import __main__ as load
from proxy.lab.load.plan import Load, Plan
from proxy.lab.processes import ROOT
from tests.lab.fake import OK, answering


def test_a_line_in_a_line_out() -> None:
    with answering(lambda head: OK) as port:
        done = subprocess.run(
            [sys.executable, "-m", "proxy.lab.load"],
            input=Plan(port, clients=2, seconds=0.3).to_json() + "\n",
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
    found = Load.from_json(json.loads(done.stdout))
    assert found.outcomes == {"ok": found.sent}
    assert found.sent >= 2  # at least once each; how often is the machine's
    assert found.cpu_s > 0
    assert 0 < found.latency_us["p50"] <= found.latency_us["max"]


def test_nobody_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = int(listener.getsockname()[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO(Plan(gone).to_json() + "\n"))
    assert load.main([]) == 0
    assert "ConnectionRefusedError" in json.loads(capsys.readouterr().out)["error"]

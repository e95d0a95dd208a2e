"""Starting load generators, and reading what they say.

A generator is a process of its own; it ends by itself, and is killed when it does not, or when we
leave early.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from proxy.lab.plan import Load, Plan
from proxy.lab.processes import ROOT, BenchError
from proxy.lab.slow import SlowPlan

_GRACE_S = 30.0
_COMMAND = (sys.executable, "-m", "proxy.lab.load")


class Running:
    """A load that has been started. Use as a context manager: leaving early ends it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._popen = _start(plan.to_json())

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._popen)

    @property
    def pid(self) -> int:
        """Of the generator."""
        return self._popen.pid

    def result(self) -> Load:
        """Wait for the end and return what became of the load.

        Raises:
            BenchError: the generator failed or did not end.
        """
        plan = self._plan
        limit_s = plan.warm_seconds + plan.seconds + 2 * plan.timeout_s + _GRACE_S
        try:
            out, err = self._popen.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise BenchError(f"load generator: no end after {limit_s:g} s") from None
        if self._popen.returncode:
            raise BenchError(err.decode(errors="replace").strip() or "load generator: died")
        return Load.from_json(json.loads(out))


def run_load(plan: Plan) -> Load:
    """Run one load from start to end.

    Raises:
        BenchError: the generator failed or did not end.
    """
    with Running(plan) as running:
        return running.result()


@contextmanager
def slow_clients(plan: SlowPlan) -> Iterator[dict[str, Any]]:
    """Keep slow clients connected for the length of the block; say at its end how they fared.

    Raises:
        BenchError: they could not connect.
    """
    popen = _start(plan.to_json(), "slow")
    found: dict[str, Any] = {}
    try:
        found.update(_line(popen))
        yield found
        assert popen.stdin is not None
        popen.stdin.write(b"\n")
        popen.stdin.flush()
        found.update(_line(popen))
    finally:
        _end(popen)


def _start(first_line: str, *more: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    popen = subprocess.Popen([*_COMMAND, *more], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
    assert popen.stdin is not None
    try:
        popen.stdin.write(first_line.encode() + b"\n")
        popen.stdin.flush()
    except OSError:
        pass  # it has died; its answer says why
    return popen


def _line(popen: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert popen.stdout is not None
    assert popen.stderr is not None
    line = popen.stdout.readline()
    if not line:
        raise BenchError(popen.stderr.read().decode(errors="replace").strip() or "clients: died")
    said: dict[str, Any] = json.loads(line)
    return said


def _end(popen: subprocess.Popen[bytes]) -> None:
    if popen.poll() is None:
        popen.kill()
    popen.wait()
    for stream in (popen.stdin, popen.stdout, popen.stderr):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass

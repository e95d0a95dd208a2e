"""Load generators as processes of their own: started, told what to do, listened to, ended.

One of them runs many loads, one after the other; starting one takes longer than a short load. One
that fails or does not end is killed, and the next load gets a new one.
"""

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from proxy.lab.load.plan import Load, Plan
from proxy.lab.load.slow import SlowPlan
from proxy.lab.processes import ROOT, BenchError

_GRACE_S = 30.0
_COMMAND = (sys.executable, "-m", "proxy.lab.load")


class Generator:
    """A generator. Use as a context manager: leaving ends it, whatever it does."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._limit_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the process; 0 without one."""
        return self._popen.pid if self._popen else 0

    def close(self) -> None:
        """End the process, if there is one."""
        if self._popen is not None:
            _end(self._popen)
            self._popen = None

    def get_ready(self) -> None:
        """Start, and return when a load would begin at once; for what has to happen during it.

        Raises:
            BenchError: the generator does not start.
        """
        if self._popen is None:
            self._popen = _start()
        _write(self._popen, "")
        self._limit_s = _GRACE_S
        self._answer()

    def begin(self, plan: Plan) -> None:
        """Begin a load; `result` waits for its end."""
        self._limit_s = plan.warm_seconds + plan.seconds + 2 * plan.timeout_s + _GRACE_S
        if self._popen is None:
            self._popen = _start()
        _write(self._popen, plan.to_json())

    def result(self) -> Load:
        """Return what became of the load.

        Raises:
            BenchError: the generator failed or did not end.
        """
        return Load.from_json(self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._popen is not None
        try:
            return _line(self._popen, self._limit_s)
        except BaseException:
            self.close()
            raise

    def run(self, plan: Plan) -> Load:
        """Run one load from start to end.

        Raises:
            BenchError: the generator failed or did not end.
        """
        self.begin(plan)
        return self.result()


def run_load(plan: Plan) -> Load:
    """Run a single load.

    Raises:
        BenchError: the generator failed or did not end.
    """
    with Generator() as generator:
        return generator.run(plan)


@contextmanager
def slow_clients(plan: SlowPlan) -> Iterator[dict[str, Any]]:
    """Keep slow clients connected for the length of the block; say at its end how they fared.

    Raises:
        BenchError: they could not connect.
    """
    popen = _start("slow")
    found: dict[str, Any] = {}
    try:
        _write(popen, plan.to_json())
        found.update(_line(popen, _GRACE_S))
        yield found
        _write(popen, "")
        found.update(_line(popen, _GRACE_S))
    finally:
        _end(popen)


def _start(*more: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*_COMMAND, *more], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )


def _write(popen: subprocess.Popen[bytes], line: str) -> None:
    assert popen.stdin is not None
    try:
        popen.stdin.write(line.encode() + b"\n")
        popen.stdin.flush()
    except OSError:
        pass  # it has died, and does not answer


def _line(popen: subprocess.Popen[bytes], limit_s: float) -> dict[str, Any]:
    assert popen.stdout is not None
    if not select.select((popen.stdout,), (), (), max(limit_s, 0.0))[0]:
        raise BenchError(f"load generator: no end after {limit_s:g} s")
    line = popen.stdout.readline()
    if not line:
        raise BenchError("load generator: died")
    said: dict[str, Any] = json.loads(line)
    if "error" in said:
        raise BenchError(f"load generator: {said['error']}")
    return said


def _end(popen: subprocess.Popen[bytes]) -> None:
    if popen.poll() is None:
        popen.kill()
    popen.wait()
    for stream in (popen.stdin, popen.stdout):
        assert stream is not None
        try:
            stream.close()
        except OSError:
            pass

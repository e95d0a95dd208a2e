"""The proxy as its users start it: a process of `python -m proxy`."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from proxy.settings import Address

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_SIGN = "listening on "


class Proxy:
    """A running proxy. `stop` ends it by its pid."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start it and wait until it listens.

        Raises:
            RuntimeError: it ended, or did not say where it listens.
        """
        root = Path(__file__).resolve().parents[2]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "proxy", *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: list[str] = []
        self._signs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.address = _parse(self._signs.get(timeout=START_TIMEOUT_S))
        except (queue.Empty, ValueError):
            self.stop()
            raise RuntimeError(f"the proxy does not start:\n{self.log()}") from None

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if _SIGN in line:
                self._signs.put(line.partition(_SIGN)[2].strip())
        self._signs.put("")

    def log(self) -> str:
        """Return what it wrote to standard error so far."""
        return "".join(self.lines)

    def stop(self) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_TIMEOUT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return self.process.returncode


def _parse(sign: str) -> Address:
    if sign.startswith("unix:"):
        return Address(path=sign.removeprefix("unix:"))
    host, _, port = sign.removeprefix("http://").rpartition(":")
    return Address(host=host.strip("[]"), port=int(port))

"""Programs that a comparison starts: in a session of their own, always stopped by pid.

This module owns starting, waiting for a line of output, noticing death and stopping. It knows
nothing of nginx, uWSGI or the proxy and measures nothing (see `measure`).
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from proxy.lab import measure

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder that holds the packages; a child starts there so that `-m` finds them."""

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk"}
"""Programs that no Python package brings, and the Debian package of each."""

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
MOST_FILES = 20_000
_POLL_S = 0.01


class MissingTool(Exception):
    """A program is not installed; the text names the package to install."""


class BenchError(Exception):
    """A program did not start, died or answered wrongly; the text is for whoever compares."""


def require(tools: Sequence[str]) -> None:
    """Raise MissingTool unless each program is on PATH (or where Debian keeps daemons)."""
    missing = [tool for tool in tools if find(tool) is None]
    if missing:
        names = " ".join(PACKAGES.get(tool, tool) for tool in missing)
        raise MissingTool(
            f"not installed: {', '.join(missing)}; on Debian: apt-get install {names}"
        )


def find(tool: str) -> str | None:
    """Return the path of a program. Daemons live in sbin, which a user's PATH may lack."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(tool, path=path + os.pathsep + "/usr/sbin")


def file_limit() -> int:
    """Return how many files one of our children may have open, if it may have all it can."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def raise_file_limit() -> None:
    """Lift the soft limit of open files for us and the children to come."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit(), hard))


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with `extra`, without anything that would configure the proxy."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UWSGI_")}
    return {**kept, **extra}


@dataclass
class Daemon:
    """A running program with its log. Use as a context manager, or call `stop`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        log: Path,
        extra: Mapping[str, str] | None = None,
        directory: Path = ROOT,
    ) -> Self:
        """Start `argv`, output to `log`, in a session of its own so that Ctrl-C reaches us first.

        Args:
            extra: environment variables besides ours.
            directory: where it starts.

        Raises:
            BenchError: it cannot be executed.
        """
        try:
            with log.open("wb") as sink:
                popen = subprocess.Popen(
                    argv,
                    cwd=directory,
                    env=environment(extra or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise BenchError(f"{name}: cannot start: {error}") from error
        return cls(name, popen, log)

    @property
    def pid(self) -> int:
        """Of the process that we started; workers are its descendants."""
        return self.popen.pid

    def output(self) -> str:
        """Return all that it has printed so far."""
        return self.log.read_text(errors="replace")

    def check(self) -> None:
        """Raise BenchError, with the end of its log, if it is no longer running."""
        if self.popen.poll() is not None:
            tail = "\n".join(self.output().splitlines()[-8:])
            raise BenchError(f"{self.name}: ended with {self.popen.returncode}\n{tail}")

    def wait_for(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """Return the first match of `pattern` in its output.

        Raises:
            BenchError: it ended, or did not print that in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.output()):
                return match
            self.check()
            time.sleep(_POLL_S)
        raise BenchError(
            f"{self.name}: did not say {pattern!r} in {timeout_s:g} s:\n{self.output()}"
        )

    def wait_until(self, true: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait for something that it does without a word.

        Raises:
            BenchError: it ended, or did not do it in time.
        """
        deadline = time.monotonic() + timeout_s
        while not true():
            self.check()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name}: not ready in {timeout_s:g} s:\n{self.output()}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL for whatever of its family is left after a few seconds."""
        family = measure.identities(self.pid)
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid, started in family:
            if pid != self.pid and measure.start_time(pid) == started:
                _kill(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def stop_all(daemons: Sequence[Daemon]) -> None:
    """End several at once: one after the other, a second of each would add up."""
    with ThreadPoolExecutor(max(len(daemons), 1)) as threads:
        list(threads.map(Daemon.stop, daemons))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

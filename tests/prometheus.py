"""Prometheus for the tests: its tool, and a server that scrapes one target.

Both come with Debian's package `prometheus`. Where that is missing tests are skipped, unless
REQUIRE_PROMETHEUS=1 says, as continuous integration does, that it has to be there.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import wait_until

START_S = 60.0
"""It may be slow to start on a busy machine."""
TRIES = 3


def find(program: str) -> str:
    """Return the path of a program of Prometheus, or skip the test."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not installed (REQUIRE_PROMETHEUS=1 makes this a failure)"
        if os.environ.get("REQUIRE_PROMETHEUS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


def promtool(*arguments: str, data: bytes = b"", cwd: Path | None = None) -> str:
    """Run promtool and return what it says.

    Raises:
        AssertionError: it is not content.
    """
    command = [find("promtool"), *arguments]
    done = subprocess.run(
        command, input=data, cwd=cwd, capture_output=True, timeout=60, check=False
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each sample of an expression, now."""
        query = urllib.parse.urlencode({"query": expression})
        result = self._get(f"/api/v1/query?{query}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def has_scraped(self) -> bool:
        """Whether its target has given it metrics that it can read."""
        targets = self._get("/api/v1/targets")["activeTargets"]
        return [target["health"] for target in targets] == ["up"]

    def types(self) -> dict[str, str]:
        """Return the type of each metric that it has been told of."""
        return {name: facts[0]["type"] for name, facts in self._get("/api/v1/metadata").items()}

    def answers(self) -> bool:
        """Whether it is ready."""
        ready = f"{self.url}/-/ready"
        with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=START_S):
            return True
        return False

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=START_S) as reply:
            return json.load(reply)["data"]


@contextlib.contextmanager
def prometheus(directory: Path, config: str) -> Iterator[Prometheus]:
    """Run a server with this configuration, and end it.

    It takes no listening socket from us: when somebody else has got its port meanwhile, it ends,
    and is started again with another.
    """
    file = directory / "prometheus.yml"
    file.write_text(config)
    for _ in range(TRIES):
        with _running(directory, file) as (process, server):
            wait_until(
                lambda one=process, at=server: one.poll() is not None or at.answers(),  # type: ignore[misc]
                "Prometheus is ready",
                START_S,
            )
            if process.poll() is None:
                yield server
                return
    raise AssertionError((directory / "prometheus.log").read_text())


@contextlib.contextmanager
def _running(directory: Path, file: Path) -> Iterator[tuple[subprocess.Popen[bytes], Prometheus]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        find("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    log = (directory / "prometheus.log").open("wb")
    with log, subprocess.Popen(command, stdout=log, stderr=log, cwd=directory) as process:
        try:
            yield process, Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.wait()

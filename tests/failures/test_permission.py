"""A socket that may not be used: seen by a proxy of another user, since root may use every one."""

import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.errors import PERMISSION_DENIED
from proxy.testing import FakeBackend, respond
from tests.servers import DEADLINE_S, REPOSITORY, Proxy, raw_request

NOBODY = 65534

# Everything is imported first: the other user may not be able to read our files.
AS_NOBODY = f"""
import os, sys
import proxy.process, protocol.http1.h11_engine, protocol.http1.httptools_engine, uvloop
from proxy.cli import main
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def proxy_of_nobody(upstream: str) -> Iterator[Proxy]:
    """Run a proxy as a user who is not root."""
    options = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream)
    process = subprocess.Popen(
        [sys.executable, "-c", AS_NOBODY, *options],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    proxy = None
    try:
        proxy = Proxy(process, 1, admin=True)
        yield proxy
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        if proxy is not None:
            proxy.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that everybody may search; tmp_path is not one."""
    with tempfile.TemporaryDirectory(prefix="uf-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@pytest.mark.parametrize("denied", ["socket", "directory"])
def test_the_line_says_who_may_not_do_what(directory: Path, denied: str) -> None:
    """Path, mode, owner and own uid: what an operator has to compare."""
    inner = directory / "inner"
    inner.mkdir()
    with FakeBackend(respond(), path=inner / "s") as backend:
        culprit = Path(backend.address.path) if denied == "socket" else inner
        culprit.chmod(0)
        with proxy_of_nobody(str(backend.address)) as proxy:
            response = raw_request(
                proxy.address, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
            )
            metrics = raw_request(
                proxy.admin_url.removeprefix("http://"), b"GET /metrics HTTP/1.0\r\n\r\n"
            ).decode()
            facts, owner = culprit.stat(), culprit.owner()
            assert proxy.stop() == 0
        inner.chmod(0o755)
        assert not backend.accepted
    assert response.startswith(b"HTTP/1.1 502 ")
    assert 'errors_total{blame="operator",reason="permission_denied"} 1.0' in metrics
    (line,) = [line for line in proxy.log if "permission_denied" in line]
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    assert f"{culprit} is {stat.filemode(facts.st_mode)} {owner}:{facts.st_gid}, " in line
    assert re.search(rf"this process is uid {uid} gid \d+\)", line)
    assert line.endswith(f"; next: {PERMISSION_DENIED.next_step}")
    (access,) = proxy.access
    assert access.endswith(" permission_denied")

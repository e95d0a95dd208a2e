"""The image with COMPILE=1: what runs for every request is machine code, and it serves.

It takes minutes (mypyc), so it has a mark and a step of CI of its own.
"""

import signal
from pathlib import Path

import pytest

from proxy.exits import Exit
from tests.image.container import ENVIRONMENT, Image, running
from tests.lifecycle.command import ask
from tests.reload.instance import Instance
from tests.test_compiled import ROAD

pytestmark = pytest.mark.image_compiled


def test_it_is_compiled_and_has_no_compiler(compiled: Image) -> None:
    packages = next((compiled.root / "opt/uwsgi-frontend/lib").glob("python3.*/site-packages"))
    for path in ROAD:
        folder, name = packages / Path(path).parent, Path(path).stem
        assert len(list(folder.glob(f"{name}.*.so"))) == 1, path
    assert not list((compiled.root / "usr/bin").glob("*gcc*"))


def test_it_serves_beside_uwsgi_and_drains(compiled: Image, shared: Path, app: Instance) -> None:
    """With a root file system that is closed, as the other one."""
    app.start()
    command = compiled.read_only(shared, ENVIRONMENT, compiled.entrypoint)
    with running(command, compiled.entrypoint[0]) as it:
        assert ask(it.url, "/?id=GET0").status == 200
        assert 'compiled="yes"' in ask(it.admin_url, "/metrics").body.decode()
        it.signal(signal.SIGTERM)
        assert it.end() == Exit.STOPPED

"""The image, built once; a directory to share; uWSGI and the front end on both sides of it."""

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.base import build_base
from tests.image.container import SHARED, Image
from tests.image.machine import pip_places, pip_settings, require
from tests.image.store import Store
from tests.reload.instance import Instance
from tests.reload.journal import Journal
from tests.servers import REPOSITORY

NAME = "localhost/uwsgi-frontend:test"
DOCKERFILE = REPOSITORY / "Dockerfile"


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image and one container of it, in which several processes may run."""
    require()
    directory = Path(tempfile.mkdtemp(prefix="uf-image-"))
    store = Store(directory)
    try:
        begin = time.monotonic()
        build_base(store, directory, _default_base())
        made = time.monotonic()
        _build(store, directory)
        print(f"base {made - begin:.0f} s, image {time.monotonic() - made:.0f} s")
        config = store.inspect(NAME)["config"]
        container = store.container(NAME)
        root = store.mount(container)
        (root / SHARED.removeprefix("/")).mkdir(parents=True, exist_ok=True)
        health = config["Healthcheck"]["Test"]
        yield Image(store, NAME, config["Entrypoint"], health[1:], container, root)
    finally:
        store.close()


def _default_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _build(store: Store, directory: Path) -> None:
    """Build as a user would whose pip needs a configuration."""
    settings = pip_settings()
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (directory / "pip.conf").write_text(f"[global]\n{text}")
    options = ["--secret", f"id=pip,src={directory}/pip.conf"]
    for place in pip_places(settings):
        options += ["--volume", f"{place}:{place}:ro"]
    options += ["--build-arg", f"BASE={_default_base()}", "--network", "host"]
    store.build(DOCKERFILE, REPOSITORY, NAME, options)


@pytest.fixture
def shared() -> Iterator[Path]:
    """The directory in which uWSGI makes its socket; the front end may not write to it."""
    with tempfile.TemporaryDirectory(prefix="uf-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """What the application executes is written here."""
    return Journal(tmp_path)


@pytest.fixture
def app(shared: Path, journal: Journal) -> Iterator[Instance]:
    """A uWSGI that is not started yet. Who has the socket's group can connect."""
    instance = Instance(
        journal,
        shared / "app.sock",
        extra=("--chown-socket", "root:1000", "--chmod-socket=660", "--vacuum"),
    )
    try:
        yield instance
    finally:
        if instance.is_running:
            instance.kill()

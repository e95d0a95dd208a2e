"""The images, each built once; a directory to share, with uWSGI and the front end beside it."""

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.base import COMPILER, build_base
from tests.image.container import SHARED, Image
from tests.image.machine import pip_places, pip_settings, require
from tests.image.store import Store
from tests.reload.instance import Instance
from tests.reload.journal import Journal
from tests.servers import REPOSITORY

NAME = "localhost/uwsgi-frontend:test"
COMPILED = "localhost/uwsgi-frontend:compiled"
BUILDER = "localhost/builder:test"
DOCKERFILE = REPOSITORY / "Dockerfile"


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """Where images are, with a base in it that is called as the Dockerfile expects it."""
    require()
    store = Store(Path(tempfile.mkdtemp(prefix="uf-image-")))
    try:
        with _timed("base"):
            build_base(store, store.directory, _default_base())
        yield store
    finally:
        store.close()


@pytest.fixture(scope="session")
def image(store: Store) -> Image:
    """The image and one container of it, in which several processes may run."""
    with _timed("image"):
        _build(store, NAME)
    return _image(store, NAME)


@pytest.fixture(scope="session")
def compiled(store: Store) -> Image:
    """The same with COMPILE=1, and with a compiler in the image that builds it."""
    with _timed("builder"):
        build_base(store, store.directory, BUILDER, COMPILER)
    with _timed("compiled image"):
        _build(store, COMPILED, COMPILE="1", BUILDER=BUILDER)
    return _image(store, COMPILED)


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begin:.0f} s")


def _image(store: Store, name: str) -> Image:
    config = store.inspect(name)["config"]
    container = store.container(name)
    root = store.mount(container)
    (root / SHARED.removeprefix("/")).mkdir(parents=True, exist_ok=True)
    health = config["Healthcheck"]["Test"]
    return Image(store, name, config["Entrypoint"], health[1:], container, root)


def _default_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _build(store: Store, name: str, **arguments: str) -> None:
    """Build as a user would whose pip needs a configuration."""
    settings = pip_settings()
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (store.directory / "pip.conf").write_text(f"[global]\n{text}")
    options = ["--secret", f"id=pip,src={store.directory}/pip.conf"]
    for place in pip_places(settings):
        options += ["--volume", f"{place}:{place}:ro"]
    for key, value in ({"BASE": _default_base()} | arguments).items():
        options += ["--build-arg", f"{key}={value}"]
    store.build(DOCKERFILE, REPOSITORY, name, [*options, "--network", "host"])


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

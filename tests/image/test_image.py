"""What the image says of itself, what is in it, and who may write where."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy import __version__
from proxy.config.options import BY_ENVIRONMENT
from tests.image.container import Image
from tests.servers import REPOSITORY

pytestmark = pytest.mark.image

TEMPORARY = ("/tmp", "/var/tmp", "/run/lock", "/var/lock")
"""What any Debian lets anybody write to; with a read-only root only what is mounted there."""

LARGEST_BYTES = 40 * 1000 * 1000
"""Of what the image adds to its base."""


def output(image: Image, shared: Path, command: Sequence[str]) -> str:
    done = subprocess.run(
        image.in_chroot(shared, {}, command),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_an_engine_is_told(image: Image) -> None:
    config = image.store.inspect(image.name)["config"]
    assert config["Entrypoint"] == ["/opt/uwsgi-frontend/bin/uwsgi-frontend"]
    assert not config.get("Cmd")
    assert config["User"] == "1000:1000"
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}
    assert config["Healthcheck"]["Test"] == [
        "CMD",
        "/opt/uwsgi-frontend/bin/python",
        "-m",
        "proxy.client.health",
    ]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    names = {one.partition("=")[0] for one in config["Env"]}
    assert {name for name in names if name.startswith("UWSGI_FRONTEND_")} <= set(BY_ENVIRONMENT)


def test_it_is_made_of_what_the_constraints_say(image: Image, shared: Path) -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    wanted = dict(line.split("==") for line in lines if "==" in line)
    list_all = (
        "from importlib.metadata import distributions as d\n"
        "for one in d(): print(one.name, one.version)"
    )
    python = "/opt/uwsgi-frontend/bin/python"
    text = output(image, shared, [python, "-c", list_all])
    there = dict(line.split() for line in text.lower().replace("_", "-").splitlines())
    assert there.pop("uwsgi-frontend") == __version__
    wanted.pop("setuptools")  # builds it, and is not in it
    assert there == wanted
    assert f"uwsgi-frontend {__version__} (CPython " in output(
        image, shared, [*image.entrypoint, "--version"]
    )


def test_nothing_but_temporary_files_can_be_written(image: Image, shared: Path) -> None:
    look = (
        "import os\n"
        "for top, folders, files in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if top != '/' or f not in ('proc', 'sys', 'dev')]\n"
        "    for name in (top, *(os.path.join(top, file) for file in files)):\n"
        "        if not os.path.islink(name) and os.access(name, os.W_OK): print(name)\n"
    )
    found = output(image, shared, ["/opt/uwsgi-frontend/bin/python", "-c", look]).splitlines()
    assert [name for name in found if not name.startswith(TEMPORARY)] == []


def test_everything_is_compiled(image: Image) -> None:
    """With hashes that are not checked: the same sources make the same files."""
    packages = image.root / "opt/uwsgi-frontend/lib"
    sources = {path for path in packages.rglob("*.py") if "__pycache__" not in path.parts}
    compiled = list(packages.rglob("*.pyc"))
    assert len(compiled) == len(sources) > 100
    assert all(path.read_bytes()[4:8] == b"\1\0\0\0" for path in compiled)


def test_it_is_small(image: Image) -> None:
    files = (image.root / "opt/uwsgi-frontend").rglob("*")
    size = sum(path.lstat().st_size for path in files if path.is_file())
    print(f"the image adds {size / 1e6:.1f} MB")
    assert size < LARGEST_BYTES

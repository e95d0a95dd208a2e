"""What this machine must have, and how it reaches its registries: by its own configuration."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = ("buildah", "mmdebstrap", "uwsgi")

_FILE_URL = "file://"


def require() -> None:
    """Skip where the image cannot be built; fail instead where it has to be (REQUIRE_IMAGE=1)."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    reasons = [f"{', '.join(missing)} not installed"] if missing else []
    if os.geteuid() != 0:
        reasons.append("not root, which buildah's chroot isolation needs")
    if not reasons:
        return
    why = f"the image cannot be built here: {'; '.join(reasons)}"
    if os.environ.get("REQUIRE_IMAGE") == "1":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def apt_source() -> tuple[str, str]:
    """Return the name of this Debian's release and the apt source that it comes from."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    fields = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(CREATED_BY)"
    listed = _output("apt-get", "indextargets", "--format", fields).splitlines()
    for line in listed:
        uri, release, component, kind = line.split("|")
        if (release, component, kind) == (codename, "main", "Packages"):
            return codename, f"deb {uri} {codename} main"
    raise AssertionError(f"apt has no source for {codename} main, only: {listed}")


def pip_settings() -> dict[str, str]:
    """Return what pip is told here, by files and by the environment, without constraints.

    Those of the project hold instead.
    """
    settings: dict[str, str] = {}
    lines = _output(sys.executable, "-m", "pip", "config", "list").splitlines()
    for line in sorted(lines, key=lambda text: text.startswith(":env:")):  # which wins
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'").replace("\\n", " ")
    settings.pop("constraint", None)
    return settings


def pip_places(settings: dict[str, str]) -> list[Path]:
    """Return the directories of this machine that pip's settings lead to."""
    places = set()
    for word in " ".join(settings.values()).split():
        path = Path(word.removeprefix(_FILE_URL))
        if path.is_absolute() and path.exists():
            # An index has its files beside it.
            whole = path.is_dir() and not word.startswith(_FILE_URL)
            places.add(path if whole else path.parent)
    return sorted(places)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

"""buildah with a storage of its own, which is gone when the tests are."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUILD_LIMIT_S = 900.0
"""For one command; the slowest downloads packages on a machine that has other work."""

_LIMIT_S = 120.0


class Store:
    """Images and containers below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._buildah = ["buildah", "--root", str(directory / "root")]
        self._buildah += ["--runroot", str(directory / "run")]
        # Layers are mounted where the kernel can do it here, else copied.
        overlay = [*self._buildah, "--storage-driver", "overlay", "info"]
        can = subprocess.run(overlay, capture_output=True, timeout=_LIMIT_S, check=False)
        self._buildah += ["--storage-driver", "vfs" if can.returncode else "overlay"]

    def command(self, *words: str) -> list[str]:
        """Return what runs buildah on this storage."""
        return [*self._buildah, *words]

    def call(self, *words: str, limit_s: float = _LIMIT_S) -> str:
        """Run buildah and return what it prints.

        Raises:
            AssertionError: it has failed; the text has what it said.
        """
        done = subprocess.run(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert not done.returncode, f"buildah {' '.join(words)}:\n{done.stdout}"
        return done.stdout.strip()

    def build(self, file: Path, context: Path, tag: str, options: Sequence[str] = ()) -> None:
        """Build an image. The format is Docker's: the other one has no HEALTHCHECK."""
        words = ["bud", "--isolation", "chroot", "--format", "docker", "--pull-never"]
        words += ["--tag", tag, "--file", str(file), *options, str(context)]
        self.call(*words, limit_s=BUILD_LIMIT_S)

    def inspect(self, image: str) -> dict[str, Any]:
        """Return what a Docker engine would know about an image."""
        facts: dict[str, Any] = json.loads(self.call("inspect", "--type", "image", image))["Docker"]
        return facts

    def container(self, image: str) -> str:
        """Make a container and return its name."""
        return self.call("from", "--pull-never", image).splitlines()[-1]

    def mount(self, container: str) -> Path:
        """Return where the files of a container are; until the storage is closed."""
        return Path(self.call("mount", container))

    def close(self) -> None:
        """Remove everything."""
        for words in (("umount", "--all"), ("rm", "--all"), ("rmi", "--all", "--force")):
            subprocess.run(self.command(*words), capture_output=True, timeout=_LIMIT_S, check=False)
        # The driver keeps its directory mounted on itself.
        left = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in reversed([one for one in left if one.startswith(f"{self.directory}/")]):
            subprocess.run(["umount", place], timeout=_LIMIT_S, check=False)
        # Twice: what an interrupt has left running may still have written something.
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.exists():
            shutil.rmtree(self.directory)

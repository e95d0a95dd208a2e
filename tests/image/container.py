"""The front end out of its image, as a process: started and ended as an engine does it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.image.store import Store
from tests.lifecycle.command import children
from tests.servers import DEADLINE_S, Proxy, wait_until

SHARED = "/run/uwsgi"
"""Where the container has the directory that it shares with uWSGI."""


ENVIRONMENT = {
    "UWSGI_FRONTEND_UPSTREAM": f"unix:{SHARED}/app.sock",
    # Nobody else's ports: with this isolation the network is the machine's.
    "UWSGI_FRONTEND_LISTEN": "127.0.0.1:0",
    "UWSGI_FRONTEND_ADMIN": "127.0.0.1:0",
}


@dataclass(frozen=True)
class Image:
    """What the tests run."""

    store: Store
    name: str
    entrypoint: list[str]
    health: list[str]
    """The command of HEALTHCHECK."""
    container: str
    root: Path
    """The files of the container."""

    def in_chroot(
        self, shared: Path, environment: Mapping[str, str], command: Sequence[str]
    ) -> list[str]:
        """Return what runs a command in the container, as buildah does it."""
        words = ["run", "--isolation", "chroot", "--user", "1000:1000"]
        words += ["--volume", f"{shared}:{SHARED}:ro"]
        for name, value in environment.items():
            words += ["--env", f"{name}={value}"]
        return self.store.command(*words, self.container, "--", *command)

    def read_only(
        self, shared: Path, environment: Mapping[str, str], command: Sequence[str]
    ) -> list[str]:
        """Return what runs a command with a root file system that nobody can write to.

        As `docker run --read-only --tmpfs /tmp` does; buildah's isolation cannot.
        """
        root = self.root
        # A directory to mount on is there already: an engine makes it before the root is closed.
        script = f"""
            set -e
            mount --make-rprivate /
            mount --bind {root} {root}
            mount -o remount,bind,ro {root}
            mount -t tmpfs -o size=64m,mode=1777 tmpfs {root}/tmp
            mount --bind /dev {root}/dev
            mount --bind {shared} {root}{SHARED}
            mount -o remount,bind,ro {root}{SHARED}
            exec setpriv --no-new-privs chroot --userspec=1000:1000 --groups= {root} "$@"
        """
        given = [f"{name}={value}" for name, value in environment.items()]
        path = "PATH=/opt/uwsgi-frontend/bin:/usr/bin:/bin"
        return [
            *("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "unshare", "--mount"),
            *("sh", "-c", script, "sh", "/usr/bin/env", "-i", path, *given, *command),
        ]


class Sidecar(Proxy):
    """A front end that runs in the container."""

    pid: int
    """Of the process that gets the signals: number 1 of a container."""

    def signal(self, number: int) -> None:
        """Do as an engine does that stops the container."""
        os.kill(self.pid, number)

    def end(self) -> int:
        """Wait for its end and return the exit code, which is the container's."""
        code = self.process.wait(DEADLINE_S)
        self.close()
        return code


@contextlib.contextmanager
def running(command: Sequence[str], program: str) -> Iterator[Sidecar]:
    """Run it, and end it with all that belongs to it, whatever happens.

    `program` is in the command line of the process that gets the signals.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    sidecar = None
    try:
        sidecar = Sidecar(process, 1, True)
        sidecar.pid = _find(process.pid, program)
        yield sidecar
    finally:
        for pid in (*children(process.pid), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(DEADLINE_S)
        if sidecar is not None:
            sidecar.close()
        process.stdout.close()
        process.stderr.close()


def _find(parent: int, program: str) -> int:
    """Return the id of the process below `parent` that runs Python with `program`."""

    def candidates() -> list[int]:
        found = []
        for pid in (parent, *children(parent)):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if len(words) > 1 and words[1] == program.encode() and b"python" in words[0]:
                    found.append(pid)
        return found

    wait_until(lambda: len(candidates()) == 1, f"{program} is one process")
    return candidates()[0]

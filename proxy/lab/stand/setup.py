"""What all topologies of a comparison have in common, so that none has more of anything.

The third of the usual mistakes is to compare servers with different numbers of workers or different
queues. Here there is one value for each, every topology is started from it, and it is printed
beside every row.
"""

import importlib.util
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from proxy.lab.processes import ROOT, find
from proxy.worker.command import Uwsgi, find_uwsgi, listen_queue

BUFFER_SIZE = 4096
"""uWSGI's own default of --buffer-size, which is what people meet."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Programs that can take part."""

    uwsgi: Uwsgi | None = None
    gunicorn: bool = False
    nginx: str = ""
    """Its path; empty without one."""

    @classmethod
    def look(cls) -> Self:
        """Find out. Starts uWSGI once, which takes a moment."""
        gunicorn = importlib.util.find_spec("gunicorn") is not None
        return cls(find_uwsgi(), gunicorn, find("nginx") or "")


@dataclass(frozen=True, slots=True)
class Tls:
    """What a server needs to speak TLS, and its clients to trust it."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Setup:
    """The same for everybody."""

    place: Path
    """A folder of this run, for sockets and logs."""
    app: str = ""
    """`package.module:callable`; empty for a small one of the lab's own."""
    directory: Path = field(default_factory=Path.cwd)
    """Where it is looked for, and where it runs."""
    processes: int = 2
    backlog: int = field(default_factory=listen_queue)
    """Listen queue of each listening socket."""
    installed: Installed = field(default_factory=Installed)
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """By which the servers of this run are told from those of others."""
    socket_bytes: int = 0
    """Of the send and receive buffer of each socket that clients or a front end connect to; 0:
    the kernel's."""
    tls: Tls | None = None
    """What clients connect to speaks TLS."""
    foreign: bool = False
    """Whether uWSGI has a Python of its own, without our packages and the user's."""

    def environment(self) -> dict[str, str]:
        """Return what the application's process finds in its environment besides ours."""
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
        return {
            "LAB_APP": self.app,
            "LAB_PATH": str(self.directory),
            "LAB_TOKEN": self.token,
            "PYTHONPATH": path,
            "TMPDIR": str(self.place),
        }

    def within(self, name: str) -> Self:
        """Return the same for a new folder inside this one."""
        place = self.place / name
        place.mkdir(parents=True, exist_ok=True)
        return replace(self, place=place)

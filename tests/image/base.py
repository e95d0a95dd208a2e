"""A base image like the official one: this machine's Debian, Python with venv, and no more.

Packages are unpacked, not configured: what their scripts would do (links, caches) nobody needs
here, and it takes longer than everything else.
"""

import os
import subprocess
from pathlib import Path

from tests.image.machine import apt_source
from tests.image.store import BUILD_LIMIT_S, Store

PACKAGES = (
    *("python3-minimal", "python3-venv", "dash", "coreutils", "libc-bin"),
    *("base-files", "base-passwd"),
)

COMPILER = ("gcc", "libc6-dev", "python3-dev")
"""What a base has on top that modules can be compiled in."""

# Compiled by use, as the official image is when it is made: nobody can write it down later.
_USED = "asyncio, argparse, ctypes, email.utils, http.client, importlib.metadata, logging, ssl"

_DOCKERFILE = f"""\
FROM scratch
ADD base.tar /
RUN mkdir -p /usr/local/bin /run \\
    && ln -s /usr/bin/python3 /usr/local/bin/python \\
    && cp /usr/share/base-passwd/passwd.master /etc/passwd \\
    && cp /usr/share/base-passwd/group.master /etc/group \\
    && python3 -c "import {_USED}"
CMD ["python3"]
"""


def build_base(store: Store, directory: Path, tag: str, extra: tuple[str, ...] = ()) -> None:
    """Make the image in `directory`, with extra packages in it, and give it its tag."""
    codename, source = apt_source()
    files = directory / "base.tar"
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    command = ["mmdebstrap", "--quiet", "--variant=extract", *left_out]
    command += ["--include", ",".join(PACKAGES + extra), codename, str(files), "-"]
    directory.chmod(0o711)  # apt downloads as a user without rights
    done = subprocess.run(
        command,
        input=source,
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    assert not done.returncode, done.stdout
    (directory / "Dockerfile").write_text(_DOCKERFILE)
    store.build(directory / "Dockerfile", directory, tag)
    files.unlink()

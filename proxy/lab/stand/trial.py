"""Import the user's application once, before anything is started: a mistake in it is said once.

Without this each topology would say so in its own way, a dozen times. It is imported by a process
of its own, with the environment and the directory that the servers will have.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from proxy.lab.processes import environment
from proxy.lab.stand.setup import Setup
from proxy.worker import target
from proxy.worker.target import WorkerError

LIMIT_S = 60.0
_CODE = "import sys; from proxy.lab.stand.trial import main; main(*sys.argv[1:])"


def try_app(app: str, directory: Path) -> None:
    """See that the application can be imported.

    Raises:
        WorkerError: it cannot; the text says why in one line, its `traceback` where.
    """
    target.check(app, str(directory))
    with tempfile.TemporaryDirectory(prefix="lab-") as place:
        setup, reason = Setup(Path(place), app, directory), Path(place, "reason")
        argv = [sys.executable, "-c", _CODE, app, str(directory), str(reason)]
        try:
            subprocess.run(
                argv, cwd=directory, env=environment(setup.environment()), timeout=LIMIT_S,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise WorkerError(f"{app}: its import takes more than {LIMIT_S:g} s") from None
        if reason.exists():
            text, _, trace = reason.read_text(encoding="utf-8").partition("\n")
            raise WorkerError(text, trace)


def main(app: str, directory: str, reason: str) -> None:
    """Import it, and leave the reason in a file if that does not work."""
    try:
        target.load(app, directory)
    except WorkerError as error:
        target.report(error, reason)

"""The first code of a worker process: tie its life to the parent's, then become the worker.

    python launch.py PARENT_PID pyuwsgi OPTIONS...     uWSGI from the pyuwsgi package
    python launch.py PARENT_PID exec PROGRAM ARGS...   any other program
    python launch.py PARENT_PID builtin ARGS...        the built-in worker

It runs as a script, by its path, so that it works from wherever the package was imported. pyuwsgi
re-executes it on reload with the same arguments, and the tie is renewed.
"""

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel for SIGINT (both workers: stop at once) when the parent ends, however it ends.

    Linux only (prctl(2)); elsewhere a parent that is killed leaves its worker behind. What the
    kernel watches is the *thread* that started this process.
    """
    # Ignored it is in what a script puts in the background.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        raise SystemExit("worker: the proxy has gone")


def main(argv: list[str]) -> None:
    """Become what `argv` (without the program) says; never returns for uWSGI."""
    _forget_own_directory()
    parent, kind, *rest = argv
    die_with(int(parent))
    if kind == "exec":
        os.execv(rest[0], rest)
    elif kind == "pyuwsgi":
        import pyuwsgi

        # sys.argv stays as it is: on reload uWSGI executes it again.
        pyuwsgi.run(rest)
    else:
        if importlib.util.find_spec("proxy") is None:
            sys.path.append(str(Path(__file__).resolve().parents[2]))
        from proxy.worker.builtin import main as run_builtin

        raise SystemExit(run_builtin(rest))


def _forget_own_directory() -> None:
    """Drop this file's directory from the search path, or its modules would hide the user's."""
    if sys.path and Path(sys.path[0] or ".").resolve() == Path(__file__).resolve().parent:
        del sys.path[0]


if __name__ == "__main__":
    main(sys.argv[1:])

"""A child process that begins anew with what this one has loaded.

Forked, not started: a worker that replaces a dead one is then the same program with the same
settings, whatever has happened to files and environment since, and is there at once. To be called
while no event loop runs and no other thread exists. The child never returns from here: what belongs
to its parent stays referenced and is never touched again.
"""

import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterable

_STDERR = 2
_MOST_DESCRIPTORS = 65536
"""Looked at where the system does not list the open ones."""

IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
"""A terminal sends these to all processes of a group. The parent gets them, too, and decides."""


def fork(main: Callable[[], int], keep: Collection[int]) -> int:
    """Run `main` in a child, which ends with the code that it returns; return the child's id.

    Args:
        keep: descriptors that the child is to have, besides the standard ones.

    Raises:
        OSError: there can be no more processes.
    """
    _flush()
    # A signal that comes before the child has its own handlers would be heard by the parent, too.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _run(main, keep, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _run(main: Callable[[], int], keep: Collection[int], mask: Iterable[int]) -> None:
    code = 1
    try:
        gc.freeze()  # nothing of the parent is ever collected here
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        close_all_but(keep)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = main()
    except BaseException:  # whatever it is, the child must not go on as its parent
        os.write(_STDERR, traceback.format_exc().encode())
    finally:
        logging.shutdown()
        _flush()
        os._exit(code)


def close_all_but(keep: Collection[int]) -> None:
    """Close all descriptors but the standard ones and these."""
    for fd in _open_descriptors():
        if fd > _STDERR and fd not in keep:
            with contextlib.suppress(OSError):
                os.close(fd)


def _open_descriptors() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return range(min(limit, _MOST_DESCRIPTORS))


def _flush() -> None:
    """Write what is buffered, lest the child writes it once more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def describe_end(status: int) -> str:
    """Say how a process ended, from the status of `os.waitpid`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"

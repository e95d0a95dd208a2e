"""The load generator: a process of its own, so that its CPU time is never counted as a server's.

`python -m proxy.lab.load` reads a `Plan` as a line of JSON, runs it and prints a `Load` as a line,
until its input ends. An empty line is answered with `{}`, to tell that it is there. With `slow` as
its argument it plays slow clients instead (see `slow`).
"""

import ctypes
import json
import resource
import signal
import sys
from collections.abc import Sequence

from proxy.lab.load import slow
from proxy.lab.load.latency import MissingPackage
from proxy.lab.load.loops import loop_of
from proxy.lab.load.plan import Plan

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29


def main(argv: Sequence[str] | None = None) -> int:
    """Run loads. One whose server cannot be reached at all is answered with an `error`."""
    words = sys.argv[1:] if argv is None else argv
    for line in iter(sys.stdin.readline, ""):
        try:
            if "slow" in words:
                slow.play(slow.SlowPlan.from_json(line), sys.stdin, sys.stdout)
                break
            if not line.strip():
                print("{}", flush=True)
                continue
            print(loop_of(Plan.from_json(line)).run().to_json(), flush=True)
        except (OSError, MissingPackage) as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
    return 0


def settle_in() -> None:
    """Ask the kernel for timers without slack, all the files there may be, and an end with ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started us
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


if __name__ == "__main__":
    settle_in()
    sys.exit(main())

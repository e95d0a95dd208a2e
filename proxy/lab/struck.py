"""A worker that is killed while it works on a request, and what becomes of that request.

Under the load of the scenario most workers are idle at any moment, and who is killed idle loses
nothing. So the lab sends a request of its own that takes long, and kills the worker that is at it.
Which one that is the application says in a file: what it would answer, a front end holds back. Who
is killed leaves the file behind; so a worker that was done before, as where the lab stood still
meanwhile, is told from one that was struck, and another request is sent.

One request may be repeated by whoever stands before the worker (GET), the other may not (POST).
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from proxy.lab import probes
from proxy.lab.load.ask import Wanted
from proxy.lab.probes import Probe, Seen
from proxy.lab.processes import BenchError
from proxy.lab.report.results import Sample
from proxy.lab.report.verdict import STRUCK
from proxy.lab.stand.app import MARK
from proxy.lab.stand.topologies import Stand

METHODS = ("GET", "POST")
WORK_MS = 600
"""How long the request takes; it is at its beginning when its worker is killed."""
_POLL_S = 0.002
PATIENCE_S = 12.0
"""To get to a worker. A front end may answer at once that nobody is there: nginx takes whoever has
failed out for ten seconds, and before single workers that may be all of them."""
_PAUSE_S = 0.05


def strike(stand: Stand, method: str) -> Seen:
    """Kill the worker that works on a request of this method, and say what its client saw.

    Raises:
        BenchError: no worker of this stand came to it.
    """
    body = "zeros:10" if method == "POST" else ""
    probe = Probe(f"{STRUCK}{method}", Wanted(f"/.lab/work/{WORK_MS}", method, body=body))
    give_up = time.monotonic() + PATIENCE_S
    while True:
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(probes.ask, stand.port, probe)
            mark = _at_work(stand.setup.place, method, asked)
            hit = mark is not None and _kill(stand, mark)
            seen = asked.result()
        for each in _marks(stand.setup.place, method):
            each.unlink(missing_ok=True)  # of the dead, who does not take it away
        if hit:
            return seen
        if time.monotonic() > give_up:
            got = seen.status or seen.outcome
            raise BenchError(
                f"no worker was seen at a {method} of {probe.wanted.path} within {PATIENCE_S:g} s; "
                f"the last one got: {got}"
            )
        time.sleep(_PAUSE_S)


def _at_work(place: Path, method: str, asked: Future[Seen]) -> Path | None:
    """Wait until a worker is at it and return its mark; None if there was an answer before."""
    while not asked.done():
        for mark in _marks(place, method):
            return mark
        time.sleep(_POLL_S)
    return None


def _kill(stand: Stand, mark: Path) -> bool:
    """Kill the worker that has made this mark; return whether it was still at work."""
    stand.kill_worker(int(mark.name.rpartition("-")[2]))
    return mark.exists()


def _marks(place: Path, method: str) -> Iterator[Path]:
    return place.rglob(f"{MARK}{method}-*")


def note(sample: Sample, method: str, seen: Seen) -> None:
    """Write it down, as single requests are."""
    name = f"{STRUCK}{method}"
    sample.values[f"{name}:asked"] = 1
    sample.values[f"{name}:ok"] = seen.outcome == "ok"
    sample.values[f"{name}:answered"] = seen.status > 0
    sample.notes.append(f"{name}: {seen.status or seen.outcome}")

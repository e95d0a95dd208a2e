"""Put one workload on one running front end and return what it cost.

CPU time is read just before and just after the load; the generator is a process of its own that
has ended by then, so its time is known from the kernel as well.
"""

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.app import HELLO, PAGE_64K
from benchmarks.clients import HOST
from benchmarks.contests import Contest, Contestant, Stand, generate
from benchmarks.frontends import Backend, Frontend
from benchmarks.results import Sample
from benchmarks.tally import GOOD
from benchmarks.workloads import SLOW_BYTES_PER_S, UPLOAD_BYTES, Workload
from proxy.lab import measure
from proxy.lab.load import wrk
from proxy.lab.processes import ROOT, BenchError, file_limit

SCRIPTS = Path(__file__).resolve().parent / "scripts"
WARM_REQUESTS = 100
_PAGES = {"/hello": HELLO, "/64k": PAGE_64K}
_SPARE_FILES = 200


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int = 5
    seconds: int = 3
    """Of one wrk run; wrk takes whole seconds."""
    transfers: int = 20
    """Huge replies of one round."""
    slow_seconds: float = 10.0
    contest_seconds: float = 8.0
    """For which load is sent to each contestant of a contest."""
    warm: bool = True
    """Whether the first round is preceded by a second of load that is thrown away."""

    def rounds_of(self, workload: Workload | Contest) -> int:
        """Return how many rounds; the long ones, which do not drift, get fewer."""
        return {"idle": min(self.rounds, 3), "slow": 1}.get(workload.kind, self.rounds)


class Meter:
    """CPU clocks of everybody concerned, started when made."""

    def __init__(self, frontend: Frontend, *backends: Backend) -> None:
        self._frontend = frontend.daemon.pid
        self._backends = [each.daemon.pid for each in backends]
        self._before = self._read()

    def sample(self, **counted: Any) -> Sample:
        """Return a sample of what was counted, with the cost since the start."""
        now = self._read()
        front, back, generator, used, stolen, own = (
            after - before for before, after in zip(self._before, now, strict=True)
        )
        held = measure.memory(self._frontend)
        return Sample(
            frontend_cpu_s=round(front, 3),
            backend_cpu_s=round(back, 3),
            generator_cpu_s=round(generator, 3),
            other_cpu_s=round(max(0.0, used - front - back - generator - own), 3),
            stolen_s=round(stolen, 3),
            rss_kb=held.rss_kb,
            pss_kb=held.pss_kb,
            peak_kb=held.peak_kb,
            **counted,
        )

    def _read(self) -> tuple[float, ...]:
        machine = measure.busy()
        return (
            measure.cpu_seconds(self._frontend),
            sum(measure.cpu_seconds(pid) for pid in self._backends),
            measure.generator_cpu_seconds(),
            machine.used_s,
            machine.stolen_s,
            time.process_time(),
        )


def drive(workload: Workload, frontend: Frontend, backend: Backend, effort: Effort) -> Sample:
    """Measure one round.

    Raises:
        BenchError: the front end or the generator failed; counted errors are no failure.
    """
    run = {"load": _load, "transfer": _transfer, "idle": _idle, "slow": _slow}[workload.kind]
    backend = frontend.own or backend
    sample = run(workload, frontend, backend, effort)
    frontend.daemon.check()
    backend.daemon.check()
    return sample


def compete(
    contest: Contest, contestant: Contestant, stand: Stand, seconds: float, seed: int
) -> Sample:
    """Measure one round of one contestant; the same seed asks every contestant the same.

    Raises:
        BenchError: something ended; failed requests are counted.
    """
    meter = Meter(stand.frontend, *stand.backends)
    said = generate(contest, contestant, stand.frontend.port, seconds, seed)
    times, outcomes = said["latency_us"], said["outcomes"]
    return meter.sample(
        seconds=said["seconds"],
        elapsed_s=round(said["elapsed_s"], 3),
        requests=said["in_time"],
        answered=outcomes.get(GOOD, 0),
        errors={kind: count for kind, count in outcomes.items() if kind != GOOD},
        p50_us=times["p50"],
        p95_us=times["p95"],
        p99_us=times["p99"],
        max_us=times["max"],
        quick_us=said["quick_us"] if contest.slow_percent else {},
        late_p99_us=said["late_us"]["p99"],
    )


def warm(workload: Workload, frontend: Frontend, effort: Effort) -> None:
    """Check one answer, then make enough requests that nothing is done for the first time later.

    Raises:
        BenchError: the answer is wrong.
    """
    try:
        _ask_often(workload, frontend.port)
    except (OSError, http.client.HTTPException) as error:
        frontend.daemon.check()
        raise BenchError(f"{frontend.name}: {type(error).__name__}: {error}") from error
    if effort.warm and workload.kind == "load":
        _wrk(workload, frontend, 1)


def _ask_often(workload: Workload, port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        if workload.script == "upload.lua":
            _expect(connection, "POST", "/upload", b"%d\n" % UPLOAD_BYTES, bytes(UPLOAD_BYTES))
        path = workload.path if workload.path in _PAGES else "/hello"
        for _ in range(WARM_REQUESTS):
            _expect(connection, "GET", path, _PAGES[path])
    finally:
        connection.close()


def _expect(
    connection: http.client.HTTPConnection, method: str, path: str, answer: bytes, body: bytes = b""
) -> None:
    connection.request(method, path, body or None)
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200 or text != answer:
        raise BenchError(f"{method} {path}: {reply.status} {text[:200]!r} instead of {answer!r}")


def _wrk(workload: Workload, frontend: Frontend, seconds: int) -> wrk.WrkResult:
    url = f"http://{HOST}:{frontend.port}{workload.path}"
    script = SCRIPTS / workload.script if workload.script else None
    return wrk.run(url, workload.connections, seconds, workload.headers, script)


def _load(workload: Workload, frontend: Frontend, backend: Backend, effort: Effort) -> Sample:
    meter = Meter(frontend, backend)
    found = _wrk(workload, frontend, effort.seconds)
    return meter.sample(
        seconds=round(found.seconds, 4),
        requests=found.requests,
        body_bytes=found.requests * workload.body_bytes,
        p50_us=found.p50_us,
        p99_us=found.p99_us,
        errors=found.errors,
    )


def _transfer(workload: Workload, frontend: Frontend, backend: Backend, effort: Effort) -> Sample:
    meter = Meter(frontend, backend)
    with _client("read", frontend, workload, "--count", str(effort.transfers)) as client:
        said = _answer(client)
    return meter.sample(
        seconds=round(said["seconds"], 4), requests=said["requests"], body_bytes=said["bytes"]
    )


def _slow(workload: Workload, frontend: Frontend, backend: Backend, effort: Effort) -> Sample:
    meter = Meter(frontend, backend)
    rate = ("--rate", str(SLOW_BYTES_PER_S), "--seconds", str(effort.slow_seconds))
    with _client("slow", frontend, workload, *rate) as client:
        said = _answer(client)
    return meter.sample(
        seconds=round(said["seconds"], 4), requests=said["requests"], body_bytes=said["bytes"]
    )


def _idle(workload: Workload, frontend: Frontend, backend: Backend, effort: Effort) -> Sample:
    count = min(workload.count, file_limit() - _SPARE_FILES)
    before = measure.memory(frontend.daemon.pid)
    meter = Meter(frontend, backend)
    began = time.perf_counter()
    with _client("idle", frontend, workload, "--count", str(count)) as client:
        opened = int(_answer(client)["open"])
        sample = meter.sample(
            seconds=round(time.perf_counter() - began, 4),
            requests=opened,
            idle_connections=opened,
            pss_before_kb=before.pss_kb,
        )
        assert client.stdin is not None
        client.stdin.write(b"\n")
        client.stdin.flush()
        kept = int(_answer(client)["still_open"])
    if kept < opened:
        # Memory of closed connections would be counted as if they were open.
        raise BenchError(f"{frontend.name}: closed {opened - kept} of {opened} idle connections")
    return sample


class _Client(subprocess.Popen[bytes]):
    """One of `benchmarks.clients`, killed if it outlives its use."""

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self.kill()
        super().__exit__(*error)


def _client(what: str, frontend: Frontend, workload: Workload, *more: str) -> _Client:
    argv = [sys.executable, "-m", "benchmarks.clients", what, str(frontend.port), workload.path]
    pipe = subprocess.PIPE
    return _Client([*argv, *more], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)


def _answer(client: _Client) -> dict[str, Any]:
    """Return the next line that a client prints; the client bounds its own waiting."""
    assert client.stdout is not None
    assert client.stderr is not None
    line = client.stdout.readline()
    if not line:
        raise BenchError(
            client.stderr.read().decode(errors="replace").strip() or "client: no answer"
        )
    said: dict[str, Any] = json.loads(line)
    return said

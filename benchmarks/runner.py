"""One run from start to stop: bring everything up, go round, collect, take everything down.

Within a round the variants are measured one directly after the other, in the orders of
`proxy.lab.turns`, so that a machine that gets slower or faster slows or speeds all of them.
"""

import importlib.metadata
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contests import Contest, set_up
from benchmarks.drive import Effort, compete, drive, warm
from benchmarks.frontends import Application, Backend, Frontend, start, start_backend
from benchmarks.report import lines
from benchmarks.results import CONTROL, TWINS, Report, Sample, WorkloadResult
from benchmarks.workloads import Workload
from proxy.lab import measure
from proxy.lab.processes import ROOT, BenchError, find, raise_file_limit
from proxy.lab.turns import turn

Say = Callable[[str], None]
_PACKAGES = ("uwsgi-frontend", "uvloop", "httptools", "h11", "prometheus-client", "pyuwsgi")


@dataclass
class Run:
    """What stays the same through a run."""

    backend: Backend | None
    """None when nothing but contests is run: they bring their own."""
    place: Path
    effort: Effort
    frontends: tuple[str, ...]
    """Which of proxy and nginx; what is there only for context is left out when one is missing."""
    proxy_args: tuple[str, ...]
    report: Report
    started: int = 0
    compiled: bool = False
    """Whether the compiled build is measured, too."""

    def start(self, backend: Backend, name: str, upstream: str) -> Frontend:
        """Start a variant in a new folder; remember how it was configured."""
        folder = self.folder(name)
        extra = self.proxy_args if name in (*TWINS, *TWINS.values()) else ()
        frontend = start(name, folder, backend, upstream, extra)
        if name != CONTROL:
            self.note(name, frontend.config.replace(folder.name, name))
        return frontend

    def folder(self, name: str) -> Path:
        """Return a new folder for a variant; it does not exist yet."""
        self.started += 1
        return self.place / f"{name}-{self.started}"

    def note(self, name: str, config: str) -> None:
        """Remember how something was configured; the first one counts."""
        shown = re.sub(r"127\.0\.0\.1:[1-9]\d*", "127.0.0.1:PORT", config)
        self.report.configs.setdefault(name, shown)

    def variants(self, workload: Workload) -> list[str]:
        """Return what is compared in a workload."""
        context = workload.context if len(self.frontends) > 1 else ()
        names = [*self.frontends, *context]
        twins = TWINS.items() if self.compiled else ()
        return names + [twin for name, twin in twins if name in names]


def run(
    workloads: Sequence[Workload | Contest],
    frontends: Sequence[str],
    effort: Effort,
    say: Say,
    proxy_args: Sequence[str] = (),
    *,
    compiled: bool = False,
    keep: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Measure everything and return the report; all that was started has ended by then.

    After each workload `keep` gets what there is so far, which an interruption would take along.

    Raises:
        BenchError: uWSGI, without which nothing can be measured, did not start.
    """
    began = time.monotonic()
    raise_file_limit()
    report = Report(
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        quick=not effort.warm,
        rounds=effort.rounds,
        seconds=effort.seconds,
        machine=measure.machine(),
        versions=versions(),
    )
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        backend = None
        if any(isinstance(each, Workload) for each in workloads):
            backend = stack.enter_context(start_backend(place / "uwsgi"))
            report.configs["uwsgi"] = backend.config
        this = Run(backend, place, effort, tuple(frontends), tuple(proxy_args), report)
        this.compiled = compiled
        for workload in workloads:
            result = _measure(this, workload)
            report.workloads.append(result)
            report.run_seconds = round(time.monotonic() - began, 1)
            say(tell(result))
            keep(report)
    return report


def tell(result: WorkloadResult) -> str:
    """Return a finished workload as lines for the terminal."""
    return "\n".join(lines(result))


def versions() -> dict[str, str]:
    """Return the version of everything that takes part."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for tool in ("nginx", "wrk"):
        if match := re.search(r"nginx/\S+|wrk \S+", _output(find(tool) or tool, "-v")):
            found[tool] = re.split(r"[/ ]", match[0], maxsplit=1)[1]
    return found


def _measure(this: Run, workload: Workload | Contest) -> WorkloadResult:
    result = WorkloadResult(workload.name, workload.title, workload.kind, workload.detail)
    if isinstance(workload, Contest):
        _measure_contest(this, workload, result)
        return result
    assert this.backend is not None
    if workload.fresh:
        _measure_fresh(this, this.backend, workload, result)
    else:
        _measure_kept(this, this.backend, workload, result)
    return result


def _measure_kept(this: Run, backend: Backend, workload: Workload, result: WorkloadResult) -> None:
    """All variants run through all rounds; only one is under load at a time."""
    with ExitStack() as stack:
        if workload.processes != backend.processes:
            runs = Application(processes=workload.processes)
            backend = stack.enter_context(start_backend(this.folder("uwsgi"), runs))
            this.note(f"uwsgi, {workload.name}", backend.config)
        running: dict[str, Frontend] = {}
        for name in this.variants(workload):
            with _noting(result, name):
                running[name] = stack.enter_context(this.start(backend, name, workload.upstream))
                warm(workload, running[name], this.effort)
        for at in range(this.effort.rounds_of(workload)):
            samples: dict[str, Sample] = {}
            for name in turn(list(running), at):
                if name not in result.failed:
                    with _noting(result, name):
                        samples[name] = drive(workload, running[name], backend, this.effort)
            result.rounds.append(samples)


def _measure_fresh(this: Run, backend: Backend, workload: Workload, result: WorkloadResult) -> None:
    """Each variant is started anew for every round, alone."""
    for at in range(this.effort.rounds_of(workload)):
        samples: dict[str, Sample] = {}
        for name in turn(this.variants(workload), at):
            if name in result.failed:
                continue
            with _noting(result, name), this.start(backend, name, workload.upstream) as frontend:
                warm(workload, frontend, this.effort)
                samples[name] = drive(workload, frontend, backend, this.effort)
        result.rounds.append(samples)


def _measure_contest(this: Run, contest: Contest, result: WorkloadResult) -> None:
    """Each contestant is started anew for every round with its own uWSGI, alone.

    The round's number is the seed: all contestants of a round are asked the same.
    """
    for at in range(this.effort.rounds_of(contest)):
        samples: dict[str, Sample] = {}
        for name in turn(contest.names(this.frontends), at):
            if name in result.failed:
                continue
            place = this.folder(name)
            contestant = contest.find(name)
            with _noting(result, name), set_up(contest, contestant, place, this.proxy_args) as up:
                seconds = this.effort.contest_seconds
                samples[name] = compete(contest, contestant, up, seconds, at + 1)
                this.note(f"{contest.name}, {name}", up.config)
        result.rounds.append(samples)


@contextmanager
def _noting(result: WorkloadResult, name: str) -> Iterator[None]:
    """Write down that a variant failed here, and go on with the others."""
    try:
        yield
    except BenchError as error:
        result.failed[name] = str(error)


def _commit() -> str:
    """Return the short commit that is measured, with `+` when files differ; empty if unknown."""
    commit = _output("git", "rev-parse", "--short", "HEAD").strip()
    if not re.fullmatch(r"[0-9a-f]{6,}", commit):
        return ""
    changed = _output("git", "status", "--porcelain", "--", "proxy", "protocol", "benchmarks/*.py")
    return commit + ("+" if changed.strip() else "")


def _output(*argv: str) -> str:
    """Return what a command prints; empty if there is no such command."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, cwd=ROOT, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr

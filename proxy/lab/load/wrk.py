"""wrk as a load generator: one run of it, what its report says, and a closed loop of a plan.

wrk keeps a fixed number of connections busy: it finds the speed at which the server is saturated,
and its percentiles are those of a saturated server. docs/benchmarks.md repeats this where the
numbers stand. One generator thread, so that the generator takes at most one core.

It takes less CPU time than our own generator, and tells less: every status above 399 is one class
(`status`), and of a connection only that reading or writing failed. It takes whole seconds.
"""

import math
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.lab import measure
from proxy.lab.load.plan import GOOD, Load, Plan, warnings_of
from proxy.lab.processes import BenchError, find

_GRACE_S = 20.0
_SCRIPT = """\
local asked = {{
{lines}
}}
local at = 0
function request()
  at = at % #asked + 1
  return asked[at]
end
"""
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}


@dataclass(frozen=True, slots=True)
class WrkResult:
    """Of one run."""

    requests: int
    """Responses received whole, those with an error status included."""
    seconds: float
    p50_us: float
    p99_us: float
    p90_us: float = 0.0
    mean_us: float = 0.0
    max_us: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    """By kind: connect, read, write, timeout, status (above 399); only those that happened."""


def parse(text: str) -> WrkResult:
    """Read what `wrk --latency` prints.

    Raises:
        BenchError: that is not a report of wrk.
    """
    total = re.search(r"^\s*(\d+) requests in ", text, re.MULTILINE)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    if total is None or rate is None:
        raise BenchError(f"wrk: no result in its output:\n{text}")
    requests = int(total[1])
    # The printed duration has two decimals at best; the rate has more digits.
    seconds = requests / float(rate[1]) if float(rate[1]) else 0.0
    return WrkResult(
        requests=requests,
        seconds=seconds,
        p50_us=_percentile_us(text, 50),
        p99_us=_percentile_us(text, 99),
        p90_us=_percentile_us(text, 90),
        mean_us=_latency_us(text, 0),
        max_us=_latency_us(text, 2),
        errors=_errors(text),
    )


def run(
    url: str,
    connections: int,
    seconds: int,
    headers: Sequence[str] = (),
    script: Path | None = None,
) -> WrkResult:
    """Drive `url` for whole `seconds` and return what was counted.

    Args:
        headers: `Name: value`, each sent with every request.
        script: in Lua, or None.

    Raises:
        BenchError: wrk failed, hung, or printed something else.
    """
    argv = [find("wrk") or "wrk", "--latency", "--timeout", "10s"]
    argv += ["-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    if script is not None:
        argv += ["-s", str(script)]
    for header in headers:
        argv += ["-H", header]
    try:
        done = subprocess.run(
            [*argv, url], capture_output=True, text=True, timeout=seconds + _GRACE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"wrk: no end after {seconds + _GRACE_S:g} s") from error
    if done.returncode:
        raise BenchError(f"wrk: ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return parse(done.stdout)


def load(plan: Plan) -> Load:
    """Run a closed loop of a plan; its requests take turns.

    Raises:
        BenchError: wrk failed, hung, or printed something else.
    """
    url = f"http://{plan.host}:{plan.port}/"
    before = measure.generator_cpu_seconds()
    with tempfile.TemporaryDirectory(prefix="lab-wrk-") as place:
        path = Path(place, "requests.lua")
        path.write_text(script(plan), encoding="ascii")
        found = run(url, plan.clients, max(math.ceil(plan.seconds), 1), script=path)
    cpu_s = measure.generator_cpu_seconds() - before
    errors = dict(found.errors)
    closed = 0 if plan.keep_alive else errors.pop("read", 0)
    failed = sum(errors.values())
    good = found.requests - errors.get("status", 0)
    seconds = found.seconds or plan.seconds
    outcomes = {GOOD: good, **errors}
    warnings = warnings_of(plan, cpu_s, seconds, 0.0)
    if closed:
        # It goes on with a connection until it reads that it was closed, and counts that.
        warnings.append(
            f"wrk counted {closed} failed reads, which where nobody keeps connections it cannot "
            "tell from closed ones; they are left out"
        )
    return Load(
        seconds=seconds,
        sent=good + failed,
        outcomes={kind: count for kind, count in outcomes.items() if count},
        statuses={},
        in_time=good,
        latency_us={
            "p50": found.p50_us, "p90": found.p90_us, "p99": found.p99_us,
            "mean": found.mean_us, "max": found.max_us,
        },
        service_us={},
        late_us={"p99": 0.0},
        histogram="",
        cpu_s=round(cpu_s, 4),
        warnings=warnings,
    )  # fmt: skip


def script(plan: Plan) -> str:
    """Return a script that sends the requests of a plan, byte by byte as our own generator does."""
    host = f"{plan.host}:{plan.port}"
    wires = [
        each.encode(host, plan.keep_alive) for each in plan.requests for _ in range(each.weight)
    ]
    return _SCRIPT.format(lines=",\n".join(f'"{_quoted(wire)}"' for wire in wires))


def _quoted(data: bytes) -> str:
    """Return bytes as a Lua string holds them."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in data
    )


def _latency_us(text: str, column: int) -> float:
    """Return Avg (0), Stdev (1) or Max (2) of the latencies in microseconds; 0 without."""
    match = re.search(r"^\s*Latency\s+(\S+)\s+(\S+)\s+(\S+)", text, re.MULTILINE)
    return _us(match[column + 1]) if match else 0.0


def _us(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    return float(match[1]) * _UNITS_US[match[2]] if match else 0.0


def _percentile_us(text: str, percent: int) -> float:
    """Return one line of the latency distribution in microseconds; 0 if wrk gave none."""
    match = re.search(rf"^\s*{percent}%\s+(\S+)\s*$", text, re.MULTILINE)
    return _us(match[1]) if match else 0.0


def _errors(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    if match := re.search(r"Socket errors: (.+)", text):
        for kind, count in re.findall(r"(\w+) (\d+)", match[1]):
            found[kind] = int(count)
    if match := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        found["status"] = int(match[1])
    return {kind: count for kind, count in found.items() if count}

"""One run of wrk, and what its report says.

wrk keeps a fixed number of connections busy (a closed loop): it finds the speed at which the server
is saturated, and its percentiles are those of a saturated server. docs/benchmarks.md repeats this
where the numbers stand. One generator thread, so that the generator takes at most one core.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proxy.lab.processes import BenchError, find

SCRIPTS = Path(__file__).resolve().parent / "scripts"
_GRACE_S = 20.0
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}


@dataclass(frozen=True, slots=True)
class WrkResult:
    """Of one run."""

    requests: int
    """Responses received whole, those with an error status included."""
    seconds: float
    p50_us: float
    p99_us: float
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
        errors=_errors(text),
    )


def run(
    url: str, connections: int, seconds: int, headers: Sequence[str] = (), script: str = ""
) -> WrkResult:
    """Drive `url` for whole `seconds` and return what was counted.

    Args:
        headers: `Name: value`, each sent with every request.
        script: a file name in benchmarks/scripts, or empty.

    Raises:
        BenchError: wrk failed, hung, or printed something else.
    """
    argv = [find("wrk") or "wrk", "--latency", "--timeout", "10s"]
    argv += ["-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    if script:
        argv += ["-s", str(SCRIPTS / script)]
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


def _percentile_us(text: str, percent: int) -> float:
    """Return one line of the latency distribution in microseconds; 0 if wrk gave none."""
    match = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.MULTILINE)
    return float(match[1]) * _UNITS_US[match[2]] if match else 0.0


def _errors(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    if match := re.search(r"Socket errors: (.+)", text):
        for kind, count in re.findall(r"(\w+) (\d+)", match[1]):
            found[kind] = int(count)
    if match := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        found["status"] = int(match[1])
    return {kind: count for kind, count in found.items() if count}

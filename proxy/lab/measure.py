"""What the kernel knows about processes and the machine: CPU time, memory, model, load.

Reads /proc only. The parsers are pure (text in, value out); the functions that read a pid treat a
process that has just ended as absent. Times are seconds, memory is KB (1024 bytes).
"""

import os
import platform
import re
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
"""Resolution of a process's CPU time as /proc gives it; 100 on Linux, so 10 ms."""


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields used here of one /proc/PID/stat line (proc(5))."""

    parent: int
    cpu_s: float
    """User and system time of all threads, and of the children that have been waited for."""
    started: int
    """Ticks after boot; with the pid it identifies a process."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and its descendants, in KB."""

    rss_kb: int
    """Resident pages, summed; pages shared between processes count in each."""
    pss_kb: int
    """Proportional share, summed: shared pages are divided, so the sum is honest."""
    peak_kb: int
    """The highest VmHWM of any one of the processes."""


@dataclass(frozen=True, slots=True)
class Busy:
    """CPU time of the whole machine since boot, in seconds."""

    used_s: float
    """All that is neither idle nor waiting for I/O nor stolen."""
    stolen_s: float
    """Taken by the hypervisor for others."""


def parse_stat(text: str) -> Stat:
    """Read one stat line; the command in parentheses may itself hold spaces and parentheses."""
    fields = text[text.rindex(")") + 2 :].split()
    ticks = sum(int(fields[at]) for at in (11, 12, 13, 14))
    return Stat(parent=int(fields[1]), cpu_s=ticks / TICKS_PER_S, started=int(fields[19]))


def parse_kb(text: str, name: str) -> int:
    """Return the value of a line `name:   123 kB` (status, smaps_rollup), or 0 without one."""
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) if match else 0


def parse_busy(text: str) -> Busy:
    """Read the first line of /proc/stat: user nice system idle iowait irq softirq steal ..."""
    ticks = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    used = sum(ticks[:3]) + sum(ticks[5:7])
    return Busy(used_s=used / TICKS_PER_S, stolen_s=ticks[7] / TICKS_PER_S)


def parse_cpu_model(text: str) -> str:
    """Return the first model name in /proc/cpuinfo, or `unknown`."""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else "unknown"


def stats() -> dict[int, Stat]:
    """Read every process that can be seen."""
    found: dict[int, Stat] = {}
    for name in os.listdir(PROC):
        if name.isdigit() and (text := _read(f"{PROC}/{name}/stat")):
            found[int(name)] = parse_stat(text)
    return found


def family(root: int, seen: dict[int, Stat]) -> list[int]:
    """Return `root` and its descendants, if it is among the processes of `seen`."""
    found = [root] if root in seen else []
    for pid in found:
        found.extend(child for child, stat in seen.items() if stat.parent == pid)
    return found


def identities(root: int) -> list[tuple[int, int]]:
    """Return (pid, start time) of `root` and its descendants."""
    seen = stats()
    return [(pid, seen[pid].started) for pid in family(root, seen)]


def start_time(pid: int) -> int | None:
    """Return when that process started, in ticks after boot; None if it has ended."""
    text = _read(PROC / str(pid) / "stat")
    return parse_stat(text).started if text else None


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a process with all its threads and descendants, dead ones included.

    Time of a descendant moves to its parent when that waits for it, so the sum loses nothing.
    """
    seen = stats()
    return sum(seen[pid].cpu_s for pid in family(root, seen))


def fine_cpu_seconds(roots: Iterable[int], seen: dict[int, Stat]) -> float:
    """Return the same for several processes, to the nanosecond where the scheduler tells it.

    /proc/PID/stat counts ticks of 10 ms, which is too coarse for a second of load.

    Args:
        seen: all processes (`stats`). To read them takes longer than all the rest, and is done
            twice for each load.
    """
    pids = {pid for root in roots for pid in family(root, seen)}
    return sum(_fine(pid, seen[pid]) for pid in pids)


def _fine(pid: int, stat: Stat) -> float:
    threads = (_read(path) for path in (PROC / str(pid) / "task").glob("*/schedstat"))
    running_s = sum(int(text.split()[0]) for text in threads if text) / 1e9
    # Time of threads that have ended, and of children, is in the coarse number alone.
    lost_s = stat.cpu_s - running_s
    return stat.cpu_s if lost_s > 3 / TICKS_PER_S else running_s


def memory(root: int) -> Memory:
    """Return what a process and its descendants hold now, and the peak of the largest."""
    rss, pss, peak = 0, 0, 0
    for pid in family(root, stats()):
        status = _read(PROC / str(pid) / "status")
        rss += parse_kb(status, "VmRSS")
        pss += parse_kb(_read(PROC / str(pid) / "smaps_rollup"), "Pss")
        peak = max(peak, parse_kb(status, "VmHWM"))
    return Memory(rss, pss, peak)


def generator_cpu_seconds() -> float:
    """Return the CPU time of all children that we have waited for: the load generators."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def busy() -> Busy:
    """Return the CPU time of the whole machine."""
    return parse_busy(_read(PROC / "stat"))


def machine() -> dict[str, str]:
    """Describe the machine without naming it."""
    total_kb = parse_kb(_read(PROC / "meminfo"), "MemTotal")
    return {
        "cpu": parse_cpu_model(_read(PROC / "cpuinfo")),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{total_kb / 1024 / 1024:.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load average at start": " ".join(_read(PROC / "loadavg").split()[:3]),
    }


def _read(path: Path | str) -> str:
    """Return the text of a file of /proc; empty if the process has gone or may not be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""

"""Parsers of /proc on texts, and the readers on this very process."""

import os

from proxy.lab import measure
from proxy.lab.measure import Stat

HZ = measure.TICKS_PER_S
STAT = (
    "42 (a) b) (c) S 7 42 42 0 -1 4194304 500 0 0 0 150 50 20 5 20 0 3 0 8000 1000000 200 "
    "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0"
)


def test_stat_with_parentheses_in_the_command() -> None:
    assert measure.parse_stat(STAT) == Stat(parent=7, cpu_s=225 / HZ, started=8000)


def test_kilobytes() -> None:
    text = "Rss:   900 kB\nPss:   120 kB\nPss_Dirty:   7 kB\n"
    assert measure.parse_kb(text, "Pss") == 120
    assert measure.parse_kb(text, "VmHWM") == 0


def test_busy_leaves_out_idle_and_waiting() -> None:
    found = measure.parse_busy("cpu  10 20 30 9999 8888 1 2 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert found.used_s == 63 / HZ
    assert found.stolen_s == 7 / HZ


def test_cpu_model() -> None:
    assert measure.parse_cpu_model("processor\t: 0\nmodel name\t: Some CPU 3\n") == "Some CPU 3"
    assert measure.parse_cpu_model("") == "unknown"


def test_family_is_found_at_any_depth() -> None:
    parents = {1: 0, 5: 1, 6: 5, 7: 6, 8: 1}
    seen = {pid: Stat(parent, 0.0, 0) for pid, parent in parents.items()}
    assert sorted(measure.family(5, seen)) == [5, 6, 7]
    assert measure.family(99, seen) == []


def test_this_process() -> None:
    me = os.getpid()
    assert measure.cpu_seconds(me) > 0
    held = measure.memory(me)
    assert held.pss_kb > 0
    assert held.peak_kb > 1000
    assert measure.start_time(me) == dict(measure.identities(me))[me]
    assert measure.busy().used_s > 0
    assert measure.generator_cpu_seconds() >= 0


def test_no_such_process() -> None:
    nobody = 2**22 + 1
    assert measure.cpu_seconds(nobody) == 0
    assert measure.memory(nobody) == measure.Memory(0, 0, 0)
    assert measure.start_time(nobody) is None


def test_machine_is_described_and_not_named() -> None:
    found = measure.machine()
    assert set(found) == {"cpu", "cores", "memory", "kernel", "load average at start"}
    assert os.uname().nodename not in " ".join(found.values()).split()

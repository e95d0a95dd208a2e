"""A worker is killed while it is at work, and nobody else is."""

import re
import threading
from pathlib import Path

import pytest

from proxy.lab import struck
from proxy.lab.probes import Seen
from proxy.lab.processes import BenchError
from proxy.lab.report.results import Sample
from proxy.lab.stand.app import MARK
from proxy.lab.stand.topologies import Stand
from tests.lab.fake import OK
from tests.lab.stands import stand


class Killed(Stand):
    """Writes down who should be killed, and lets the request go on."""

    at_work = threading.Event()

    def kill_worker(self, pid: int) -> None:
        self.config.append(f"killed {pid}")
        self.at_work.set()


def killed(up: Stand) -> Killed:
    return Killed(up.topology, up.setup, up.port, [], [], [])


@pytest.mark.parametrize("method", struck.METHODS)
def test_the_one_at_work_is_killed(method: str, tmp_path: Path) -> None:
    other = "POST" if method == "GET" else "GET"
    (tmp_path / "u1").mkdir()
    (tmp_path / f"{MARK}{other}-9").touch()

    def answer(head: bytes) -> bytes:
        assert re.match(rf"{method} /\.lab/work/{struck.WORK_MS} ".encode(), head)
        (tmp_path / "u1" / f"{MARK}{method}-4711").touch()
        assert one.at_work.wait(30)
        return OK

    with stand(tmp_path, answer=answer) as up:
        one = killed(up)
        one.at_work.clear()
        seen = struck.strike(one, method)
    assert (seen.outcome, one.config) == ("ok", ["killed 4711"])
    assert [each.name for each in tmp_path.rglob(f"{MARK}*")] == [f"{MARK}{other}-9"]


def test_one_that_was_done_before_it_was_killed_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the lab stands still when it has seen who works."""
    monkeypatch.setattr(struck, "_PAUSE_S", 0.0)
    pids = iter((4711, 4712, 4713))

    def answer(head: bytes) -> bytes:
        one.at_work.clear()
        (tmp_path / f"{MARK}GET-{next(pids)}").touch()
        assert one.at_work.wait(30)
        return OK

    class Quick(Killed):
        """Its first two workers are done when the signal comes."""

        def kill_worker(self, pid: int) -> None:
            if pid != 4713:
                (tmp_path / f"{MARK}GET-{pid}").unlink()
            super().kill_worker(pid)

    with stand(tmp_path, answer=answer) as up:
        one = Quick(up.topology, up.setup, up.port, [], [], [])
        assert struck.strike(one, "GET").outcome == "ok"
    assert one.config == ["killed 4711", "killed 4712", "killed 4713"]
    assert not list(tmp_path.rglob(f"{MARK}*"))


def test_a_front_end_that_has_nobody_is_asked_again_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(struck, "PATIENCE_S", 0.2)
    asked: list[bytes] = []

    def answer(head: bytes) -> bytes:
        asked.append(head)
        return b"HTTP/1.1 502 no\r\nContent-Length: 0\r\n\r\n"

    with (
        stand(tmp_path, answer=answer) as up,
        pytest.raises(BenchError, match=r"at a GET of /\.lab/work/600 within 0\.2 s; .*502$"),
    ):
        struck.strike(killed(up), "GET")
    assert asked


def test_a_front_end_that_has_nobody_for_a_while_is_asked_until_it_has(tmp_path: Path) -> None:
    """As nginx before two single workers, when both have failed within ten seconds."""
    asked: list[bytes] = []

    def answer(head: bytes) -> bytes:
        asked.append(head)
        if len(asked) < 4:
            return b"HTTP/1.1 502 no\r\nContent-Length: 0\r\n\r\n"
        (tmp_path / f"{MARK}GET-4711").touch()
        assert one.at_work.wait(30)
        return OK

    with stand(tmp_path, answer=answer) as up:
        one = killed(up)
        one.at_work.clear()
        seen = struck.strike(one, "GET")
    assert (seen.outcome, one.config, len(asked)) == ("ok", ["killed 4711"], 4)


def test_it_is_noted_as_single_requests_are() -> None:
    sample = Sample(0)
    struck.note(sample, "GET", Seen("5xx", 502))
    struck.note(sample, "POST", Seen("empty"))
    assert sample.notes == ["struck-GET: 502", "struck-POST: empty"]
    assert sample.values["struck-GET:answered"] == sample.values["struck-POST:asked"] == 1
    assert not sample.values["struck-GET:ok"]
    assert not sample.values["struck-POST:answered"]

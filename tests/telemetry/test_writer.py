"""The thread that writes: bounds, the end, forks, bugs."""

import os
import threading

import pytest

from proxy.telemetry.writer import Writer, ahead_s
from tests.telemetry.shelf import WAIT_S, Shelf


def as_text(batch: list[int]) -> list[bytes]:
    return [b"%d" % number for number in batch]


def writer(shelf: Shelf, most: int = 10, size: int = 1000) -> Writer[int]:
    return Writer(shelf, as_text, "test", most, size)


def test_nothing_to_write_takes_no_thread() -> None:
    shelf = Shelf()
    one = writer(shelf)
    assert one.flush(0.0)
    assert one.close()
    assert shelf.closed


def test_lines_come_in_order() -> None:
    shelf = Shelf()
    one = writer(shelf)
    one.put([1, 2], 2)
    one.put([3], 1)
    assert one.flush(WAIT_S)
    assert shelf.lines == [b"1", b"2", b"3"]
    one.reopen()
    one.put([4], 1)
    assert one.close()
    assert (shelf.before, shelf.lines) == ([b"1", b"2", b"3"], [b"4"])


def test_what_is_too_much_is_lost_and_counted() -> None:
    shelf = Shelf(held=True)
    one = writer(shelf, most=3)
    one.put([1, 2], 2)
    one.put([3, 4, 5], 3)
    assert one.lost == 2
    one.put([6], 990)
    assert one.lost == 3
    assert one.trouble == "the writer is behind"
    shelf.go.set()
    assert one.flush(WAIT_S)
    one.put([7], 1)  # there is room again
    assert one.close()
    assert shelf.lines == [b"1", b"2", b"3", b"7"]
    assert one.lost == 3


def test_a_destination_that_is_stuck_does_not_hold_up_the_end() -> None:
    shelf = Shelf(held=True)
    one = writer(shelf)
    one.put([1], 1)
    assert not one.flush(0.01)
    assert not one.close(0.01)
    assert not shelf.closed
    shelf.go.set()
    assert one.close(WAIT_S)
    assert shelf.closed


def test_what_cannot_be_written_is_lost() -> None:
    shelf = Shelf(trouble="No space left on device")
    one = writer(shelf)
    one.put([1, 2], 2)
    assert one.close()
    assert one.lost == 2
    assert one.trouble == "No space left on device"


def test_without_a_thread_lines_are_lost_until_there_can_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    shelf = Shelf()
    one = writer(shelf, most=3)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        for _ in range(3):
            one.put([1, 2], 500)
        one.reopen()
        assert one.flush(0.0)
        assert (one.lost, one.trouble) == (6, "can't start new thread")
    one.put([3, 4], 500)
    assert one.close()
    assert (shelf.lines, one.lost) == ([b"3", b"4"], 6)


def test_a_bug_costs_lines_and_nothing_else() -> None:
    shelf = Shelf()

    def render(batch: list[int]) -> list[bytes]:
        return [b"%d" % (1 // number) for number in batch]

    one = Writer(shelf, render, "test", 10, 1000)
    one.put([0], 1)
    one.put([1], 1)
    assert one.close()
    assert shelf.lines == [b"1"]
    assert one.lost == 1
    assert "ZeroDivisionError" in one.trouble


def test_a_child_process_has_a_thread_of_its_own() -> None:
    shelf = Shelf()
    one = writer(shelf)
    one.put([1], 1)
    assert one.flush(WAIT_S)
    child = os.fork()
    if not child:  # only a fork can show this
        one.put([2], 1)
        written = one.flush(WAIT_S) and shelf.lines == [b"1", b"2"]
        os._exit(0 if written else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert one.close()
    assert shelf.lines == [b"1"]


def test_the_clocks_differ_by_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    monkeypatch.setattr("time.monotonic", lambda: 400.0)
    assert ahead_s() == 600.0


def test_it_can_rest_and_go_on() -> None:
    """Before a fork there is no thread; the next line brings one."""
    shelf = Shelf()
    one = writer(shelf)
    one.rest(WAIT_S)
    one.put([1], 1)
    threads = threading.active_count()
    one.rest(WAIT_S)
    assert threading.active_count() == threads - 1
    assert shelf.lines == [b"1"]
    one.put([2], 1)
    assert one.flush(WAIT_S)
    assert shelf.lines == [b"1", b"2"]
    assert one.fileno() == -1
    assert one.close()


def test_a_writer_that_hangs_does_not_rest_and_loses_nothing() -> None:
    shelf = Shelf(held=True)
    one = writer(shelf)
    one.put([1], 1)
    assert shelf.busy.wait(WAIT_S)
    one.rest(0)
    one.put([2], 1)
    shelf.go.set()
    one.flush(0.1)  # behind the end of the thread: only what comes next begins a new one
    one.put([3], 1)
    assert one.flush(WAIT_S)
    assert shelf.lines == [b"1", b"2", b"3"]
    assert one.close()

"""Two minutes of rates and latencies."""

from proxy import errors
from proxy.control.history import MAX_BACKENDS, SECONDS, WINDOW_S, History
from proxy.control.numbers import add_up, empty
from tests.control.scene import Scene, a


def test_rates_and_latencies_of_a_second() -> None:
    scene, history = Scene(), History()
    history.add(scene.numbers, 10.0)
    for _ in range(8):
        scene.happen(seconds=0.02)
    for _ in range(2):
        scene.happen(502, errors.EOF_BEFORE_HEADERS, at=1, seconds=0.02)
    history.add(scene.numbers, 12.0)
    (point,) = history.total
    assert (point["rate"], point["failed"]) == (5.0, 1.0)
    assert 10 < (point["p50"] or 0) < 25
    (other,) = history.backends[a(1)]
    assert (other["rate"], other["failed"]) == (1.0, 1.0)
    window = history.window()
    assert (window["seconds"], window["requests"]) == (2.0, 10)
    assert window["errors"] == {"eof_before_headers": 2}


def test_without_requests_there_is_no_latency() -> None:
    history = History()
    assert history.window()["rate"] == 0
    for second in range(3):
        history.add(empty(), float(second))
    assert (
        list(history.total)
        == [{"rate": 0.0, "failed": 0.0, "p50": None, "p95": None, "p99": None}] * 2
    )


def test_it_is_bounded() -> None:
    history = History()
    numbers = empty()
    backend = {"attempts": 1, "failures": 0, "first_byte": {}}
    numbers["backends"] = {str(n): backend for n in range(2 * MAX_BACKENDS)}
    for second in range(2 * SECONDS):
        history.add(numbers, float(second))
    assert len(history.total) == SECONDS
    assert len(history.backends) == MAX_BACKENDS
    assert len(history.backends["0"]) == SECONDS
    assert history.window()["seconds"] == WINDOW_S
    history.keep({"1"})
    assert set(history.backends) == {"1"}


def test_a_process_that_begins_anew_makes_nothing_negative() -> None:
    scene, history = Scene(), History()
    scene.happen()
    history.add(scene.numbers, 1.0)
    history.add(add_up([]), 2.0)
    assert history.total[0]["rate"] == 0
    history.add(add_up([]), 2.0)  # no time has passed: nothing can be said
    assert len(history.total) == 1

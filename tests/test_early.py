"""Signals that come too early. What a whole process makes of them is in tests/lifecycle."""

import signal

from proxy.early import kept_signals


def test_what_comes_early_is_delivered_later_in_order() -> None:
    heard: list[int] = []
    with kept_signals() as deliver:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        before = {
            number: signal.signal(number, lambda number, frame: heard.append(number))
            for number in (signal.SIGTERM, signal.SIGUSR1)
        }
        assert heard == []
        deliver()
        deliver()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGUSR1, signal.SIGTERM]


def test_a_second_one_ends_at_once() -> None:
    codes: list[int] = []
    with kept_signals(codes.append):
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        assert codes == []
        signal.raise_signal(signal.SIGINT)
    assert codes == [128 + signal.SIGINT]


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with kept_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before

"""What several findings amount to, and how one is shown."""

import pytest

from proxy.upstream.checks.verdict import Finding, Result, Verdict, combine

BAD, BUSY, GOOD, UNKNOWN = Verdict.BAD, Verdict.BUSY, Verdict.GOOD, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "good"),
    [
        ((GOOD,), True),
        ((BAD,), False),
        ((BUSY,), None),
        ((UNKNOWN,), None),
        ((), None),
        ((GOOD, BAD), False),
        ((BAD, GOOD, GOOD), False),
        ((BUSY, BAD), False),
        ((GOOD, BUSY), None),
        ((GOOD, UNKNOWN), True),
        ((UNKNOWN, BAD), False),
        ((UNKNOWN, BUSY), None),
    ],
)
def test_the_worst_decides_and_the_unknown_does_not(
    verdicts: tuple[Verdict, ...], good: bool | None
) -> None:
    assert combine(verdicts) is good


def test_a_result_is_one_line() -> None:
    plain = Result("connect", Finding(GOOD), 5.0, 0.0004)
    assert str(plain) == "connect: good, ok, 0.000 s"
    bad = Finding(BAD, "bad_status", "503 Service Unavailable")
    assert str(Result("http /", bad, 5.0, 0.0123)) == (
        "http /: bad, bad_status, 0.012 s (503 Service Unavailable)"
    )
    warned = Finding(GOOD, warning="maintenance soon")
    assert str(Result("ping", warned, 5.0, 0.1)) == (
        "ping: good, ok, 0.100 s, warning: maintenance soon"
    )

"""Retries: every condition with every method in every phase, and nginx's rules by number."""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import ALL, Reason
from proxy.settings import Condition, RetrySettings
from proxy.upstream.health import Outcome
from proxy.upstream.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    condition_of,
    condition_of_status,
    outcome_of,
    outcome_of_reply,
)

CONDITIONS: tuple[Condition, ...] = get_args(Condition)
CAUSES = tuple(condition for condition in CONDITIONS if condition != "non_idempotent")
TWICE_IS_ONCE = (b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PROPFIND", b"QUERY", b"post")
TWICE_IS_TWICE = (b"POST", b"LOCK", b"PATCH")
METHODS = TWICE_IS_ONCE + TWICE_IS_TWICE


def fail(
    condition: Condition | None = "error",
    method: bytes = b"GET",
    *,
    nothing_sent: bool = False,
    tries: int = 1,
    elapsed_s: float = 0,
    others: int = 1,
    is_repeatable: bool = True,
    is_answered: bool = False,
) -> Failure:
    return Failure(
        condition, method, nothing_sent, tries, elapsed_s, others, is_repeatable, is_answered
    )


def policy(*conditions: Condition, tries: int = 0, timeout_s: float = 0) -> RetryPolicy:
    return RetryPolicy(RetrySettings(conditions=conditions, tries=tries, timeout_s=timeout_s))


DEFAULT = RetryPolicy(RetrySettings())
EVERYTHING = policy(*CONDITIONS)


# -- the whole table ------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", CAUSES)
@pytest.mark.parametrize("method", METHODS)
def test_once_begun_a_request_is_repeated_if_that_does_no_harm(
    condition: Condition, method: bytes
) -> None:
    """6.3, for all conditions: with the word, without it, with it and nothing else."""
    failure = fail(condition, method)
    assert policy(condition).allows(failure) is (method in TWICE_IS_ONCE)
    assert policy(condition, "non_idempotent").allows(failure)
    assert not policy(*(c for c in CONDITIONS if c != condition)).allows(failure)
    assert not policy("non_idempotent").allows(failure)


@pytest.mark.parametrize("condition", CAUSES)
@pytest.mark.parametrize("method", METHODS)
def test_before_that_it_is_repeated_whatever_it_is(condition: Condition, method: bytes) -> None:
    """6.3: a connect that fails is retried, also for POST, also with an unbuffered upload."""
    for is_repeatable in (True, False):
        failure = fail(condition, method, nothing_sent=True, is_repeatable=is_repeatable)
        assert policy(condition).allows(failure)
        assert not policy(*(c for c in CONDITIONS if c != condition)).allows(failure)


@pytest.mark.parametrize(
    ("condition", "method", "nothing_sent"), list(product(CAUSES, METHODS, (True, False)))
)
def test_what_forbids_every_retry(condition: Condition, method: bytes, nothing_sent: bool) -> None:
    assert EVERYTHING.allows(fail(condition, method, nothing_sent=nothing_sent))
    assert not EVERYTHING.allows(
        fail(condition, method, nothing_sent=nothing_sent, is_answered=True)
    )
    assert not EVERYTHING.allows(fail(condition, method, nothing_sent=nothing_sent, others=0))
    assert not policy().allows(fail(condition, method, nothing_sent=nothing_sent))  # 6.8: off


@pytest.mark.parametrize("nothing_sent", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_the_backends_is_never_retried(method: bytes, nothing_sent: bool) -> None:
    assert not EVERYTHING.allows(fail(None, method, nothing_sent=nothing_sent))
    assert not EVERYTHING.allows(fail("non_idempotent", method, nothing_sent=nothing_sent))


def test_the_defaults() -> None:
    """6.1 and 6.2: error and timeout, not invalid_header, no status."""
    assert [c for c in CAUSES if DEFAULT.allows(fail(c))] == ["error", "timeout"]


def test_an_upload_that_passes_through_cannot_be_repeated() -> None:
    """6.4"""
    assert not EVERYTHING.allows(fail(method=b"PUT", is_repeatable=False))


@pytest.mark.parametrize(
    ("limit", "tries", "allowed"),
    [(0, 1, True), (0, 99, True), (1, 1, False), (2, 1, True), (2, 2, False), (3, 2, True)],
)
def test_tries(limit: int, tries: int, allowed: bool) -> None:
    """6.6: the first counts; 0 is limited by the backends alone."""
    assert policy("error", tries=limit).allows(fail(tries=tries)) is allowed


@pytest.mark.parametrize(
    ("limit_s", "elapsed_s", "allowed"),
    [(0, 1e6, True), (2, 0, True), (2, 1.9, True), (2, 2, False), (2, 3, False)],
)
def test_timeout(limit_s: float, elapsed_s: float, allowed: bool) -> None:
    assert policy("error", timeout_s=limit_s).allows(fail(elapsed_s=elapsed_s)) is allowed


def test_a_reply_passes_when_no_other_could_do_better() -> None:
    """6.7, without nginx's trap: the last backend's 503 goes to the client."""
    retrying = policy("http_503", tries=3)
    assert retrying.allows(fail("http_503", others=1))
    assert not retrying.allows(fail("http_503", others=0))
    assert not retrying.allows(fail("http_503", tries=3, others=1))


def test_most_statuses_are_not_watched() -> None:
    """6.1: 502 and 504 have no word."""
    assert not DEFAULT.watched
    watched = sorted(EVERYTHING.watched)
    assert watched == [403, 404, 429, 500, 503]
    assert policy("http_404").watched == {404}


# -- words ----------------------------------------------------------------------------------------

ABSENT = (errors.SOCKET_MISSING, errors.CONNECT_REFUSED)
ERROR = (
    *ABSENT,
    errors.PERMISSION_DENIED,
    errors.CONNECT_FAILED,
    errors.BACKLOG_FULL,
    errors.EOF_BEFORE_HEADERS,
    errors.RESET_BEFORE_HEADERS,
    errors.EOF_MID_HEADERS,
    errors.NOT_UWSGI,
)
TIMEOUT = (errors.CONNECT_TIMEOUT, errors.SEND_TIMEOUT, errors.READ_TIMEOUT)
INVALID = (errors.BAD_REPLY_HEAD, errors.REPLY_HEAD_TOO_LARGE)


@pytest.mark.parametrize("reason", ALL.values(), ids=ALL)
def test_each_reason_has_its_word_and_its_weight(reason: Reason) -> None:
    """6.2 and 6.11; whose word is missing was the client's or ours, or came too late (6.5)."""
    condition, outcome = condition_of(reason), outcome_of(reason)
    words = {"error": ERROR, "timeout": TIMEOUT, "invalid_header": INVALID}
    assert condition == next((word for word in words if reason in words[word]), None)
    if reason in ABSENT:
        assert outcome is Outcome.ABSENT
    elif reason is errors.BACKLOG_FULL:
        assert outcome is Outcome.BUSY
    else:
        assert outcome is (Outcome.BAD if condition else Outcome.NEUTRAL)


def test_only_the_backends_side_is_blamed() -> None:
    for reason in ALL.values():
        if condition_of(reason):
            assert reason.blame in (errors.Blame.BACKEND, errors.Blame.OPERATOR)


@pytest.mark.parametrize("status", range(100, 600))
def test_replies_that_count_as_failures(status: int) -> None:
    """6.11: only with a retry; 403 and 404 never."""
    assert outcome_of_reply(status, retried=False) is Outcome.GOOD
    counts = status in (429, 500, 503)
    assert outcome_of_reply(status, retried=True) is (Outcome.BAD if counts else Outcome.GOOD)
    word = f"http_{status}"
    assert condition_of_status(status) == (word if word in CONDITIONS else None)


# -- the budget -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "minimum", "active", "places"),
    [
        (20, 3, 0, 3),
        (20, 3, 15, 3),
        (20, 3, 19, 3),
        (20, 3, 20, 4),
        (20, 3, 1000, 200),
        (20, 0, 4, 0),
        (20, 0, 5, 1),
        (0, 3, 1000, 3),
        (0, 0, 1000, 0),
        (100, 0, 7, 7),
    ],
)
def test_places(percent: int, minimum: int, active: int, places: int) -> None:
    budget = RetryBudget(percent, minimum)
    assert [budget.begin(active) for _ in range(places + 2)] == [True] * places + [False] * 2
    assert (budget.running, budget.refused) == (places, 2)


def test_a_place_is_given_back() -> None:
    budget = RetryBudget(20, 1)
    assert budget.begin(1)
    assert not budget.begin(1)
    budget.end()
    assert budget.begin(1)


def test_more_ends_than_begins_are_a_mistake() -> None:
    with pytest.raises(AssertionError):
        RetryBudget(20, 3).end()


@given(
    st.integers(0, 100),
    st.integers(0, 5),
    st.lists(st.one_of(st.none(), st.integers(0, 200)), max_size=60),
)
def test_never_over_the_budget(percent: int, minimum: int, steps: list[int | None]) -> None:
    """A number asks for a place while so many requests are active, None gives one back."""
    budget, running = RetryBudget(percent, minimum), 0
    for active in steps:
        if active is None:
            if running:
                budget.end()
                running -= 1
        else:
            limit = max(minimum, percent * active / 100)
            began = budget.begin(active)
            assert began is (running + 1 <= limit)
            running += began
        assert budget.running == running

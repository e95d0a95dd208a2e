"""The closed list of reasons, and the errors that carry them."""

import re

import pytest

from proxy import errors
from proxy.errors import Blame, ClientGone, ProxyError, Reason


def test_each_reason_has_a_word_of_its_own() -> None:
    named = [value for value in vars(errors).values() if isinstance(value, Reason)]
    assert len(errors.ALL) == len(named) + len(errors.BAD_REQUEST)
    assert all(errors.ALL[reason.word] is reason for reason in named)
    assert all(errors.ALL[word] is reason for word, reason in errors.BAD_REQUEST.items())


@pytest.mark.parametrize("reason", errors.ALL.values(), ids=list(errors.ALL))
def test_each_reason_is_fit_for_a_label_and_says_what_to_do(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", reason.word)
    assert 400 <= reason.status <= 599 or reason is errors.SHUTDOWN_CUT
    assert len(reason.next_step) > 10
    assert reason.next_step.isprintable()


@pytest.mark.parametrize("reason", errors.ALL.values(), ids=list(errors.ALL))
def test_a_status_fits_its_blame(reason: Reason) -> None:
    if reason.blame in (Blame.BACKEND, Blame.OPERATOR):
        assert reason.status >= 500 or reason is errors.UNSAFE_REDIRECT
    if reason.blame is Blame.CLIENT:
        assert reason.status < 500 or reason.status in (500, 501, 505)
    # These are for the log: the client is not there, or not listening, or has been cut off.
    assert reason.answered is (reason.status not in (408, 499, 0))


def test_the_text_is_the_word_and_what_was_seen() -> None:
    assert str(ProxyError(errors.READ_TIMEOUT)) == "read_timeout"
    assert str(ProxyError(errors.READ_TIMEOUT, "after 60 s")) == "read_timeout: after 60 s"


def test_a_client_that_has_gone() -> None:
    error = ClientGone()
    assert (error.reason, error.detail, error.nothing_sent) == (errors.CLIENT_GONE, "", False)

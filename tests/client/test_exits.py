from proxy import errors
from proxy.client.exits import EMPTY_REPLY, RECEIVE_FAILED, TIMED_OUT, code_of


def test_codes() -> None:
    assert code_of(errors.EOF_BEFORE_HEADERS) == EMPTY_REPLY
    assert code_of(errors.BAD_REQUEST["bad_host"]) == RECEIVE_FAILED
    assert all(code_of(reason) > 0 for reason in errors.ALL.values())
    late = [reason for reason in errors.ALL.values() if code_of(reason) == TIMED_OUT]
    assert all("timeout" in reason.word for reason in late)

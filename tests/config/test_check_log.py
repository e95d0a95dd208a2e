"""Logs that cannot be written as they were asked for."""

import pytest

from proxy.config.check_log import complaints
from proxy.settings import IdentitySettings, LogSettings, PacketSettings, Settings


def wrong(**values: object) -> list[str]:
    return list(complaints(Settings(log=LogSettings(**values))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"access_log": "", "access_format": "json"},
        {"access_log": "syslog:server=unix:/dev/log", "error_log": "syslog:server=a:1,tag=b"},
        {"access_log": "/x/y", "access_format": "$status ${reason}", "error_log": "/x/z"},
    ],
)
def test_what_can_be_written(values: dict[str, object]) -> None:
    assert wrong(**values) == []


def test_what_cannot() -> None:
    assert wrong(access_format="$statsu", access_log="syslog:a", error_log="") == [
        "--access-log-format: $statsu: there is no such variable; did you mean $status?",
        "--error-log: needs a place; write - for standard error, or /dev/null",
        "--access-log syslog:a: a: choose server, facility, severity, tag, nohostname",
    ]
    assert wrong(error_log="syslog:server=a,tag=") == []
    assert len(wrong(error_log="off")) == 1  # and no file of that name


def test_a_name_that_nobody_gives() -> None:
    assert wrong(access_format="$trace_id $request_id $status") == [
        "--access-log-format: $request_id is unknown without --request-id; add --request-id new",
        "--access-log-format: $trace_id is unknown without --traceparent; add --traceparent new",
    ]
    named = IdentitySettings(request_id="new", traceparent="accept")
    log = LogSettings(access_format="$trace_id $request_id")
    assert list(complaints(Settings(log=log, identity=named))) == []


def test_identities_that_contradict_others() -> None:
    identity = IdentitySettings(request_id_response=True, traceparent="new")
    packet = PacketSettings(params=(("HTTP_TRACEPARENT", "x"), ("HTTP_X_REQUEST_ID", "y")))
    assert list(complaints(Settings(identity=identity, packet=packet))) == [
        "--request-id-response: there is nothing to tell; add --request-id new",
        "--param HTTP_TRACEPARENT: --traceparent sets this variable; leave one of them out",
    ]
    assert list(complaints(Settings(identity=IdentitySettings(otel=True)))) == [
        "--otel: spans need a trace; add --traceparent accept, or new"
    ]
    identity = IdentitySettings(request_id="new")
    assert list(complaints(Settings(identity=identity, packet=packet))) == [
        "--param HTTP_X_REQUEST_ID: --request-id sets this variable; leave one of them out",
    ]

"""Logs that cannot be written as they were asked for."""

import pytest

from proxy.config.check_log import complaints
from proxy.settings import LogSettings, Settings


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
        "--error-log: no place; write - for standard error",
        "--access-log syslog:a: a: choose server, facility, severity, tag, nohostname",
    ]
    assert wrong(error_log="syslog:server=a,tag=") == []

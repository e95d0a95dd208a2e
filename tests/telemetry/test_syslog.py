"""What stands behind `syslog:`, and the head of a message."""

import time

import pytest

from proxy.settings import Address
from proxy.telemetry.syslog import SyslogSpec, parse_syslog


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("syslog:server=unix:/dev/log", SyslogSpec(Address(path="/dev/log"))),
        ("syslog:server=10.0.0.1", SyslogSpec(Address(host="10.0.0.1"))),
        ("syslog:server=logs.example:5140", SyslogSpec(Address(host="logs.example", port=5140))),
        ("syslog:server=[::1]:514,nohostname", SyslogSpec(Address("::1", 514), hostname=False)),
        (
            "syslog:server=unix:/s,facility=user,tag=app_1,severity=notice",
            SyslogSpec(Address(path="/s"), "user", "notice", "app_1"),
        ),
    ],
)
def test_what_is_understood(text: str, spec: SyslogSpec) -> None:
    assert parse_syslog(text) == spec


EXAMPLE = "write syslog:server=unix:/dev/log"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("syslog:", "nothing: choose server, facility, severity, tag, nohostname"),
        ("syslog:tag=a", f"no server; {EXAMPLE}"),
        ("syslog:server=unix:", f"server=unix:: no path; {EXAMPLE}"),
        ("syslog:server=a b", f"server=a b: not an address; {EXAMPLE} or server=10.0.0.1:514"),
        (
            "syslog:server=a:99999",
            f"server=a:99999: not an address; {EXAMPLE} or server=10.0.0.1:514",
        ),
        ("syslog:sever=a", "sever: did you mean server?"),
        ("syslog:server=a,facility=locl7", "facility=locl7: did you mean local7?"),
        (
            "syslog:server=a,severity=information",
            "severity=information: choose emerg, alert, crit, error, warn, notice, info, debug",
        ),
        ("syslog:server=a,tag=a-b", "tag=a-b: letters, digits and _ only, 32 of them at most"),
        ("syslog:server", f"server: {EXAMPLE},facility=local7,tag=name,severity=info"),
        ("syslog:server=a,server=b", f"server=b: {EXAMPLE},facility=local7,tag=name,severity=info"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_syslog(text)
    assert str(caught.value) == message


def test_the_head_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "web1")
    stamp = time.struct_time((2026, 11, 2, 3, 4, 5, 0, 306, 0))
    monkeypatch.setattr("time.localtime", lambda: stamp)
    spec = SyslogSpec(Address(path="/dev/log"))
    assert spec.head() == b"<190>Nov  2 03:04:05 web1 uwsgi_frontend: "
    short = SyslogSpec(Address(path="/dev/log"), "kern", "emerg", "a", hostname=False)
    assert short.head() == b"<0>Nov  2 03:04:05 a: "

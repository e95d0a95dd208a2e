"""What nginx's `syslog:` destination says, and the head of each message (RFC 3164).

    syslog:server=ADDRESS[,facility=local7][,severity=info][,tag=uwsgi_frontend][,nohostname]

ADDRESS is `unix:/dev/log`, or a host with or without a port, UDP.
"""

import difflib
import re
import socket
import time
from dataclasses import dataclass

from protocol.uri import MAX_PORT
from proxy.settings import Address
from proxy.telemetry.moment import MONTHS

DEFAULT_PORT = 514

_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3"),
    *("local4", "local5", "local6", "local7"),
)
_SEVERITIES = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_TAG = re.compile(r"[A-Za-z0-9_]{1,32}")
_EXAMPLE = "write syslog:server=unix:/dev/log"


@dataclass(frozen=True, slots=True)
class SyslogSpec:
    """Where messages go, and what is in front of each."""

    server: Address
    facility: str = "local7"
    severity: str = "info"
    tag: str = "uwsgi_frontend"
    hostname: bool = True

    def head(self) -> bytes:
        """Return `<190>Nov 21 21:36:44 host tag: `."""
        number = _FACILITIES.index(self.facility) * 8 + _SEVERITIES.index(self.severity)
        now = time.localtime()
        when = f"{MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {time.strftime('%H:%M:%S', now)}"
        host = f"{socket.gethostname()} " if self.hostname else ""
        return f"<{number}>{when} {host}{self.tag}: ".encode()


def parse_syslog(text: str) -> SyslogSpec:
    """Return what `syslog:server=...` says.

    Raises:
        ValueError: with one line on what is wrong.
    """
    values: dict[str, str] = {}
    for word in text.removeprefix("syslog:").split(","):
        name, equals, value = word.strip().partition("=")
        if name not in _PARSERS:
            raise ValueError(f"{name or 'nothing'}: {_choose(name, tuple(_PARSERS))}")
        if bool(equals) is (name == "nohostname") or name in values:
            raise ValueError(f"{word}: {_EXAMPLE},facility=local7,tag=name,severity=info")
        values[name] = value
    if "server" not in values:
        raise ValueError(f"no server; {_EXAMPLE}")
    return SyslogSpec(
        server=_parse_server(values.pop("server")),
        hostname="nohostname" not in values,
        **{name: _PARSERS[name](name, value) for name, value in values.items() if value},
    )


def _parse_word(name: str, value: str) -> str:
    words = _FACILITIES if name == "facility" else _SEVERITIES
    if value not in words:
        raise ValueError(f"{name}={value}: {_choose(value, words)}")
    return value


def _parse_tag(name: str, value: str) -> str:
    if not _TAG.fullmatch(value):
        raise ValueError(f"tag={value}: letters, digits and _ only, 32 of them at most")
    return value


def _choose(word: str, words: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else "choose " + ", ".join(words)


def _parse_server(text: str) -> Address:
    """Return where syslog listens; port 0 for its usual one."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path:
            raise ValueError(f"server={text}: no path; {_EXAMPLE}")
        return Address(path=path)
    match = _HOST.fullmatch(text)
    port = int(match[3] or 0) if match is not None else 0
    if match is None or port > MAX_PORT:
        raise ValueError(f"server={text}: not an address; {_EXAMPLE} or server=10.0.0.1:514")
    return Address(host=match[1] or match[2], port=port)


_PARSERS = {
    "server": _parse_word,
    "facility": _parse_word,
    "severity": _parse_word,
    "tag": _parse_tag,
    "nohostname": _parse_word,
}

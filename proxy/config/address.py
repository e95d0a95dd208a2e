"""Addresses, from what people type to `Address`, with errors that teach.

    unix:/run/app.sock    a unix socket (a relative path counts from the working directory)
    unix:@name            a unix socket in Linux's abstract namespace
    127.0.0.1:3031        TCP; also a host name, which is resolved when it is used
    [::1]:3031            TCP over IPv6
    :8080  8080  *:8080   TCP on every IPv4 address of this machine; for listening only
    :8443 tls             the same, and clients speak TLS there; for public listeners only

Nothing is resolved or opened here. The forms are those of nginx's `listen` and `uwsgi_pass` and of
uWSGI's `--socket`.
"""

import ipaddress
import os
import re
from dataclasses import dataclass, replace

from proxy.settings import Address
from proxy.settings.address import is_ip

MAX_UNIX_PATH_BYTES = 107
"""What fits into sun_path with its closing NUL (unix(7))."""
ANY_HOST = "0.0.0.0"
DNS_PORT = 53

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9.])?")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")


@dataclass(frozen=True, slots=True)
class _Purpose:
    """What an address is for: its example in messages, and what is allowed."""

    listening: bool
    example: str


_LISTEN = _Purpose(listening=True, example="127.0.0.1:8080")
_CONNECT = _Purpose(listening=False, example="127.0.0.1:3031")
_RESOLVE = _Purpose(listening=False, example="127.0.0.1:53")
_STATS = _Purpose(listening=False, example="127.0.0.1:1717")


def parse_listen(text: str) -> Address:
    """Return an address to listen on; port 0 lets the kernel choose.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    return _parse(text.strip(), _LISTEN)


def parse_public(text: str) -> Address:
    """Return an address to listen on for everybody: with the word `tls` behind it, clients speak
    TLS there. nginx's word is `ssl`.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    words = text.removesuffix(";").split()
    if len(words) > 1 and words[-1].lower() in ("tls", "ssl"):
        return replace(_parse(text[: text.rindex(words[-1])].strip(), _LISTEN), tls=True)
    if len(words) > 1 and not words[0].startswith("unix:"):
        raise ValueError(f"{words[-1]!r} is no word for a listener; the only one is tls")
    return _parse(text.strip(), _LISTEN)


def parse_connect(text: str) -> Address:
    """Return the address of a backend; it needs a host and a port.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    return _parse(text.strip(), _CONNECT)


def parse_stats(text: str) -> Address:
    """Return the address of a stats server, which is not asked in uwsgi.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    return _parse(text.strip(), _STATS)


def parse_subscribe(text: str) -> Address:
    """Return the address for announcements; there, uWSGI's `host:port:key` is without the key.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    word = text.strip()
    if match := re.fullmatch(r"([A-Za-z0-9.*-]*:[0-9]+):[^:]+", word):
        raise ValueError(f"keys are for the instances that announce themselves; write {match[1]}")
    return _parse(word, _LISTEN)


def parse_service_host(text: str) -> Address:
    """Return the name that SRV records are looked for under, with port 0, since they bring it.

    A text with a port is read as `parse_connect` would; it is for `check` to say that it is wrong.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    if _HOST.fullmatch(text):
        return Address(host=text)
    return parse_connect(text)


def parse_resolver(text: str) -> Address:
    """Return the address of a DNS server, on port 53 unless it says otherwise.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    word = text.strip()
    if _is_ipv6(word):
        return Address(host=word, port=DNS_PORT)
    if word.endswith("]") or (_HOST.fullmatch(word) and not word.isdecimal()):
        word += f":{DNS_PORT}"
    address = _parse(word, _RESOLVE)
    if address.is_unix or not is_ip(address.host):
        raise ValueError("not an IP address; a name would need a resolver itself")
    return address


def _parse(text: str, purpose: _Purpose) -> Address:
    if "\0" in text:
        raise ValueError("contains a NUL byte")
    if text.startswith("unix:"):
        return Address(path=_unix_path(text.removeprefix("unix:")))
    if text.startswith("["):
        return _bracketed(text, purpose)
    if purpose.listening and text.isascii() and text.isdecimal():
        return Address(host=ANY_HOST, port=_port(text, purpose))
    if text.count(":") != 1 or "/" in text:
        raise ValueError(_why_no_address(text, purpose))
    host, _, port = text.partition(":")
    return Address(host=_host(host, port, purpose), port=_port(port, purpose))


def _unix_path(path: str) -> str:
    if path.startswith("///"):  # unix:///run/app.sock, as container tools write it
        path = path[2:]
    if path.startswith("//"):
        raise ValueError(f"too many slashes; write unix:{path[1:]}")
    if path in ("", "@"):
        raise ValueError("names no socket; write unix:/run/app.sock or unix:@name")
    if path.endswith("/"):
        raise ValueError("a directory; name the socket in it, as unix:/run/app.sock")
    size = len(os.fsencode(path))
    if size > MAX_UNIX_PATH_BYTES:
        raise ValueError(
            f"the path has {size} bytes and the kernel takes {MAX_UNIX_PATH_BYTES} at most; "
            "choose a shorter one, or one relative to the working directory"
        )
    return "\0" + path[1:] if path.startswith("@") else path


def _bracketed(text: str, purpose: _Purpose) -> Address:
    host, closed, rest = text[1:].partition("]")
    if host.startswith("unix:"):
        raise ValueError("brackets are for IPv6; write the addresses without them")
    if not closed:
        raise ValueError("no closing bracket; write it like [::1]:8080")
    if not _is_ipv6(host):
        raise ValueError(f"brackets are for IPv6, and {host or 'nothing'} is not an IPv6 address")
    if not rest.startswith(":"):
        raise ValueError(f"no port; write [{host}]:{purpose.example.rpartition(':')[2]}")
    if not purpose.listening and ipaddress.IPv6Address(host).is_unspecified:
        raise ValueError(f"[{host}] is for listening only; write [::1]{rest}")
    return Address(host=host, port=_port(rest[1:], purpose))


def _host(host: str, port: str, purpose: _Purpose) -> str:
    if purpose.listening and host in ("", "*"):
        return ANY_HOST
    if host in ("", "*", ANY_HOST) and not purpose.listening:
        raise ValueError(f"names no machine to connect to; write 127.0.0.1:{port}")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name or an address")
    if not host.strip("0123456789."):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(f"{host} is not an IPv4 address") from None
    return host


def _port(text: str, purpose: _Purpose) -> int:
    if not text:
        raise ValueError(f"no port after the colon; write it like {purpose.example}")
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"port {text!r} is not a number; write it like {purpose.example}")
    port = int(text) if len(text) < 10 else 1 << 16
    if port > 65535:
        raise ValueError(f"port {text} is out of range; the largest is 65535")
    if port == 0 and not purpose.listening:
        raise ValueError("port 0 lets the kernel choose, which works for listening only")
    return port


def _why_no_address(text: str, purpose: _Purpose) -> str:
    """Say what is wrong with a text that is neither `unix:` nor `host:port`."""
    if not text:
        return f"empty; write unix:/run/app.sock or {purpose.example}"
    if match := _URL.match(text):
        return _why_no_url(match[1].lower(), match[2], text[match.start(2) :], purpose)
    if "/" in text or text.startswith("@") or text.endswith((".sock", ".socket")):
        return f"not an address; did you mean unix:{text}?"
    if ":" in text:
        return _why_so_many_colons(text)
    if text.isdecimal():
        return f"a port without a host; write 127.0.0.1:{text}"
    if not _HOST.fullmatch(text):
        return f"not an address; write it like unix:/run/app.sock or {purpose.example}"
    return f"no port; write it like {text}:{purpose.example.rpartition(':')[2]}"


def _why_no_url(scheme: str, authority: str, rest: str, purpose: _Purpose) -> str:
    if scheme == "unix":
        return "not an address; write it like unix:/run/app.sock"
    plain = authority if ":" in authority else purpose.example
    if rest.startswith("unix:/"):  # http://unix:/run/app.sock:/uri, as nginx's proxy_pass has it
        plain = "unix:" + rest.removeprefix("unix:").partition(":")[0]
    if purpose.listening and scheme == "https":
        return f'a URL, not an address; for TLS write "{plain} tls"'
    if purpose is not _CONNECT or scheme not in ("http", "https"):
        return f"a URL, not an address; write {plain}"
    return (
        f"an HTTP address, but backends speak uwsgi; open a uwsgi socket (uWSGI --socket {plain}, "
        f"gunicorn --protocol uwsgi) and write {plain}"
    )


def _why_so_many_colons(text: str) -> str:
    head, _, port = text.rpartition(":")
    if _is_ipv6(head) and port.isdecimal():
        return f"an IPv6 address needs brackets; write [{head}]:{port}"
    if _is_ipv6(text):
        return f"an IPv6 address needs brackets and a port; write [{text}]:8080"
    return "more than one colon; write host:port, or [address]:port for IPv6"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True

"""Who may do what on the admin address.

Reading is open to whoever reaches the address, but not to web pages of elsewhere: a name that an
attacker lets point to 127.0.0.1 (DNS rebinding) is refused by its Host. Changing something needs a
token, or a unix socket, where the permissions of the file decide; and never comes from another
site's page, whatever that page knows.
"""

import hmac
from dataclasses import dataclass

from proxy.control.asked import Asked, Refusal
from proxy.settings import Address
from proxy.settings.address import is_ip
from proxy.token import TokenError, read_token

_WITHOUT = "--admin-token-file FILE allows it, and so does --admin unix:/path"


@dataclass(frozen=True, slots=True)
class Guard:
    """See the module. `address` is where the listener is, `hosts` the names that it may have."""

    address: Address
    token: str = ""
    token_file: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def writing(self) -> str:
        """What a change needs: `socket` for nothing more, `token`, or `off` when none is made.

        In the abstract namespace a socket has no permissions: anybody on the host can connect.
        """
        if self.address.path and not self.address.path.startswith("\0"):
            return "socket"
        return "token" if self.token or self.token_file else "off"

    def check(self, asked: Asked) -> None:
        """Find out whether a request may be answered at all.

        Raises:
            Refusal: it may not.
        """
        host = (asked.request.headers.host or b"").decode("latin-1")
        if not self._knows(host):
            raise Refusal(
                403,
                "unknown_host",
                f"this address is not known as {host[:100]!r}",
                "use its IP address or localhost, or allow the name with --admin-host",
            )

    def _knows(self, host: str) -> bool:
        name = _without_port(host).lower().rstrip(".")
        if not name or is_ip(name.strip("[]")) or name == "localhost" or name in self.hosts:
            return True
        return not self.hosts and not self._is_private

    @property
    def _is_private(self) -> bool:
        """Whether only this host can reach it: no honest client has a reason to use a name."""
        host = self.address.host
        return host == "localhost" or host.startswith("127.") or host == "::1"

    def check_change(self, asked: Asked) -> None:
        """Find out whether a request may change something.

        Raises:
            Refusal: it may not.
        """
        _check_origin(asked)
        if self.writing == "off":
            raise Refusal(403, "writing_off", "nothing can be changed on this address", _WITHOUT)
        if self.writing == "token":
            self._check_token(asked)

    def _check_token(self, asked: Asked) -> None:
        scheme, _, given = asked.header(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refusal(
                401,
                "token_missing",
                "a change needs the token of --admin-token-file",
                "send Authorization: Bearer TOKEN",
            ).with_header(b"WWW-Authenticate", b'Bearer realm="uwsgi-frontend"')
        try:
            # Read each time: a secret that is replaced counts at once.
            token = read_token(self.token_file) if self.token_file else self.token
        except TokenError as error:
            raise Refusal(
                403, "token_unreadable", f"--admin-token-file {error}", "put a token into the file"
            ) from error
        if not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise Refusal(403, "token_wrong", "this is not the token of --admin-token-file")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _check_origin(asked: Asked) -> None:
    """Refuse what a browser sends for another site's page.

    Raises:
        Refusal: this is such a request.
    """
    site = asked.header(b"sec-fetch-site")
    origin = asked.header(b"origin")
    host = (asked.request.headers.host or b"").decode("latin-1")
    same = not origin or origin.partition("://")[2].lower() == host.lower()
    if site not in ("", "same-origin", "none") or not same:
        raise Refusal(403, "cross_origin", "changes are not taken from pages of other sites")

"""What is wrong with the settings of the admin address."""

import re
from collections.abc import Iterator

from proxy.settings import ServerSettings
from proxy.token import TokenError, check_token, read_token

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


def complaints(server: ServerSettings) -> Iterator[str]:
    """Yield one line for each thing that is wrong. A token itself is never shown."""
    given = {
        "--admin-token-file": server.admin_token_file,
        "--admin-token": server.admin_token,
        "--admin-host": server.admin_hosts,
    }
    if server.admin is None:
        for flag in (flag for flag, value in given.items() if value):
            yield f"{flag}: there is no --admin that it could be for"
        return
    path = server.admin_token_file
    if path:
        try:
            read_token(path)
        except TokenError as error:
            yield f"--admin-token-file {path}: {error}"
    elif server.admin_token:
        try:
            check_token(server.admin_token)
        except TokenError as error:
            yield f"--admin-token: {error}"
    for name in server.admin_hosts:
        if not _NAME.fullmatch(name):
            yield f"--admin-host {name}: not a name; write it without scheme and port"

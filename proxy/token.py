"""A secret that allows changes on the admin address: what it has to look like, and where it is."""

MIN_CHARS = 16
"""A shorter token could be guessed."""

MAX_FILE_BYTES = 4096
"""Of the file that a token is read from."""


class TokenError(ValueError):
    """A token cannot be used; the text is one line for the operator, without the token."""


def check_token(token: str) -> str:
    """Return a token that can be used.

    Raises:
        TokenError: it is too short, or cannot stand in a header.
    """
    if len(token) < MIN_CHARS:
        raise TokenError(f"a token has at least {MIN_CHARS} characters, this one has {len(token)}")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise TokenError("a token has printable ASCII characters only, and no spaces")
    return token


def read_token(path: str) -> str:
    """Return the token in a file: its first line.

    Raises:
        TokenError: the file cannot be read, or holds no token.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise TokenError(f"cannot be read: {error.strerror}") from error
    return check_token(start.partition(b"\n")[0].decode("utf-8", "replace").strip())

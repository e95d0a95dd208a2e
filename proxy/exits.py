"""How the process ends: what its exit code means, and why it may not even start."""

import enum


class StartError(Exception):
    """It cannot start; the text is one line for the operator."""


class Exit(enum.IntEnum):
    """Exit codes; a second signal while draining ends with 128 plus its number, as shells have it.

    Two is what argument parsers use for bad input.
    """

    STOPPED = 0
    CANNOT_START = 1
    BAD_SETTINGS = 2
    CUT = 3


MEANINGS: tuple[tuple[str, str], ...] = (
    (str(int(Exit.STOPPED)), "stopped on request, and every running request was finished"),
    (str(int(Exit.CANNOT_START)), "could not start, for example because an address is in use"),
    (str(int(Exit.BAD_SETTINGS)), "the settings are wrong; standard error says how"),
    (str(int(Exit.CUT)), "stopped on request, but --shutdown-timeout cut running requests"),
    ("128+N", "a second signal, number N, ended it at once (130 for SIGINT, 143 for SIGTERM)"),
)
"""For --help and documentation."""

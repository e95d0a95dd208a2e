"""Whether logs can be written as they were asked for: formats, and what stands behind `syslog:`."""

from collections.abc import Iterator

from proxy.settings import Settings
from proxy.telemetry.log_format import compile_format
from proxy.telemetry.syslog import parse_syslog


def complaints(settings: Settings) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    log = settings.log
    try:
        compile_format(log.access_format)
    except ValueError as error:
        yield f"--access-log-format: {error}"
    if not log.error_log:
        yield "--error-log: no place; write - for standard error"
    for flag, place in (("--access-log", log.access_log), ("--error-log", log.error_log)):
        if place.startswith("syslog:"):
            try:
                parse_syslog(place)
            except ValueError as error:
                yield f"{flag} {place}: {error}"

"""When things happened, as logs say it: records have monotonic times, people have clocks."""

import time
from datetime import UTC, datetime

# strftime's %b depends on the locale; log parsers do not.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_time(seconds: float) -> str:
    """Return nginx's `$time_local`: `21/Nov/2026:21:36:44 +0000`."""
    when = time.localtime(seconds)
    return (
        f"{when.tm_mday:02d}/{MONTHS[when.tm_mon - 1]}/{when.tm_year}"
        f":{when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d} {time.strftime('%z', when)}"
    )


def iso_time(seconds: float, timespec: str = "seconds") -> str:
    """Return nginx's `$time_iso8601`: `2026-11-21T21:36:44+00:00`."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec=timespec)


class Moment:
    """When a batch of lines is written. Lines of one second share what takes long to find out.

    `ahead_s` is what to add to the monotonic times of records to get Unix time.
    """

    __slots__ = ("_iso", "_local", "ahead_s")

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self._local: dict[int, str] = {}
        self._iso: dict[int, str] = {}

    def local(self, monotonic_s: float) -> str:
        """Return a record's time as `$time_local`."""
        second = int(monotonic_s + self.ahead_s)
        text = self._local.get(second)
        if text is None:
            text = self._local[second] = local_time(second)
        return text

    def iso(self, monotonic_s: float) -> str:
        """Return a record's time as `$time_iso8601`."""
        second = int(monotonic_s + self.ahead_s)
        text = self._iso.get(second)
        if text is None:
            text = self._iso[second] = iso_time(second)
        return text

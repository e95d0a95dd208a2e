"""Puts the tables of metrics into docs/observability.md: `python docs/metrics.py`."""

from collections.abc import Iterable
from pathlib import Path

from proxy.telemetry.catalogue import OWN, Entry
from proxy.telemetry.uwsgi_catalogue import ALL

PAGE = Path(__file__).with_name("observability.md")
TABLES = {"metrics": OWN, "uwsgi": ALL}
"""The tables by the name in their marks."""


def table(entries: Iterable[Entry]) -> str:
    """Return one row for each metric."""
    rows = ["| metric | type | labels | the question that it answers |", "|---|---|---|---|"]
    for entry in entries:
        labels = ", ".join(f"`{label}`" for label in entry.labels)
        rows.append(f"| `{entry.shown}` | {entry.kind} | {labels} | {entry.question} |")
    return "\n".join(rows)


def page(text: str) -> str:
    """Return the page with its tables as they have to be now.

    Raises:
        ValueError: it has no place for one.
    """
    for name, entries in TABLES.items():
        begin, end = f"<!-- {name}: made by docs/metrics.py -->\n", f"\n<!-- end of {name} -->"
        start = text.index(begin) + len(begin)
        text = text[:start] + table(entries) + text[text.index(end) :]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
